"""Where memory is short, warm engines of other projects are named, with how to end them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.backends.hf.memory import too_little
from harness.backends.hf.placement import place
from harness.backends.models import open_model
from harness.backends.vllm.failures import explain
from harness.backends.vllm.server import Warm, end, holders
from harness.backends.vllm.server.home import Home
from harness.backends.vllm.server.starting import KeeperJob, launch
from harness.cli import main
from harness.common import HarnessError
from tests.backends.tiny import save_model

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

NAMED = """\
a warm engine holds memory on this machine
  found: models/big, kept in {other}/engine
  hint: harness engine down --store '{other}/store.db'"""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the store of another project, which keeps an engine."""
    folder = tmp_path_factory.mktemp("other project")
    log = str(Home(folder).log)
    warm = Warm("models/big", "hash", {}, 4096, 64, 5, True, 60.0, log, key="secret")
    launch(
        KeeperJob(warm, (), {}, "tests.backends.vllm.server.small_server"),
        Home(folder),
        lambda text: None,
    )
    yield folder
    end(folder)


def problems(error: HarnessError) -> list[str]:
    return [str(problem) for problem in error.problems]


def test_vllm_that_lacks_memory_names_the_warm_engine_of_another_project(other: Path) -> None:
    error = explain(RuntimeError("CUDA out of memory"), "vLLM could not start", other / "no-log")
    first, *found = problems(error)

    assert first.startswith("vLLM could not start\n  found: RuntimeError: CUDA out of memory\n")
    assert NAMED.format(other=other) in found


def test_a_model_that_does_not_fit_names_it_too(other: Path, tmp_path: Path) -> None:
    model = open_model(str(save_model(tmp_path / "model")))
    first, *found = problems(too_little(model, place("cpu", "float32")))

    assert "there is too little memory for the model" in first
    assert NAMED.format(other=other) in found


def test_what_breaks_for_another_reason_says_nothing_of_warm_engines(other: Path) -> None:
    error = explain(RuntimeError("the disk is full"), "vLLM broke", other / "no-log")

    assert len(problems(error)) == 1


def test_an_engine_whose_keeper_was_told_a_relative_folder_is_named_by_its_place(
    tmp_path: Path,
) -> None:
    log = str(Home(tmp_path).log)
    warm = Warm("m", "hash", {}, 4096, 64, 5, True, 60.0, log, key="secret")
    home = Home(Path(os.path.relpath(tmp_path)))
    launch(
        KeeperJob(warm, (), {}, "tests.backends.vllm.server.small_server"), home, lambda text: None
    )
    try:
        assert [p.found for p in holders() if f"{tmp_path.name}/" in p.found] == [
            f"m, kept in {tmp_path}/engine"
        ]
    finally:
        end(tmp_path)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("status", "no warm engine; start one: harness engine up\n"),
        ("down", "no warm engine to end\n"),
    ],
)
def test_who_looks_for_an_engine_beside_the_wrong_store_is_told_of_the_others(
    other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, said: str
) -> None:
    assert main(["engine", command, "--store", str(tmp_path / "store.db")]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith(said)
    assert "\n" + NAMED.format(other=other) + "\n" in printed


def test_an_engine_that_has_ended_is_not_named(tmp_path: Path) -> None:
    assert not [problem for problem in holders() if str(tmp_path) in problem.found]
