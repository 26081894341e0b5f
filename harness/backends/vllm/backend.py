"""The engine `vllm`: what it is asked, from models on disk to completions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.backends.adapters import AdapterDir
from harness.backends.base import (
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Prompt,
    Request,
)
from harness.backends.effect import (
    PROBES,
    Effect,
    LogProbs,
    effect_facts,
    effect_notes,
    judge_effect,
    require_effects,
)
from harness.backends.models import ModelDir
from harness.backends.shelf import Shelf, sifted
from harness.backends.vllm.options import choose_dtype, read_options
from harness.backends.vllm.planning import (
    Start,
    Work,
    describe_model,
    here,
    plan_start,
    shared_prefixes,
)
from harness.backends.vllm.versions import LORA_RANKS, installed, lora_rank
from harness.common import InputError, Messages, Problem, Sampling, Variant


def in_order(requests: Sequence[Request]) -> list[Request]:
    """One variant after the other, prompts that begin alike together.

    Measured on one H200: five variants one after another take 55.6 s, mixed 57.3 s.
    """
    return sorted(requests, key=lambda r: (r.variant.adapter or "", r.prompt.token_ids or ()))


def work_of(requests: Sequence[Request], expected: int) -> Work:
    """The work of a run that wants `expected` answers, of which these are the first."""
    answers = max(expected, len(requests))
    each = answers / len(requests)
    names = dict.fromkeys(request.variant.name for request in requests)
    shares = [shared_prefixes(_prompts(requests, name)) for name in names]
    return Work(
        answers,
        base_tokens=round(each * _tokens(requests, is_tuned=False)),
        adapter_tokens=round(each * _tokens(requests, is_tuned=True)),
        longest=longest(requests),
        shared=sum(shares) / len(shares),
    )


def longest(requests: Sequence[Request]) -> int:
    """Most tokens of a prompt and its answer."""
    return max(request.prompt.tokens + request.sampling.max_new_tokens for request in requests)


def sampling_fields(sampling: Sampling, eos: Sequence[int]) -> dict[str, Any]:
    """All that vLLM draws tokens by, each field said, with the tokens that end an answer."""
    is_greedy = sampling.temperature == 0
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
        "skip_special_tokens": True,
        "include_stop_str_in_output": False,
    }


def _prompts(requests: Sequence[Request], variant: str) -> list[tuple[int, ...]]:
    return [r.prompt.token_ids or () for r in requests if r.variant.name == variant]


def _tokens(requests: Sequence[Request], *, is_tuned: bool) -> int:
    """Tokens that may be generated, with adapters or without."""
    mine = [request for request in requests if bool(request.variant.adapter) == is_tuned]
    return sum(request.sampling.max_new_tokens for request in mine)


if TYPE_CHECKING:  # which imports vLLM
    from harness.backends.vllm.engine import Adapter, Engine


def measure_effects(
    engine: Engine, probes: Sequence[Sequence[int]], adapters: Mapping[str, Adapter]
) -> list[Effect]:
    """The effect of each adapter, by the name of its variant, on the tokens of the probes.

    The base is measured alone, and again in one batch with all adapters: so its own noise is that
    of other batches, and an engine that mixes up whose row is whose is found out too.
    """
    base = _together(engine.score([(ids, None) for ids in probes]))
    who = [None, *adapters.values()]
    scores = engine.score([(ids, adapter) for adapter in who for ids in probes])
    size = len(probes)
    again, *adapted = (_together(scores[i : i + size]) for i in range(0, len(scores), size))
    return [
        judge_effect(variant, base, again, scored)
        for variant, scored in zip(adapters, adapted, strict=True)
    ]


def _together(scores: Sequence[LogProbs]) -> LogProbs:
    """Scores of several prompts, each under its place in this list."""
    return {
        (number, place): value
        for number, score in enumerate(scores)
        for (_, place), value in score.items()
    }


_PATTERNS = ("rank_pattern", "alpha_pattern")
_MEND = "use --backend hf, or merge it into its base: --variant NAME=model:DIR"


def rank_of(adapter: AdapterDir) -> int:
    """The rank that the engine must be started for: it asks the configuration, not the tensors."""
    told = [adapter.config.get("r", 0), *(adapter.config.get("rank_pattern") or {}).values()]
    return max([adapter.rank, *(rank for rank in told if isinstance(rank, int))])


def unserved_problems(adapter: AdapterDir, *, serves_patterns: bool) -> Iterator[Problem]:
    """What stands in the way of this adapter; `serves_patterns` as the installed version does."""
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
