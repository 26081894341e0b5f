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
class DecodingRow:
    """One request and its tokens so far."""

    request: Request
    prompt: tuple[int, ...]
    began: float = 0.0
    first: float = 0.0  # when the first token was there
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


def make_row(request: Request) -> DecodingRow:
    """Return the row of a request whose prompt has token ids."""
    return DecodingRow(request, request.prompt.token_ids or ())


class Stopping:
    """Decides after each token whether an answer is finished, and what its text is."""

    def __init__(self, tokenizer: ChatTokenizer, eos: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._eos = frozenset(eos)

    def check(self, row: DecodingRow) -> None:
        """Set `finished` where the last token ended the answer.

        Stop strings are not part of the answer. Of several reasons, "stop" comes before "length".
        """
        sampling, limit = row.request.sampling, row.request.time_limit
        ids, reason, error = row.ids, "", ""
        if len(ids) == 1:
            row.first = time.perf_counter()
        if ids[-1] in self._eos:
            ids, reason = ids[:-1], "stop"
        elif sampling.stop and self._has_stop(row, sampling.stop):
            reason = "stop"
        elif len(ids) >= sampling.max_new_tokens:
            reason = "length"
        elif limit is not None and time.perf_counter() - row.began > limit:
            reason, error = "error", f"over its time limit of {limit:g} s"
        if not reason:
            return
        text = self._tokenizer.decode(ids, special=row.request.keeps_special)
        ends = [text.find(stop) for stop in sampling.stop if stop in text]
        row.finished = Completion(
            text[: min(ends)] if ends and not error else text,
            reason,
            prompt_tokens=len(row.prompt),
            completion_tokens=len(row.ids),
            seconds=time.perf_counter() - row.began,
            error=error,
            first_token=row.first - row.began,
        )

    def _has_stop(self, row: DecodingRow, stops: Sequence[str]) -> bool:
        """Return whether the newest token completes a stop string.

        A string of n bytes that ends in the newest token lies within the last n tokens; four more
        keep decoders that treat the first token in a way of their own out of it.
        """
        length = max(len(stop.encode()) for stop in stops) + 4
        tail = self._tokenizer.decode(row.ids[-length:])
        return any(stop in tail for stop in stops)


def refuse(row: DecodingRow, error: str) -> Completion:
    """Return the completion of a row that cannot be answered."""
    return Completion("", "error", prompt_tokens=len(row.prompt), error=error)
