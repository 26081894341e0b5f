"""The examples and the page about Python run as they stand, and print what the page shows."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from harness.backends import registry
from harness.scorers import forget

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"```(python|text)\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.py"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder; what was registered by name is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_MADE_HERE", {})
    for name in ("brief", "polite"):
        forget(name)


def settled(text: str) -> str:
    """Put RUN for ids of runs, and the root's own place out."""
    return re.sub(r"\d{8}-\d{6}-[0-9a-f]{6}", "RUN", text).replace(f"{ROOT}/", "")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_the_page_shows(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = PAGE.partition(f"[examples/{name}.py]")[2].partition("```text\n")[2].partition("```")[0]

    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")

    assert settled(capsys.readouterr().out) == shown


def test_the_page_runs_from_top_to_bottom(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {"__name__": "page"}
    number = 0
    for at, (kind, text) in enumerate(BLOCKS):
        if kind != "python":
            continue
        number += 1
        file = tmp_path / f"block{number}.py"
        file.write_text(text, encoding="utf-8")
        exec(compile(text, str(file), "exec"), names)  # the page's own code
        followed = at + 1 < len(BLOCKS) and BLOCKS[at + 1][0] == "text"
        assert settled(capsys.readouterr().out) == (BLOCKS[at + 1][1] if followed else "")
    assert number == 5
