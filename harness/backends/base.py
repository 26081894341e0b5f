"""What goes into a backend and what comes out of it. Nothing here knows of suites."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from inspect import signature
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from harness.backends.arguments import EngineArgument
from harness.common import (
    InputError,
    JsonValue,
    Messages,
    Problem,
    Sampling,
    ToolCall,
    Variant,
    canonical_json,
    digest,
    flat_dict,
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt as the backend takes it.

    `token_ids` is None where the backend takes messages only; `tokens` is then an estimate
    (`estimated`), counted with the chat template where there is one. `ending` is the end of the
    rendered text, which may open the reasoning of the answer; empty where it is rendered elsewhere.
    """

    messages: Messages
    token_ids: tuple[int, ...] | None
    tokens: int
    estimated: bool = False
    ending: str = ""


@dataclass(frozen=True, slots=True)
class Rendering:
    """What becomes a prompt besides the messages.

    `tools` are those that the model may call, in OpenAI's form (JSON Schema). `template_args` are
    variables of the chat template, which others call chat_template_kwargs. `tool_choice` is "auto",
    "required", "none" or the name of the tool that must be called; servers alone can force it.
    """

    tools: tuple[Mapping[str, Any], ...] = ()
    template_args: Mapping[str, Any] = field(default_factory=dict)
    tool_choice: str = "auto"

    def demand_free_choice(self) -> None:
        """Raise `InputError` for a choice of tools that is forced: a prompt cannot force any."""
        if self.tool_choice != "auto":
            raise InputError(
                Problem(
                    "tool_choice cannot be held where prompts go as token ids: nothing forces a "
                    "call there",
                    found=f"tool_choice: {self.tool_choice}",
                    hint="leave it out; or ask a server that parses calls (--backend openai, with "
                    "--engine-arg tokenizer=none for vLLM)",
                )
            )


PLAIN = Rendering()


@dataclass(frozen=True, slots=True)
class Address:
    """Which answer of a run a request is for: recorded and scripted answers are found by it.

    `step` counts the answers within a user turn: with tools, calls come before the last one.
    """

    case: str
    variant: str
    repeat: int = 0
    turn: int = 0
    step: int = 0

    def as_json(self) -> dict[str, JsonValue]:
        """Return its fields; the first step is not named, so that keys stay what they were."""
        fields: dict[str, JsonValue] = flat_dict(self)
        return fields if self.step else {k: v for k, v in fields.items() if k != "step"}


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for one variant. `key` is the completion's key in the store.

    `json_schema`: the answer is decoded so that it fits (`{}` is any JSON); only backends that say
    `constrains_json` are given one. `marked`: special tokens mark what is reasoning.
    """

    key: str
    address: Address
    variant: Variant
    prompt: Prompt
    sampling: Sampling
    time_limit: float | None = None
    json_schema: Mapping[str, Any] | bool | None = None
    rendering: Rendering = PLAIN
    marked: bool = False

    @property
    def keeps_special(self) -> bool:
        """Return whether the text keeps special tokens: some mark calls of tools, or reasoning."""
        return self.marked or bool(self.rendering.tools)


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. `finish_reason` is "stop", "length" or "error"; `error` then says what broke.

    `tool_calls` are those that a server read out of the text, or that were recorded; `reasoning` is
    what it read as such, apart from the text. `reasoning_tokens` counts its tokens, which are among
    `completion_tokens`; None where the engine does not say. `counted`: the engine counted prompt
    and answer; else both numbers of tokens are estimates.

    `seconds` is the time that it was worked on, others beside it, without the time that it waited
    for its turn; of a server, from the request to the reply. `first_token` is the part of it up to
    the first token, None where nobody knows. `machine` is a digest of what times depend on (see
    `machine_of`); empty where none was measured.
    """

    text: str
    finish_reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    error: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    reasoning_tokens: int | None = None
    first_token: float | None = None
    machine: str = ""
    counted: bool = True


@lru_cache(maxsize=256)  # asked for each answer
def machine_of(engine: str, *driven: Hashable) -> str:
    """Return a digest of what the times of answers depend on: two are compared where it is one.

    engine: with its version. driven: the device's kind, and how many answers are worked on at once.
    The name of this host is in it.
    """
    return digest([engine, platform.node(), *map(str, driven)], 12)


@dataclass(frozen=True, slots=True)
class Environment:
    """What answers depend on besides weights and prompt: all of it is in a completion's key.

    `addressed`: answers are found by their address, not by the prompt (recorded and scripted
    ones), so the address goes into the key too.
    """

    engine: str
    version: str
    dtype: str = ""
    quantisation: str = ""
    chat_template: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    addressed: bool = False


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Content hashes of a variant's weights; `adapter` is empty without one."""

    weights: str
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many engines answer beside each other, and where Ray puts them.

    count: None for as many as the cluster holds. address: of a Ray cluster, "auto" for the one
    that this machine belongs to; empty for a cluster of our own on this machine. cpus, gpus: what
    one replica takes; None for what its engine needs. resources: of the cluster's own, for each
    replica. placement: Ray's strategy for a placement group, "" for none. runtime_env: as Ray takes
    it. deaths: replicas that may die over a request before it is an error. silence, start: seconds
    without an answer, and for the first one, after which a replica counts as dead. mixed: GPUs and
    libraries may differ.
    """

    count: int | None = None
    address: str = ""
    cpus: float | None = None
    gpus: float | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    placement: str = ""
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    deaths: int = 3
    silence: float = 600.0
    start: float = 1800.0
    mixed: bool = False
    dashboard: bool = False


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What a backend may be told. Each takes what it understands; `engine_args` is passed on.

    `cache_dir` is where hashes of weights are kept between runs; without it they are not. `warm`:
    an engine that `harness engine up` keeps beside them may answer. `replicas`: several engines
    answer. `gpu_share`: how much of a GPU one engine may take, where others share it. `label` comes
    first in the names of log files, to tell engines apart that work beside each other. `apart`: the
    answers of two variants are never worked on beside each other, so that their times may be
    compared.
    """

    variants: tuple[Variant, ...] = ()
    device: str = "auto"
    dtype: str = "auto"
    batch_tokens: int | None = None
    responses: Path | None = None
    base_url: str | None = None
    trust_remote_code: bool = False
    cache_dir: Path | None = None
    warm: bool = False
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    replicas: Replicas | None = None
    gpu_share: float = 1.0
    label: str = ""
    apart: bool = False


def in_batches(requests: Sequence[Request], *, apart: bool) -> list[list[Request]]:
    """Return what may be worked on together: all requests, or those of each variant by itself."""
    groups: dict[str, list[Request]] = {}
    for request in requests:
        groups.setdefault(request.variant.name if apart else "", []).append(request)
    return list(groups.values())


def once(requests: Sequence[Request]) -> More:
    """Return a source for `Backend.serve` that gives these, and then nothing."""
    left = [requests]
    return lambda: left.pop() if left else ()


def beside(requests: Iterable[Request], variant: Variant) -> tuple[str, ...]:
    """Return, for `machine_of`, who shared batches with a variant, its own name first.

    Empty where it had them to itself: only such times say something of the variant alone.
    """
    others = sorted({request.variant.name for request in requests} - {variant.name})
    return (variant.name, *others) if others else ()


More = Callable[[], Sequence["Request"]]  # what is to be answered next, if anything


class Backend(ABC):
    """Who answers: a model in this process, an engine in another one, a server, or a file.

    Opening one is cheap: weights are loaded by the first `generate`. All other methods work
    without the weights in memory, so that a run whose answers are all in the store starts no
    engine. Three methods have to be written; everything else has a default.

    name: as it is asked for. holds_weights: it loads weights into this machine's memory, so a run
    over several models opens it once for each, in a process of its own. own_process: it generates
    only in a process of its own, also for a single model. one_model_at_a_time: going back to
    another model costs a load, so the requests of each should come together. constrains_json: it
    decodes under `Request.json_schema`. limits_reasoning: it ends reasoning at
    `Sampling.max_reasoning_tokens`, or makes no answers of its own. engines: how many answer beside
    each other.
    """

    name: str
    holds_weights: bool = False
    own_process: bool = False
    one_model_at_a_time: bool = False
    constrains_json: bool = False
    limits_reasoning: bool = False
    engines: int = 1

    @property
    def gpus(self) -> int:
        """Return how many GPUs its engine takes; 0 where it runs on a CPU or elsewhere."""
        return 0

    @property
    def context_length(self) -> int | None:
        """Return the most tokens of prompt and answer together; None where it is not known."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was chosen for the user, each with its reason."""
        return ()

    @abstractmethod
    def environment(self, variant: Variant) -> Environment:
        """Return what this variant's answers depend on besides weights and prompt."""

    @abstractmethod
    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Return content hashes of the variant's weights."""

    def prompt(self, messages: Messages, variant: Variant, rendering: Rendering = PLAIN) -> Prompt:
        """Return the prompt that `generate` will use: by default the messages, with an estimate."""
        return plain_prompt(messages, rendering)

    def chat_template(self, variant: Variant) -> str | None:
        """Return the chat template that prompts are made with; None where none is at hand."""
        return None

    def count_tokens(self, text: str, variant: Variant) -> int | None:
        """Return how many tokens a bare text has; None where no tokenizer is at hand."""
        return None

    def expect(self, answers: int) -> None:  # noqa: B027 - most plan nothing
        """Learn, before the first `generate`, how many answers the run may want at most."""

    def waiting(self, requests: Sequence[Request]) -> str:
        """Say what the first answer to these waits for, "loading the model"; empty for nothing."""
        return ""

    @abstractmethod
    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer all requests, each handed on as it is finished, in any order.

        A request that cannot be answered gives a completion with an error. Raises
        `MachineryError` where the engine breaks.
        """

    def serve(self, more: More) -> Iterator[tuple[Request, Completion]]:
        """Answer what `more` gives, until all is answered and it gives nothing.

        An engine that batches asks it while it works too, so that it never runs empty; what it
        gives when the last answer is there is all that others need.
        """
        while requests := more():
            yield from self.generate(requests)

    def execution(self) -> Mapping[str, str]:
        """Return how it was executed: device, batch size, eager or graphs. Not part of any key."""
        return {}

    def close(self) -> None:  # noqa: B027 - many hold nothing
        """Give the memory back; may be called twice."""


Planner = TypeVar("Planner", bound=Backend)


class PlannedBackend(Backend, Generic[Planner]):
    """A backend whose answers come from elsewhere, under the keys of a planner.

    The planner is the backend as opened in this process: it makes prompts and hashes weights, and
    never generates.
    """

    def __init__(self, planner: Planner) -> None:
        self.name = planner.name
        self.constrains_json = planner.constrains_json
        self.limits_reasoning = planner.limits_reasoning
        self._planner = planner

    @property
    def context_length(self) -> int | None:
        """Ask the planner, so that the same cases fit."""
        return self._planner.context_length

    def environment(self, variant: Variant) -> Environment:
        """Ask the planner."""
        return self._planner.environment(variant)

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Ask the planner."""
        return self._planner.fingerprint(variant)

    def prompt(self, messages: Messages, variant: Variant, rendering: Rendering = PLAIN) -> Prompt:
        """Ask the planner."""
        return self._planner.prompt(messages, variant, rendering)

    def chat_template(self, variant: Variant) -> str | None:
        """Ask the planner."""
        return self._planner.chat_template(variant)

    def count_tokens(self, text: str, variant: Variant) -> int | None:
        """Ask the planner."""
        return self._planner.count_tokens(text, variant)


class _Adopted(Backend):
    """A backend as plug-ins were written before: without the class, or a `prompt` of two."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self.name = opened.name
        self.holds_weights = bool(getattr(opened, "holds_weights", False))
        self.own_process = bool(getattr(opened, "own_process", False))
        self.one_model_at_a_time = bool(getattr(opened, "one_model_at_a_time", False))
        self.constrains_json = bool(getattr(opened, "constrains_json", False))
        self.limits_reasoning = bool(getattr(opened, "limits_reasoning", False))
        self.engines = int(getattr(opened, "engines", 1))

    @property
    def gpus(self) -> int:
        return int(getattr(self._opened, "gpus", 0))

    @property
    def context_length(self) -> int | None:
        length: int | None = self._opened.context_length
        return length

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._opened.notes)

    def environment(self, variant: Variant) -> Environment:
        found: Environment = self._opened.environment(variant)
        return found

    def fingerprint(self, variant: Variant) -> Fingerprint:
        found: Fingerprint = self._opened.fingerprint(variant)
        return found

    def prompt(self, messages: Messages, variant: Variant, rendering: Rendering = PLAIN) -> Prompt:
        if rendering == PLAIN:
            plain: Prompt = self._opened.prompt(messages, variant)
            return plain
        if not _takes_rendering(self._opened):
            raise InputError(
                Problem(
                    f"backend {self.name!r} makes prompts of messages alone: it takes neither "
                    "tools nor chat_template_args",
                    hint="its method `prompt` takes messages, variant and rendering "
                    "(docs/backends.md)",
                )
            )
        made: Prompt = self._opened.prompt(messages, variant, rendering)
        return made

    def chat_template(self, variant: Variant) -> str | None:
        if callable(told := getattr(self._opened, "chat_template", None)):
            template: str | None = told(variant)
            return template
        return None

    def count_tokens(self, text: str, variant: Variant) -> int | None:
        counted = getattr(self._opened, "count_tokens", None)
        return int(counted(text, variant)) if callable(counted) else None

    def expect(self, answers: int) -> None:
        if callable(told := getattr(self._opened, "expect", None)):
            told(answers)

    def waiting(self, requests: Sequence[Request]) -> str:
        reason = getattr(self._opened, "waiting", None)
        return str(reason(requests)) if callable(reason) else ""

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        yield from self._opened.generate(requests)

    def execution(self) -> Mapping[str, str]:
        facts: Mapping[str, str] = self._opened.execution()
        return facts

    def close(self) -> None:
        self._opened.close()


def adopt(opened: Any) -> Backend:
    """Return what a plug-in's function gave as a `Backend`, whether or not it is of that class."""
    return opened if isinstance(opened, Backend) and _takes_rendering(opened) else _Adopted(opened)


def _takes_rendering(opened: Any) -> bool:
    """Return whether its `prompt` takes more than messages and variant."""
    try:
        signature(opened.prompt).bind((), None, PLAIN)
    except TypeError:
        return False
    return True


Opener = TypeVar("Opener", bound=Callable[..., Any])
_ATTRIBUTE = "declaration"


class Models(StrEnum):
    """What `--model` and `--adapter` name for a backend.

    `DIRECTORIES`: weights on this machine, which it reads. `NAMES`: what a server knows them by.
    `NONE`: nothing, its answers are recorded or made up. `EITHER`: a backend that does not say;
    a directory where there is one of that name, and nothing is checked before it is opened.
    """

    DIRECTORIES = "directories"
    NAMES = "names"
    NONE = "none"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a backend says of itself before it is opened.

    models: what models and adapters are to it. options: the fields of `BackendOptions` that it
    uses beside the variants; None where it does not say. arguments: its engine arguments, where it
    knows them all or some.
    """

    models: Models = Models.EITHER
    options: tuple[str, ...] | None = None
    arguments: tuple[EngineArgument, ...] = ()


def models_are(
    what: Literal["directories", "names", "none", "either"],
    *,
    options: Sequence[str] | None = None,
    arguments: Sequence[EngineArgument] = (),
) -> Callable[[Opener], Opener]:
    """Declare, above the function that opens a backend, what it is; see `Declaration`."""
    used = None if options is None else tuple(options)
    said = Declaration(Models(what), used, tuple(arguments))

    def declare(opener: Opener) -> Opener:
        setattr(opener, _ATTRIBUTE, said)
        return opener

    return declare


def declaration(opener: Callable[..., Any]) -> Declaration:
    """Return what was declared, or that nothing was."""
    found: Declaration = getattr(opener, _ATTRIBUTE, Declaration())
    return found


# English prose has about four characters to a token in the vocabularies of today's models
# (platform.openai.com/tokenizer says so of GPT); each turn has a few tokens of its own.
CHARACTERS_PER_TOKEN = 4
TOKENS_PER_TURN = 4


def estimate_tokens(text: str) -> int:
    """Return roughly how many tokens a text has; 0 only for an empty one."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def plain_prompt(messages: Messages, rendering: Rendering = PLAIN) -> Prompt:
    """Return the prompt of a backend that takes messages, with an estimated length."""
    tokens = sum(estimate_tokens(message.content) + TOKENS_PER_TURN for message in messages)
    tokens += sum(estimate_tokens(canonical_json(tool)) for tool in rendering.tools)
    return Prompt(messages, None, tokens, estimated=True)


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two prompts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
