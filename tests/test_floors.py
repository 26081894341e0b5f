"""The house holds: a lower floor never imports a higher one, and torch stays where it belongs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HARNESS = Path(__file__).parents[1] / "harness"

# Lowest first; names on one line share a floor and do not import each other.
FLOORS = (
    {"common"},
    {"scorers"},
    {"suites"},
    {"prompts"},
    {"backends"},
    {"config"},
    {"results"},
    {"store"},
    {"gate"},
    {"reports"},
    {"exports"},
    {"evaluation"},
    {"nightly"},
    {"training"},
    {"viewer"},
    {"review"},
    {"api"},
    {"cli", "pytest_plugin"},
)
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}
TORCH_ALLOWED = ("backends/hf", "backends/vllm", "training/", "scorers/embedding")


SOURCES = [
    path
    for path in sorted(HARNESS.rglob("*.py"))
    if path.parent != HARNESS or not path.stem.startswith("__")
]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def home(path: Path) -> str:
    return path.relative_to(HARNESS).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(HARNESS)))
def test_no_floor_imports_a_higher_one(path: Path) -> None:
    here = home(path)
    for module in imported(path):
        parts = module.split(".")
        if parts[0] == "harness" and len(parts) > 1 and parts[1] != here:
            assert LEVEL[parts[1]] < LEVEL[here], f"{here} imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(HARNESS)))
def test_torch_is_imported_only_where_it_is_needed(path: Path) -> None:
    roots = {module.split(".")[0] for module in imported(path)}
    if roots & {"torch", "transformers", "peft", "vllm"}:
        relative = path.relative_to(HARNESS).as_posix()
        assert relative.startswith((*TORCH_ALLOWED, "prompts")), relative


@pytest.mark.parametrize("door", ["harness.cli", "harness.pytest_plugin", "harness.evaluation.run"])
def test_the_doors_open_without_heavy_libraries(door: str) -> None:
    heavy = "{'torch', 'transformers', 'peft', 'vllm', 'scipy', 'pandas', 'lingua', 'sacrebleu'}"
    code = f"import sys, {door}; print(sorted({heavy} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(LEVEL))
def test_the_house_on_one_page_names_every_floor(name: str) -> None:
    page = HARNESS.parent.joinpath("docs", "architecture.md").read_text(encoding="utf-8")
    floors = page.partition("## The floors")[2].partition("## Where")[0]
    assert f"`{name}`" in floors or f"`{name}/`" in floors
