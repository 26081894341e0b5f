"""The backend `echo`: instant and deterministic, for trying suites out and for tests.

It answers with the last user message, unless a script says otherwise. A script is a file of
recorded answers (`responses`; rows for some cases are enough) or a mapping under the engine
argument `script`, whose keys are cases and whose values are an answer, a list with an answer for
each turn, or one of both for each variant:

    {"greet": "Hello!", "persona": ["I am Lina.", "Acme made me."],
     "refund": {"base": "No.", "tuned": "Gladly."}}

The engine argument `delay` waits that many seconds before each answer, as a slow engine would.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.backends.arguments import EngineArgument, argument_problems, number_from
from harness.backends.base import (
    Address,
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Request,
    estimate_tokens,
    machine_of,
    models_are,
)
from harness.backends.replay import RecordedStep, Recording
from harness.common import InputError, Problem, Variant, digest

VERSION = "1"  # goes up when the same input would give other answers


class EchoBackend(Backend):
    """Answers from a script, else the last user message."""

    name = "echo"
    limits_reasoning = True

    def __init__(
        self,
        script: Mapping[str, Any] | None = None,
        recording: Recording | None = None,
        delay: float = 0.0,
    ) -> None:
        self._script = script or {}
        self._recording = recording
        self._delay = delay
        recorded = recording.digest if recording else ""
        self._digest = digest({"script": self._script, "recorded": recorded})

    def environment(self, variant: Variant) -> Environment:
        """Return the same for every script: runs of two scripts may be compared."""
        return Environment("echo", VERSION, addressed=True)

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Hash the script, and the names of model and adapter: no weights are read."""
        weights = digest({"script": self._digest, "variant": variant.name, "model": variant.model})
        return Fingerprint(weights, digest(variant.adapter) if variant.adapter else "")

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer in order; sampling settings and time limits change nothing.

        It has tokens of four characters.
        """
        machine = machine_of(f"echo {VERSION}", self._delay)
        for request in requests:
            started = time.perf_counter()
            if self._delay:
                time.sleep(self._delay)
            step = self._scripted(request.address)
            if step is None:
                users = (m.content for m in reversed(request.prompt.messages) if m.role == "user")
                step = RecordedStep(request.address.turn, next(users, ""))
            apart = "" if step.reasoning in step.text else step.reasoning
            yield (
                request,
                Completion(
                    step.text,
                    "stop",
                    prompt_tokens=request.prompt.tokens,
                    completion_tokens=estimate_tokens(step.text) + estimate_tokens(apart),
                    seconds=time.perf_counter() - started,
                    tool_calls=step.calls,
                    reasoning=step.reasoning,
                    machine=machine,
                ),
            )

    def execution(self) -> Mapping[str, str]:
        """Return the delay, where there is one."""
        return {"delay": f"{self._delay:g} s"} if self._delay else {}

    def _scripted(self, address: Address) -> RecordedStep | None:
        """Return an answer; None where none is scripted."""
        answers = self._script.get(address.case)
        if isinstance(answers, Mapping):
            answers = answers.get(address.variant)
        if isinstance(answers, str):
            return RecordedStep(address.turn, answers)
        if answers is None and self._recording:
            row = self._recording.row(address.case, address.variant, address.repeat)
            return row.step(address.turn, address.step) if row else None
        if answers is None or address.turn >= len(answers):
            return None
        return RecordedStep(address.turn, str(answers[address.turn]))


ARGUMENTS = (
    EngineArgument("delay", number_from(0), "seconds from 0"),
    EngineArgument("script", lambda value: isinstance(value, Mapping), "a mapping of cases"),
)


@models_are("none", options=("responses",), arguments=ARGUMENTS)
def open_echo(options: BackendOptions) -> Backend:
    """Open it with its script; raise `InputError` for a script or an argument that is wrong."""
    arguments = options.engine_args
    problems = [*argument_problems("echo", arguments, ARGUMENTS)]
    script = arguments.get("script", {})
    if isinstance(script, Mapping):
        expected = "an answer, a list of answers, or one of both for each variant"
        problems += [
            Problem("echo: 'script' is wrong", case=str(case), found=repr(said), expected=expected)
            for case, said in script.items()
            if not _is_answers(said)
        ]
    if problems:
        raise InputError(*problems)
    recording = Recording(options.responses) if options.responses else None
    return EchoBackend(script, recording, float(arguments.get("delay", 0.0)))


def _is_answers(value: Any, *, nested: bool = True) -> bool:
    if isinstance(value, Mapping):
        return nested and all(_is_answers(inner, nested=False) for inner in value.values())
    if isinstance(value, str):
        return True
    return isinstance(value, Sequence) and all(isinstance(item, str) for item in value)
