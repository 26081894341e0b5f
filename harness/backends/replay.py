"""The engine `replay`: recorded answers instead of generated ones, so that they can be judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.backends.declared import models_are
from harness.backends.plain import estimate_tokens, plain_prompt
from harness.backends.recorded import Recording, Row
from harness.backends.values import (
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Prompt,
    Request,
)
from harness.chat import Messages
from harness.errors import InputError, Problem
from harness.variants import Variant

VERSION = "1"  # goes up when the same file would give other answers


class ReplayBackend:
    """Answers from a file. Token counts are the recorded ones, or estimates."""

    name = "replay"
    context_length = None
    notes: tuple[str, ...] = ()

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    def environment(self, variant: Variant) -> Environment:
        """Two files may be compared; which file it was is in the fingerprint."""
        return Environment("replay", VERSION, addressed=True)

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """The content of the file, and whose answers are taken from it."""
        return Fingerprint(f"{self.recording.digest}:{variant.name}")

    def prompt(self, messages: Messages, variant: Variant) -> Prompt:
        """The messages themselves, with an estimated length."""
        return plain_prompt(messages)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Each request's answer, in order; one that was not recorded is an error."""
        for request in requests:
            address = request.address
            row = self.recording.row(address.case, address.variant, address.repeat)
            yield request, _completion(request, row)

    def execution(self) -> Mapping[str, str]:
        """The file that the answers came from."""
        return {"responses": str(self.recording.path)}

    def close(self) -> None:
        """Nothing is held open."""


@models_are("none")
def open_replay(options: BackendOptions) -> Backend:
    """The engine on `options.responses`; raises `InputError` without it or for a broken file."""
    if options.responses is None:
        raise InputError(
            Problem("backend 'replay' needs recorded answers", mend="add --responses FILE.jsonl")
        )
    return ReplayBackend(Recording(options.responses))


def _completion(request: Request, row: Row | None) -> Completion:
    address = request.address
    if row is None:
        return Completion("", "error", error="none is recorded")
    if row.broken:
        return Completion("", "error", error=row.broken)
    if address.turn >= len(row.responses):
        return Completion("", "error", error=f"none is recorded for turn {address.turn + 1}")
    text = row.responses[address.turn]
    last = address.turn == len(row.responses) - 1
    alone = len(row.responses) == 1  # counts of several turns are sums: of no use for one
    return Completion(
        text,
        row.finish_reason if last else "stop",
        prompt_tokens=_or(row.prompt_tokens if alone else None, request.prompt.tokens),
        completion_tokens=_or(row.completion_tokens if alone else None, estimate_tokens(text)),
    )


def _or(recorded: int | None, estimate: int) -> int:
    return estimate if recorded is None else recorded
