"""What will be repaired follows from the failing run; what cannot be repaired is said before."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.common import FixSettings, InputError
from harness.config import Settings, load_settings
from harness.evaluation import run_suites
from harness.results import Verdict
from harness.store import Store
from harness.training.repair import FixOptions, FixPlan, make_plan
from harness.training.repair.loop import best_of, notes_of
from harness.training.repair.promotion_checks import judged_suites
from harness.training.repair.rounds import train_config
from harness.training.repair.values import DevReport, RoundReport, TrainingReport

Record = Callable[..., Settings]
BOTH = ("weak", "able")
SUITE = """\
suite: {name}
category: c
gate: {{min_pass_rate: 0.9}}
{fix}
cases:
"""


def cases(name: str, count: int = 40) -> str:
    return "".join(
        f"  - {{id: {name}-{at:02}, user: q, checks: [{{contains: red}}]}}\n" for at in range(count)
    )


def write_suite(name: str, fix: str = "", count: int = 40) -> None:
    text = SUITE.format(name=name, fix=fix) + cases(name, count)
    Path(f"suites/{name}.yaml").write_text(text)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two suites; answers are recorded."""
    monkeypatch.chdir(tmp_path)
    Path("suites").mkdir()
    Path("harness.toml").write_text(
        'suites = ["suites"]\nbackend = "replay"\nresponses = "answers.jsonl"\n'
    )
    Path("suites/pool.jsonl").write_text("")
    write_suite("weak", "fix: {pools: [pool.jsonl], max_drop: 0.08}")
    write_suite("able")
    return tmp_path


@pytest.fixture
def record(project: Path) -> Record:
    """Run on recorded answers: the suites that each variant fails, every second case of them."""

    def ran(failing: dict[str, str], count: int = 40, suites: tuple[str, ...] = BOTH) -> Settings:
        rows = [
            {
                "case": f"{suite}-{at:02}",
                "variant": variant,
                "response": "blue" if suite in fails.split() and at % 2 else "red",
            }
            for variant, fails in failing.items()
            for suite in suites
            for at in range(count)
        ]
        Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        settings = load_settings(Path())
        run_suites(settings, [f"suites/{name}.yaml" for name in suites])
        return settings

    return ran


def planned(settings: Settings, **options: object) -> FixPlan:
    plan = make_plan(settings, replace(FixOptions(), **options))  # type: ignore[arg-type]  # fields
    assert plan is not None
    return plan


def refusal(settings: Settings, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        planned(settings, **options)
    return str(caught.value)


def test_the_failing_suite_is_repaired_and_the_others_must_lose_nothing(record: Record) -> None:
    plan = planned(record({"base": "weak"}))

    assert [target.suite.name for target in plan.targets] == ["weak"]
    assert plan.targets[0].found.verdict is Verdict.BELOW_THRESHOLD
    assert [suite.name for suite in plan.others] == ["able"]
    assert (plan.before.name, plan.baseline, plan.was) == ("base", None, "")


def test_latest_is_the_newest_run_that_finished(record: Record) -> None:
    settings = record({"base": "weak"})
    with Store(settings.path(settings.store)) as store:
        whole = store.runs()[0]
        store.start_run(replace(whole, id="broken", finished=False))

    assert planned(settings).run.id == whole.id
    assert refusal(settings, run="broken").startswith("run broken did not finish\n")


def test_the_same_failures_are_repaired_with_the_same_rows(record: Record) -> None:
    first, again = (planned(record({"base": "weak"})) for _ in range(2))
    other = planned(record({"base": "weak able"}), suites=("weak",))

    assert first.run.id != again.run.id
    assert first.id != again.id  # another run is another repair
    assert first.seed == again.seed == other.seed
    bad = Path("bad.jsonl")
    assert planned(record({"base": "weak"}), bad_cases=bad, paraphrases=3).seed != first.seed


def test_only_the_holdout_is_judged_and_other_suites_whole(record: Record) -> None:
    plan = planned(record({"base": "weak"}))
    weak, able = judged_suites(plan)

    assert weak.cases == plan.targets[0].split.holdout
    assert weak.gate.min_pass_rate == 0.9
    assert len(able.cases) == 40
    assert (able.gate.policy, able.gate.max_drop) == ("non_inferiority", 0.08)


def test_a_configured_suite_that_was_not_in_the_run_must_lose_nothing_too(record: Record) -> None:
    plan = planned(record({"base": "weak"}, suites=("weak",)))
    judged = {suite.name: suite.gate for suite in judged_suites(plan)}

    assert [suite.name for suite in plan.others] == ["able"]
    assert {suite.name for suite in plan.suites} == {"weak", "able"}  # what the guard looks at
    assert (judged["able"].policy, judged["able"].min_pass_rate) == ("non_inferiority", None)
    assert "configured, and not in the run: able; judged too, their own bars do not count" in list(
        notes_of(plan)
    )


def test_a_suite_that_is_alone_is_said_to_be(record: Record) -> None:
    Path("suites/able.yaml").unlink()

    told = list(notes_of(planned(record({"base": "weak"}, suites=("weak",)))))

    assert "there is no other suite: whether anything else is lost is not looked at" in told


def test_a_run_without_failures_has_no_plan(record: Record) -> None:
    assert make_plan(record({"base": ""}), FixOptions()) is None


def test_the_same_command_has_the_same_plan_and_other_options_another(record: Record) -> None:
    settings = record({"base": "weak"})

    assert planned(settings).id == planned(settings).id
    assert planned(settings).id != planned(settings, rounds=3).id


def test_a_suite_that_does_not_say_what_repairs_it(record: Record) -> None:
    assert refusal(record({"base": "able"})) == (
        "suites/able.yaml:1: suite 'able' failed, and does not say what repairs it\n"
        "  hint: add a section fix: with pools, generate or teacher (docs/repair.md)"
    )


def test_two_failing_suites_of_which_one_can_be_repaired(record: Record) -> None:
    plan = planned(record({"base": "weak able"}))

    assert plan.open == {"able"}
    assert judged_suites(plan)[1].gate.min_pass_rate is None
    assert list(notes_of(plan))[1:] == [
        "able failed too and is not repaired, its own bar does not count: add a section fix: to "
        "suites/able.yaml (docs/repair.md)"
    ]


def test_a_failing_suite_that_is_left_out_is_named(record: Record) -> None:
    write_suite("able", "fix: {pools: [pool.jsonl]}")
    plan = planned(record({"base": "weak able"}), suites=("weak",))

    assert list(notes_of(plan))[1:] == [
        "able failed too and is not repaired, its own bar does not count: --suite leaves it out"
    ]


def test_it_is_said_what_the_new_adapter_is_trained_from(record: Record) -> None:
    plan = planned(record({"base": "weak"}))
    tuned = replace(plan.before, name="v2", model="m", adapter="out/v2")

    assert list(notes_of(plan)) == ["the new adapter is trained from recorded itself"]
    assert list(notes_of(replace(plan, before=tuned, was="v1"))) == [
        "the new adapter is trained from m itself, not from v1 and v2: what was learned there is "
        "kept only as far as rows teach it and suites show it"
    ]


def test_a_suite_that_did_not_fail_is_not_repaired(record: Record) -> None:
    assert refusal(record({"base": "weak"}), suites=("abel",)) == (
        "suite 'abel' is not in this run\n  expected: weak"
    )


def test_several_failing_candidates_must_be_told_apart(record: Record) -> None:
    settings = record({"base": "", "one": "weak", "two": "weak"})

    assert refusal(settings).startswith("2 candidates failed in run ")
    assert planned(settings, variant="two").before.name == "two"
    assert "did you mean: two" in refusal(settings, variant="tow")


def test_what_the_run_compared_with_is_compared_with_again(record: Record) -> None:
    plan = planned(record({"base": "", "new": "weak"}))

    assert plan.before.name == "new"
    assert plan.baseline is not None
    assert plan.baseline.name == "base"


def test_a_suite_that_changed_since_the_run_is_refused(record: Record) -> None:
    settings = record({"base": "weak"})
    text = Path("suites/weak.yaml").read_text()
    Path("suites/weak.yaml").write_text(text.replace("user: q", "user: other", 1))

    assert refusal(settings) == (
        "suites/weak.yaml: suite 'weak' has changed since the run\n"
        "  found: 1 of 40 cases, weak-00 among them\n"
        "  hint: run it again, and fix that run"
    )


def test_a_suite_with_which_nothing_can_be_shown_stops_before_the_training(record: Record) -> None:
    write_suite("weak", "fix: {pools: [pool.jsonl], max_drop: 0.05}")

    assert refusal(record({"base": "weak"})) == (
        "suites/able.yaml:1: suite 'able' is too small to show that it lost less than 0.05\n"
        "  found: 40 cases or clusters\n"
        "  expected: 55, or no fix could be promoted, even one that changes nothing\n"
        "  hint: add 15, or raise max_drop under fix: to 0.07"
    )


def test_all_that_stands_in_the_way_is_told_at_once(record: Record) -> None:
    write_suite("weak", "fix: {pools: [pool.jsonl], max_drop: 0.05}")
    settings = record({"base": "weak"})
    write_suite("weak", "fix: {pools: [pol.jsonl], max_drop: 0.05, train: {epohcs: 2}}", count=1)

    told = refusal(settings)

    for part in (
        "pool 'pol.jsonl' does not exist",
        "key 'epohcs' is not known here",
        "suite 'weak' cannot be split",
        "suite 'able' is too small to show that it lost less than 0.05",
    ):
        assert part in told, told


def test_a_run_is_repaired_alike_from_another_folder(
    record: Record, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = planned(record({"base": "weak"}))
    (project / "sub").mkdir()
    monkeypatch.chdir(project / "sub")

    there = planned(load_settings(project))

    assert (there.id, there.place.link) == (here.id, project / here.place.link)
    assert there.suites[0].path == f"{project}/suites/weak.yaml"


def test_auto_tries_the_cheapest_method_first(record: Record) -> None:
    settings = record({"base": "weak"})

    assert planned(settings).schedule == ("sft",)
    assert planned(settings, method="dpo", rounds=2).schedule == ("dpo", "dpo")
    assert planned(settings, method="auto").schedule == ("sft", "dpo", "grpo")
    assert planned(settings, method="auto").id != planned(settings).id


def test_what_goes_on_from_an_adapter_has_the_form_in_which_it_was_saved(record: Record) -> None:
    block = "{pools: [pool.jsonl], method: auto, train: {lora: {init: pissa, rank: 8}}}"
    write_suite("weak", f"fix: {block}")
    settings = record({"base": "weak"})
    plan = planned(settings)
    first = train_config(plan, settings, plan.home)
    then = train_config(plan, settings, plan.home, "dpo", "round-1/adapter")

    assert (first.lora.init, first.lora.rank, first.adapter) == ("pissa", 8, None)
    assert (then.lora.init, then.lora.rank, then.lora.scale) == ("default", 16, 32)
    assert then.adapter == Path("round-1/adapter")


def test_settings_of_other_methods_leave_a_repair_that_was_begun_as_it_is() -> None:
    assert not {"method", "pairs", "rewards"} & set(FixSettings(rows=5).content())
    assert FixSettings(method="dpo").content()["method"] == "dpo"


def test_two_suites_that_want_another_method_are_not_repaired_together(
    record: Record, project: Path
) -> None:
    write_suite("weak", "fix: {pools: [pool.jsonl], method: dpo}")
    write_suite("able", "fix: {pools: [pool.jsonl]}")
    told = refusal(record({"base": "weak able"}))

    assert told.splitlines()[0].endswith("two suites want another 'method' under fix")
    assert planned(load_settings(Path()), method="sft").method == "sft"


def round_of(number: int, after: int, stopped: str = "") -> RoundReport:
    dev = (DevReport("weak", 20, 5, after, after > 15),)
    training = TrainingReport(1, 1.0, 1)
    return RoundReport(number, (), 1, 0, {}, {}, training, dev, f"round-{number}", stopped=stopped)


def test_the_adapter_that_passes_most_goes_on_unless_a_watch_stopped_it() -> None:
    rounds = [round_of(1, 9), round_of(2, 12), round_of(3, 12), round_of(4, 11)]

    assert best_of(rounds).number == 3
    assert best_of([*rounds, round_of(5, 20, "the reward is hacked")]).number == 3
    assert best_of([round_of(1, 20, "the reward is hacked")]).number == 1
