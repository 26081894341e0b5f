"""The backend `vllm`: what it is asked, from models on disk to completions."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.backends.adapters import AdapterDir
from harness.backends.base import (
    PLAIN,
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    More,
    Prompt,
    Rendering,
    Request,
    beside,
    machine_of,
    once,
)
from harness.backends.effect import (
    PROBES,
    Effect,
    effect_facts,
    effect_notes,
    judge_effect,
    require_effects,
)
from harness.backends.shelf import Shelf, sifted
from harness.backends.vllm.options import choose_dtype, read_options
from harness.backends.vllm.planning import (
    EngineStart,
    Work,
    describe_model,
    plan_start,
    shared_prefixes,
    this_machine,
)
from harness.backends.vllm.versions import LORA_RANKS, installed, lora_rank
from harness.common import InputError, Messages, Problem, Sampling, Variant
from harness.scorers import limited_marks

if TYPE_CHECKING:  # vLLM takes many seconds to import: only where it generates
    from harness.backends.vllm.engine import Engine, EngineAdapter, EngineOutput


def in_order(requests: Sequence[Request]) -> list[Request]:
    """Return one variant after the other, prompts that begin alike together.

    Measured on one H200: five variants one after another take 55.6 s, mixed 57.3 s.
    """
    return sorted(requests, key=lambda r: (r.variant.adapter or "", r.prompt.token_ids or ()))


def work_of(requests: Sequence[Request], expected: int) -> Work:
    """Return the work of a run that wants `expected` answers, of which these are the first."""
    answers = max(expected, len(requests))
    each = answers / len(requests)
    tokens = {True: 0, False: 0}  # that may be generated, with adapters and without
    prompts: dict[str, list[tuple[int, ...]]] = {}
    for request in requests:
        tokens[bool(request.variant.adapter)] += request.sampling.max_new_tokens
        prompts.setdefault(request.variant.name, []).append(request.prompt.token_ids or ())
    shares = [shared_prefixes(same) for same in prompts.values()]
    return Work(
        answers,
        base_tokens=round(each * tokens[False]),
        adapter_tokens=round(each * tokens[True]),
        longest=longest(requests),
        shared=sum(shares) / len(shares),
    )


def longest(requests: Sequence[Request]) -> int:
    """Return the most tokens of a prompt and its answer."""
    return max(request.prompt.tokens + request.sampling.max_new_tokens for request in requests)


def sampling_fields(
    sampling: Sampling, eos: Sequence[int], *, special: bool = False
) -> dict[str, Any]:
    """Return all that vLLM draws tokens by, each field said, with the tokens that end an answer.

    special: texts keep special tokens.
    """
    is_greedy, limit = sampling.temperature == 0, sampling.max_reasoning_tokens
    return {
        "n": 1,
        "temperature": sampling.temperature,
        "top_p": 1.0 if is_greedy else sampling.top_p,
        "top_k": 0 if is_greedy else sampling.top_k,
        "min_p": 0.0,
        "repetition_penalty": sampling.repetition_penalty,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "max_tokens": sampling.max_new_tokens,
        "min_tokens": 0,
        "seed": None if is_greedy else sampling.seed,
        "stop": list(sampling.stop) or None,
        "stop_token_ids": list(eos),
        "ignore_eos": False,
        "detokenize": bool(sampling.stop),  # else the caller decodes
        "skip_special_tokens": not special,
        "include_stop_str_in_output": False,
        **({} if limit is None else {"thinking_token_budget": limit}),
    }


def measure_effects(
    engine: Engine, probes: Sequence[Sequence[int]], adapters: Mapping[str, EngineAdapter]
) -> list[Effect]:
    """Measure each adapter, by the name of its variant, on the tokens of the probes.

    The base is measured alone, and again in one batch with all adapters: so its own noise is that
    of other batches, and an engine that mixes up whose row is whose is found out too.
    """
    who = [None, *adapters.values()]
    alone = engine.score([(ids, None) for ids in probes])
    mixed = engine.score([(ids, adapter) for adapter in who for ids in probes])
    size = len(probes)
    parts = [alone, *(mixed[i : i + size] for i in range(0, len(mixed), size))]
    base, again, *adapted = [
        {
            (number, place): value
            for number, score in enumerate(part)
            for (_, place), value in score.items()
        }
        for part in parts
    ]
    return [
        judge_effect(variant, base, again, scored)
        for variant, scored in zip(adapters, adapted, strict=True)
    ]


# Of the engine's facts, those on which the time of an answer depends.
_DRIVEN = ("device", "torch", "max_num_seqs", "mode", "tensor_parallel_size")
_PATTERNS = ("rank_pattern", "alpha_pattern")
_MEND = "use --backend hf, or merge it into its base: --variant NAME=model:DIR"


def rank_of(adapter: AdapterDir) -> int:
    """Return the rank to start the engine for: it asks the configuration, not the tensors."""
    told = [adapter.config.get("r", 0), *(adapter.config.get("rank_pattern") or {}).values()]
    return max([adapter.rank, *(rank for rank in told if isinstance(rank, int))])


def unserved_problems(adapter: AdapterDir, *, serves_patterns: bool) -> Iterator[Problem]:
    """Yield what stands in the way of an adapter; `serves_patterns` as the version does."""
    reasons = [*adapter.unserved]
    if not serves_patterns:
        reasons += [name for name in _PATTERNS if adapter.config.get(name)]
    if reasons:
        yield Problem(
            f"vLLM cannot serve this adapter: {', '.join(reasons)}",
            str(adapter.path),
            hint=_MEND,
        )
    if lora_rank(rank_of(adapter)) is None:
        yield Problem(
            f"vLLM cannot serve this adapter: rank {rank_of(adapter)}",
            str(adapter.path),
            expected=f"at most {LORA_RANKS[-1]}",
            hint=_MEND,
        )


class VllmBackend(Backend):
    """vLLM, one base with all its adapters in one engine.

    Opened in the run's own process it checks, hashes and makes prompts; it generates in a process
    of its own, which the registry starts (`own_process`). The engine starts with the first
    `generate`, planned for the answers that were announced with `expect`. `told` is a note that
    comes before all others.
    """

    name = "vllm"
    holds_weights = True
    own_process = True
    constrains_json = True
    limits_reasoning = True

    def __init__(self, options: BackendOptions) -> None:
        self._variants = options.variants
        self._trust = options.trust_remote_code
        self._vllm = installed()
        self._options = read_options(options, self._vllm)
        self._dtype, self._apart = options.dtype, options.apart
        self.shelf = Shelf(options.cache_dir, trust_remote_code=self._trust)
        self.told = ""
        self._expected = 0
        self._engine: Engine | None = None
        self._start: EngineStart | None = None
        self._model = ""
        self._effects: dict[str, Effect] = {}
        problems = self.shelf.check(options.variants)
        if not problems:
            patterns = self._vllm.serves_patterns
            for variant in self._variants:
                if (adapter := self.shelf.adapter(variant)) is not None:
                    problems += unserved_problems(adapter, serves_patterns=patterns)
        if problems:
            raise InputError(*problems)

    @property
    def gpus(self) -> int:
        """Return tensor parallel size times pipeline parallel size; 0 for the CPU build."""
        sizes = ("tensor_parallel_size", "pipeline_parallel_size")
        told = [self._options.arguments.get(name, 1) for name in sizes]
        return 0 if self._vllm.is_cpu else math.prod(told)

    @property
    def context_length(self) -> int | None:
        """Return the shortest of its models', or what the user has set."""
        told = self._options.arguments.get("max_model_len")
        lengths = [told if isinstance(told, int) else None, self.shelf.context_length]
        return min((length for length in lengths if length), default=None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what was chosen, why, and what is odd about templates and adapters."""
        reasons = [self.told, *(self._format(variant)[1] for variant in self._variants)]
        reasons += self._start.reasons if self._start else ()
        notes = [*filter(None, reasons), *self.shelf.notes, *effect_notes(self._effects.values())]
        return tuple(dict.fromkeys(notes))

    def environment(self, variant: Variant) -> Environment:
        """Return version, format, quantisation, template, end tokens and arguments that count."""
        return Environment(
            engine="vllm",
            version=self._vllm.version,
            dtype=self._format(variant)[0],
            quantisation=self._quantisation(variant),
            chat_template=self.shelf.tokenizer(variant).template_hash,
            extra={**self._options.in_key, "eos": ",".join(map(str, self.shelf.eos(variant)))},
        )

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Hash the model's and the adapter's files."""
        return self.shelf.fingerprint(variant)

    def prompt(self, messages: Messages, variant: Variant, rendering: Rendering = PLAIN) -> Prompt:
        """Make token ids by the chat template of the variant's model."""
        return self.shelf.prompt(messages, variant, rendering)

    def chat_template(self, variant: Variant) -> str | None:
        """Return the variant's own, else the model's."""
        return self.shelf.tokenizer(variant).template

    def count_tokens(self, text: str, variant: Variant) -> int | None:
        """Count with the model's tokenizer."""
        return self.shelf.tokenizer(variant).count(text)

    def expect(self, answers: int) -> None:
        """Plan the engine's start for this many answers, at least."""
        self._expected = max(self._expected, answers)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer as it finishes, as `serve` does."""
        return self.serve(once(requests))

    def serve(self, more: More) -> Iterator[tuple[Request, Completion]]:
        """Answer as it finishes; the engine is started, or started longer, where needed.

        What comes meanwhile and fits the engine as it is joins what it works on; the rest follows.
        """
        context = self.context_length
        waiting = list(more())
        while waiting:
            refused, waiting = sifted(waiting, lambda request: context)
            yield from refused
            if waiting:
                yield from self._answer(waiting, more)
            waiting += more()

    def execution(self) -> Mapping[str, str]:
        """Say how the engine was driven and what its adapters do, once it has started."""
        build = "for CPUs" if self._vllm.is_cpu else "for GPUs"
        facts = {"build": build, **effect_facts(self._effects.values())}
        return {**facts, **self._engine.facts()} if self._engine else facts

    def close(self) -> None:
        """Give the memory back."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _format(self, variant: Variant) -> tuple[str, str]:
        """Return the number format and, where it was chosen here, the reason."""
        config = self.shelf.model(variant).config
        return choose_dtype(self._dtype, config, self._vllm, self._quantisation(variant))

    def _quantisation(self, variant: Variant) -> str:
        told = self._options.arguments.get("quantization")
        return str(told or self.shelf.model(variant).quantisation)

    def _answer(self, waiting: list[Request], more: More) -> Iterator[tuple[Request, Completion]]:
        """Answer those of the first one's model, and what `more` gives and the engine is ready for.

        They are taken out of `waiting`; what may not be worked on beside them is there afterwards.
        """
        from harness.backends.vllm.engine import EngineRequest

        variant = waiting[0].variant
        engine = self._ready([each for each in waiting if each.variant.model == variant.model])
        facts = engine.facts()
        driven = [facts.get(name, "") for name in _DRIVEN]
        at_work: dict[str, Request] = {}
        mates: dict[str, Request] = {}  # one of each variant
        numbers = itertools.count()

        def asked(requests: Sequence[Request], *, joining: bool) -> Iterator[EngineRequest]:
            """Yield those that may be worked on together, and let the others wait."""
            for request in in_order(requests):
                sampling, name = request.sampling, request.variant.name
                is_apart = self._apart and name != variant.name
                is_longer = longest([request]) > engine.max_model_len
                limits = sampling.max_reasoning_tokens is not None and not engine.reasoning
                unready = joining and (is_longer or limits or not request.prompt.token_ids)
                if request.variant.model != variant.model or is_apart or unready:
                    waiting.append(request)
                    continue
                id = str(next(numbers))
                at_work[id] = mates[name] = request
                eos, special = self.shelf.eos(request.variant), request.keeps_special
                yield EngineRequest(
                    id,
                    request.prompt.token_ids or (),
                    sampling_fields(sampling, eos, special=special),
                    self._lora(request.variant),
                    request.json_schema,
                    request.time_limit,
                )

        first, waiting[:] = [*waiting], []
        begun = [*asked(first, joining=False)]
        for output in engine.run(begun, lambda: [*asked(more(), joining=True)]):
            request = at_work.pop(output.id)
            made = self._completion(request, output)
            if output.timed:
                beside_it = beside(mates.values(), request.variant)
                machine = machine_of(f"vllm {self._vllm.version}", *driven, *beside_it)
                made = replace(made, machine=machine)
            yield request, made

    def _completion(self, request: Request, output: EngineOutput) -> Completion:
        """Make text of tokens as the backend hf does, so that equal tokens are equal text."""
        tokens = list(output.token_ids)
        text = output.text
        if text is None:
            text = self.text_of(tokens, request)
        is_answer = output.finish_reason in ("stop", "length") and not output.error
        error = "" if is_answer else output.error or f"vLLM ended it: {output.finish_reason}"
        return Completion(
            text,
            output.finish_reason if is_answer else "error",
            prompt_tokens=request.prompt.tokens,
            completion_tokens=len(tokens),
            seconds=output.seconds,
            error=error,
            first_token=output.first_token,
        )

    def text_of(self, tokens: Sequence[int], request: Request) -> str:
        """Return the text of an answer's tokens, without the one that ended it."""
        variant, special = request.variant, request.keeps_special
        ended = tokens[-1:] and tokens[-1] in self.shelf.eos(variant)
        kept = tokens[:-1] if ended else tokens
        return self.shelf.tokenizer(variant).decode(kept, special=special) if kept else ""

    def _lora(self, variant: Variant) -> EngineAdapter | None:
        """Name an adapter by its content: the same number for the same name, from 1."""
        from harness.backends.vllm.engine import EngineAdapter

        adapter = self.shelf.adapter(variant)
        if adapter is None:
            return None
        paths = [*self._tuned(variant.model)]
        number = paths.index(variant.adapter or "") + 1
        name = self.shelf.adapter_hash(variant)
        return EngineAdapter(name, number, str(adapter.path.resolve()))

    def _tuned(self, model: str) -> dict[str, Variant]:
        """Return the adapters on a model, each with a variant of it."""
        return {v.adapter: v for v in self._variants if v.model == model and v.adapter}

    def _ready(self, requests: Sequence[Request]) -> Engine:
        """Return the engine of these requests' model, long enough for all of them.

        Raises `InputError` for an adapter that has no effect in it.
        """
        from harness.backends.vllm.engine import Engine

        variant = requests[0].variant
        engine = self._engine if self._model == variant.model else None
        limits = any(request.sampling.max_reasoning_tokens is not None for request in requests)
        marks = limited_marks(self.shelf.tokenizer(variant).template) if limits else None
        fits = engine is not None and longest(requests) <= engine.max_model_len
        if engine is not None and fits and (engine.reasoning or not limits):
            return engine
        self.close()
        model, dtype = self.shelf.model(variant), self._format(variant)[0]
        tuned = self._tuned(variant.model)
        adapters = [a for v in tuned.values() if (a := self.shelf.adapter(v)) is not None]
        self._start = plan_start(
            work_of(requests, self._expected),
            describe_model(model, dtype),
            this_machine(is_cpu=self._vllm.is_cpu),
            [rank_of(adapter) for adapter in adapters],
            self._options.arguments,
        )
        if self._options.visible:
            os.environ["CUDA_VISIBLE_DEVICES"] = self._options.visible
        if self._options.batch_invariant:
            os.environ["VLLM_BATCH_INVARIANT"] = "1"
        fixed = {  # nothing comes from the model's own defaults
            "dtype": dtype,
            "trust_remote_code": self._trust,
            "generation_config": "vllm",
            "disable_log_stats": False,  # else it does not say when it began with a request
            **({} if "seed" in self._options.arguments else {"seed": 0}),
        }
        is_cpu = self._vllm.is_cpu
        engine = Engine(str(model.path), self._start, is_cpu=is_cpu, fixed=fixed, reasoning=marks)
        self._engine, self._model = engine, variant.model
        if not tuned.keys() <= self._effects.keys():
            first = next(iter(tuned.values()))
            probes = [self.prompt(messages, first).token_ids or () for messages in PROBES]
            loras = {v.name: lora for v in tuned.values() if (lora := self._lora(v))}
            self._effects |= dict(zip(tuned, measure_effects(engine, probes, loras), strict=True))
        require_effects(self.name, [(self._effects[path], path) for path in tuned])
        return engine
