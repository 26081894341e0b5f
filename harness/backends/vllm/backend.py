"""The engine `vllm`: what it is asked, from models on disk to completions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.backends.adapter_dir import AdapterDir
from harness.backends.effect import (
    PROBES,
    Effect,
    effect_facts,
    effect_notes,
    require_effects,
)
from harness.backends.model_dir import ModelDir
from harness.backends.shelf import Shelf, sifted
from harness.backends.values import (
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Prompt,
    Request,
)
from harness.backends.vllm.asking import in_order, longest, sampling_fields, work_of
from harness.backends.vllm.machine import describe_model, here
from harness.backends.vllm.options import choose_dtype, read_options
from harness.backends.vllm.planning import Start, plan_start
from harness.backends.vllm.probing import measure_effects
from harness.backends.vllm.serving import rank_of, unserved_problems
from harness.backends.vllm.versions import installed
from harness.chat import Messages
from harness.errors import InputError, Problem
from harness.variants import Variant

if TYPE_CHECKING:  # vLLM takes many seconds to import: only where it generates
    from harness.backends.vllm.engine import Adapter, Engine, Job, Output


class VllmBackend:
    """vLLM, one base with all its adapters in one engine.

    Opened in the run's own process it checks, hashes and makes prompts; it generates in a process
    of its own, which the registry starts (`own_process`). The engine starts with the first
    `generate`, planned for the answers that were announced with `expect`.
    """

    name = "vllm"
    holds_weights = True
    own_process = True
    constrains_json = True

    def __init__(self, options: BackendOptions) -> None:
        self._variants = options.variants
        self._trust = options.trust_remote_code
        self._vllm = installed()
        self._options = read_options(options, self._vllm)
        self._dtype = options.dtype
        self.shelf = Shelf(options.cache_dir, trust_remote_code=self._trust)
        self._expected = 0
        self._engine: Engine | None = None
        self._start: Start | None = None
        self._model = ""
        self._effects: dict[str, Effect] = {}
        problems = self.shelf.check(options.variants) or [*self._unserved()]
        if problems:
            raise InputError(*problems)

    @property
    def context_length(self) -> int | None:
        """The shortest of its models', or what the user has set."""
        told = self._options.arguments.get("max_model_len")
        lengths = [told if isinstance(told, int) else None, self.shelf.context_length]
        return min((length for length in lengths if length), default=None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was chosen, why, and what is odd about templates and adapters."""
        reasons = [self._format(v)[1] for v in self._variants]
        reasons += self._start.reasons if self._start else ()
        notes = [*filter(None, reasons), *self.shelf.notes, *effect_notes(self._effects.values())]
        return tuple(dict.fromkeys(notes))

    def environment(self, variant: Variant) -> Environment:
        """Version, format, quantisation, template, end tokens and arguments that answers show."""
        return Environment(
            engine="vllm",
            version=self._vllm.version,
            dtype=self._format(variant)[0],
            quantisation=self._quantisation(variant),
            chat_template=self.shelf.tokenizer(variant).template_hash,
            extra={**self._options.in_key, "eos": ",".join(map(str, self.shelf.eos(variant)))},
        )

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Hashes of the model's and the adapter's files."""
        return self.shelf.fingerprint(variant)

    def prompt(self, messages: Messages, variant: Variant) -> Prompt:
        """Token ids by the chat template of the variant's model."""
        return self.shelf.prompt(messages, variant)

    def expect(self, answers: int) -> None:
        """Plan the engine's start for this many answers, at least."""
        self._expected = max(self._expected, answers)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answers as they are finished; the engine is started, or started longer, where needed."""
        context = self.context_length
        refused, fitting = sifted(requests, lambda request: context)
        yield from refused
        for model in dict.fromkeys(request.variant.model for request in fitting):
            yield from self._answer([r for r in fitting if r.variant.model == model])

    def execution(self) -> Mapping[str, str]:
        """How the engine was driven, and what its adapters do; all of it once it has started."""
        build = "for CPUs" if self._vllm.is_cpu else "for GPUs"
        facts = {"build": build, **effect_facts(self._effects.values())}
        return {**facts, **self._engine.facts()} if self._engine else facts

    def close(self) -> None:
        """Give the memory back."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _format(self, variant: Variant) -> tuple[str, str]:
        config = self.shelf.model(variant).config
        return choose_dtype(self._dtype, config, self._vllm, self._quantisation(variant))

    def _quantisation(self, variant: Variant) -> str:
        told = self._options.arguments.get("quantization")
        return str(told or self.shelf.model(variant).quantisation)

    def _unserved(self) -> Iterator[Problem]:
        """Adapters that vLLM cannot serve, found before it is started."""
        for variant in self._variants:
            if (adapter := self.shelf.adapter(variant)) is not None:
                yield from unserved_problems(adapter, serves_patterns=self._vllm.serves_patterns)

    def _answer(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answers of one model, from its engine."""
        engine = self._ready(requests)
        ordered = in_order(requests)
        jobs = {str(n): self._job(str(n), request) for n, request in enumerate(ordered)}
        for output in engine.run(list(jobs.values())):
            request = ordered[int(output.id)]
            yield request, self._completion(request, output)

    def _job(self, id: str, request: Request) -> Job:
        from harness.backends.vllm.engine import Job

        variant = request.variant
        return Job(
            id,
            request.prompt.token_ids or (),
            sampling_fields(request.sampling, self.shelf.eos(variant)),
            self._lora(variant),
            request.json_schema,
            request.time_limit,
        )

    def _completion(self, request: Request, output: Output) -> Completion:
        """Tokens become text as they do for the engine hf, so that equal tokens are equal text."""
        tokens = list(output.token_ids)
        ended = tokens[-1:] and tokens[-1] in self.shelf.eos(request.variant)
        text = output.text
        if text is None:
            kept = tokens[:-1] if ended else tokens
            text = self.shelf.tokenizer(request.variant).decode(kept) if kept else ""
        is_answer = output.finish_reason in ("stop", "length") and not output.error
        error = "" if is_answer else output.error or f"vLLM ended it: {output.finish_reason}"
        return Completion(
            text,
            output.finish_reason if is_answer else "error",
            prompt_tokens=request.prompt.tokens,
            completion_tokens=len(tokens),
            seconds=output.seconds,
            error=error,
        )

    def _lora(self, variant: Variant) -> Adapter | None:
        """An adapter by its content: the same number for the same name, from 1."""
        from harness.backends.vllm.engine import Adapter

        adapter = self.shelf.adapter(variant)
        if adapter is None:
            return None
        number = self._adapters(variant.model).index(variant.adapter or "") + 1
        name = self.shelf.adapter_hash(variant)
        return Adapter(name, number, str(adapter.path.resolve()))

    def _adapters(self, model: str) -> list[str]:
        mine = (v.adapter for v in self._variants if v.model == model and v.adapter)
        return list(dict.fromkeys(mine))

    def _ready(self, requests: Sequence[Request]) -> Engine:
        """The engine of these requests' model, long enough for all of them."""
        from harness.backends.vllm.engine import Engine

        variant = requests[0].variant
        engine = self._engine if self._model == variant.model else None
        if engine is not None and longest(requests) <= engine.max_model_len:
            return engine
        self.close()
        model = self.shelf.model(variant)
        self._start = self._plan(model, requests)
        fixed = self._fixed(model, variant)
        is_cpu = self._vllm.is_cpu
        self._engine = Engine(str(model.path), self._start, is_cpu=is_cpu, fixed=fixed)
        self._model = variant.model
        self._check_effects(self._engine)
        return self._engine

    def _plan(self, model: ModelDir, requests: Sequence[Request]) -> Start:
        described = describe_model(model, self._format(requests[0].variant)[0])
        ranks = [rank_of(adapter) for adapter in self._opened(model.name)]
        machine = here(is_cpu=self._vllm.is_cpu)
        work = work_of(requests, self._expected)
        return plan_start(work, described, machine, ranks, self._options.arguments)

    def _opened(self, model: str) -> Iterator[AdapterDir]:
        """The adapters on a model, each once."""
        tuned = {v.adapter: v for v in self._variants if v.model == model and v.adapter}
        for variant in tuned.values():
            if (adapter := self.shelf.adapter(variant)) is not None:
                yield adapter

    def _fixed(self, model: ModelDir, variant: Variant) -> dict[str, Any]:
        """Arguments that are not the user's: nothing comes from the model's own defaults."""
        if self._options.visible:
            os.environ["CUDA_VISIBLE_DEVICES"] = self._options.visible
        if self._options.batch_invariant:
            os.environ["VLLM_BATCH_INVARIANT"] = "1"
        seeds = {} if "seed" in self._options.arguments else {"seed": 0}
        return {
            "dtype": self._format(variant)[0],
            "trust_remote_code": self._trust,
            "generation_config": "vllm",
            "disable_log_stats": True,
            **seeds,
        }

    def _check_effects(self, engine: Engine) -> None:
        """Measure what each adapter of the engine's model does; raises `InputError` for nothing."""
        tuned = {v.adapter: v for v in self._variants if v.model == self._model and v.adapter}
        if not tuned.keys() <= self._effects.keys():
            first = next(iter(tuned.values()))
            probes = [self.prompt(talk, first).token_ids or () for talk in PROBES]
            adapters = {v.name: lora for v in tuned.values() if (lora := self._lora(v))}
            effects = measure_effects(engine, probes, adapters)
            self._effects |= dict(zip(tuned, effects, strict=True))
        require_effects(self.name, [(self._effects[path], path) for path in tuned])
