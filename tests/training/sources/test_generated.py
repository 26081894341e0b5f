"""Rows from a suite's own generators: other prompts, right answers, nothing of a case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.backends import Backend, BackendOptions, open_backend
from harness.common import GenerateSettings, Variant
from harness.suites import Suite, load_suite
from harness.training.contamination import Guard
from harness.training.sources import practice_cases, practise

ROOT = Path(__file__).parents[3]
STARTER = ROOT / "suites" / "starter"
BASE = Variant("base", str(ROOT / "fixtures" / "model"))


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    """The embedded model's tokenizer; its weights are not loaded."""
    opened = open_backend("hf", BackendOptions(variants=(BASE,)))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def long_context() -> Suite:
    return load_suite(STARTER / "long_context.yaml")


def test_new_haystacks_are_answered_by_their_hidden_values(
    long_context: Suite, backend: Backend
) -> None:
    cases = practice_cases(long_context, GenerateSettings(seeds=1), tag="r1")
    found = practise(long_context, cases, backend, BASE)

    assert (found.answered.offered, found.answered.kept, found.open) == (30, 30, ())
    values = {case.id: case.haystack.values for case in cases if case.haystack}
    for row in found.answered.rows:
        assert row.messages[-1].content == ", ".join(values[row.group])


def test_the_shipped_generators_give_nothing_of_a_case(
    long_context: Suite, backend: Backend
) -> None:
    cases = practice_cases(long_context, GenerateSettings(seeds=2), tag="r1")
    rows = practise(long_context, cases, backend, BASE).answered.rows

    assert Guard([long_context]).check(rows).report.hits == ()


def test_only_families_in_which_something_failed_are_practised(long_context: Suite) -> None:
    weak = {case.position for case in long_context.cases if case.id.startswith("chain-")}
    cases = practice_cases(long_context, GenerateSettings(seeds=3), tag="r1", weak=weak)

    assert len(cases) == 12
    assert {case.id.split(".")[0] for case in cases} == {"chain"}


def test_a_retired_case_is_practised_and_gates_no_more(tmp_path: Path, backend: Backend) -> None:
    body = "suite: s\ncategory: c\nretire: [old]\ncases:\n"
    body += "  - {id: old, user: Say red., checks: [{equals: red}]}\n"
    body += "  - {id: own, user: Say blue., checks: [{equals: blue}]}\n"
    (tmp_path / "s.yaml").write_text(body)
    suite = load_suite(tmp_path / "s.yaml")
    rows = practise(suite, practice_cases(suite, None, tag="r1"), backend, BASE).answered.rows

    assert [[m.content for m in row.messages] for row in rows] == [["Say red.", "red"]]
    assert Guard([suite]).check(rows).report.hits == ()
