"""The engine `echo`: instant and deterministic, for trying suites out and for tests.

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

from harness.backends.base import (
    Address,
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Prompt,
    Request,
    estimate_tokens,
    models_are,
    plain_prompt,
)
from harness.backends.replay import Recording
from harness.common import InputError, Messages, Problem, Variant, digest, nearest

VERSION = "1"  # goes up when the same input would give other answers
_ARGUMENTS = ("delay", "script")


class EchoBackend:
    """Answers from a script, else the last user message."""

    name = "echo"
    context_length = None
    notes: tuple[str, ...] = ()

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
        """The same for every script: runs of two scripts may be compared."""
        return Environment("echo", VERSION, addressed=True)

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """The script, and the names of model and adapter: no weights are read."""
        weights = digest({"script": self._digest, "variant": variant.name, "model": variant.model})
        return Fingerprint(weights, digest(variant.adapter) if variant.adapter else "")

    def prompt(self, messages: Messages, variant: Variant) -> Prompt:
        """The messages themselves, with an estimated length."""
        return plain_prompt(messages)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Each request's answer, in order; sampling settings and time limits change nothing."""
        for request in requests:
            started = time.perf_counter()
            if self._delay:
                time.sleep(self._delay)
            yield request, self._completion(request, started)

    def execution(self) -> Mapping[str, str]:
        """The delay, where there is one."""
        return {"delay": f"{self._delay:g} s"} if self._delay else {}

    def close(self) -> None:
        """Nothing is held open."""

    def _completion(self, request: Request, started: float) -> Completion:
        scripted = self._scripted(request.address)
        text = _last_user(request.prompt.messages) if scripted is None else scripted
        return Completion(
            text,
            "stop",
            prompt_tokens=request.prompt.tokens,
            completion_tokens=estimate_tokens(text),
            seconds=time.perf_counter() - started,
        )

    def _scripted(self, address: Address) -> str | None:
        answers = self._script.get(address.case)
        if isinstance(answers, Mapping):
            answers = answers.get(address.variant)
        if isinstance(answers, str):
            return answers
        if answers is None and self._recording:
            row = self._recording.row(address.case, address.variant, address.repeat)
            answers = row.responses if row else None
        if answers is None or address.turn >= len(answers):
            return None
        return str(answers[address.turn])


@models_are("none")
def open_echo(options: BackendOptions) -> Backend:
    """The engine with its script; raises `InputError` for a script or an argument that is wrong."""
    arguments = options.engine_args
    problems = [_unknown(name) for name in arguments if name not in _ARGUMENTS]
    delay, script = arguments.get("delay", 0.0), arguments.get("script", {})
    if isinstance(delay, bool) or not isinstance(delay, int | float) or delay < 0:
        problems.append(
            Problem("echo: 'delay' is wrong", found=repr(delay), expected="seconds from 0")
        )
    problems += _script_problems(script)
    if problems:
        raise InputError(*problems)
    recording = Recording(options.responses) if options.responses else None
    return EchoBackend(script, recording, float(delay))


def _script_problems(script: Any) -> list[Problem]:
    if not isinstance(script, Mapping):
        return [
            Problem("echo: 'script' is wrong", found=repr(script), expected="a mapping of cases")
        ]
    wanted = "an answer, a list of answers, or one of both for each variant"
    return [
        Problem("echo: 'script' is wrong", case=str(case), found=repr(answers), expected=wanted)
        for case, answers in script.items()
        if not _is_answers(answers)
    ]


def _is_answers(value: Any, *, nested: bool = True) -> bool:
    if isinstance(value, Mapping):
        return nested and all(_is_answers(inner, nested=False) for inner in value.values())
    if isinstance(value, str):
        return True
    return isinstance(value, Sequence) and all(isinstance(item, str) for item in value)


def _unknown(name: str) -> Problem:
    return Problem(
        f"echo: engine argument {name!r} is not known",
        did_you_mean=nearest(name, _ARGUMENTS),
        hint=f"use one of {', '.join(_ARGUMENTS)}",
    )


def _last_user(messages: Messages) -> str:
    users = (message.content for message in reversed(messages) if message.role == "user")
    return next(users, "")
