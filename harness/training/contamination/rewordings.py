"""The second guard: questions of cases in other words, by their embeddings.

A row asks for the same as a case where the cosine of what their users say is at least the threshold
and higher than that of any other case with this one (the cases of one family resemble each other,
and so do the rows that practise it), and where both have the same numbers. The threshold is set on
forty questions with a rewording and another question on the same thing each
(docs/training-data.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from harness.common import InputError, Problem
from harness.suites import Case
from harness.training.contamination.values import Hit
from harness.training.values import TrainingRow

_NUMBER = re.compile(r"\d+")
Numbers = tuple[str, ...]


class Rewordings:
    """What every case asks, as unit vectors of a local model."""

    def __init__(self, cases: Sequence[Case], model: Path, threshold: float) -> None:
        """Embed all cases but haystacks, whose question is one sentence among thousands.

        Raise InputError where the model's folder is none that can be embedded with.
        """
        from harness.scorers.embedding import pooling_of

        self._model, self._threshold = model, threshold
        self._cases = [case for case in cases if case.haystack is None]
        said = ["\n".join(turn.user for turn in case.turns) for case in self._cases]
        self._numbers = [_numbers(text) for text in said]
        try:
            self._pooling = pooling_of(model)
            self._vectors = self._embedded(said or [""])
        except (ValueError, TypeError, AttributeError, OSError) as error:
            raise InputError(
                Problem(
                    "the guard cannot embed texts with this model",
                    str(model),
                    found=str(error).partition("\n")[0][:200],
                    expected="the folder of an encoder, as sentence-transformers saves it",
                    hint="give another one, or leave guard_model out",
                )
            ) from None
        self._bars = np.full(len(said), threshold)
        if len(said) > 1:
            alike = self._vectors @ self._vectors.T
            np.fill_diagonal(alike, -1.0)
            self._bars = np.maximum(threshold, alike.max(axis=1))

    def hits(self, rows: Iterable[TrainingRow]) -> dict[int, Hit]:
        """Return the rows that ask for what a case asks, by their number."""
        found: dict[int, Hit] = {}
        if not self._cases:
            return found
        for at, row in enumerate(rows):
            said = "\n".join(m.content for m in row.messages if m.role == "user")
            numbers = _numbers(said)
            alike = self._vectors @ self._embedded([said])[0]
            same = np.array([numbers == own for own in self._numbers])
            close = np.flatnonzero((alike >= self._bars) & same)
            if not close.size:
                continue
            best, *others = sorted(close.tolist(), key=lambda case: -float(alike[case]))
            case = self._cases[best]
            names = tuple(self._cases[other].id for other in others)
            told = f"{alike[best]:.2f}: {said}"
            found[at] = Hit(row.source, case.suite, case.id, "reworded", told[:200], names)
        return found

    def _embedded(self, texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        from harness.scorers.embedding import embedded

        return np.stack([embedded(str(self._model), text, self._pooling) for text in texts])


def _numbers(text: str) -> Numbers:
    return tuple(sorted(_NUMBER.findall(text)))
