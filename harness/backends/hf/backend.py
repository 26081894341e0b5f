"""The engine `hf`: what it is asked, from models on disk to completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch

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
    unchecked,
)
from harness.backends.hf.decoding import Limits
from harness.backends.hf.loading import ARGUMENT as QUANTISING
from harness.backends.hf.loading import LoadedModel, quantisation, quantising_problems
from harness.backends.hf.memory import is_out_of_memory
from harness.backends.shelf import Shelf, sifted
from harness.common import InputError, MachineryError, Messages, Problem, Variant
from harness.prompts import ChatTokenizer

if TYPE_CHECKING:  # torch and peft take seconds to import: only when they are used
    from harness.backends.hf.decoding import Decoder, Limits
    from harness.backends.hf.loading import LoadedModel
    from harness.backends.hf.placement import Placement

_OWN_NUMBERS = ("rows", "threads")


class HfBackend:
    """transformers in this process.

    The base is loaded once, by the first `generate`; adapters are added to it. Variants of another
    model are answered after those of the loaded one, and the memory is given back in between.

    Engine arguments: `rows` (most prompts in a batch), `threads` (on a CPU), `quantization` ("4bit"
    or "8bit", by bitsandbytes); all others go to `from_pretrained` and count as part of the
    environment.
    """

    name = "hf"
    holds_weights = True

    def __init__(self, options: BackendOptions) -> None:
        self._options = options
        self._shelf = Shelf(options.cache_dir, trust_remote_code=options.trust_remote_code)
        self._effects: dict[tuple[str, str], Effect] = {}  # by model and adapter
        self._loaded: LoadedModel | None = None
        self._limits: Limits | None = None
        self._threads = 0
        self._first_limits: Limits | None = None
        problems = [*_argument_problems(options.engine_args), *self._shelf.check(options.variants)]
        if problems:
            raise InputError(*problems)

    @cached_property
    def placement(self) -> Placement:
        """Device and number format; imports torch."""
        from harness.backends.hf.placement import place

        return place(self._options.device, self._options.dtype)

    @property
    def context_length(self) -> int | None:
        """The shortest of its models'."""
        return self._shelf.context_length

    @property
    def notes(self) -> tuple[str, ...]:
        """Device, format and batch as chosen, and what is odd about templates and adapters."""
        notes = [*self.placement.reasons, *self._shelf.notes, *self._unserved()]
        if self._limits != self._first_limits and self._limits:
            notes.append(f"batch cut to {self._limits.tokens} tokens: memory ran out")
        return (*notes, *effect_notes(self._effects.values()))

    def environment(self, variant: Variant) -> Environment:
        """Version, format, quantisation, template, end tokens and arguments for the model."""
        model = self._shelf.model(variant)
        passed = self._model_arguments().items()
        extra = {name: str(value) for name, value in passed if name != QUANTISING}
        return Environment(
            engine="transformers",
            version=version("transformers"),
            dtype=self.placement.dtype_name,
            quantisation=model.quantisation or quantisation(self._options.engine_args),
            chat_template=self._shelf.tokenizer(variant).template_hash,
            extra={**extra, "eos": ",".join(map(str, self._shelf.eos(variant)))},
        )

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Hashes of the model's and the adapter's files."""
        return self._shelf.fingerprint(variant)

    def prompt(self, messages: Messages, variant: Variant) -> Prompt:
        """Token ids by the chat template of the variant's model."""
        return self._shelf.prompt(messages, variant)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answers variant by variant, each when it is finished; weights are loaded on the way."""
        refused, fitting = sifted(
            requests, lambda request: self._shelf.model(request.variant).context_length
        )
        yield from refused
        for group in self._groups(fitting):
            self._check_effects(group[0].variant.model, fitting)
            yield from self._answer(group)

    def waiting(self, requests: Sequence[Request]) -> str:
        """That the weights have to be loaded, unless they are in memory."""
        models = {request.variant.model for request in requests}
        loaded = self._loaded.directory.name if self._loaded else None
        return "" if models == {loaded} else "loading the model"

    def execution(self) -> Mapping[str, str]:
        """Device, libraries, threads and batch; the latter two once weights are loaded."""
        facts = {
            "device": str(self.placement.device),
            "torch": version("torch"),
            "peft": version("peft"),
        }
        if self._limits:
            facts["batch_rows"] = str(self._limits.rows)
            facts["batch_tokens"] = str(self._limits.tokens)
        if self._threads:
            facts["threads"] = str(self._threads)
        return {**facts, **effect_facts(self._effects.values())}

    def close(self) -> None:
        """Give the memory of the weights back."""
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None

    def _model_arguments(self) -> dict[str, Any]:
        arguments = self._options.engine_args.items()
        return {name: value for name, value in arguments if name not in _OWN_NUMBERS}

    def _unserved(self) -> Iterator[str]:
        """Adapters that only this engine serves."""
        adapters = [self._shelf.adapter(variant) for variant in self._options.variants]
        for adapter in {str(one.path): one for one in adapters if one is not None}.values():
            if adapter.unserved:
                listed = ", ".join(adapter.unserved)
                yield f"adapter {adapter.path.name}: vLLM would refuse it for {listed}"

    def _groups(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Requests of one model and adapter together, those of the model in memory first."""
        groups: dict[tuple[str, str], list[Request]] = {}
        for request in requests:
            variant = request.variant
            groups.setdefault((variant.model, variant.adapter or ""), []).append(request)
        current = self._loaded.directory.name if self._loaded else ""
        return [groups[key] for key in sorted(groups, key=lambda key: (key[0] != current, key[0]))]

    def _answer(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        variant = requests[0].variant
        loaded = self._load(variant)
        loaded.activate(self._shelf.adapter(variant))
        decoder = self._decoder(loaded, variant)
        try:
            yield from decoder.run(requests)
        except RuntimeError as error:
            raise MachineryError(Problem(f"transformers failed: {error}")) from error
        finally:
            self._limits = decoder.limits

    def _check_effects(self, model: str, requests: Sequence[Request]) -> None:
        """Measure the adapters on this model that are asked, once; raise where one does nothing."""
        # MOVED

        new = {
            (model, request.variant.adapter): request.variant
            for request in requests
            if request.variant.model == model and request.variant.adapter
        }
        new = {key: variant for key, variant in new.items() if key not in self._effects}
        if not new:
            return
        first = next(iter(new.values()))
        effects = Effects(self._load(first), self._shelf.tokenizer(first))
        for key, variant in new.items():
            adapter = self._shelf.adapter(variant)
            assert adapter is not None
            self._effects[key] = effects.measure(variant.name, adapter)
        found = [(self._effects[key], key[1]) for key in new]
        require_effects(self.name, found)

    def _load(self, variant: Variant) -> LoadedModel:
        # MOVED
        from harness.backends.hf.loading import LoadedModel
        from harness.backends.hf.placement import use_threads

        if self._loaded is not None and self._loaded.directory.name == variant.model:
            return self._loaded
        self.close()
        if self.placement.device.type == "cpu":
            self._threads = use_threads(self._options.engine_args.get("threads"))
        loaded = LoadedModel(
            self._shelf.model(variant),
            self.placement,
            self._model_arguments(),
            trust_remote_code=self._options.trust_remote_code,
        )
        rows = self._options.engine_args.get("rows")
        self._limits = choose_limits(loaded.model, self._options.batch_tokens, rows)
        self._first_limits, self._loaded = self._limits, loaded
        return loaded

    def _decoder(self, loaded: LoadedModel, variant: Variant) -> Decoder:
        # MOVED
        from harness.backends.hf.decoding import Decoder
        from harness.backends.hf.rows import Stopping

        stopping = Stopping(self._shelf.tokenizer(variant), self._shelf.eos(variant))
        limits = self._limits or choose_limits(loaded.model)
        return Decoder(loaded.model, stopping, limits, loaded.directory.context_length)


def _argument_problems(arguments: Mapping[str, Any]) -> Iterator[Problem]:
    yield from quantising_problems(arguments)
    for name in _OWN_NUMBERS:
        value = arguments.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            yield Problem(f"hf: {name!r} is wrong", found=repr(value), expected="a number from 1")


Probe = tuple[int, ...]  # token ids


class Effects:
    """Measures adapters on one model in memory; the base is measured once, and once more."""

    def __init__(self, loaded: LoadedModel, tokenizer: ChatTokenizer) -> None:
        self._loaded = loaded
        self._probes = _probes(tokenizer, loaded.directory.context_length)
        self._base: tuple[LogProbs, LogProbs] | None = None

    def measure(self, variant: str, adapter: AdapterDir) -> Effect:
        """What the adapter does; what cannot be measured is said to be unchecked."""
        if not self._probes:
            return unchecked(variant, "the chat template refuses the prompts that it needs")
        try:
            base, again = self._of_base()
            return judge_effect(variant, base, again, self._with(adapter))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return unchecked(variant, "out of memory")

    def _of_base(self) -> tuple[LogProbs, LogProbs]:
        """Prompts alone, and in pairs: the same numbers but for rounding, which so shows."""
        if self._base is None:
            self._loaded.activate(None)
            alone, paired = (log_probs(self._loaded.model, self._probes, n) for n in (1, 2))
            self._base = alone, paired
        return self._base

    def _with(self, adapter: AdapterDir) -> LogProbs:
        self._loaded.activate(adapter)
        return log_probs(self._loaded.model, self._probes, 1)


def log_probs(model: Any, probes: Sequence[Probe], rows: int) -> LogProbs:
    """Of each token of each probe but the first, `rows` probes at a time.

    `model` is a causal model of transformers.
    """
    found: dict[tuple[int, int | str], float] = {}
    for first in range(0, len(probes), rows):
        group = probes[first : first + rows]
        for index, values in enumerate(_of_group(model, group)):
            for place, value in enumerate(values, start=1):
                found[first + index, place] = value
    return found


@torch.inference_mode()
def _of_group(model: Any, group: Sequence[Probe]) -> list[list[float]]:
    width = max(map(len, group))
    ids = torch.zeros(len(group), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, probe in enumerate(group):
        ids[row, : len(probe)] = torch.tensor(probe)
        mask[row, : len(probe)] = 1
    ids, mask = ids.to(model.device), mask.to(model.device)
    scores = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
    chosen = scores.gather(-1, ids[:, 1:, None])[..., 0] - scores.logsumexp(-1)
    return [chosen[row, : len(probe) - 1].tolist() for row, probe in enumerate(group)]


def _probes(tokenizer: ChatTokenizer, context: int | None) -> list[Probe]:
    """The prompts as token ids, without those that the template or the context has no room for."""
    found = []
    for messages in PROBES:
        try:
            ids = tokenizer.token_ids(messages)
        except InputError:
            continue
        if 1 < len(ids) <= (context or len(ids)):
            found.append(ids)
    return found


# Measured on two CPU cores (see decoding.py): more rows or tokens run from main memory, not cache.
CPU_LIMITS = Limits(rows=64, tokens=16_384, prefill=2_048)
GPU_ROWS, GPU_PREFILL = 256, 8_192
CACHE_SHARE = 0.35  # of the free memory: while a batch is made anew, two caches are there


def choose_limits(model: Any, batch_tokens: int | None = None, rows: int | None = None) -> Limits:
    """The limits for a model in memory; `batch_tokens` and `rows` are the user's own."""
    limits = _gpu_limits(model) if model.device.type == "cuda" else CPU_LIMITS
    tokens = batch_tokens or limits.tokens
    return Limits(rows or limits.rows, tokens, min(limits.prefill, tokens))


def _gpu_limits(model: Any) -> Limits:
    free, _ = torch.cuda.mem_get_info(model.device)
    tokens = int(free * CACHE_SHARE / _bytes_per_token(model))
    return Limits(GPU_ROWS, max(1, tokens), GPU_PREFILL)


def _bytes_per_token(model: Any) -> int:
    """Keys and values of one token in all layers."""
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    key_heads = getattr(config, "num_key_value_heads", None) or heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return int(2 * config.num_hidden_layers * key_heads * size * model.dtype.itemsize)
