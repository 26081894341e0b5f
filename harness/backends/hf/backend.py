"""The backend `hf`: what it is asked, from models on disk to completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from harness.backends.arguments import argument_problems
from harness.backends.base import (
    PLAIN,
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Prompt,
    Rendering,
    Request,
    beside,
    machine_of,
)
from harness.backends.effect import Effect, effect_facts, effect_notes, require_effects
from harness.backends.hf import ARGUMENTS
from harness.backends.shelf import Shelf, sifted
from harness.common import InputError, MachineryError, Messages, Problem, Variant

if TYPE_CHECKING:  # torch, transformers and peft take seconds to import: only when they are used
    from harness.backends.hf.decoding import BatchLimits
    from harness.backends.hf.loading import LoadedModel
    from harness.backends.hf.placement import Placement

QUANTIZATION = "quantization"  # as vLLM calls its own
_PACKAGES = ("bitsandbytes", "accelerate")
_OWN = ("rows", "threads")  # not for `from_pretrained`


def quantisation(arguments: Mapping[str, Any]) -> str:
    """Name, for the environment, what is quantised while it is loaded; empty for nothing."""
    names = {"4bit": "bitsandbytes-nf4", "8bit": "bitsandbytes-int8"}
    return names.get(str(arguments.get(QUANTIZATION)), "")


class HfBackend(Backend):
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
        given = options.engine_args
        self._model_arguments = {name: v for name, v in given.items() if name not in _OWN}
        self._shelf = Shelf(options.cache_dir, trust_remote_code=options.trust_remote_code)
        self._effects: dict[tuple[str, str], Effect] = {}  # by model and adapter
        self._loaded: LoadedModel | None = None
        self._limits: BatchLimits | None = None
        self._threads = 0
        self._first_limits: BatchLimits | None = None
        problems = [*argument_problems("hf", given, ARGUMENTS, others=True)]
        missing = [name for name in _PACKAGES if find_spec(name) is None]
        if given.get(QUANTIZATION) is not None and missing:
            problems.append(
                Problem(
                    f"hf: {QUANTIZATION!r} needs {', '.join(missing)}",
                    hint="pip install 'lora-regression-harness[bitsandbytes]'",
                )
            )
        problems += self._shelf.check(options.variants)
        if problems:
            raise InputError(*problems)

    @cached_property
    def placement(self) -> Placement:
        """Choose device and number format; imports torch."""
        from harness.backends.hf.placement import place

        return place(self._options.device, self._options.dtype)

    @cached_property
    def _version(self) -> str:
        return version("transformers")  # from a file: it is asked for once a trial

    @property
    def gpus(self) -> int:
        """Return 1 where it computes on a GPU of NVIDIA's or AMD's."""
        return int(self.placement.device.type == "cuda")

    @property
    def context_length(self) -> int | None:
        """Return the shortest of its models'."""
        return self._shelf.context_length

    @property
    def notes(self) -> tuple[str, ...]:
        """Say device, format and batch as chosen, and what is odd about templates and adapters."""
        notes = [*self.placement.reasons, *self._shelf.notes]
        adapters = [self._shelf.adapter(variant) for variant in self._options.variants]
        for adapter in {str(one.path): one for one in adapters if one is not None}.values():
            if adapter.unserved:
                listed = ", ".join(adapter.unserved)
                notes.append(f"adapter {adapter.path.name}: vLLM would refuse it for {listed}")
        if self._limits != self._first_limits and self._limits:
            notes.append(f"batch cut to {self._limits.tokens} tokens: memory ran out")
        return (*notes, *effect_notes(self._effects.values()))

    def environment(self, variant: Variant) -> Environment:
        """Return version, format, quantisation, template, end tokens and the model's arguments."""
        model = self._shelf.model(variant)
        passed = self._model_arguments.items()
        extra = {name: str(value) for name, value in passed if name != QUANTIZATION}
        return Environment(
            engine="transformers",
            version=self._version,
            dtype=self.placement.dtype_name,
            quantisation=model.quantisation or quantisation(self._options.engine_args),
            chat_template=self._shelf.tokenizer(variant).template_hash,
            extra={**extra, "eos": ",".join(map(str, self._shelf.eos(variant)))},
        )

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Hash the model's and the adapter's files."""
        return self._shelf.fingerprint(variant)

    def prompt(self, messages: Messages, variant: Variant, rendering: Rendering = PLAIN) -> Prompt:
        """Make token ids by the chat template of the variant's model."""
        return self._shelf.prompt(messages, variant, rendering)

    def chat_template(self, variant: Variant) -> str | None:
        """Return the variant's own, else the model's."""
        return self._shelf.tokenizer(variant).template

    def count_tokens(self, text: str, variant: Variant) -> int | None:
        """Count with the model's tokenizer."""
        return self._shelf.tokenizer(variant).count(text)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer variant by variant, as it finishes; weights are loaded on the way."""
        refused, fitting = sifted(
            requests, lambda request: self._shelf.model(request.variant).context_length
        )
        yield from refused
        groups: dict[tuple[str, str, str], list[Request]] = {}  # of one model and adapter
        for request in fitting:
            variant, own = request.variant, request.variant.name if self._options.apart else ""
            groups.setdefault((variant.model, variant.adapter or "", own), []).append(request)
        current = self._loaded.directory.name if self._loaded else ""
        for key in sorted(groups, key=lambda key: (key[0] != current, key[0])):
            self._check_effects(key[0], fitting)
            yield from self._answer(groups[key])

    def waiting(self, requests: Sequence[Request]) -> str:
        """Say that the weights have to be loaded, unless they are in memory."""
        models = {request.variant.model for request in requests}
        loaded = self._loaded.directory.name if self._loaded else None
        return "" if models == {loaded} else "loading the model"

    def execution(self) -> Mapping[str, str]:
        """Say device, libraries, threads and batch; the latter two once weights are loaded."""
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

    def _answer(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer requests of one model and adapter."""
        from harness.backends.hf.decoding import Decoder, choose_limits
        from harness.backends.hf.rows import Stopping

        variant = requests[0].variant
        loaded = self._load(variant)
        loaded.activate(self._shelf.adapter(variant))
        stopping = Stopping(self._shelf.tokenizer(variant), self._shelf.eos(variant))
        limits = self._limits or choose_limits(loaded.model)
        decoder = Decoder(loaded.model, stopping, limits, loaded.directory.context_length)
        try:
            for request, completion in decoder.run(requests):
                limits = decoder.limits
                machine = machine_of(
                    f"transformers {version('transformers')}",
                    f"torch {version('torch')}",
                    self.placement.kind,
                    self._threads,
                    limits.rows,
                    limits.tokens,
                    *beside(requests, request.variant),
                )
                yield request, replace(completion, machine=machine)
        except RuntimeError as error:
            raise MachineryError(Problem(f"transformers failed: {error}")) from error
        finally:
            self._limits = decoder.limits

    def _check_effects(self, model: str, requests: Sequence[Request]) -> None:
        """Measure the adapters on this model that are asked, once; raise where one does nothing."""
        from harness.backends.hf.loading import EffectProbe

        new = {
            (model, request.variant.adapter): request.variant
            for request in requests
            if request.variant.model == model and request.variant.adapter
        }
        new = {key: variant for key, variant in new.items() if key not in self._effects}
        if not new:
            return
        first = next(iter(new.values()))
        probe = EffectProbe(self._load(first), self._shelf.tokenizer(first))
        for key, variant in new.items():
            adapter = self._shelf.adapter(variant)
            assert adapter is not None
            self._effects[key] = probe.measure(variant.name, adapter)
        require_effects(self.name, [(self._effects[key], key[1]) for key in new])

    def _load(self, variant: Variant) -> LoadedModel:
        from harness.backends.hf.decoding import choose_limits
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
            self._model_arguments,
            trust_remote_code=self._options.trust_remote_code,
        )
        rows = self._options.engine_args.get("rows")
        self._limits = choose_limits(loaded.model, self._options.batch_tokens, rows)
        self._first_limits, self._loaded = self._limits, loaded
        return loaded
