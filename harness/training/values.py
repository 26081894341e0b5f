"""What the parts of a repair hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.common import Messages, as_dicts


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One training conversation; its last message is the assistant's.

    `source` says where it came from, for people: `pool.jsonl:12`, or the generator and its seed.
    `replay` rows keep what the model can do; the others teach what it cannot. Rows of one `group`
    stay on one side of every split. Answers whose places are in `untaught` are read, and not
    learned. `tools` are those that the model may call, as the prompt declares them.
    """

    messages: Messages
    source: str
    replay: bool = False
    group: str = ""
    untaught: tuple[int, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what the row says, in OpenAI's form: what is read again as the same row."""
        messages = as_dicts(self.messages)
        for place in self.untaught:
            messages[place]["weight"] = 0
        tools = {"tools": [dict(tool) for tool in self.tools]} if self.tools else {}
        return {"messages": messages, **tools}

    @property
    def content(self) -> Any:
        """Return what hashes of rows are made of: the messages alone where there is no more."""
        plain = not (self.untaught or self.tools)
        return as_dicts(self.messages) if plain else self.as_json()


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer to a prompt, and whether it is one to give: a KTO row, or a sample that was scored.

    `prompt` are the messages before the answer, the last of them the user's. Answers to one
    prompt lie on one side of every split; so do those of one `group`.
    """

    prompt: Messages
    answer: str
    good: bool
    source: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Rollout:
    """An answer that a model gave, with its reward: a row of GRPO.

    `advantage` is how much better it is than the other answers to this prompt, in their standard
    deviations. `prompt` are the messages before the answer.
    """

    prompt: Messages
    answer: str
    reward: float
    advantage: float
    source: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt, of which `chosen` is the better: a row of DPO.

    `prompt` are the messages before the answers, the last of them the user's.
    """

    prompt: Messages
    chosen: str
    rejected: str
    source: str
    group: str = ""
