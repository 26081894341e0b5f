"""Where memory is short, warm engines of other projects are named, with how to end them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from harness.backends import Backend, BackendOptions, Completion, Request
from harness.backends.vllm.server import Warm, end, holders, open_engine
from harness.backends.vllm.server.home import Home, Watched
from harness.backends.vllm.server.starting import Job, launch
from harness.cli import main
from harness.common import MachineryError, Problem, Variant
from tests.backends.tiny import save_model

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

NAMED = """\
a warm engine holds memory on this machine
  found: models/big, kept in {other}/engine
  hint: harness engine down --store '{other}/store.db'"""


class Breaking:
    """An engine that breaks with what it is told."""

    def __init__(self, text: str) -> None:
        self.text = text

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        yield from ()
        raise MachineryError(Problem(self.text))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the store of another project, which keeps an engine."""
    folder = tmp_path_factory.mktemp("other project")
    log = str(Home(folder).log)
    warm = Warm("models/big", "hash", {}, 4096, 64, 5, True, 60.0, log, key="secret")
    launch(
        Job(warm, (), {}, "tests.backends.vllm.server.small_server"),
        Home(folder),
        lambda text: None,
    )
    yield folder
    end(folder)


def problems(text: str) -> list[str]:
    """What a run says whose engine breaks so."""
    backend = cast(Backend, Watched(cast(Backend, Breaking(text))))
    with pytest.raises(MachineryError) as caught:
        list(backend.generate([]))
    return [str(problem) for problem in caught.value.problems]


def test_an_engine_that_lacks_memory_names_the_warm_engine_of_another_project(other: Path) -> None:
    first, *found = problems("CUDA out of memory")

    assert first == "CUDA out of memory"
    assert NAMED.format(other=other) in found


def test_what_breaks_for_another_reason_says_nothing_of_warm_engines(other: Path) -> None:
    assert problems("the disk is full") == ["the disk is full"]


def test_an_engine_whose_keeper_was_told_a_relative_folder_is_named_by_its_place(
    tmp_path: Path,
) -> None:
    log = str(Home(tmp_path).log)
    warm = Warm("m", "hash", {}, 4096, 64, 5, True, 60.0, log, key="secret")
    home = Home(Path(os.path.relpath(tmp_path)))
    launch(Job(warm, (), {}, "tests.backends.vllm.server.small_server"), home, lambda text: None)
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


def test_engines_that_load_weights_are_watched_and_others_are_not(tmp_path: Path) -> None:
    model = save_model(tmp_path / "model")
    options = BackendOptions((Variant("base", str(model)),), device="cpu")

    assert isinstance(open_engine("hf", options), Watched)
    assert not isinstance(open_engine("echo", BackendOptions()), Watched)
