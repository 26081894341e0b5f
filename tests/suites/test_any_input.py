"""Whatever bytes come in, out comes a suite or an explanation: never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.common import InputError
from harness.suites import load_suite

DATA = Path(__file__).parent / "data"
EVERYTHING = DATA.joinpath("all.yaml").read_text(encoding="utf-8")

lenient = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WORDS = ["suite", "category", "cases", "id", "user", "turns", "checks", "vars", "gate", "contains"]
WORDS += ["words", "min", "not", "haystack", "generate", "from_file", "path", "case", "lengths"]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 999),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from([*WORDS, "{{ row.a }}", "{{ x", "rows.jsonl", "rows.csv"]),
)
values = st.recursive(
    scalars,
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(WORDS), below, max_size=3)
    ),
    max_leaves=12,
)


def explained(folder: Path, data: bytes) -> None:
    """Load these bytes; every problem must say where and what."""
    path = folder / "suite.yaml"
    path.write_bytes(data)
    try:
        load_suite(path)
    except InputError as error:
        assert error.problems
        assert all(problem.message and problem.path for problem in error.problems)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data files in it."""
    made = tmp_path_factory.mktemp("suites")
    for path in DATA.iterdir():
        made.joinpath(path.name).write_bytes(path.read_bytes())
    return made


@lenient
@given(st.binary(max_size=80))
def test_any_bytes(folder: Path, data: bytes) -> None:
    explained(folder, data)


@lenient
@given(st.text(alphabet="{}[]:-,&*!|>'\"#%@`~ \n\tab1.", max_size=60))
def test_any_text_of_yamls_own_signs(folder: Path, text: str) -> None:
    explained(folder, text.encode())


@lenient
@given(st.dictionaries(st.sampled_from(["cases", "from_file", "generate", "vars", "gate"]), values))
def test_any_values_in_a_suite(folder: Path, content: dict[str, Any]) -> None:
    whole = {"suite": "s", "category": "c", **content}
    explained(folder, yaml.safe_dump(whole, allow_unicode=True).encode())


@lenient
@given(values, st.lists(values, max_size=2))
def test_any_values_in_a_case(folder: Path, value: Any, checks: list[Any]) -> None:
    case = {"id": "a", "user": "x", "checks": checks, "tags": value, "turns": value}
    entries = [case, {"id": "b", "user": value, "checks": [{"words": value}, {"not": value}]}]
    rows = [{"path": "rows.jsonl", "case": value}, {"path": value, "case": case}]
    whole = {"suite": "s", "category": "c", "cases": entries, "from_file": rows}
    explained(folder, yaml.safe_dump(whole, allow_unicode=True).encode())


@lenient
@given(st.integers(0, len(EVERYTHING)), st.integers(0, 30), st.text(max_size=5))
def test_a_right_suite_with_a_piece_cut_out(
    folder: Path, start: int, length: int, new: str
) -> None:
    cut = EVERYTHING[:start] + new + EVERYTHING[start + length :]
    explained(folder, cut.encode("utf-8", "replace"))


@lenient
@given(st.binary(max_size=60), st.sampled_from(["any.jsonl", "any.csv"]))
def test_any_bytes_in_a_data_file(folder: Path, data: bytes, name: str) -> None:
    folder.joinpath(name).write_bytes(data)
    entry = {"path": name, "case": {"id": "{{ row.id }}", "user": "x", "checks": ["json"]}}
    explained(
        folder, yaml.safe_dump({"suite": "s", "category": "c", "from_file": [entry]}).encode()
    )
