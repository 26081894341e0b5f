"""Reasoning in recorded answers: what is taken out, and what is warned of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.common import Variant
from harness.config import Settings, load_settings
from harness.evaluation import run_suites
from harness.evaluation.reasoning import tags_of
from harness.results import Outcome
from harness.scorers import DEFAULT_TAGS
from tests.recorded_project import CASES, CONFIGURATION, write_project


def _warnings(folder: Path, answer: str, more: str = "") -> tuple[int, list[str]]:
    """How many cases passed where all have this answer, and what the scorecard warns of."""
    write_project(folder)
    folder.joinpath("harness.toml").write_text(CONFIGURATION + more)
    rows = [{"case": name, "response": answer} for name in CASES]
    folder.joinpath("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = run_suites(load_settings(folder))
    found = sum(result.outcome is Outcome.PASS for result in report.results())
    return found, list(report.gate.warnings)


@pytest.mark.parametrize(
    ("answer", "more", "passed", "mark"),
    [
        ("<thinking>blue?</thinking>red", "", 12, "<thinking>"),
        ("[THINK]red?[/THINK]blue", 'reasoning_tags = ["think"]\n', 12, "[THINK]"),
        ("[THINK]red?[/THINK]blue", "", 0, ""),
        ("analysisNot red.assistantfinalblue", "", 0, ""),
        ("<thinking>red?</thinking>blue", 'reasoning_tags = ["thinking"]\n', 0, ""),
    ],
)
def test_marks_that_are_not_configured_are_a_warning(
    tmp_path: Path, answer: str, more: str, passed: int, mark: str
) -> None:
    found, warnings = _warnings(tmp_path, answer, more)

    assert found == passed
    warned = [text for text in warnings if "reasoning_tags" in text]
    assert len(warned) == bool(mark)
    assert all(text.startswith(f"base: 12 answers began with {mark}, ") for text in warned)


def test_a_model_declares_its_marks_in_its_template(tmp_path: Path) -> None:
    template = "<thought> {{ content.split('</thought>')[-1] }}"
    model = Variant("base", str(tmp_path))
    assert tags_of(Settings(), [model]) == DEFAULT_TAGS

    config = tmp_path / "tokenizer_config.json"
    config.write_text(json.dumps({"chat_template": template}))
    assert tags_of(Settings(), [model]) == (*DEFAULT_TAGS, ("<thought>", "</thought>"))

    config.write_text("[not json")
    assert tags_of(Settings(), [model]) == DEFAULT_TAGS
    own = tmp_path / "own.jinja"
    own.write_text(template)
    asked = Variant("new", "elsewhere", chat_template=str(own))
    assert tags_of(Settings(), [asked]) == (*DEFAULT_TAGS, ("<thought>", "</thought>"))
    assert tags_of(Settings(reasoning_tags=("think",)), [asked]) == ("think",)
