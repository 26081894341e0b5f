"""The action, the template of GitLab and the script: their own steps, run on recorded answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.cli import main
from tests.embedded import ROOT
from tests.pipelines.acting import Runner, stand_in

ACTION = ROOT / "action.yml"
SCORE = {"command": "score", "options": "--responses=answers.jsonl"}
GITHUB = {
    "event_name": "pull_request",
    "event.pull_request.number": "7",
    "repository": "acme/models",
    "server_url": "https://github.example",
    "run_id": "1",
    "run_attempt": "1",
    "ref_name": "7/merge",
    "workflow": "Gate",
    "job": "gate",
    "token": "t",
}
# pip is told and not run; everything else is this Python.
PYTHON = f"""
if words[:2] == ["-m", "pip"]:
    (here / "pip").write_text(" ".join(words))
    sys.exit()
os.execv({sys.executable!r}, [{sys.executable!r}, *words])
"""
HARNESS = f"os.execv({sys.executable!r}, [{sys.executable!r}, '-m', 'harness', *words])"
# Comments that are kept in a file; `gh api` with the words that the action uses.
GH = """
kept = here / "comments.json"
comments = json.loads(kept.read_text()) if kept.exists() else []
assert words[0] == "api" and os.environ["GH_TOKEN"], words
if "--jq" in words:
    assert "repos/acme/models/issues/7/comments" in words
    for number, body in enumerate(comments):
        if body.startswith(os.environ["mark"]):
            print(number)
    sys.exit()
field = words[words.index("-F") + 1]
body = pathlib.Path(field.removeprefix("body=@")).read_text()
if "POST" in words:
    assert words[-3] == "repos/acme/models/issues/7/comments", words
    comments.append(body)
else:
    assert "PATCH" in words, words
    comments[int(words[-3].rpartition("/")[2])] = body
kept.write_text(json.dumps(comments))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project of the pages whose answers are recorded."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "website" / "recorded", folder)
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Stand-ins for the programs of a runner."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, script in {"python": PYTHON, "harness": HARNESS, "gh": GH}.items():
        stand_in(folder, name, script)
    return folder


def test_the_action_gates_comments_once_and_ends_with_the_verdict(
    project: Path, tools: Path
) -> None:
    inputs = {"command": "score", "options": "--responses 'answers.jsonl'", "extras": "metrics"}
    runner = Runner(project, tools, inputs, GITHUB)
    (tools / "comments.json").write_text(json.dumps(["Nice work"]))

    assert runner.run(ACTION) == 1
    assert (tools / "pip").read_text().endswith(f" {ROOT}[metrics]")
    assert [name for name, _ in runner.used] == [
        "actions/setup-python@v6",
        "actions/cache@v5",
        "actions/cache/restore@v5",
        "actions/upload-artifact@v7",
        "actions/cache/save@v5",
    ]
    code, said = runner.ran["Gate"]
    assert code == 0
    assert (
        "::error title=orders%2C new%3A ✗ regressed,file=suites/orders.yaml,line=1::27 of" in said
    )
    assert runner.ran["Verdict"][0] == 1
    assert runner.outputs["verdict"] == "regressed" and runner.outputs["exit-code"] == "1"
    uploaded = runner.used[3][1]["path"]
    assert (project / uploaded / "scorecard.html").is_file()
    assert (tools / "job-summary").read_text().startswith("## ✗ regressed: run ")
    first = json.loads((tools / "comments.json").read_text())
    assert first[0] == "Nice work"
    assert first[1].startswith("<!-- harness: Gate/gate -->\n## ✗ regressed: run ")
    assert first[1].endswith("actions/runs/1)\n")

    (tools / "harness-summary.md").write_text("## ✓ pass\n")
    (step,) = (each for each in runner.steps if each.get("name", "").startswith("Comment"))
    assert runner.script(step)[0] == 0

    second = json.loads((tools / "comments.json").read_text())
    assert len(second) == 2 and second[1].startswith("<!-- harness: Gate/gate -->\n## ✓ pass\n")


def test_a_suite_that_is_wrong_is_annotated_at_its_line_and_in_the_comment(
    project: Path, tools: Path
) -> None:
    suite = project / "suites" / "orders.yaml"
    suite.write_text(suite.read_text().replace("json_value", "json_valu", 1))
    runner = Runner(project, tools, SCORE, GITHUB)

    assert runner.run(ACTION) == 2
    place = "file=suites/orders.yaml,line=11,col=11"
    said = runner.ran["Gate"][1]
    assert f"::error title=harness%3A wrong input,{place}::check 'json_valu'" in said
    assert "upload-artifact" not in str(runner.used)
    (comment,) = json.loads((tools / "comments.json").read_text())
    assert (
        "wrong input, nothing was run\n\n    suites/orders.yaml:11:11: check 'json_valu'" in comment
    )


@pytest.mark.full
def test_options_are_words_and_nothing_of_them_is_run(project: Path, tools: Path) -> None:
    options = "--responses '$(touch ran).jsonl' `touch ran`"
    inputs = {"command": "score", "options": options, "comment": "false"}
    runner = Runner(project, tools, inputs, {"event_name": "push"})

    assert runner.run(ACTION) == 2
    assert "$(touch ran).jsonl" in runner.ran["Gate"][1]
    assert not (project / "ran").exists()
    assert "Comment on the pull request" not in runner.ran


@pytest.mark.full
def test_another_command_is_refused(project: Path, tools: Path) -> None:
    runner = Runner(project, tools, {"command": "cache"}, {"event_name": "push"})

    assert runner.run(ACTION) == 2
    assert "::error::command must be run or score" in runner.ran["Gate"][1]


@pytest.mark.full
def test_a_model_cannot_command_the_runner(project: Path, tools: Path) -> None:
    answers = (project / "answers.jsonl").read_text()
    hostile = (
        "\\n::add-mask::secret\\n::error file=x::\\u001b[2J%0A::warning::no\\r::set-env name=A::b"
    )
    (project / "answers.jsonl").write_text(answers.replace("Sure! 3 packs of rice.", hostile))
    runner = Runner(project, tools, SCORE, GITHUB)

    assert runner.run(ACTION) == 1
    said = runner.ran["Gate"][1].splitlines()
    obeyed, stopped = [], ""
    for line in said:
        if stopped:
            stopped = "" if line == f"::{stopped}::" else stopped
        elif line.startswith("::stop-commands::"):
            stopped = line.rpartition("::")[2]
        elif line.lstrip().startswith("::"):
            obeyed.append(line.split(" ")[0])
    assert not stopped
    assert set(obeyed) == {"::error", "::warning"}
    assert len(obeyed) == 4


@pytest.mark.full
@pytest.mark.parametrize(("spoilt", "code", "told"), [(False, 1, "must not"), (True, 2, "wrong")])
def test_the_script(project: Path, tools: Path, spoilt: bool, code: int, told: str) -> None:
    if spoilt:
        (project / "answers.jsonl").write_text("{")
    done = subprocess.run(
        ["bash", ROOT / "pipelines" / "gate.sh", "--responses=answers.jsonl"],
        cwd=project,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "HARNESS_COMMAND": "score",
             "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )  # fmt: skip

    assert done.returncode == code
    assert f"gate: {'the input is ' if spoilt else ''}{told}" in done.stdout
    assert (project / "harness-summary.md").is_file()


def test_the_container_is_as_its_head_says(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = text.replace("\\\n", " ").splitlines()
    told = {line.split()[1] for line in lines if re.match(r"#   [A-Z]+ ", line)}

    assert told == {line.split()[1].partition("=")[0] for line in lines if line.startswith("ARG ")}
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001"] and "--uid 10001" in text
    (health,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", "\n".join(lines), re.M)
    program, *words = json.loads(health)
    assert program == "harness" and main([*words, "--store=no/store.db"]) == 0
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {
        name
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    }
    assert {f"!{name}" for name in copied} <= set(ignored)


# Notes that are kept in a file; curl with the words that the template uses.
CURL = """
kept = here / "notes.json"
notes = json.loads(kept.read_text()) if kept.exists() else []
assert "PRIVATE-TOKEN: secret" in words, words
url = words[-1]
if "--request" not in words:
    print(json.dumps([{"id": number, "body": body} for number, body in enumerate(notes)]))
    sys.exit()
body = pathlib.Path(words[words.index("--data-urlencode") + 1].removeprefix("body@")).read_text()
if words[words.index("--request") + 1] == "POST":
    assert url == "https://gitlab.example/api/v4/projects/3/merge_requests/9/notes", url
    notes.append(body)
else:
    notes[int(url.rpartition("/")[2])] = body
kept.write_text(json.dumps(notes))
"""


@pytest.mark.full
def test_the_template_of_gitlab(project: Path, tools: Path) -> None:
    stand_in(tools, "curl", CURL)
    (tools / "notes.json").write_text(json.dumps(["Nice work"]))
    (project / "conftest.py").write_text('pytest_plugins = ["harness.pytest_plugin"]\n')
    (project / "harness.toml").write_text(
        'suites = ["suites"]\nbackend = "replay"\nresponses = "answers.jsonl"\n'
    )
    job = yaml.safe_load((ROOT / "pipelines" / "gitlab.yml").read_text(encoding="utf-8"))[
        ".harness"
    ]
    environment = {
        **os.environ,
        **{name: str(value) for name, value in job["variables"].items()},
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "CI_PROJECT_DIR": str(project),
        "CI_MERGE_REQUEST_IID": "9",
        "CI_PROJECT_ID": "3",
        "CI_API_V4_URL": "https://gitlab.example/api/v4",
        "CI_JOB_NAME": "gate",
        "CI_JOB_URL": "https://gitlab.example/job/1",
        "HARNESS_NOTE_TOKEN": "secret",
    }

    def script(lines: list[str]) -> int:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", "\n".join(lines)],
            cwd=project, env=environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return done.returncode

    for _ in range(2):
        assert script([*job["before_script"], *job["script"]]) == 1
        assert script(job["after_script"]) == 0

    assert (tools / "pip").read_text().endswith(" lora-regression-harness")
    first, note = json.loads((tools / "notes.json").read_text())
    assert first == "Nice work" and note.startswith("<!-- harness: gate -->\n## ✗ regressed: run ")
    remarks = json.loads((project / "gl-code-quality-report.json").read_text())
    assert [(r["severity"], r["location"]["lines"]["begin"]) for r in remarks] == [
        ("major", 1),
        *[("minor", 8)] * 3,
    ]
    assert len({remark["fingerprint"] for remark in remarks}) == 4
    assert (
        "HARNESS_VERDICT=regressed\nHARNESS_EXIT_CODE=1\n" in (project / "harness.env").read_text()
    )
    junit = (project / "harness-junit.xml").read_text()
    assert 'failures="' in junit and "order-02" in junit
    reports = job["artifacts"]["reports"]
    assert all((project / name).is_file() for name in reports.values())
