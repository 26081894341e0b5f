"""Engines in child processes: their memory is given back when they end, whatever they hold."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from harness.backends.base import (
    Backend,
    BackendOptions,
    Completion,
    More,
    PlannedBackend,
    Request,
    once,
)
from harness.backends.vllm.server import holders
from harness.common import (
    HarnessError,
    InputError,
    MachineryError,
    Problem,
    Variant,
    make_folder,
    processes,
)


@dataclass(frozen=True, slots=True)
class OpenCommand:
    """To the process: be this backend. The first command; nothing answers it."""

    backend: str
    options: BackendOptions
    kind: Literal["open"] = "open"


@dataclass(frozen=True, slots=True)
class GenerateCommand:
    """To the process: answer these, beside those it is at. `AnswerEvent` for each, and `DoneEvent`.

    `expected` is how many answers the whole run may ask for.
    """

    requests: tuple[Request, ...]
    expected: int = 0
    kind: Literal["generate"] = "generate"


@dataclass(frozen=True, slots=True)
class CloseCommand:
    """To the process: give the memory back and end."""

    kind: Literal["close"] = "close"


@dataclass(frozen=True, slots=True)
class AnswerEvent:
    """From the process: the answer to the request with this key."""

    key: str
    completion: Completion
    kind: Literal["answer"] = "answer"


@dataclass(frozen=True, slots=True)
class DoneEvent:
    """From the process: so many `commands` more are done, and it has nothing left to answer.

    With the backend's notes, and how it was executed.
    """

    notes: tuple[str, ...] = ()
    execution: Mapping[str, str] = field(default_factory=dict)
    commands: int = 1
    kind: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class FailedEvent:
    """From the process: it cannot go on. `wrong_input` says whose fault that is."""

    problems: tuple[Problem, ...]
    wrong_input: bool = False
    kind: Literal["failed"] = "failed"

    @classmethod
    def of(cls, error: HarnessError) -> FailedEvent:
        """Return the error as it travels."""
        return cls(error.problems, isinstance(error, InputError))

    def error(self) -> HarnessError:
        """Return the error that it was."""
        family = InputError if self.wrong_input else MachineryError
        return family(*self.problems)


Frame = OpenCommand | GenerateCommand | CloseCommand | AnswerEvent | DoneEvent | FailedEvent
_ADAPTER: TypeAdapter[Frame] = TypeAdapter(
    Annotated[Frame, Field(discriminator="kind")], config=ConfigDict(defer_build=True)
)
FRAMES = processes.JsonLines(_ADAPTER)  # one frame a line


def served(
    backend: Backend, first: GenerateCommand, more: Callable[[], GenerateCommand | None]
) -> Iterator[Frame]:
    """Yield what a backend answers to a command and to those that come meanwhile, and how it ended.

    What breaks is an event too, after its traceback is in the log.
    """
    commands = 0

    def requests() -> Sequence[Request]:
        nonlocal commands
        command = more() if commands else first
        if command is None:
            return ()
        commands += 1
        return command.requests

    try:
        # Before anything is asked for: an engine's start is planned for all answers of the run.
        backend.expect(max(first.expected, len(first.requests)))
        for request, completion in backend.serve(requests):
            yield AnswerEvent(request.key, completion)
        yield DoneEvent(backend.notes, dict(backend.execution()), commands)
    except Exception as error:
        yield broken(error)


def broken(error: Exception) -> FailedEvent:
    """Return what is said of an error, with its traceback in the log."""
    traceback.print_exc()
    if not isinstance(error, HarnessError):
        found = f"{type(error).__name__}: {error}"
        error = MachineryError(Problem("the engine broke", found=found))
    return FailedEvent.of(error)


WORKER = "harness.backends.worker"  # the module whose process holds a backend
GRACE = 30.0  # seconds to end after `CloseCommand`: engines with processes of their own take some
LOOK = 0.05  # seconds that it waits for an answer before it looks whether more is asked
_LOG_TAIL = 4_000  # characters of the log that are looked at for what was said last
AGAIN = "run the same command again: it goes on where this one stopped"


class BackendProcess:
    """A backend in a process of its own, which starts with the first request.

    `label` names it in errors and is the name of its log, in the options' `cache_dir`. `notes` and
    `execution` are what it said after its last answers; `expected` is how many the run may want.
    """

    def __init__(self, backend: str, options: BackendOptions, label: str) -> None:
        self.label = label
        self.notes: tuple[str, ...] = ()
        self.execution: Mapping[str, str] = {}
        self.expected = 0
        self._open = OpenCommand(backend, options)
        self._child: processes.Child | None = None
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", label).strip("-")
        self._log_file = options.cache_dir / f"engine-{name}.log" if options.cache_dir else None
        self._log: IO[bytes] | None = None
        self._busy = False

    @property
    def is_alive(self) -> bool:
        """Return whether its process is there, with what it has loaded."""
        return self._child is not None and self._child.is_alive

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer the requests, as `serve` does; nothing else can come."""
        return self._answers(once(requests), None)

    def serve(self, more: More) -> Iterator[tuple[Request, Completion]]:
        """Answer what `more` gives, each answer handed on as it arrives.

        Raises what the backend raised; `MachineryError` where the process died. Whoever stops
        listening stops the process too.
        """
        return self._answers(more, LOOK)

    def _answers(self, more: More, patience: float | None) -> Iterator[tuple[Request, Completion]]:
        """Answer, and ask for more after an answer, or so many seconds without one."""
        asked: dict[str, Request] = {}
        commands = 0  # of which it has not said that they are done
        self._busy = True
        try:
            if self._child is None:
                self._log = _opened(self._log_file)
                self._child = processes.Child(WORKER, errors=self._log)
                self._child.send(FRAMES.to_line(self._open))
            while True:
                child = self._child
                if child is None:
                    raise MachineryError(
                        Problem(f"the engine's process for {self.label} was stopped")
                    )
                if requests := more():
                    asked |= {request.key: request for request in requests}
                    child.send(FRAMES.to_line(GenerateCommand(tuple(requests), self.expected)))
                    commands += 1
                elif not commands:
                    break
                try:
                    line = child.receive(patience)
                except TimeoutError:
                    continue
                if line is None:
                    raise self._death(child)
                frame = FRAMES.from_line(line)
                if isinstance(frame, FailedEvent):
                    raise frame.error()
                if isinstance(frame, AnswerEvent) and frame.key in asked:
                    yield asked.pop(frame.key), frame.completion
                if isinstance(frame, DoneEvent):
                    self.notes, self.execution = frame.notes, frame.execution
                    commands -= frame.commands
            self._busy = False
        finally:
            if self._busy:
                self._end()

    def close(self) -> None:
        """End the process: at once where it is at work, else as soon as it has tidied up."""
        if self._child is not None and not self._busy:
            with suppress(OSError):
                self._child.send(FRAMES.to_line(CloseCommand()))
            self._end(GRACE)
        self._end()

    def _death(self, child: processes.Child) -> MachineryError:
        """Return the error of a process that has ended, with the last line of its log."""
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(GRACE)
        code = child.process.returncode
        more: tuple[Problem, ...] = ()
        if code == -signal.SIGKILL:
            cause = "was killed (SIGKILL; where memory runs out, the system does that)"
            more = holders()
        elif code is not None and code < 0:
            cause = f"was killed ({signal.Signals(-code).name})"
        else:
            cause = f"ended with exit code {code}"
        said = ""
        if self._log is not None and not self._log.closed:
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - _LOG_TAIL))
            lines = self._log.read().decode(errors="replace").split("\n")
            said = next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
        log = f"; its log is {self._log_file}" if self._log_file else ""
        message = f"the engine's process for {self.label} {cause}"
        return MachineryError(Problem(message, found=said, hint=AGAIN + log), *more)

    def _end(self, patience: float = 0.0) -> None:
        """End the process and all that it started, and free its log."""
        child, self._child, self._busy = self._child, None, False
        if child is not None:
            processes.end(child.process, patience)
            if self._log is not None:
                self._log.close()


def _opened(log: Path | None) -> IO[bytes]:
    """Open a new log; where it cannot be kept, one without a name serves."""
    try:
        if log is not None:
            make_folder(log.parent)
            return log.open("w+b")
    except OSError:
        pass
    return tempfile.TemporaryFile()


class ModelByModel(PlannedBackend[Backend]):
    """A backend over models of which one at a time is in memory, in a process of its own."""

    one_model_at_a_time = True

    def __init__(self, planner: Backend, backend: str, options: BackendOptions) -> None:
        super().__init__(planner)
        self._backend = backend
        self._options = options
        self._models = _models(options.variants)
        self._processes: dict[str, BackendProcess] = {}
        self._current = ""
        self._expected = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Say that there are several engines, and what each of them notes."""
        count = len(self._models)
        several = f"{count} models: one engine after another, each in a process of its own"
        first = (several,) if count > 1 else ()
        told = (note for process in self._processes.values() for note in process.notes)
        return tuple(dict.fromkeys((*first, *self._planner.notes, *told)))

    def expect(self, answers: int) -> None:
        """Let each engine plan its start for its share of this many answers, at least."""
        share = answers // len(self._models)
        self._expected = max(self._expected, share)  # parts of a run tell of themselves alone

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer model by model, the one in memory first; raises what a backend raises."""
        for model in self._order(requests):
            asked = [request for request in requests if request.variant.model == model]
            yield from self._turn_to(model).generate(asked)

    def serve(self, more: More) -> Iterator[tuple[Request, Completion]]:
        """Answer what `more` gives; a single model's engine takes it while it works."""
        if len(self._models) > 1:
            yield from super().serve(more)
        else:
            yield from self._turn_to(self._models[0]).serve(more)

    def waiting(self, requests: Sequence[Request]) -> str:
        """Say which model is loaded next, unless it is in memory."""
        first = next(iter(self._order(requests)), self._current)
        if first == self._current and self._processes[first].is_alive:
            return ""
        return f"loading {Path(first).name}"

    def execution(self) -> Mapping[str, str]:
        """Return how the engines were driven; where they differ, one fact after the other."""
        facts: dict[str, list[str]] = {}
        sources = (self._planner.execution(), *(p.execution for p in self._processes.values()))
        for source in sources:
            for name, value in source.items():
                known = facts.setdefault(name, [])
                known += [value] if value not in known else []
        return {name: ", then ".join(values) for name, values in facts.items()}

    def close(self) -> None:
        """End the engine that is there."""
        if process := self._processes.get(self._current):
            process.close()
        self._planner.close()

    def _turn_to(self, model: str) -> BackendProcess:
        """Return the process of a model, the only one that is there."""
        if model != self._current and self._current:
            self._processes[self._current].close()
        if model not in self._processes:
            own = tuple(v for v in self._options.variants if v.model == model)
            options = replace(self._options, variants=own, warm=False)
            label = f"{self._options.label} {self._backend} {Path(model).name}".strip()
            self._processes[model] = BackendProcess(self._backend, options, label)
        self._current = model
        self._processes[model].expected = self._expected
        return self._processes[model]

    def _order(self, requests: Sequence[Request]) -> list[str]:
        models = _models([request.variant for request in requests])
        return sorted(models, key=lambda model: model != self._current)


def _models(variants: Sequence[Variant]) -> list[str]:
    """Return each model once, in the order of its first variant."""
    return list(dict.fromkeys(variant.model for variant in variants))
