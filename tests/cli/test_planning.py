"""`harness plan`: counts, sources of its figures, and files of rates that are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.store import Store, usage_of
from tests.embedded import ROOT
from tests.recorded_project import Record

Printed = pytest.CaptureFixture[str]
RATES = {
    "version": 1,
    "engine": "vllm",
    "device": "a GPU",
    "model": "7B",
    "command": "python -m bench.rates",
    "measured": "2026-11-29",
    "start_seconds": 20.0,
    "answer_tokens_per_second": 100.0,
    "prompt_tokens_per_second": 1000.0,
    "gpus": 2,
}
PLAN = ["plan", "--backend", "echo", "--model", "echo"]


@pytest.fixture(autouse=True)
def configured(record: Record) -> None:
    record({"base": "++++++++++++", "new": "+++++++-----"})


def planned(capsys: Printed, *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_without_a_store_answers_are_as_long_as_they_may_be(capsys: Printed) -> None:
    found = planned(capsys, *PLAN, "--candidates", "3", "--repeats", "2")
    assert found["requests"] == 12 * 4 * 2
    assert found["suites"][0]["answer_source"].startswith("the limits")
    assert found["suites"][0]["discordance_source"].startswith("assumed")
    assert 0 < found["prompt_tokens_once"] < found["prompt_tokens"]
    assert [bill["seconds"] for bill in found["bills"]] == [None] * 4
    assert "bench.rates" in found["bills"][0]["reason"]
    assert not Path(".harness/store.db").exists()


def test_an_earlier_run_says_how_long_answers_are_and_how_many_differ(capsys: Printed) -> None:
    main(["run"])
    found = planned(capsys, "plan")
    suite = found["suites"][0]
    assert suite["answer_source"].startswith("run 20")
    assert suite["sight"]["discordance"] == pytest.approx(0.680, abs=0.001)  # 5 of 12
    assert suite["repeated"][0]["mde"] is None
    assert "--aa" in suite["repeated"][0]["reason"]


def test_declared_slices_are_tests_of_the_same_family(capsys: Printed) -> None:
    suite = Path("suites/colours.yaml")
    text = suite.read_text()
    assert planned(capsys, *PLAN)["suites"][0]["sight"]["family"] == 1
    suite.write_text(text.replace("gate: {", "gate: {slices: [rest], "))

    assert planned(capsys, *PLAN)["suites"][0]["sight"]["family"] == 2


def test_rates_give_time_and_gpu_hours(capsys: Printed) -> None:
    Path("rates.json").write_text(json.dumps(RATES))
    model = str(ROOT / "fixtures" / "model")
    Path("harness.toml").write_text('suites = ["suites"]\n')
    local = ["plan", "--backend", "hf", "--model", model, "--candidates", "1"]
    words = [*local, "--rate", "rates.json", "--replicas", "6"]
    found = planned(capsys, *words)
    assert [bill["replicas"] for bill in found["bills"]] == [1, 2, 4, 6]
    work = found["answer_tokens"] / 100 + found["prompt_tokens_once"] / 1000
    for bill in found["bills"]:
        assert bill["seconds"] == pytest.approx(20 + work / bill["replicas"])
        assert bill["gpu_hours"] == pytest.approx(bill["seconds"] * bill["replicas"] * 2 / 3600)
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "GPU hours" in shown
    assert "start of 20 s included" in shown
    assert "Smallest drop" in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "rates.json:1:2: the file of rates is not whole JSON"),
        ('{\n "gpu": 1}', "rates.json:2:2: unknown key 'gpu'"),
        (json.dumps({**RATES, "gpus": -1}), "wrong value for 'gpus'"),
        (json.dumps({**RATES, "start_seconds": "long"}), "expected: a number"),
        (json.dumps({"version": 1}), "'engine' is missing"),
        (json.dumps({**RATES, "version": 2}), "wrong value for 'version'"),
        ("[]", "rates.json:1:1: "),
        (
            json.dumps({**RATES, "answer_tokens_per_second": 5e-324}, indent=1),
            "rates.json:9:30: wrong value for 'answer_tokens_per_second'\n"
            "  found: number 5e-324\n"
            "  expected: 0.001 or more",
        ),
        (json.dumps({**RATES, "prompt_tokens_per_second": 0}), "expected: 0.001 or more"),
        (json.dumps({**RATES, "prompt_tokens_per_second": 1e10}), "expected: 1e+09 or less"),
        (json.dumps({**RATES, "start_seconds": 1e308}), "expected: 1e+06 or less"),
        (json.dumps({**RATES, "gpus": 10**18}), "expected: 1024 or less"),
        (json.dumps({**RATES, "gpus": 10**400}), "a number of more than 19 digits"),
    ],
)
def test_rates_that_are_wrong_are_said_with_their_place(
    text: str, said: str, capsys: Printed
) -> None:
    Path("rates.json").write_text(text)
    assert main([*PLAN, "--rate", "rates.json"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "gone.json"], "cannot read the rates"),
        (["--replicas", "0"], "--replicas 0: there is nothing to plan"),
        (["--replicas", "2"], "--replicas does not go with backend 'echo'"),
        (["--repeats", "0"], "--repeats 0: there is nothing to plan"),
        (["--candidates", "2", "--adapter", "a=x"], "not there yet"),
    ],
)
def test_wrong_words_are_said(words: list[str], said: str, capsys: Printed) -> None:
    assert main([*PLAN, *words]) == 2
    assert said in capsys.readouterr().err


def test_answers_in_the_store_are_not_asked_for_again(capsys: Printed) -> None:
    before = planned(capsys, "plan")
    assert (before["stored"], before["requests"]) == (0, 24)
    main(["run"])
    again = planned(capsys, "plan")
    assert (again["stored"], again["requests"], again["prompt_tokens"]) == (24, 0, 0)
    assert again["answer_tokens"] == 0
    more = planned(capsys, "plan", "--repeats", "2")
    assert (more["stored"], more["requests"]) == (24, 24)
    # An adapter that is not there yet has answered nothing, whatever the base has.
    others = planned(capsys, "plan", "--candidates", "2")
    assert (others["stored"], others["requests"]) == (12, 24)


def test_what_was_tried_several_times_has_the_scorecards_figure(
    record: Record, capsys: Printed
) -> None:
    suite = Path("suites/colours.yaml")
    text = suite.read_text(encoding="utf-8")
    text = text.replace("gate:", "defaults: {repeats: 3}\ngate:", 1)
    suite.write_text(text.replace("contains: red", "contains: blue", 1))
    main(["run", *PLAN[1:]])
    card = json.loads(Path("reports/latest/scorecard.json").read_text(encoding="utf-8"))
    row = next(row for row in card["categories"] if row["variant"] == "base")
    measured = {rate["k"]: rate["estimate"] for rate in row["pass_hat_k"]}
    found = planned(capsys, *PLAN)["suites"][0]["repeated"]
    assert measured[3] == pytest.approx(11 / 12)
    assert [each["pass_all"] for each in found] == [measured[1], measured[3], None]
    assert found[1]["pass_source"].startswith("run 20")


def test_what_is_foretold_is_what_the_run_asks(capsys: Printed) -> None:
    suite = Path("suites/colours.yaml")
    before = planned(capsys, *PLAN)
    assert main(["run", *PLAN[1:]]) == 0
    first = used(capsys)
    assert (before["requests"], before["prompt_tokens"]) == first[:2]

    suite.write_text(suite.read_text().replace("gate:", "defaults: {repeats: 3}\ngate:", 1))
    more = planned(capsys, *PLAN)
    assert main(["run", *PLAN[1:]]) == 0
    asked, prompts, answers = used(capsys)
    assert (more["stored"], more["requests"]) == (first[0], asked - first[0])
    assert more["prompt_tokens"] == prompts - first[1]
    assert more["answer_tokens"] == first[2] // first[0] * more["requests"]
    # A repeat asks the same: its prompt is computed once, though the first answer is stored.
    assert more["prompt_tokens_once"] == before["prompt_tokens_once"]
    assert answers > first[2] > 0


def used(capsys: Printed) -> tuple[int, int, int]:
    """Return results, prompt tokens and answer tokens of the newest run."""
    capsys.readouterr()
    with Store(Path(".harness/store.db")) as store:
        run = next(iter(store.runs())).id
        rows = usage_of(store, run)
    counts = ((row.results, row.prompt_tokens, row.completion_tokens) for row in rows)
    results, prompts, answers = zip(*counts, strict=True)
    return sum(results), sum(prompts), sum(answers)
