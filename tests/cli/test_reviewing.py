"""`harness review` on the command line: files, messages, the scorecard that is made again."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from pathlib import Path

import httpx
import pytest

from harness.cli import main
from harness.store import Store, drop_runs, prune
from tests.review.projects import BASE, TUNED, run, store, write_answers, write_project

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fill(path: str, preferred: str) -> str:
    """Write the file again with every answer of one variant preferred; return its name."""
    with Store(store()) as opened:
        info = opened.latest()
        assert info is not None
        texts = {r.responses[0]: r.variant for r in opened.results(info.id)}
    head, *rows = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
    for row in rows:
        sides = {texts[row["answers"][side]["said"][-1]["text"]]: side for side in "AB"}
        row["preferred"] = sides[preferred]
    Path(f"filled-{path}").write_text("".join(json.dumps(row) + "\n" for row in [head, *rows]))
    return f"filled-{path}"


def card(run_id: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(Path("reports", run_id, "scorecard.json").read_text())
    return found


def test_a_suite_is_gated_on_what_people_say(folder: Path, capsys: Printed) -> None:
    write_project(folder, gate="gate: {on: human, min_judged: 6}")
    info = run("--baseline", BASE)
    out = capsys.readouterr().out
    assert "people have judged no case on both sides" in " ".join(out.split())

    words = ["review", "latest", "--by", "pairs", "--sample", "6"]
    for rater in ("ann", "bob"):
        assert main([*words, "--rater", rater, "--export", f"{rater}.jsonl"]) == 0
    assert main(["review", "--import", fill("ann.jsonl", BASE)]) == 1
    told = capsys.readouterr().out
    assert (
        "filled-ann.jsonl: 6 judgements of ann added, 0 known already, 0 items left empty" in told
    )
    assert "regressed" in told
    assert main(["show"]) == 1

    assert main(["review", "--import", fill("bob.jsonl", TUNED)]) == 0
    extras = card(info.id)["extras"]
    assert isinstance(extras, dict)
    (row,) = extras["people"]
    assert (row["variant"], row["against"], row["raters"]) == (TUNED, BASE, ["ann", "bob"])
    assert (row["wins"], row["ties"], row["losses"], row["share"]) == (6, 0, 6, 0.5)
    assert (row["agreed_on"], row["alpha"], len(row["disagreements"])) == (6, None, 6)
    page = Path("reports", info.id, "scorecard.html").read_text("utf-8")
    assert "What people say" in page
    assert main(["rescore"]) == 0
    assert main(["compare", f"latest:{BASE}", f"latest:{TUNED}"]) == 0


def test_people_judge_after_a_run_that_may_stop_early(folder: Path, capsys: Printed) -> None:
    """Its looks are at the checks; a suite that people decide is answered whole."""
    write_project(folder, gate="gate: {on: human, min_judged: 6}")
    run("--baseline", BASE, "--early-stop")
    assert main(["review", "--rater", "ann", "--sample", "6", "--export", "ann.jsonl"]) == 0
    assert main(["review", "--import", fill("ann.jsonl", TUNED)]) == 0


def test_a_judgement_follows_the_answer_into_the_next_run(folder: Path, capsys: Printed) -> None:
    write_project(folder, gate="gate: {on: human, min_judged: 6}")
    run("--baseline", BASE)
    assert main(["review", "--rater", "ann", "--sample", "6", "--export", "ann.jsonl"]) == 0
    assert main(["review", "--import", fill("ann.jsonl", TUNED)]) == 0
    assert main(["run", "--baseline", BASE]) == 0
    write_answers(folder, (BASE, TUNED), {("c0", TUNED): "It is at the door."})
    assert main(["run", "--baseline", BASE]) == 4
    assert "people have judged 5 cases" in " ".join(capsys.readouterr().out.split())


WRONG: dict[str, tuple[list[str], str]] = {
    "no run": (["gone"], "no run is called 'gone'"),
    "no variant": (["--variant", "zebra-tunde"], "did you mean: zebra-tuned"),
    "no suite": (["--suite", "suport"], "did you mean: support"),
    "no case": (["--case", "x*"], "has no such case"),
    "one of two": (["--by", "pairs", "--variant", BASE], "a comparison needs two variants"),
    "rater": (["--rater", " ann"], "this is no name of a rater"),
    "sample": (["--sample", "0"], "0 is no whole number from 1"),
    "criterion": (["--by", "scores", "--criterion", " "], "a criterion is empty"),
    "no file": (["--import", "gone.jsonl"], "gone.jsonl: cannot read the review"),
    "no place": (["--export", "gone/ann.jsonl"], "gone/ann.jsonl: cannot be used"),
    "both": (["--import", "a", "--export", "b"], "not allowed with"),
    "port": (["--port", "70000"], "port 70000"),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one run, for tests that only read it."""
    place = tmp_path_factory.mktemp("ran")
    write_project(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        run("--baseline", BASE)
    return place


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_reviewed_is_said(
    ran: Path, name: str, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, said = WRONG[name]
    monkeypatch.chdir(ran)
    assert main(["review", *([] if name == "no run" else ["latest"]), *words]) == 2
    assert said in capsys.readouterr().err


def test_one_variant_has_nothing_to_be_compared_with(folder: Path, capsys: Printed) -> None:
    write_project(folder, variants=(BASE,))
    run()
    assert main(["review", "--by", "pairs"]) == 2
    err = capsys.readouterr().err
    assert "has one variant: there is nothing to compare its answers with" in err
    assert "hint: --by scores judges each answer by itself" in err
    assert main(["review", "--rater", "ann", "--export", "ann.jsonl"]) == 0
    row = json.loads(Path("ann.jsonl").read_text().splitlines()[1])
    assert row["scores"] == {"overall": None}


def test_a_run_whose_answers_were_pruned_is_told_from_one_that_never_was(
    folder: Path, capsys: Printed
) -> None:
    write_project(folder)
    old = run("--baseline", BASE)
    assert main(["review", "--rater", "ann", "--sample", "6", "--export", "ann.jsonl"]) == 0
    write_answers(
        folder, (BASE, TUNED), {(c, v): f"{c} {v}!" for c in ("c0", "c1") for v in (BASE, TUNED)}
    )
    filled = fill("ann.jsonl", TUNED)
    run("--baseline", BASE)
    with Store(store()) as opened:
        prune(opened, 1)
    assert main(["review", old.id]) == 2
    err = capsys.readouterr().err
    assert f"the answers of run {old.id} are not in the store" in err
    assert "hint: they were pruned, or another store holds them" in err
    assert main(["review", "latest", "--import", filled]) == 2
    err = capsys.readouterr().err
    assert "the run did not give 2 answers" in err
    assert f"it was exported from run {old.id}" in err
    with Store(store()) as opened:
        drop_runs(opened, [each.id for each in opened.runs()])
    assert main(["review"]) == 2
    assert "no run is called 'latest'" in capsys.readouterr().err


def test_a_suite_file_that_is_gone_leaves_the_criterion_overall(
    folder: Path, capsys: Printed
) -> None:
    write_project(folder, variants=(BASE,))
    run()
    Path("suites/support.yaml").unlink()
    assert main(["review", "--rater", "ann", "--export", "ann.jsonl"]) == 0
    assert "note: no rubric of a suite is known" in capsys.readouterr().err


def test_ctrl_c_ends_the_server_and_makes_the_scorecard_again(
    ran: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.chdir(ran)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answered: list[int] = []

    def stop() -> None:
        """Wait until the server answers, which is when it has taken over the signal."""
        while not answered:
            try:
                answered.append(httpx.get(f"http://127.0.0.1:{port}/").status_code)
            except httpx.TransportError:
                threading.Event().wait(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    waiting = threading.Thread(target=stop)
    waiting.start()
    code = main(["review", "--rater", "ann", "--port", str(port)])
    waiting.join()
    out = capsys.readouterr().out
    assert answered == [403]  # nobody comes in without the token
    assert f"http://127.0.0.1:{port}/?token=" in out
    assert "scorecard " in out
    assert code in (0, 1, 4)


def test_a_port_in_use_is_told(ran: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.chdir(ran)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["review", "--port", str(port)]) == 2
    assert f"port {port} is in use" in capsys.readouterr().err
