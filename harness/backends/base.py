"""What goes into an engine and what comes out of it. Nothing here knows of suites."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from harness.common import Messages, Sampling, Variant


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt as the engine takes it.

    `token_ids` is None where the engine takes messages only; `tokens` is then an estimate
    (`estimated`), counted with the chat template where there is one.
    """

    messages: Messages
    token_ids: tuple[int, ...] | None
    tokens: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """Which answer of a run a request is for: recorded and scripted answers are found by it."""

    case: str
    variant: str
    repeat: int = 0
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for one variant. `key` is the completion's key in the store.

    `json_schema`: the answer is decoded so that it fits (`{}` is any JSON); only engines that say
    `constrains_json` are given one.
    """

    key: str
    address: Address
    variant: Variant
    prompt: Prompt
    sampling: Sampling
    time_limit: float | None = None
    json_schema: Mapping[str, Any] | bool | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. `finish_reason` is "stop", "length" or "error"; `error` then says what broke.

    `seconds` is the time from the start of its batch to its end, as far as the engine knows it.
    """

    text: str
    finish_reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    error: str = ""


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
class BackendOptions:
    """What a backend may be told. Each takes what it understands; `engine_args` is passed on.

    `cache_dir` is where hashes of weights are kept between runs; without it they are not.
    """

    variants: tuple[Variant, ...] = ()
    device: str = "auto"
    dtype: str = "auto"
    batch_tokens: int | None = None
    responses: Path | None = None
    base_url: str | None = None
    trust_remote_code: bool = False
    cache_dir: Path | None = None
    engine_args: Mapping[str, Any] = field(default_factory=dict)


class Backend(Protocol):
    """An engine. Opening one is cheap: weights are loaded by the first `generate`.

    Everything but `generate` works without the weights in memory, so that a run whose answers are
    all in the store starts no engine.

    An engine that loads weights into this machine's memory also says `holds_weights = True`: a run
    over several models then opens it once for each, in a process of its own.
    """

    name: str

    @property
    def context_length(self) -> int | None:
        """Most tokens of prompt and answer together; None where it is not known."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Choices made for the user, each with its reason: "float32: the CPU has no fast bf16"."""

    def environment(self, variant: Variant) -> Environment:
        """What this variant's answers depend on besides weights and prompt."""

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Content hashes of the weights."""

    def prompt(self, messages: Messages, variant: Variant) -> Prompt:
        """The prompt that `generate` will use for these messages."""

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer all requests, each handed on as it is finished, in any order.

        A request that cannot be answered gives a completion with an error; an engine that breaks
        raises `MachineryError`.
        """

    def execution(self) -> Mapping[str, str]:
        """How it was executed: device, batch size, eager or graphs. Not part of any key."""

    def close(self) -> None:
        """Give the memory back."""


def holds_weights(backend: Backend) -> bool:
    """Whether the engine loads weights itself; one that does not say so does not."""
    return bool(getattr(backend, "holds_weights", False))


def needs_own_process(backend: Backend) -> bool:
    """Whether the engine generates only in a process of its own, also for a single model."""
    return bool(getattr(backend, "own_process", False))


def one_model_at_a_time(backend: Backend) -> bool:
    """Whether going back to another model costs a load: then its requests should come together."""
    return bool(getattr(backend, "one_model_at_a_time", False))


def constrains_json(backend: Backend) -> bool:
    """Whether the engine can decode under a JSON Schema; one that does not say so cannot."""
    return bool(getattr(backend, "constrains_json", False))


def announce(backend: Backend, answers: int) -> None:
    """Tell an engine that plans its start how many answers the run may ask it for, at most."""
    expect = getattr(backend, "expect", None)
    if callable(expect):
        expect(answers)


def waiting(backend: Backend, requests: Sequence[Request]) -> str:
    """What these requests wait for before the first is answered: "loading the model".

    Empty where nothing need be started, and for an engine that does not say.
    """
    reason = getattr(backend, "waiting", None)
    return str(reason(requests)) if callable(reason) else ""


Opener = TypeVar("Opener", bound=Callable[..., Any])
_ATTRIBUTE = "models"


class Models(StrEnum):
    """What `--model` and `--adapter` name for an engine.

    `DIRECTORIES`: weights on this machine, which it reads. `NAMES`: what a server knows them by.
    `NONE`: nothing, its answers are recorded or made up. `EITHER`: an engine that does not say;
    a directory where there is one of that name, and nothing is checked before it is opened.
    """

    DIRECTORIES = "directories"
    NAMES = "names"
    NONE = "none"
    EITHER = "either"


def models_are(
    what: Literal["directories", "names", "none", "either"],
) -> Callable[[Opener], Opener]:
    """Declares, above the function that opens an engine, what models and adapters are to it."""

    def declare(opener: Opener) -> Opener:
        setattr(opener, _ATTRIBUTE, Models(what))
        return opener

    return declare


def declared_models(opener: Callable[..., Any]) -> Models:
    """What was declared; `EITHER` where nothing was."""
    found: Models = getattr(opener, _ATTRIBUTE, Models.EITHER)
    return found


# English prose has about four characters to a token in the vocabularies of today's models
# (platform.openai.com/tokenizer says so of GPT); each turn has a few tokens of its own.
CHARACTERS_PER_TOKEN = 4
TOKENS_PER_TURN = 4


def estimate_tokens(text: str) -> int:
    """Roughly how many tokens a text has; 0 only for an empty one."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def plain_prompt(messages: Messages) -> Prompt:
    """The prompt of an engine that takes messages, with an estimated length."""
    tokens = sum(estimate_tokens(message.content) + TOKENS_PER_TURN for message in messages)
    return Prompt(messages, None, tokens, estimated=True)


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two prompts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
