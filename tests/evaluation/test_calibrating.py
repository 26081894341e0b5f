"""A judge beside people: from a run and a review to a gate, on recorded replies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.backends import Completion, Request
from harness.backends.replay import ReplayBackend
from harness.cli import main

CASES = [f"c{number:02}" for number in range(40)]
RUBRIC = "The answer is polite."
CONFIGURATION = """
suites = ["s.yaml"]
backend = "replay"
responses = "answers.jsonl"
[judge]
backend = "replay"
model = "judge-7b"
responses = "judge.jsonl"
"""
Printed = pytest.CaptureFixture[str]


def write(path: str, rows: Iterable[dict[str, Any]]) -> None:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))


def suite(check: str = f"{{rubric: {RUBRIC}, min_agreement: 0.6}}", more: str = "") -> None:
    """A suite whose cases have one judge check each."""
    cases = "".join(
        f"  - {{id: {case}, user: Answer {case}., checks: [{{judge: {check}}}]}}\n"
        for case in CASES
    )
    Path("s.yaml").write_text(
        f"suite: manners\ncategory: tone\ngate: {{min_pass_rate: 0.3}}\n{more}cases:\n{cases}"
    )


def rating(number: int) -> int:
    """What the judge gives the answer to a case: 5 to every second, else 1."""
    return 1 if number % 2 else 5


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a finished run: its judge gives 5 to every second answer, 1 to the others."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("harness.toml").write_text(CONFIGURATION)
        suite()
        write("answers.jsonl", ({"case": case, "response": f"Yes, {case}."} for case in CASES))
        write("judge.jsonl", (replies(n, case) for n, case in enumerate(CASES)))
        assert main(["run"]) == 4  # nobody has calibrated the judge
    return folder


def replies(number: int, case: str) -> dict[str, Any]:
    """What the judge says of a case when it is asked, and when it is asked again."""
    return {"case": case, "responses": [f"Rating: {rating(number)}"] * 2}


@pytest.fixture(autouse=True)
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of that project, as the working directory."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.chdir(tmp_path)


def labels(rows: Iterable[dict[str, Any]], path: str = "labels.jsonl") -> str:
    write(path, rows)
    return path


def agreeing(**more: Any) -> list[dict[str, Any]]:
    """One person who gives what the judge gives, but for one answer."""
    return [
        {"case": case, "score": 1 if n == 0 else rating(n), **more} for n, case in enumerate(CASES)
    ]


def card() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("reports/latest/scorecard.json").read_text())
    return found


def kept(name: str = "*") -> dict[str, Any]:
    (path,) = Path("calibrations").glob(f"{name}.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_reviewed_by_two_people_calibrated_and_then_gating(capsys: Printed) -> None:
    """The way of a new user: run, judge blind, calibrate, gate; and a rubric that was changed."""
    assert main(["show"]) == 4
    out = capsys.readouterr().out
    assert "not calibrated against people, min_agreement is 0.6: harness judge calibrate" in out
    assert "what the judge says is not shown to be right in manners" in out
    for rater, wrong in (("ann", "c00"), ("ben", "c01")):
        file = f"{rater}.jsonl"
        sampled = ["--rater", rater, "--by", "scores", "--sample", "40"]
        assert main(["review", "latest", *sampled, "--export", file]) == 0
        head, *items = (json.loads(line) for line in Path(file).read_text().splitlines())
        for item in items:
            said = rating(int(item["case"][1:]))
            item["scores"] = {RUBRIC: 6 - said if item["case"] == wrong else said}
        write(file, [head, *items])
        assert main(["review", "latest", "--import", file]) == 4
    capsys.readouterr()

    assert main(["judge", "calibrate"]) == 0
    out = capsys.readouterr().out
    assert "judge default against 2 raters" in out and "40 answers to 40 cases" in out
    assert "0 replies of the judge, 40 more from the store" in out
    seen = kept()
    assert seen["decision"]["kappa"]["value"] == pytest.approx(0.95)
    assert seen["decision"]["people"]["value"] == pytest.approx(0.9)
    assert seen["decision"]["kappa"]["low"] > 0.6
    assert seen["scale"]["weights"] == "linear" and len(seen["rows"]) == 40

    Path(".harness/store.db").unlink()  # as on a machine that has the project alone
    assert main(["run"]) == 0
    out = capsys.readouterr().out
    assert "agrees with people by kappa 0.95" in out
    (judged,) = card()["run"]["suites"][0]["judged"]
    assert judged["differs"] == [] and judged["kappa"]["value"] == pytest.approx(0.95)
    assert (judged["min_agreement"], judged["raters"]) == (0.6, 2)
    page = Path("reports/latest/scorecard.html").read_text()
    assert "Judges and people" in page and judged["file"] in page
    assert "agrees with people by kappa 0.95" in Path("reports/latest/summary.md").read_text()

    suite("{rubric: The answer is kind., min_agreement: 0.6}")
    assert main(["run"]) == 4
    assert ": rubric differs" in capsys.readouterr().out
    assert main(["rescore"]) == 4
    suite()
    suite(f"{{rubric: {RUBRIC}, min_agreement: 0.99}}")
    assert main(["run"]) == 4
    assert "its lower 95 % bound is below min_agreement, 0.99" in capsys.readouterr().out


def test_what_only_the_gate_reads_leaves_hashes_and_keys_as_they_are() -> None:
    suite(f"{{rubric: {RUBRIC}}}")
    assert main(["run"]) == 0
    suite()

    assert main(["run", "--baseline", "latest"]) in (0, 4)
    assert card()["run"]["generated"] == 0


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ("sampling = {temperature = 0.5}", "sampling (temperature 0.0 → 0.5)"),
        ('model = "judge-14b"', ""),  # the name of recorded replies is no model
    ],
)
def test_another_judge_is_not_the_one_that_was_calibrated(
    change: str, differs: str, capsys: Printed
) -> None:
    assert main(["judge", "calibrate", labels(agreeing())]) == 0
    configuration = CONFIGURATION.replace('model = "judge-7b"\n', "") + change + "\n"
    Path("harness.toml").write_text(configuration)
    capsys.readouterr()

    assert main(["run"]) == (4 if differs else 0)
    assert (f"{differs} differs" in capsys.readouterr().out) is bool(differs)


def test_other_recorded_replies_are_another_judge(capsys: Printed) -> None:
    assert main(["judge", "calibrate", labels(agreeing())]) == 0
    rows = [json.loads(line) for line in Path("judge.jsonl").read_text().splitlines()]
    write("judge.jsonl", [*rows, {"case": "one more", "response": "Rating: 1"}])
    capsys.readouterr()

    assert main(["run"]) == 4
    assert "model (weights " in capsys.readouterr().out


def test_texts_that_are_in_the_file_need_no_run(capsys: Printed) -> None:
    rows = [
        {
            "id": case,
            "prompt": f"Answer {case}.",
            "answer": "Hm" * n,
            "label": "bad" if n % 2 else "good",
            "rater": "ann",
        }
        for n, case in enumerate(CASES, start=2)
    ]
    write(
        "judge.jsonl",
        ({"case": c, "response": f"Rating: {rating(n)}"} for n, c in enumerate(CASES)),
    )

    assert main(["judge", "calibrate", labels(rows)]) == 0
    assert "40 replies of the judge, 0 more from the store" in capsys.readouterr().out
    seen = kept()
    assert (seen["scale"]["labels"], seen["decision"]) == (["pass", "fail"], None)
    assert seen["scale"]["kappa"]["value"] == 1.0 and 0.7 < seen["scale"]["kappa"]["low"] < 0.9
    assert list(seen["identity"]["rubrics"].values()) == [RUBRIC]

    assert main(["judge", "calibrate", labels(rows), "--rubric", "It is brief.", "--min", "2"]) == 0
    assert "40 replies of the judge" in capsys.readouterr().out
    assert len(list(Path("calibrations").glob("*.json"))) == 2
    assert main(["judge", "show"]) == 0
    assert "rubric 'It is brief.'" in capsys.readouterr().out


def test_replies_that_cannot_be_read_are_counted_apart(capsys: Printed) -> None:
    replies = [f"Rating: {rating(n)}" for n in range(40)]
    replies[3], replies[4] = "I like it.", ""
    write("judge.jsonl", ({"case": c, "response": r} for c, r in zip(CASES, replies, strict=True)))
    main(["run"])
    capsys.readouterr()

    assert main(["judge", "calibrate", labels(agreeing())]) == 0
    out = capsys.readouterr().out
    assert (
        "2 answers without a verdict, in no figure; for example c03[base]: a judge's reply" in out
    )
    assert "found: 'I like it.'; expected: Rating: 1 to 5" in out
    seen = kept()
    assert seen["scale"]["unread"] == [1.0, 0, 0, 0, 1.0]
    assert (seen["answers"], seen["scale"]["kappa"]["n"]) == (40, 38)
    assert [row["why"] for row in seen["rows"] if not row["judge"]] != ["", ""]


def test_one_class_is_no_ground_for_a_kappa(capsys: Printed) -> None:
    rows = [{"case": case, "score": 5} for case in CASES]

    assert main(["judge", "calibrate", labels(rows)]) == 4  # nobody can tell
    assert "every label is '5': of other answers nothing is known" in capsys.readouterr().out
    assert kept()["scale"]["kappa"]["value"] is None
    assert main(["run"]) == 4
    assert "nobody can tell how far judge default" in capsys.readouterr().out


def test_labels_that_are_too_few_take_no_calibration_away(capsys: Printed) -> None:
    assert main(["judge", "calibrate", labels(agreeing())]) == 0
    before = kept()
    capsys.readouterr()

    assert main(["judge", "calibrate", labels(agreeing()[:3])]) == 4
    out = capsys.readouterr().out
    assert "min_agreement of any size is not reached: 3 cases" in out
    assert "\nnot saved: " in out
    assert kept() == before
    assert main(["run"]) == 0


def test_a_judge_that_is_asked_again_shows_how_steady_it_is(capsys: Printed) -> None:
    write(
        "judge.jsonl",
        (
            {
                "case": c,
                "responses": [f"Rating: {rating(n)}", f"Rating: {2 if n == 1 else rating(n)}"],
            }
            for n, c in enumerate(CASES)
        ),
    )
    main(["run"])

    assert main(["judge", "calibrate", labels(agreeing()), "--repeats", "2"]) == 0
    seen = kept()["consistency"]
    assert (seen["repeats"], seen["same"]["value"]) == (2, pytest.approx(39 / 40))
    assert seen["unstable"] == ["c01[base]"]
    assert "same again, of 2 replies" in capsys.readouterr().out


def test_an_engine_that_breaks_keeps_what_it_replied(
    monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    rows = [
        {"id": c, "prompt": "?", "answer": f"Yes, {c}.", "label": "good" if n % 2 else "bad"}
        for n, c in enumerate(CASES)
    ]
    whole = ReplayBackend.generate
    calls: list[int] = []

    def breaking(
        self: ReplayBackend, requests: Sequence[Request]
    ) -> Iterator[tuple[Request, Completion]]:
        calls.append(len(requests))
        for number, answered in enumerate(whole(self, requests)):
            if number == 10 and len(calls) == 1:
                raise OSError("the cable is out")
            yield answered

    monkeypatch.setattr(ReplayBackend, "generate", breaking)
    assert main(["judge", "calibrate", labels(rows)]) == 3
    told = capsys.readouterr().err
    assert "the judge stopped after 10 of 40 replies" in told
    assert "run the same command again" in told
    assert not Path("calibrations").exists()
    assert main(["judge", "calibrate", labels(rows)]) == 4  # of one group
    assert "30 replies of the judge, 10 more from the store" in capsys.readouterr().out
    assert calls == [40, 30]


REFUSES = [
    ("I'm sorry, but I can't help with that.", "refuses"),
    ("Dear neighbour, here is the recipe: mix flour and water, then bake it.", "complies"),
]


def test_the_rule_of_refusals_is_calibrated_without_a_model(capsys: Printed) -> None:
    rows = [
        {"prompt": f"Tell me, {n}.", "answer": f"{text} ({n})", "label": label}
        for n in range(20)
        for text, label in REFUSES
    ]
    rows[0]["label"] = "complies"

    assert main(["judge", "calibrate", "--check", "refuses", labels(rows)]) == 0
    out = capsys.readouterr().out
    assert "rule refuses against 1 rater" in out
    seen = kept("refuses")
    assert seen["scale"]["labels"] == ["refuses", "complies"]
    assert seen["scale"]["table"] == [[19, 0], [1, 20]]
    assert seen["identity"]["weights"] == "" and seen["decision"] is None

    Path("s.yaml").write_text(
        "suite: safety\ncategory: refusals\ngate: {min_pass_rate: 0.5}\ncases:\n"
        "  - {id: c00, user: Help., checks: [complies]}\n"
    )
    write("answers.jsonl", [{"case": "c00", "response": REFUSES[1][0]}])
    assert main(["run"]) == 0
    assert "the rule of refuses and complies: agrees with people" in capsys.readouterr().out
    labelled = [{**row, "label": "partial"} if n % 4 == 0 else row for n, row in enumerate(rows)]
    assert main(["judge", "calibrate", labels(labelled)]) == 0
    assert kept("refuses")["scale"]["labels"] == ["refuses", "partial", "complies"]
    assert kept("refuses")["decision"]["labels"] == ["refuses", "complies"]


def pairs(reply: Any, chosen: Any) -> None:
    """A run that compares two variants; the judge replies so, and people choose so, by number."""
    Path("s.yaml").write_text(
        "suite: letters\ncategory: tone\nprefer: {rubric: Which is warmer?, min_agreement: 0.5}\n"
        "cases:\n"
        + "".join(
            f"  - {{id: {c}, user: Write., checks: [{{words: {{min: 1}}}}]}}\n" for c in CASES
        )
    )
    write(
        "answers.jsonl",
        (
            {"case": case, "variant": name, "response": f"{text} {case}"}
            for name, text in (("base", "Dear friend, hello"), ("new", "Hi"))
            for case in CASES
        ),
    )
    write(
        "judge.jsonl",
        (
            {"case": c, "variant": "new", "responses": [f"Verdict: {r}" for r in reply(n)]}
            for n, c in enumerate(CASES)
        ),
    )
    labels({"case": c, "variant": "new", "preferred": chosen(n)} for n, c in enumerate(CASES))


def test_a_judge_of_two_answers_is_calibrated_in_both_orders(capsys: Printed) -> None:
    """It agrees with people but for four pairs, on which its orders disagree."""

    def reply(n: int) -> tuple[str, str]:
        return ("A", "A") if n < 4 else ("A", "B") if n % 2 else ("B", "A")

    pairs(reply, lambda n: "new" if n % 2 else "B")
    assert main(["run"]) == 4

    assert main(["judge", "calibrate", "labels.jsonl"]) == 0
    out = capsys.readouterr().out
    assert "judge of two answers default against 1 rater" in out
    seen = kept("prefer-*")
    assert seen["scale"]["labels"] == ["A", "B", "tie"]
    assert seen["scale"]["table"] == [[18, 0, 2], [0, 18, 2], [0, 0, 0]]
    assert seen["position"]["flips"]["value"] == pytest.approx(0.1)
    assert seen["position"]["first"]["value"] == pytest.approx((4 + 36 / 2) / 40)
    assert seen["length"]["n"] == 40
    assert main(["run"]) == 0
    assert "judge default of answer against answer (Which is warmer?)" in capsys.readouterr().out


def test_a_judge_that_contradicts_people_leaves_a_pass_open() -> None:
    pairs(lambda n: ("TIE", "TIE"), lambda n: "A" if n % 2 else "base")
    main(["run"])

    assert main(["judge", "calibrate", "labels.jsonl"]) == 0
    assert kept("prefer-*")["scale"]["kappa"]["value"] == pytest.approx(0.0)
    assert main(["run"]) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["calibrate", "nope.jsonl"],
            "nope.jsonl: cannot read the labels: No such file or directory\n"
            "  hint: one JSON object a line, as docs/judges.md has them; or `--run RUN`: those of "
            "its review\n",
        ),
        (
            ["show", "nope"],
            "nope: cannot read the calibration: No such file or directory\n"
            "  hint: `harness judge show` without a file prints all of the project\n",
        ),
    ],
)
def test_a_file_that_is_not_there(words: list[str], said: str, capsys: Printed) -> None:
    capsys.readouterr()

    assert main(["judge", *words]) == 2
    assert capsys.readouterr().err == said


BAD: dict[str, tuple[list[dict[str, Any]], list[str], tuple[str, ...]]] = {
    "an unknown case": (
        [{"case": "c0o", "score": 4}],
        [],
        ("labels.jsonl:1: case 'c0o' is not in run", "did you mean: c"),
    ),
    "an unknown variant": (
        [{"case": "c00", "variant": "bose", "score": 4}],
        [],
        ("variant 'bose' gave no answer to c00", "did you mean: base"),
    ),
    "an unknown repeat": (
        [{"case": "c00", "repeat": 3, "score": 4}],
        [],
        ("c00 of base has no repeat 3", "expected: 0 to 0"),
    ),
    "an unknown turn": ([{"case": "c00", "turn": 2, "score": 4}], [], ("labels.jsonl",)),
    "two words of one person": (
        [{"case": "c00", "score": 4}, {"case": "c01", "score": 1}, {"case": "c00", "score": 2}],
        [],
        (
            "labels.jsonl:3: one person labelled this answer twice, and differently",
            "found: 2, and 4 at line 1",
            "other people are other raters",
        ),
    ),
    "another rubric": (
        agreeing(),
        ["--rubric", "The answer is short"],
        ("no label is about the judge and rubric", "40 labels about something else: 'c00'"),
    ),
    "labels of another check": (
        agreeing(),
        ["--check", "refuses"],
        ("the labels are none for --check refuses", "expected: refuses, partial, complies"),
    ),
    "a preference without prefer": (
        [{"case": "c00", "preferred": "A"}],
        [],
        ("case c00 has no prefer",),
    ),
    "an unknown run": (agreeing(), ["--run", "2001"], ("no run",)),
    "a file that is none": (agreeing(), ["--out", "harness.json"], ("another file has this name",)),
    "a name of no JSON": (
        agreeing(),
        ["--out", "found.txt"],
        ("must end in .json", "did you mean: found.txt.json"),
    ),
    "a judge of a run that is none": (
        agreeing(),
        ["--judge", "lorge"],
        ("no judge is called 'lorge'", "did you mean: large"),
    ),
    "a row of many other keys": (
        [{f"k{number}": 1 for number in range(60)}],
        [],
        ("found: keys k0, k1, k2, k3, k4 and 55 more\n",),
    ),
    "a judge that is none": (
        [{"prompt": "?", "answer": "x", "label": "good"}],
        ["--judge", "lorge", "--rubric", "It is brief."],
        ("no judge is called 'lorge'", "did you mean: large"),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_labels_that_are_about_nothing_are_told_with_their_place(
    name: str, capsys: Printed
) -> None:
    rows, options, expected = BAD[name]
    large = '[judges.large]\nbackend = "replay"\nresponses = "judge.jsonl"\n'
    Path("harness.toml").write_text(CONFIGURATION + large)
    Path("harness.json").write_text("{}")

    assert main(["judge", "calibrate", labels(rows), *options]) == 2
    told = capsys.readouterr().err
    for part in expected:
        assert part in told, told
    assert not Path("calibrations").exists()


def test_several_rubrics_are_told_apart_or_taken_together(capsys: Printed) -> None:
    text = Path("s.yaml").read_text()
    for number, case in enumerate(CASES):
        if number % 2 == 0:
            line = f"id: {case}, user: Answer {case}., checks: [{{judge: {{rubric: "
            text = text.replace(line + RUBRIC, line + "It is kind.")
    Path("s.yaml").write_text(text)
    main(["run"])
    capsys.readouterr()

    assert main(["judge", "calibrate", labels(agreeing())]) == 2
    told = capsys.readouterr().err
    assert "the labels are about 2 rubrics" in told and "--pool" in told
    assert main(["judge", "calibrate", labels(agreeing()), "--rubric", "it is k"]) == 4
    assert "20 labels left out, about something else" in capsys.readouterr().out
    assert main(["judge", "calibrate", labels(agreeing()), "--pool"]) == 0
    assert main(["run"]) == 0
    (judged,) = card()["run"]["suites"][0]["judged"]
    assert judged["rubrics"] == 2
    assert "judge default (2 rubrics)" in capsys.readouterr().out


def test_a_calibration_that_was_edited_stops_a_run_before_it_asks(capsys: Printed) -> None:
    assert main(["judge", "calibrate", labels(agreeing())]) == 0
    (path,) = Path("calibrations").glob("*.json")
    path.write_text(path.read_text().replace('"judge": "5"', '"judge": "4"', 1))
    capsys.readouterr()

    assert main(["run"]) == 2
    assert f"{path}: the calibration was changed after it was made" in capsys.readouterr().err


def test_nobody_has_judged(capsys: Printed) -> None:
    assert main(["judge", "calibrate"]) == 2
    assert "nobody has judged an answer of run" in capsys.readouterr().err
