"""Engines in child processes: their memory is given back when they end, whatever they hold."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import Field, TypeAdapter

from harness.backends.base import (
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Prompt,
    Request,
    constrains_json,
)
from harness.common import HarnessError, InputError, MachineryError, Messages, Problem, Variant


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


GRACE = 30.0  # seconds to end after `Close`: engines with processes of their own take some
_LOG_TAIL = 4_000  # characters of the log that are looked at for what was said last
AGAIN = "run the same command again: it goes on where this one stopped"


class Child:
    """A backend in a process of its own. The process starts with the first request.

    `label` names it in errors and is the name of its log, in the options' `cache_dir`. `notes` and
    `execution` are what it said after its last answers; `expected` is how many the run may want.
    """

    def __init__(self, backend: str, options: BackendOptions, label: str) -> None:
        self.label = label
        self.notes: tuple[str, ...] = ()
        self.execution: Mapping[str, str] = {}
        self.expected = 0
        self._open = Open(backend, options)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_file = _log_file(options.cache_dir, label)
        self._log: IO[bytes] | None = None
        self._busy = False

    @property
    def is_alive(self) -> bool:
        """Whether its process is there, with what it has loaded."""
        return self._process is not None and self._process.poll() is None

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answers, each as it arrives.

        Raises what the backend raised; `MachineryError` where the process died. Whoever stops
        listening stops the process too.
        """
        waiting = {request.key: request for request in requests}
        self._busy = True
        try:
            self._start()
            self._tell(Generate(tuple(requests), self.expected))
            while not isinstance(frame := self._hear(), Done):
                if isinstance(frame, Answer):
                    yield waiting[frame.key], frame.completion
            self.notes, self.execution = frame.notes, frame.execution
            self._busy = False
        finally:
            if self._busy:
                self._kill()

    def close(self) -> None:
        """End the process: at once where it is at work, else as soon as it has tidied up."""
        if self._process is not None and not self._busy:
            with suppress(OSError):
                self._tell(Close())
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
        self._kill()

    def _start(self) -> None:
        if self._process is not None:
            return
        self._log = _opened(self._log_file)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.backends.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for the parent, which ends this one
        )
        self._tell(self._open)

    def _tell(self, frame: Frame) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with suppress(BrokenPipeError, ValueError):  # it has died: reading says so, and why
            self._process.stdin.write(to_line(frame))
            self._process.stdin.flush()

    def _hear(self) -> Frame:
        process = self._process
        if process is None or process.stdout is None:
            raise MachineryError(Problem(f"the engine's process for {self.label} was stopped"))
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._death(process)
        frame = from_line(line)
        if isinstance(frame, Failed):
            raise frame.error()
        return frame

    def _death(self, process: subprocess.Popen[bytes]) -> MachineryError:
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        message = f"the engine's process for {self.label} {_cause(process.returncode)}"
        log = f"; its log is {self._log_file}" if self._log_file else ""
        return MachineryError(Problem(message, found=self._last_words(), hint=AGAIN + log))

    def _last_words(self) -> str:
        """The last line that the process or a library in it printed."""
        if self._log is None or self._log.closed:
            return ""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_TAIL))
        lines = self._log.read().decode(errors="replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def _kill(self) -> None:
        """End the process and all that it started, and free its pipes."""
        process, self._process, self._busy = self._process, None, False
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, self._log):
            with suppress(OSError):  # what is still in a buffer has no reader any more
                if stream is not None:
                    stream.close()


def _log_file(directory: Path | None, label: str) -> Path | None:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", label).strip("-")
    return directory / f"engine-{name}.log" if directory else None


def _opened(log: Path | None) -> IO[bytes]:
    """A new log; where it cannot be kept, one without a name serves."""
    try:
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            return log.open("w+b")
    except OSError:
        pass
    return tempfile.TemporaryFile()


def _cause(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "was killed (SIGKILL; where memory runs out, the system does that)"
    if code is not None and code < 0:
        return f"was killed ({signal.Signals(-code).name})"
    return f"ended with exit code {code}"


class ModelByModel:
    """A backend over models of which one at a time is in memory, in a process of its own.

    `planner` is the backend as opened in this process: it makes prompts and hashes weights, and
    never generates.
    """

    one_model_at_a_time = True

    def __init__(self, planner: Backend, backend: str, options: BackendOptions) -> None:
        self.name = planner.name
        self.constrains_json = constrains_json(planner)
        self._planner = planner
        self._backend = backend
        self._options = options
        self._children: dict[str, Child] = {}
        self._current = ""
        self._expected = 0

    @property
    def context_length(self) -> int | None:
        """The planner's, who knows all models."""
        return self._planner.context_length

    @property
    def notes(self) -> tuple[str, ...]:
        """That there are several engines, and what each of them notes."""
        count = len(_models(self._options.variants))
        several = f"{count} models: one engine after another, each in a process of its own"
        first = (several,) if count > 1 else ()
        told = (note for child in self._children.values() for note in child.notes)
        return tuple(dict.fromkeys((*first, *self._planner.notes, *told)))

    def environment(self, variant: Variant) -> Environment:
        """As the planner says."""
        return self._planner.environment(variant)

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """As the planner says."""
        return self._planner.fingerprint(variant)

    def prompt(self, messages: Messages, variant: Variant) -> Prompt:
        """As the planner makes it."""
        return self._planner.prompt(messages, variant)

    def expect(self, answers: int) -> None:
        """Let each engine plan its start for its share of this many answers, at least."""
        share = answers // len(_models(self._options.variants))
        self._expected = max(self._expected, share)  # parts of a run tell of themselves alone

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answers model by model, the one in memory first; raises what an engine raises."""
        for model in self._order(requests):
            mine = [request for request in requests if request.variant.model == model]
            child = self._child(model)
            child.expected = self._expected
            yield from child.generate(mine)

    def waiting(self, requests: Sequence[Request]) -> str:
        """Which model is loaded next, unless it is in memory."""
        first = next(iter(self._order(requests)), self._current)
        if first == self._current and self._children[first].is_alive:
            return ""
        return f"loading {Path(first).name}"

    def execution(self) -> Mapping[str, str]:
        """How the engines were driven; where they differ, one fact after the other."""
        facts: dict[str, list[str]] = {}
        for source in (self._planner.execution(), *(c.execution for c in self._children.values())):
            for name, value in source.items():
                known = facts.setdefault(name, [])
                known += [value] if value not in known else []
        return {name: ", then ".join(values) for name, values in facts.items()}

    def close(self) -> None:
        """End the engine that is there."""
        if child := self._children.get(self._current):
            child.close()
        self._planner.close()

    def _order(self, requests: Sequence[Request]) -> list[str]:
        models = _models([request.variant for request in requests])
        return sorted(models, key=lambda model: model != self._current)

    def _child(self, model: str) -> Child:
        """The engine of a model, once that of the last one has ended."""
        if model != self._current and self._current:
            self._children[self._current].close()
        if model not in self._children:
            own = tuple(v for v in self._options.variants if v.model == model)
            options = replace(self._options, variants=own)
            label = f"{self._backend} {Path(model).name}"
            self._children[model] = Child(self._backend, options, label)
        self._current = model
        return self._children[model]


def _models(variants: Sequence[Variant]) -> list[str]:
    """Each model once, in the order of its first variant."""
    return list(dict.fromkeys(variant.model for variant in variants))
