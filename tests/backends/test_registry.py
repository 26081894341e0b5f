"""Engines by name, and packages that add their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.backends import BackendOptions, Models, backend_names, models_of, open_backend, require
from harness.common import InputError

PLUG_IN = """
from harness.backends import BackendOptions, models_are, open_backend

@models_are("directories")
def open_local(options: BackendOptions):
    return open_backend("echo", options)

def open_mine(options: BackendOptions):
    return open_backend("echo", options)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A third-party package `mine`, as pip would have installed it."""
    (tmp_path / "mine_engine.py").write_text(PLUG_IN)
    metadata = tmp_path / "mine-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[harness.backends]\n"
        "mine = mine_engine:open_mine\n"
        "local = mine_engine:open_local\n"
        "broken = mine_engine:nothing\n"
        "echo = mine_engine:nothing\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine_engine", raising=False)
    return tmp_path


def test_built_in_engines_are_listed() -> None:
    assert {"echo", "hf", "replay"} <= set(backend_names())


def test_a_built_in_engine_is_found_without_reading_what_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def looked(**group: str) -> None:
        raise AssertionError(f"{group} was looked for in all packages")

    monkeypatch.setattr("harness.backends.registry.entry_points", looked)
    assert open_backend("echo").name == "echo" and models_of("vllm")


def test_a_package_adds_an_engine_by_entry_point(installed: Path) -> None:
    assert {"broken", "mine"} <= set(backend_names())
    assert open_backend("mine", BackendOptions()).name == "echo"


def test_an_engine_declares_what_models_are_to_it(installed: Path) -> None:
    assert models_of("local") is Models.DIRECTORIES
    assert {name: models_of(name) for name in ("hf", "openai", "replay")} == {
        "hf": Models.DIRECTORIES,
        "openai": Models.NAMES,
        "replay": Models.NONE,
    }


def test_an_engine_that_declares_nothing_takes_either(installed: Path) -> None:
    assert models_of("mine") is Models.EITHER
    assert models_of("uninstalled") is Models.EITHER


def test_an_engine_that_declares_something_else_cannot_be_loaded(installed: Path) -> None:
    installed.joinpath("mine_engine.py").write_text(PLUG_IN.replace("directories", "disks"))

    with pytest.raises(InputError) as caught:
        models_of("local")

    assert str(caught.value) == (
        "backend 'local' cannot be loaded\n"
        "  found: mine_engine:open_local: 'disks' is not a valid Models\n"
        "  hint: reinstall mine"
    )


def test_a_package_cannot_take_a_built_in_name(installed: Path) -> None:
    assert open_backend("echo").name == "echo"


def test_an_engine_that_cannot_be_loaded_names_its_package(installed: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_backend("broken")

    assert str(caught.value) == (
        "backend 'broken' cannot be loaded\n"
        "  found: mine_engine:nothing: module 'mine_engine' has no attribute 'nothing'\n"
        "  hint: reinstall mine"
    )


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        open_backend("replya")

    assert str(caught.value) == (
        "backend 'replya' is not known\n"
        "  did you mean: replay\n"
        f"  hint: use one of {', '.join(backend_names())}"
    )


def test_missing_packages_are_named_with_the_extra_to_install() -> None:
    with pytest.raises(InputError) as caught:
        require("fast", "vllm", "json", "no_such_engine", "nor_this_one")

    assert str(caught.value) == (
        "backend 'fast' needs no_such_engine, nor_this_one\n"
        "  hint: pip install 'lora-regression-harness[vllm]'"
    )


def test_packages_that_are_there_are_not_asked_for() -> None:
    require("fast", "vllm", "json")
