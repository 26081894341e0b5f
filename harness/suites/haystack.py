"""Seeded haystacks: filler prose with hidden values, cut to a length in tokens by the plan."""

from __future__ import annotations

from dataclasses import dataclass

from harness.canonical import JsonValue


@dataclass(frozen=True, slots=True)
class Haystack:
    """Placeholder: the owner of this file replaces it."""

    seed: int = 0

    def as_json(self) -> dict[str, JsonValue]:
        """Canonical form, for the case's hash: everything but the filler's length in sentences."""
        return {"seed": self.seed}
