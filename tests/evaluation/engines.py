"""An engine for tests: says what it is told, breaks when it is told, remembers what it was asked.

It is a whole backend, as a plug-in would be; only the text comes from a function.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.backends import (
    PLAIN,
    Backend,
    Completion,
    Environment,
    Fingerprint,
    More,
    Prompt,
    Rendering,
    Request,
)
from harness.common import Messages, Variant


def last_user_turn(request: Request) -> Completion:
    """Say what the user said last."""
    return Completion(request.prompt.messages[-1].content, "stop", request.prompt.tokens, 1)


@dataclass
class ScriptedEngine(Backend):
    """Answers one request after the other with `say`; an exception it raises ends `generate`."""

    say: Callable[[Request], Completion | None] = last_user_turn
    room: int | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    version: str = "1"
    addressed: bool = False
    hang_after: int | None = None
    pause: float = 0.0
    words: int = 1
    counted: int = 0
    portions: list[int] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    name: str = "scripted"

    @property
    def context_length(self) -> int | None:
        return self.room

    def environment(self, variant: Variant) -> Environment:
        return Environment("scripted", self.version, addressed=self.addressed)

    def fingerprint(self, variant: Variant) -> Fingerprint:
        return Fingerprint("w", self.weights.get(variant.name, variant.adapter or ""))

    def prompt(self, messages: Messages, variant: Variant, rendering: Rendering = PLAIN) -> Prompt:
        self.counted += 1
        words = sum(len(message.content.split()) for message in messages)
        return Prompt(messages, None, words * self.words)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        self.portions.append(len(requests))
        for place, request in enumerate(requests):
            if place == self.hang_after:
                time.sleep(3600)
            if self.pause:
                time.sleep(self.pause)
            self.asked.append(request)
            completion = self.say(request)
            if completion is not None:
                yield request, completion


class StreamingEngine(ScriptedEngine):
    """Takes more while it works, as an engine that batches does.

    It has at least `wanted` in its hands until it has been given `total`, and does not answer
    before; where they never come it breaks. `held` is the most that it had.
    """

    wanted = 2
    total = 0
    held = 0

    def serve(self, more: More) -> Iterator[tuple[Request, Completion]]:
        asked = deque(more())
        while asked:
            until = time.monotonic() + 30.0
            while len(asked) < self.wanted and len(self.asked) + len(asked) < self.total:
                if time.monotonic() > until:
                    raise RuntimeError("it would have run empty")
                time.sleep(0.001)
                asked.extend(more())
            self.held = max(self.held, len(asked))
            yield from self.generate([asked.popleft()])
            asked.extend(more())
