"""What the parts of a repair hand to each other."""

from __future__ import annotations

from dataclasses import dataclass

from harness.common import Messages


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One training conversation; its last message is the assistant's.

    `source` says where it came from, for people: `pool.jsonl:12`, or the generator and its seed.
    `replay` rows keep what the model can do; the others teach what it cannot. Rows of one `group`
    stay on one side of every split.
    """

    messages: Messages
    source: str
    replay: bool = False
    group: str = ""
