"""A merged model as a variant: it answers as base and adapter do, in an engine of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.config import Settings, load_selected
from harness.evaluation import RunReport, run, variants_of
from harness.results import Event, Note, Observer, ignore

ROOT = Path(__file__).parents[2]
MODEL, ADAPTER = ROOT / "fixtures/model", ROOT / "fixtures/adapters/repaired"
SUITE = ROOT / "suites/starter/json_validity.yaml"


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded base with its adapter `repaired` merged into the weights."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    directory = tmp_path_factory.mktemp("merged")
    base: Any = AutoModelForCausalLM.from_pretrained(MODEL)
    whole = PeftModel.from_pretrained(base, str(ADAPTER)).merge_and_unload()
    whole.save_pretrained(str(directory))
    AutoTokenizer.from_pretrained(MODEL).save_pretrained(str(directory))
    return directory


@pytest.fixture(scope="module")
def report(merged: Path, tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    """The adapter and the merged model in one run."""
    folder = tmp_path_factory.mktemp("run")
    return answered(folder, merged)


def answered(root: Path, merged: Path, observer: Observer = ignore) -> RunReport:
    """A run of every fourth case."""
    settings = Settings(
        root=root,
        model=str(MODEL),
        adapter=(f"repaired={ADAPTER}",),
        variant=(f"merged=model:{merged}",),
        baseline="repaired",
    )
    suites = load_selected([str(SUITE)], settings)
    chosen = {case.id for case in suites[0].cases[::4]}
    variants = variants_of(settings)
    return run(settings, suites, variants, select=lambda c, v: c.id in chosen, observer=observer)


def test_a_merged_model_answers_as_base_and_adapter_do(report: RunReport) -> None:
    """Merging rounds otherwise, so an answer that hangs in the balance may differ."""
    answers: dict[str, dict[str, tuple[str, ...]]] = {}
    for result in report.results():
        answers.setdefault(result.variant, {})[result.case] = result.responses

    same = [answers["merged"][case] == text for case, text in answers["repaired"].items()]
    assert len(same) >= 10
    assert sum(same) >= 0.9 * len(same)


def test_it_is_another_variant_with_weights_of_its_own(report: RunReport, merged: Path) -> None:
    by_name = {variant.name: variant for variant in report.info.variants}

    assert by_name["merged"].model == str(merged)
    assert by_name["merged"].weights != by_name["repaired"].weights
    assert by_name["merged"].environment == by_name["repaired"].environment


def test_the_run_says_that_engines_followed_one_another(report: RunReport) -> None:
    note = "2 models: one engine after another, each in a process of its own"
    assert report.info.notes[0] == note
    assert re.fullmatch(r"\d+", report.info.execution["batch_rows"])


def test_a_second_run_starts_no_engine(report: RunReport, merged: Path) -> None:
    events: list[Event] = []

    again = answered(report.store.parent.parent, merged, events.append)

    assert again.info.generated == 0
    assert again.info.cached == report.info.generated + report.info.cached
    assert "batch_rows" not in again.info.execution
    assert not [event for event in events if isinstance(event, Note)]
