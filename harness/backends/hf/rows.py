"""Requests on their way to an answer, and what ends them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from harness.backends.base import Completion, Request
from harness.common import digest
from harness.prompts import ChatTokenizer


@dataclass(slots=True, eq=False)
class Row:
    """One request and its tokens so far."""

    request: Request
    prompt: tuple[int, ...]
    began: float = 0.0
    ids: list[int] = field(default_factory=list)
    random: Random = field(default_factory=Random)
    finished: Completion | None = None

    def begin(self) -> None:
        """Start from the prompt, as if it had never been started.

        The random numbers depend on seed, repeat and prompt alone: an answer does not change with
        the batch, and two variants draw the same numbers.
        """
        sampling, address = self.request.sampling, self.request.address
        self.random = Random(digest([sampling.seed, address.repeat, list(self.prompt)]))
        self.began = time.perf_counter()
        self.ids = []


def make_row(request: Request) -> Row:
    """The row of a request whose prompt has token ids."""
    return Row(request, request.prompt.token_ids or ())


class Stopping:
    """Decides after each token whether an answer is finished, and what its text is."""

    def __init__(self, tokenizer: ChatTokenizer, eos: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._eos = frozenset(eos)

    def check(self, row: Row) -> None:
        """Set `finished` where the last token ended the answer.

        Stop strings are not part of the answer. Of several reasons, "stop" comes before "length".
        """
        sampling = row.request.sampling
        if row.ids[-1] in self._eos:
            row.finished = self._completion(row, row.ids[:-1], "stop")
        elif sampling.stop and self._has_stop(row, sampling.stop):
            row.finished = self._completion(row, row.ids, "stop")
        elif len(row.ids) >= sampling.max_new_tokens:
            row.finished = self._completion(row, row.ids, "length")
        elif self._too_late(row):
            row.finished = self._late(row)

    def _has_stop(self, row: Row, stops: Sequence[str]) -> bool:
        """Whether the newest token completes a stop string.

        A string of n bytes that ends in the newest token lies within the last n tokens; four more
        keep decoders that treat the first token in a way of their own out of it.
        """
        length = max(len(stop.encode()) for stop in stops) + 4
        tail = self._tokenizer.decode(row.ids[-length:])
        return any(stop in tail for stop in stops)

    def _too_late(self, row: Row) -> bool:
        limit = row.request.time_limit
        return limit is not None and time.perf_counter() - row.began > limit

    def _late(self, row: Row) -> Completion:
        text = self._tokenizer.decode(row.ids)
        limit = row.request.time_limit
        return _complete(row, text, "error", f"over its time limit of {limit:g} s")

    def _completion(self, row: Row, ids: Sequence[int], reason: str) -> Completion:
        text = self._tokenizer.decode(ids)
        ends = [text.find(stop) for stop in row.request.sampling.stop if stop in text]
        return _complete(row, text[: min(ends)] if ends else text, reason)


def refuse(row: Row, error: str) -> Completion:
    """The completion of a row that cannot be answered."""
    return Completion("", "error", prompt_tokens=len(row.prompt), error=error)


def _complete(row: Row, text: str, reason: str, error: str = "") -> Completion:
    return Completion(
        text,
        reason,
        prompt_tokens=len(row.prompt),
        completion_tokens=len(row.ids),
        seconds=time.perf_counter() - row.began,
        error=error,
    )
