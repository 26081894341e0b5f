"""A third-party backend that says which process it is, and breaks in the ways it is told.

It is written as plug-ins were before `Backend` was a class: it only has the methods.

What it is told is the last word of a message. Its module is installed by the fixture `brittle`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from harness.backends import (
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Prompt,
    Request,
)
from harness.common import InputError, Messages, Problem, Variant


class BrittleBackend:
    """Answers with the model's name and the number of its process."""

    name = "brittle"
    holds_weights = True
    context_length = None

    def __init__(self, options: BackendOptions) -> None:
        self._options = options
        self._asked = 0
        self._expected = 0

    def expect(self, answers: int) -> None:
        self._expected = max(self._expected, answers)

    @property
    def notes(self) -> tuple[str, ...]:
        return (f"{self._asked} asked",) if self._asked else ()

    def environment(self, variant: Variant) -> Environment:
        return Environment("brittle", "1")

    def fingerprint(self, variant: Variant) -> Fingerprint:
        return Fingerprint(variant.model, variant.adapter or "")

    def prompt(self, messages: Messages, variant: Variant) -> Prompt:
        return Prompt(messages, None, 1, estimated=True)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        for request in requests:
            self._asked += 1
            word = request.prompt.messages[-1].content.split()[-1]
            _act(word)
            if word == "expected":
                yield request, Completion(str(self._expected), "stop")
                continue
            models = sorted({variant.model for variant in self._options.variants})
            yield request, Completion(f"{request.variant.model} {os.getpid()} {models}", "stop")

    def execution(self) -> Mapping[str, str]:
        return {"asked": str(self._asked)}

    def close(self) -> None:
        """Nothing is held."""


def _act(word: str) -> None:
    if word == "print":
        print("a library prints this")
        os.write(1, b"and this\n")
    if word == "die":
        print("the last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "exit":
        os._exit(3)
    if word == "break":
        raise ValueError("a fault of its own")
    if word == "wrong":
        raise InputError(Problem("is wrong", "model", 3, hint="mend it"))
    if word == "sleep":
        child = subprocess.Popen(["sleep", "600"])
        print(f"helper {child.pid}", file=sys.stderr, flush=True)
        time.sleep(600)


def open_brittle(options: BackendOptions) -> BrittleBackend:
    """Open it, whatever the options."""
    return BrittleBackend(options)
