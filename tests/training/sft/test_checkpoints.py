"""Tests of checkpoints on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.training.sft import checkpoints
from harness.training.sft.checkpoints import (
    CONFIG,
    RESUME,
    WEIGHTS,
    checkpoint_name,
    publish,
    replace_file,
    resumable,
    rotate,
    step_of,
)


def make(output: Path, step: int) -> Path:
    path = output / checkpoint_name(step, 100)
    publish(path, lambda staging: fill(staging))
    return path


def fill(staging: Path) -> None:
    for name in (WEIGHTS, CONFIG, *RESUME):
        (staging / name).write_text(name, encoding="utf-8")


def test_names_sort_as_steps_do() -> None:
    names = [checkpoint_name(step, 1200) for step in (4, 40, 400, 1200)]

    assert names == sorted(names)
    assert [step_of(Path(name)) for name in names] == [4, 40, 400, 1200]


def test_what_is_not_complete_is_no_checkpoint(tmp_path: Path) -> None:
    make(tmp_path, 10)
    (tmp_path / "checkpoint-020").mkdir()
    (tmp_path / "checkpoint-020" / WEIGHTS).write_text("half", encoding="utf-8")

    assert [step_of(path) for path in checkpoints(tmp_path)] == [10]


def test_only_the_newest_can_be_resumed(tmp_path: Path) -> None:
    for step in (10, 20, 30):
        make(tmp_path, step)

    rotate(tmp_path, keep=2, best=None)

    assert [step_of(path) for path in checkpoints(tmp_path)] == [20, 30]
    assert not (tmp_path / "checkpoint-020" / "optimizer.pt").exists()
    assert resumable(tmp_path) == tmp_path / "checkpoint-030"


def test_the_best_is_kept(tmp_path: Path) -> None:
    for step in (10, 20, 30, 40):
        make(tmp_path, step)

    rotate(tmp_path, keep=1, best=20)

    assert [step_of(path) for path in checkpoints(tmp_path)] == [20, 40]


def test_where_writing_fails_nothing_is_left_and_nothing_lost(tmp_path: Path) -> None:
    path = make(tmp_path, 10)

    def fail(staging: Path) -> None:
        (staging / WEIGHTS).write_text("new", encoding="utf-8")
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        publish(path, fail)

    assert (path / WEIGHTS).read_text(encoding="utf-8") == WEIGHTS
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint-010"]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")

    replace_file(file, b"new")

    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]
