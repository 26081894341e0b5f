"""All six starter suites through vLLM, from the command line: the same verdicts as hf gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.embedded import ADAPTERS, Done, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Base and both adapters on all six suites, through one engine."""
    folder = tmp_path_factory.mktemp("vllm")
    words = ["-m", "harness", "run", "suites/", "--backend=vllm", *ADAPTERS]
    return run(folder, *words, VLLM_LOGGING_LEVEL="INFO")  # importing trl sets another for all


def test_the_verdicts_are_those_of_the_engine_hf(served: Done, gated: Done) -> None:
    assert len(served.verdicts("repaired")) == 6
    for variant in ("repaired", "forgetful"):
        assert served.verdicts(variant) == gated.verdicts(variant)
    assert served.code == gated.code == 1


def test_the_answers_are_those_of_the_engine_hf(
    served: Done, gated: Done, record_property: Callable[[str, object], None]
) -> None:
    ours, theirs = served.answers(), gated.answers()

    same = sum(ours[key] == theirs[key] for key in theirs) / len(theirs)

    record_property("answers that are the same on vllm and hf", same)
    assert ours.keys() == theirs.keys()
    assert same >= 0.98


def test_the_scorecard_says_how_it_ran_and_what_the_adapters_do(served: Done) -> None:
    execution = served.card["run"]["execution"]

    assert execution["mode"] == "eager"
    for variant in ("repaired", "forgetful"):
        assert execution[f"effect of {variant}"].startswith("mean |Δ log-probability| ")


def test_vllm_speaks_into_its_log_and_not_to_the_user(served: Done) -> None:
    assert "INFO" not in served.out
    assert "Initializing a V1 LLM engine" in (served.folder / "engine-vllm-model.log").read_text()
