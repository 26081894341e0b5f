"""What an engine's process and this one say to each other: one JSON text a line, never a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from harness.backends.values import BackendOptions, Completion, Request
from harness.errors import HarnessError, InputError, MachineryError, Problem


@dataclass(frozen=True, slots=True)
class Open:
    """To the engine: be this backend. The first command; nothing answers it."""

    backend: str
    options: BackendOptions
    kind: Literal["open"] = "open"


@dataclass(frozen=True, slots=True)
class Generate:
    """To the engine: answer these. `Answer` for each, then `Done`.

    `expected` is how many answers the whole run may ask for.
    """

    requests: tuple[Request, ...]
    expected: int = 0
    kind: Literal["generate"] = "generate"


@dataclass(frozen=True, slots=True)
class Close:
    """To the engine: give the memory back and end."""

    kind: Literal["close"] = "close"


@dataclass(frozen=True, slots=True)
class Answer:
    """From the engine: the answer to the request with this key."""

    key: str
    completion: Completion
    kind: Literal["answer"] = "answer"


@dataclass(frozen=True, slots=True)
class Done:
    """From the engine: all are answered; its notes, and how it was executed."""

    notes: tuple[str, ...] = ()
    execution: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class Failed:
    """From the engine: it cannot go on. `wrong_input` says whose fault that is."""

    problems: tuple[Problem, ...]
    wrong_input: bool = False
    kind: Literal["failed"] = "failed"

    @classmethod
    def of(cls, error: HarnessError) -> Failed:
        """The error as it travels."""
        return cls(error.problems, isinstance(error, InputError))

    def error(self) -> HarnessError:
        """The error that it was."""
        family = InputError if self.wrong_input else MachineryError
        return family(*self.problems)


Frame = Open | Generate | Close | Answer | Done | Failed
_FRAMES: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="kind")])


def to_line(frame: Frame) -> bytes:
    """A frame as one line. Fields of a sampling that nobody set stay unset."""
    return _FRAMES.dump_json(frame, exclude_unset=True, fallback=str) + b"\n"


def from_line(line: bytes) -> Frame:
    """The frame in a line; raises ValueError for anything else."""
    return _FRAMES.validate_json(line)
