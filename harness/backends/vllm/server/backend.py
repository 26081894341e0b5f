"""The backend `vllm`, answered by a warm engine: the same environment, hashes and prompts."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from harness.backends.base import (
    BackendOptions,
    Completion,
    PlannedBackend,
    Request,
    beside,
    in_batches,
    machine_of,
)
from harness.backends.effect import Effect, effect_facts, effect_notes, require_effects
from harness.backends.openai.arguments import Endpoint
from harness.backends.openai.replies import CallError, Refused, Unreachable
from harness.backends.openai.wire import (
    COMPLETIONS,
    Dialect,
    Written,
    answers,
    measure,
    token_probe,
)
from harness.backends.shelf import sifted
from harness.backends.vllm.backend import VllmBackend, in_order, sampling_fields
from harness.backends.vllm.planning import CPU_SPARE_SLOTS
from harness.backends.vllm.server.home import READY, Home, Warm
from harness.backends.vllm.server.starting import BASE_NAME, environment_facts
from harness.backends.vllm.versions import adds_safely
from harness.common import (
    HarnessError,
    JsonValue,
    MachineryError,
    Messages,
    Problem,
    Variant,
    from_home,
    make_folder,
)


def misfit(warm: Warm, backend: VllmBackend, variants: Sequence[Variant]) -> str:
    """Say why this engine cannot answer these variants as `backend` would; empty where it can."""
    if warm.stage != READY:
        return "it is still starting"
    models = {variant.model for variant in variants}
    if len(models) != 1:
        return f"the run asks {len(models)} models, and it holds one"
    there = _flat(warm.environment)
    for variant in variants:
        if backend.fingerprint(variant).weights != warm.weights:
            return f"it holds another model: {warm.model}"
        wanted = _flat(environment_facts(backend.environment(variant)))
        for name in sorted({*there, *wanted}):
            if there.get(name) != wanted.get(name):
                return f"it differs in {name}: {there.get(name)}, not {wanted.get(name)}"
    needed, length = backend.context_length, warm.max_model_len
    if needed is not None and length is not None and length < needed:
        return f"its context is {length} tokens, and the run may need {needed}"
    for variant in variants:
        adapter = backend.shelf.adapter(variant)
        rank = adapter.rank if adapter else 0
        if rank > warm.max_lora_rank:
            return f"adapter {variant.name} has rank {rank}, and it takes {warm.max_lora_rank}"
    return ""


def _flat(facts: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    extra = facts.get("extra")
    inner = extra if isinstance(extra, Mapping) else {}
    return {**{name: value for name, value in facts.items() if name != "extra"}, **inner}


_SECONDS = 120.0
# Enough for vLLM; what else lies in the folder (optimizer states) is not copied.
_FILES = ("adapter_config.json", "adapter_model.safetensors")


def load_adapters(warm: Warm, home: Home, adapters: Iterable[tuple[str, Path]]) -> None:
    """Make the server know these adapters, by name and directory; those it knows stay.

    It reads a copy: a folder that is trained into again must not change what it serves. Raises
    `MachineryError` where it refuses one.
    """
    wanted = dict(adapters)
    # Another run may take the last place at the same moment: one looks and loads at a time.
    with home.loading(), _client(warm) as client:
        if reason := full(warm, home, wanted.keys()):
            raise _broken(warm, reason)
        known = _known(client, warm)
        for name, path in wanted.items():
            if name in known:
                continue
            folder = (home.adapters / name).resolve()
            make_folder(folder)
            for file in _FILES:
                shutil.copyfile(path / file, folder / file)
            body = {"lora_name": name, "lora_path": str(folder)}
            try:
                reply = client.post(f"{warm.url}/load_lora_adapter", json=body)
            except httpx.HTTPError as error:
                raise _broken(warm, f"{type(error).__name__}: {error}") from None
            # By another run, just now.
            if not reply.is_success and "already been loaded" not in reply.text:
                raise _broken(warm, f"HTTP {reply.status_code}: {reply.text[:200]}")
            home.count_load(name)


def loaded(warm: Warm) -> frozenset[str]:
    """Return the names of the adapters that the server knows."""
    with _client(warm) as client:
        return _known(client, warm)


def _client(warm: Warm) -> httpx.Client:
    """Open it on loopback, unencrypted: so without certificates, which take time to read."""
    key = {"Authorization": f"Bearer {warm.key}"}
    return httpx.Client(headers=key, trust_env=False, timeout=_SECONDS, verify=False)


def _known(client: httpx.Client, warm: Warm) -> frozenset[str]:
    try:
        rows = client.get(f"{warm.url}/models").raise_for_status().json()["data"]
        return frozenset(str(row["id"]) for row in rows if row.get("parent"))
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(warm, f"{type(error).__name__}: {error}") from None


def _broken(warm: Warm, found: str) -> MachineryError:
    return MachineryError(
        Problem(
            "the warm engine does not take an adapter",
            warm.log,
            found=found,
            hint="harness engine down, and harness engine up; or add --no-warm",
        )
    )


# Nats per token that the base may move beside adapters: 32-bit sums in another order move a token
# by a thousandth of that.
_MIXED_UP = 0.01


def full(warm: Warm, home: Home, wanted: Set[str]) -> str:
    """Say why these adapters cannot be added, by their names; empty where they can.

    vLLM forgets the name of an adapter that is unloaded, and leaves it in its slot: each time that
    one was loaded counts for good. On a GPU, from 0.26 on, another one makes room.
    """
    version = str(warm.environment.get("version", "0"))
    if adds_safely(version, is_cpu=warm.is_cpu):
        return ""
    try:
        there = loaded(warm)
    except HarnessError:
        return "it does not answer"
    ours, places = home.loads(), warm.slots - (CPU_SPARE_SLOTS if warm.is_cpu else 0)
    taken = len(ours) + len(there.difference(ours))
    if taken + len(wanted - there) <= places:
        return ""
    hint = "" if warm.is_cpu else f", and vLLM {version} adds no more safely: install 0.26 or newer"
    return f"{taken} of its {places} places for adapters are taken{hint}"


def check_apart(warm: Warm, effects: Iterable[Effect]) -> None:
    """Raise `MachineryError` where the base answers with an adapter that is beside it.

    It does so once all slots are taken. Adapters that somebody else loads and unloads take slots,
    and nobody can ask how many.
    """
    for effect in effects:
        if warm.is_cpu and effect.is_missing and effect.noise > _MIXED_UP:
            raise MachineryError(
                Problem(
                    "the warm engine's base does not answer as itself beside adapters",
                    warm.log,
                    found=f"adapter {effect.variant}: {effect.sentence}",
                    hint="harness engine down, and harness engine up: adapters that were unloaded "
                    "by hand keep their places; or add --no-warm",
                )
            )


_IN_FLIGHT = 256  # as many as vLLM runs at once on most devices


class WarmBackend(PlannedBackend[VllmBackend]):
    """What `planner`, whose engine is not started, would answer: the keys are the same."""

    def __init__(self, warm: Warm, planner: VllmBackend, options: BackendOptions) -> None:
        assert options.cache_dir is not None
        super().__init__(planner)
        self.limits_reasoning = False  # an engine is told of the marks when it starts
        self._warm = warm
        self._shelf = planner.shelf
        self._home = Home(options.cache_dir)
        self._endpoint = Endpoint(warm.url, warm.key, "", in_flight=_IN_FLIGHT, retries=2)
        self._effects: dict[str, Effect] = {}
        self._apart = options.apart

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what the planner does, and that nothing had to be started."""
        told = f"answers come from the warm engine, up since {self._warm.started}"
        return (told, *self._planner.notes, *effect_notes(self._effects.values()))

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer as it arrives; adapters that the server does not know are added first.

        Raises `InputError` for an adapter that does nothing.
        """
        context = self.context_length
        refused, fitting = sifted(requests, lambda request: context)
        yield from refused
        asked = [request.variant for request in fitting]
        tuned = {v.name: v for v in asked if v.adapter and v.name not in self._effects}
        if tuned:
            served = {name: self._served(variant) for name, variant in tuned.items()}
            paths = {served[name]: from_home(str(v.adapter)) for name, v in tuned.items()}
            load_adapters(self._warm, self._home, paths.items())

            def probe(messages: Messages, model: str) -> Written:
                ids = self.prompt(messages, next(iter(tuned.values()))).token_ids or ()
                return COMPLETIONS, token_probe(ids, model)

            effects = measure(self._endpoint, BASE_NAME, served, probe)
            check_apart(self._warm, effects.values())
            self._effects |= effects
            found = [(self._effects[name], str(v.adapter)) for name, v in tuned.items()]
            require_effects(self.name, found)
        dialect = Dialect(self._write, self._read, self._explain)
        version = self._warm.environment.get("version")
        driven = f"warm vllm {version}", self._warm.is_cpu, _IN_FLIGHT
        for batch in in_batches(in_order(fitting), apart=self._apart):
            for request, completion in answers(self._endpoint, batch, dialect):
                machine = machine_of(*driven, *beside(batch, request.variant))
                yield request, replace(completion, machine=machine)

    def execution(self) -> Mapping[str, str]:
        """Say that it was a warm engine, and what the adapters do."""
        facts = {"warm_engine": f"up since {self._warm.started}"}
        return {**facts, **effect_facts(self._effects.values())}

    def close(self) -> None:
        """Close the planner; the server stays for the next run."""
        self._planner.close()

    def _served(self, variant: Variant) -> str:
        """Return the name on the server: an adapter's is its content."""
        return self._planner.fingerprint(variant).adapter or BASE_NAME

    def _write(self, request: Request) -> Written:
        eos = self._shelf.eos(request.variant)
        fields = sampling_fields(request.sampling, eos, special=request.keeps_special)
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
        """Make text of tokens, as the backend does whose engine is in a process of its own."""
        try:
            choice = value["choices"][0]
            tokens = [int(token) for token in choice["token_ids"]]
            text, said = str(choice["text"]), str(choice["finish_reason"])
        except (KeyError, IndexError, TypeError, ValueError):
            return Completion("", "error", error="the warm engine's JSON holds no answer")
        if said not in ("stop", "length"):
            return Completion("", "error", error=f"vLLM ended it: {said}")
        if not request.sampling.stop:
            text = self._planner.text_of(tokens, request)
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
                hint="run the same command again: it goes on where this one stopped",
            )
        )
