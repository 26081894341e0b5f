"""Suites and cases after loading: templates rendered, data files read, checks validated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar

from harness.common import (
    FixSettings,
    GateSettings,
    JsonValue,
    Messages,
    Problem,
    Sampling,
    digest,
    first_of,
    html_table,
    plural,
    shown,
)
from harness.common.yaml_positions import Position
from harness.scorers import Check
from harness.suites.haystack import Haystack

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What calls of `tool` give back, those alone that have such `arguments`, if they are said."""

    tool: str
    returns: str
    arguments: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """Return it as a file writes it, for hashes."""
        own: dict[str, JsonValue] = {"tool": self.tool, "returns": self.returns}
        return own if self.arguments is None else {**own, "arguments": dict(self.arguments)}


MOST_STEPS = 8  # answers to one user turn; a model that calls on and on is ended there
FIXED_CALL = "fixed"  # the ids of scripted calls begin so


@dataclass(frozen=True, slots=True)
class Turn:
    """One scripted user turn and the checks on the answer to it.

    With `results`, the model's calls are answered, and it goes on until it calls nothing more.
    `before` are messages that stand before it: examples, and turns whose answers are scripted.
    `calls` are scripted calls in it, with what they gave back: the model goes on after them.
    `prefix` is the beginning of its answer, which the model goes on with.

    In a haystack case `user` holds the question alone; the plan adds the filler, cut to length
    with the model's own token count.
    """

    user: str
    checks: tuple[Check, ...] = ()
    results: tuple[ToolResult, ...] = ()
    before: Messages = ()
    calls: Messages = ()
    prefix: str = ""

    def script(self) -> dict[str, JsonValue]:
        """Return what is scripted in and before it, for hashes; empty where nothing is."""

        def plain(messages: Messages) -> JsonValue:
            return [
                {"role": m.role, "content": m.content, "calls": [c.as_json() for c in m.tool_calls]}
                for m in messages
            ]

        return {
            **({"before": plain(self.before)} if self.before else {}),
            **({"calls": plain(self.calls)} if self.calls else {}),
            **({"prefix": self.prefix} if self.prefix else {}),
        }


@dataclass(frozen=True, slots=True)
class Prefer:
    """By what a judge says which of two answers to a case is better: candidate's or baseline's.

    `backend` names the judge, `reference` is a right answer to compare with; both may be empty.
    `position` is where the suite says so. `min_agreement` is the kappa with people that the judge
    must have shown, or a pass is inconclusive.
    """

    rubric: str
    backend: str
    reference: str
    position: Position
    min_agreement: float | None = None


@dataclass(frozen=True, repr=False)
class Case:
    """One conversation and the checks on its answers."""

    id: str
    suite: str
    category: str
    position: Position
    turns: tuple[Turn, ...]
    system: str | None = None
    tags: tuple[str, ...] = ()
    required: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    repeats: int = 1
    threshold: float | None = None
    cluster: str | None = None
    allow_empty: bool = False
    time_limit: float | None = None
    decoding: Literal["free", "constrained"] = "free"
    haystack: Haystack | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    template_args: Mapping[str, Any] = field(default_factory=dict)
    reasoning_parser: str | None = None
    prefer: Prefer | None = None
    system_role: Literal["native", "merge"] = "native"
    tool_choice: str = "auto"

    def __repr__(self) -> str:
        """Return its id, its first words and what is checked."""
        return f"Case({self.id!r}, {shown(self.turns[0].user)}, checks: {self.checked})"

    @property
    def checked(self) -> str:
        """Return the names of its checks, for people."""
        names = dict.fromkeys(check.name for turn in self.turns for check in turn.checks)
        return first_of(names) or "none"

    def asked(self, users: Sequence[T]) -> tuple[T, ...]:
        """Return, of all user turns of its conversation, those that are asked and not scripted."""
        found: list[T] = []
        at = 0
        for turn in self.turns:
            at += sum(message.role == "user" for message in turn.before)
            found += users[at : at + 1]
            at += 1
        return tuple(found)

    @cached_property
    def hash(self) -> str:
        """Identity of what is asked and checked: messages before overrides, and checks.

        Equal hashes may be paired; tags, gate settings and sampling do not count here.
        """
        turns: list[JsonValue] = [
            {
                "user": turn.user,
                "checks": [check.as_json() for check in turn.checks],
                **(
                    {"results": [result.as_json() for result in turn.results]}
                    if turn.results
                    else {}
                ),
                **turn.script(),
            }
            for turn in self.turns
        ]
        haystack: JsonValue = self.haystack.as_json() if self.haystack else None
        return digest(
            {
                "system": self.system,
                "turns": turns,
                "haystack": haystack,
                "threshold": self.threshold,
                "allow_empty": self.allow_empty,
                **({"chat_template_args": dict(self.template_args)} if self.template_args else {}),
                **({"reasoning_parser": self.reasoning_parser} if self.reasoning_parser else {}),
                **({"tools": [dict(tool) for tool in self.tools]} if self.tools else {}),
                **({} if self.tool_choice == "auto" else {"tool_choice": self.tool_choice}),
                **({} if self.system_role == "native" else {"system_role": self.system_role}),
            }
        )


MOST_CASES = 50  # of a suite that a notebook shows


@dataclass(frozen=True, repr=False)
class Suite:
    """The unit that is gated: cases of one category, and their bars.

    `path` is as the user wrote it, with forward slashes. `fix` says where training rows for a
    repair come from; the trainer reads it. `retired` are cases that moved to the training pool:
    they gate no more. `line` is that of the suite's name, `bars` say where each setting under
    `gate` stands; `warnings` say what cannot go well.
    """

    name: str
    category: str
    path: str
    cases: tuple[Case, ...]
    description: str = ""
    gate: GateSettings = field(default_factory=GateSettings)
    fix: FixSettings | None = None
    warnings: tuple[str, ...] = ()
    retired: tuple[Case, ...] = ()
    line: int = 1
    bars: Mapping[str, Position] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        """Return its name, its size and its place."""
        return f"Suite({self.name!r}, {plural(len(self.cases), 'case')}, {self.path})"

    def _repr_html_(self) -> str:
        rows = [
            (case.id, shown(case.turns[0].user, 200), case.checked)
            for case in self.cases[:MOST_CASES]
        ]
        more = len(self.cases) - len(rows)
        rows += [(f"and {more} more", "", "")] if more else []
        return html_table(("case", "first words", "checks"), rows, repr(self))


SHOWN = 5


class Named(NamedTuple):
    """A name and where it stands."""

    name: str
    position: Position


def stand_twice(what: str, named: Iterable[Named]) -> Iterator[Problem]:
    """Yield a problem for each name that stands more than once, at its second place."""
    places: dict[str, list[Position]] = {}
    for name, here in named:
        places.setdefault(name, []).append(here)
    for name, (there, *others) in places.items():
        if others:
            times = "twice" if len(others) == 1 else f"{len(others) + 1} times"
            found = [f"first at {_shown(there)}"]
            found += [f"again at {_shown(place)}" for place in others[1 : SHOWN + 1]]
            if (more := len(others) - 1 - SHOWN) > 0:
                found.append(f"and {more} more")
            yield Problem(
                f"{what} {name!r} stands {times}",
                others[0].path,
                others[0].line,
                others[0].column,
                found=", ".join(found),
                hint="give each a name of its own",
            )


def _shown(place: Position) -> str:
    return f"{place.path}:{place.line}:{place.column}"
