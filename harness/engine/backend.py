"""The engine `vllm`, answered by a warm server: the same environment, hashes and prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.backends.effect import Effect, effect_facts, effect_notes, require_effects
from harness.backends.openai.answers import Tongue, Written, answers
from harness.backends.openai.arguments import Endpoint
from harness.backends.openai.effects import measure
from harness.backends.openai.failures import CallError, Refused, Unreachable
from harness.backends.openai.wire import COMPLETIONS, token_probe
from harness.backends.shelf import sifted
from harness.backends.values import (
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Prompt,
    Request,
)
from harness.backends.vllm.asking import in_order, sampling_fields
from harness.backends.vllm.backend import VllmBackend
from harness.chat import Messages
from harness.engine.home import Home
from harness.engine.loading import load_adapters
from harness.engine.places import check_apart
from harness.engine.starting import BASE_NAME
from harness.engine.values import Warm
from harness.errors import HarnessError, MachineryError, Problem
from harness.variants import Variant

_IN_FLIGHT = 256  # as many as vLLM runs at once on most devices
_MIXED_UP = (
    0.01  # nats per token; 32-bit sums in another order move a token by a thousandth of that
)


class WarmBackend:
    """What `planner`, an engine `vllm` that is not started, would answer: its keys are the same."""

    name = "vllm"
    constrains_json = True

    def __init__(self, warm: Warm, planner: VllmBackend, options: BackendOptions) -> None:
        assert options.cache_dir is not None
        self._warm = warm
        self._planner = planner
        self._shelf = planner.shelf
        self._home = Home(options.cache_dir)
        self._endpoint = Endpoint(warm.url, warm.key, "", in_flight=_IN_FLIGHT, retries=2)
        self._effects: dict[str, Effect] = {}

    @property
    def context_length(self) -> int | None:
        """As without the warm engine, so that the same cases fit."""
        return self._planner.context_length

    @property
    def notes(self) -> tuple[str, ...]:
        """The planner's, and that nothing had to be started."""
        told = f"answers come from the warm engine, up since {self._warm.started}"
        return (told, *self._planner.notes, *effect_notes(self._effects.values()))

    def environment(self, variant: Variant) -> Environment:
        """As without the warm engine."""
        return self._planner.environment(variant)

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """As without the warm engine."""
        return self._planner.fingerprint(variant)

    def prompt(self, messages: Messages, variant: Variant) -> Prompt:
        """As without the warm engine."""
        return self._planner.prompt(messages, variant)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answers as they arrive; adapters that the server does not know are added first."""
        context = self.context_length
        refused, fitting = sifted(requests, lambda request: context)
        yield from refused
        self._add([request.variant for request in fitting])
        tongue = Tongue(self._write, self._read, self._explain)
        yield from answers(self._endpoint, in_order(fitting), tongue)

    def execution(self) -> Mapping[str, str]:
        """That it was a warm engine, and what the adapters do."""
        facts = {"warm_engine": f"up since {self._warm.started}"}
        return {**facts, **effect_facts(self._effects.values())}

    def close(self) -> None:
        """The server stays: it is there for the next run."""
        self._planner.close()

    def _served(self, variant: Variant) -> str:
        """The name on the server: an adapter's is its content."""
        return self._planner.fingerprint(variant).adapter or BASE_NAME

    def _add(self, variants: Sequence[Variant]) -> None:
        """Add adapters, and measure each; raises `InputError` for one that does nothing."""
        tuned = {v.name: v for v in variants if v.adapter and v.name not in self._effects}
        if not tuned:
            return
        served = {name: self._served(variant) for name, variant in tuned.items()}
        pairs = [(served[name], Path(str(v.adapter)).expanduser()) for name, v in tuned.items()]
        load_adapters(self._warm, self._home, dict(pairs).items())

        def probe(talk: Messages, model: str) -> Written:
            ids = self.prompt(talk, next(iter(tuned.values()))).token_ids or ()
            return COMPLETIONS, token_probe(ids, model)

        effects = measure(self._endpoint, BASE_NAME, served, probe)
        check_apart(self._warm, effects.values())
        self._effects |= effects
        require_effects(self.name, [(self._effects[n], str(v.adapter)) for n, v in tuned.items()])

    def _write(self, request: Request) -> Written:
        fields = sampling_fields(request.sampling, self._shelf.eos(request.variant))
        body: dict[str, Any] = {
            name: value
            for name, value in fields.items()
            if value is not None and name != "detokenize"
        }
        body["model"] = self._served(request.variant)
        body["prompt"] = list(request.prompt.token_ids or ())
        body["return_token_ids"] = True
        if request.json_schema is not None:
            schema = request.json_schema if isinstance(request.json_schema, Mapping) else {}
            body["structured_outputs"] = {"json": dict(schema)}
        return COMPLETIONS, body

    def _read(self, value: Mapping[str, Any], request: Request, seconds: float) -> Completion:
        """Tokens become text here, as they do for an engine in a process of its own."""
        try:
            choice = value["choices"][0]
            tokens = [int(token) for token in choice["token_ids"]]
            text, said = str(choice["text"]), str(choice["finish_reason"])
        except (KeyError, IndexError, TypeError, ValueError):
            return Completion("", "error", error="the warm engine's JSON holds no answer")
        if said not in ("stop", "length"):
            return Completion("", "error", error=f"vLLM ended it: {said}")
        if not request.sampling.stop:
            ended = tokens[-1:] and tokens[-1] in self._shelf.eos(request.variant)
            kept = tokens[:-1] if ended else tokens
            text = self._shelf.tokenizer(request.variant).decode(kept) if kept else ""
        return Completion(text, said, request.prompt.tokens, len(tokens), seconds)

    def _explain(self, error: CallError, request: Request) -> HarnessError | None:
        known = isinstance(error, Refused) and error.status in (401, 403, 404)
        if not known and not isinstance(error, Unreachable):
            return None
        return MachineryError(
            Problem(
                "the warm engine is gone",
                self._warm.log,
                found=str(error),
                mend="run the same command again: it goes on where this one stopped",
            )
        )
