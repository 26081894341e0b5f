"""Pools: read strictly, drawn evenly and by the seed, never outside of the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.common import InputError
from harness.config import Settings
from harness.suites import Suite
from harness.training.rows import RowFile
from harness.training.sources import fair_shares, pool_file, read_pools


def pool(path: Path, count: int, answer: str = "a") -> RowFile:
    rows = ({"prompt": f"{path.stem} {at}", "response": answer} for at in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return RowFile(path)


def suite(folder: Path) -> Suite:
    return Suite("s", "c", str(folder / "s.yaml"), ())


def test_rows_are_drawn_evenly_and_what_is_left_is_counted(tmp_path: Path) -> None:
    files = [pool(tmp_path / "a.jsonl", 3), pool(tmp_path / "b.jsonl", 20)]

    found = read_pools(files, most=10, seed="x")

    assert [harvest.kept for harvest in found] == [3, 7]
    assert found[1].left_out == {"more than the fix takes": 13}
    assert found[0].rows[0].source.endswith("a.jsonl:1")


def test_another_seed_draws_other_rows_and_the_same_seed_the_same(tmp_path: Path) -> None:
    file = pool(tmp_path / "a.jsonl", 50)
    one, again, other = (read_pools([file], most=10, seed=s)[0].rows for s in ("1", "1", "2"))

    assert one == again
    assert one != other


def test_rows_in_another_models_template_are_refused(tmp_path: Path) -> None:
    good = pool(tmp_path / "good.jsonl", 2)
    foreign = pool(tmp_path / "foreign.jsonl", 1, answer="[INST] hello [/INST]")

    with pytest.raises(InputError, match="rendered in the chat template of Llama"):
        read_pools([good, foreign], most=5, seed="x")


def test_a_pool_outside_of_the_project_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "project"

    with pytest.raises(InputError) as caught:
        pool_file(Settings(root=project), suite(project), "../secret.jsonl")

    assert str(caught.value) == (
        f"{project}/s.yaml: pool '../secret.jsonl' is outside of the project\n"
        f"  expected: a file below {project}\n"
        "  hint: copy it into the project"
    )


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 300))
def test_shares_are_fair(sizes: list[int], most: int) -> None:
    shares = fair_shares(sizes, most)

    assert sum(shares) == min(most, sum(sizes))
    assert all(share <= size for share, size in zip(shares, sizes, strict=True))
    unfilled = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    assert not unfilled or max(shares) - min(unfilled) <= 1
