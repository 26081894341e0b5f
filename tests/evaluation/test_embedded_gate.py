"""The whole way on the real embedded model: both adapters, both doors, one engine, one verdict."""

from __future__ import annotations

from pathlib import Path

from tests.embedded import ADAPTERS, Done, run


def test_the_repaired_adapter_passes_every_suite(gated: Done) -> None:
    assert set(gated.verdicts("repaired").values()) == {"pass"}


def test_the_forgetful_adapter_is_refused_and_the_suite_is_named(gated: Done) -> None:
    blocked = [suite for suite, verdict in gated.verdicts("forgetful").items() if verdict != "pass"]

    assert gated.code == 1
    assert blocked
    assert blocked != ["json_validity"]
    assert f"forgetful must not replace base: it got worse in {blocked[0]}" in gated.out


def test_one_category_of_the_base_is_weak_and_the_others_are_able(gated: Done) -> None:
    rates = {suite: gated.rate(suite, "base") for suite in gated.verdicts("repaired")}

    assert len(rates) == 6
    assert 0.25 <= rates.pop("json_validity") <= 0.55
    assert min(rates.values()) >= 0.8


def test_both_adapters_have_repaired_the_weak_category(gated: Done) -> None:
    assert gated.rate("json_validity", "repaired") >= 0.8
    assert gated.rate("json_validity", "forgetful") >= 0.8


def test_recorded_answers_give_the_same_verdicts_without_torch(gated: Done, tmp_path: Path) -> None:
    blocker = tmp_path / "blocked"
    for name in ("torch", "transformers", "peft"):
        (blocker / name).mkdir(parents=True)
        (blocker / name / "__init__.py").write_text("raise ImportError('not in this test')\n")
    answers = gated.report / "results.jsonl"
    words = ["-m", "harness", "score", "suites/", f"--responses={answers}"]

    scored = run(tmp_path, *words, PYTHONPATH=str(blocker))

    assert scored.code == gated.code
    for variant in ("repaired", "forgetful"):
        assert scored.verdicts(variant) == gated.verdicts(variant)


def test_pytest_says_the_same_and_generates_nothing_again(gated: Done) -> None:
    done = run(gated.folder, "-m", "pytest", "suites/", "-q", "-p", "no:cacheprovider", *ADAPTERS)

    assert done.code == 1
    assert "0 answers generated" in done.out
    assert "gate[forgetful] - regressed" in done.out
    assert "gate[repaired]" not in done.out


def test_pytest_is_green_for_the_repaired_adapter(gated: Done) -> None:
    words = ["-m", "pytest", "suites/", "-q", "-p", "no:cacheprovider", ADAPTERS[0]]

    done = run(gated.folder, *words)

    assert done.code == 0, done.out
    assert "No loss was found in repaired, but these suites can only see drops above" in done.out
