"""Promotion: one link, changed atomically, with a history; the way back; no two at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.common import InputError, MachineryError
from harness.training.repair import AdapterPlace, Change, promote, rollback


@pytest.fixture
def place(tmp_path: Path) -> AdapterPlace:
    return AdapterPlace(tmp_path / "adapters" / "current")


def adapter(folder: Path, name: str) -> Path:
    made = folder / f"made-{name}"
    (made / "checkpoint-1").mkdir(parents=True)
    (made / "adapter_config.json").write_text(name)
    (made / "adapter_model.safetensors").write_text(name)
    (made / "training_args.bin").write_text("pickle")
    return made


def put(place: AdapterPlace, folder: Path, name: str, expected: str) -> Change:
    made = adapter(folder, name)
    return promote(place, made, name, expected=expected, loop=f"loop-{name}", run="r")


def test_the_link_points_to_a_copy_without_checkpoints_or_pickles(
    place: AdapterPlace, tmp_path: Path
) -> None:
    put(place, tmp_path, "a", "")

    assert place.adapter() == "a"
    assert sorted(os.listdir(place.link)) == ["adapter_config.json", "adapter_model.safetensors"]


@pytest.mark.parametrize("path", [".", "/", ""])
def test_a_path_without_a_name_is_no_place_for_a_link(path: str) -> None:
    with pytest.raises(InputError, match="this path names no link"):
        AdapterPlace(Path(path))


def test_the_second_of_two_loops_cannot_promote(place: AdapterPlace, tmp_path: Path) -> None:
    put(place, tmp_path, "a", "")
    with pytest.raises(MachineryError) as caught:
        put(place, tmp_path, "b", "")

    assert str(caught.value) == (
        f"{place.link}: another adapter was promoted in the meantime\n"
        "  found: a\n"
        "  expected: the base without an adapter, which this loop compared with\n"
        "  hint: run the suites again, and fix that run"
    )
    assert place.adapter() == "a"


RACER = """
import sys
from pathlib import Path
from harness.training.repair import AdapterPlace, promote
folder, name = Path(sys.argv[1]), sys.argv[2]
place = AdapterPlace(folder / "adapters" / "current")
sys.stdin.read()
promote(place, folder / f"made-{name}", name, expected="", loop=name, run="r")
"""


def test_of_many_processes_at_once_one_promotes(place: AdapterPlace, tmp_path: Path) -> None:
    names = [f"a{at}" for at in range(4)]
    for name in names:
        adapter(tmp_path, name)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for name in names
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
    codes = [racer.wait(timeout=120) for racer in racers]

    assert sorted(map(bool, codes)) == [False, True, True, True]
    assert place.adapter() == names[codes.index(0)]
    assert len(place.changes()) == 1


def test_a_promotion_that_was_cut_off_is_finished_by_the_same_call(
    place: AdapterPlace, tmp_path: Path
) -> None:
    put(place, tmp_path, "a", "")
    place.history.write_text('{"time": "cut o')
    made = tmp_path / "made-a"
    for _ in range(2):
        promote(place, made, "a", expected="", loop="loop-a", run="r")

    assert [(change.action, change.adapter) for change in place.changes()] == [("promote", "a")]


def test_each_rollback_goes_one_promotion_back(place: AdapterPlace, tmp_path: Path) -> None:
    put(place, tmp_path, "a", "")
    put(place, tmp_path, "b", "a")
    seen = [rollback(place).adapter, rollback(place).adapter]

    assert seen == ["a", ""]
    assert not place.link.is_symlink()
    with pytest.raises(InputError) as caught:
        rollback(place)

    assert str(caught.value) == (
        f"{place.history}: there is nothing to go back to\n"
        "  found: the base without an adapter is in use, and nothing is recorded of before it was "
        "promoted\n"
        "  hint: take any adapter of the history: harness rollback --list, then --to NAME"
    )


def test_rollback_to_a_name_or_its_beginning(place: AdapterPlace, tmp_path: Path) -> None:
    put(place, tmp_path, "fix-11", "")
    put(place, tmp_path, "fix-22", "fix-11")

    assert rollback(place, "fix-1").adapter == "fix-11"
    assert rollback(place, "fix-22").adapter == "fix-22"
    assert rollback(place, "base").adapter == ""
    with pytest.raises(InputError) as caught:
        rollback(place, "fix-33")
    assert str(caught.value) == (
        f"{place.history}: no adapter of the history is called 'fix-33'\n"
        "  expected: base, fix-11, fix-22\n"
        "  did you mean: fix-22"
    )


def test_a_directory_in_the_links_place_is_never_touched(
    place: AdapterPlace, tmp_path: Path
) -> None:
    place.link.mkdir(parents=True)

    with pytest.raises(InputError, match="something else stands where the link"):
        put(place, tmp_path, "a", "")
    assert place.link.is_dir()
