"""Engine arguments: what an entry of a backend brings about."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.backends import EngineArgument, argument_problems
from harness.backends.arguments import number_from, text, whole_from
from harness.backends.registry import declared

DOCS = Path(__file__).parents[2] / "docs"
ROWS = EngineArgument("rows", whole_from(1), "a number from 1", {"all": "4096"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rows": 3}, []),
        ({"rows": True}, ["b: 'rows' is wrong\n  found: True\n  expected: a number from 1"]),
        (
            {"rows": "all"},
            [
                "b: 'rows' is wrong\n  found: 'all'\n  expected: a number from 1\n"
                "  did you mean: 4096"
            ],
        ),
        (
            {"row": 3},
            [
                "b: engine argument 'row' is not known\n  did you mean: rows\n"
                "  hint: use one of rows"
            ],
        ),
    ],
)
def test_one_entry_checks_names_and_values(given: dict[str, object], said: list[str]) -> None:
    assert [str(problem) for problem in argument_problems("b", given, [ROWS])] == said


def test_names_that_are_handed_on_may_pass() -> None:
    assert not list(argument_problems("b", {"attn": "eager"}, [ROWS], others=True))


def test_numbers_and_texts() -> None:
    assert [number_from(0)(value) for value in (0, 0.5, -1, True, "1")] == [
        *(True, True, False, False, False)
    ]
    assert (text("a"), text(1)) == (True, False)


@pytest.mark.parametrize(
    ("backend", "page"), [("hf", "backends.md"), ("openai", "servers.md"), ("echo", "")]
)
def test_what_is_declared_is_documented(backend: str, page: str) -> None:
    arguments = declared(backend).arguments
    shown = (DOCS / page).read_text(encoding="utf-8") if page else open_page()

    assert arguments
    assert [one.name for one in arguments if f"`{one.name}" not in shown] == []


def open_page() -> str:
    """The backend `echo` is described where it is written."""
    from harness.backends import echo

    return echo.__doc__ or ""
