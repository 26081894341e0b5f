"""Odd paths in every option and argument that takes one: told as wrong input, never a mistake."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from harness.cli import main
from harness.cli.parser import CLOSED_PIPE, INTERRUPTED
from tests.embedded import ROOT
from tests.hostile.test_files import SUITE
from tests.hostile.trying import OURS
from tests.training.sft.made import pets, write_rows

MODEL, ADAPTER = ROOT / "fixtures" / "model", ROOT / "fixtures" / "adapters" / "repaired"
ODD = {
    "here": ".",
    "nothing": "",
    "blank": " ",
    "a file": "file",
    "below a file": "file/x.json",
    "a folder": "folder",
    "2,000 folders": "d/" * 1_900 + "x.json",
    "6,000 folders": "d/" * 6_000 + "x.json",
    "long": "n" * 300,
    "a circle": "loop/x.yaml",
    "NUL": "a\0b",
    "no such user": "~nobody-of-that-name/x",
    "below a device": "/dev/null/x",
    "of the system": "/proc/self/x",
}
SHORT = ("here", "2,000 folders")  # in each run of the tests; the others in the full one
# `@` is where the odd path stands.
COMMANDS = """
init @
plan @ | plan s.yaml --rate @ | plan s.yaml --store @ | plan s.yaml --responses @
plan s.yaml --baseline @ | plan s.yaml --adapter x=@ | plan s.yaml --variant x=model:@
run @ | run s.yaml --summary @ | run s.yaml --store @ | run s.yaml --report-dir @
run s.yaml --baseline @ | run s.yaml --backend replay --responses @
run s.yaml --backend hf --device cpu --model @
run s.yaml --backend hf --device cpu --model MODEL --adapter x=@
score s.yaml --responses @ | score s.yaml --responses a.jsonl --report-dir @
compare @ latest | compare latest latest --report-dir @
nightly @ | nightly n.yaml --report-dir @ | nightly n.yaml --store @
validate @ | judge calibrate @ | judge calibrate --suite @ | judge show @
import xstest @ | import xstest x.csv --out @ | import jsonl @ | import promptfoo @
import promptfoo p.yaml --out @ | import lm-eval @ | import lm-eval l.yaml --root @
import lm-eval l.yaml --data test=@ | import openai-evals @ | import inspect @ | import log @
runs @ | runs --store @ | rescore latest @ | show @ | show latest --report-dir @
review latest --export @ | review --import @
baseline save @ latest | baseline save z.json @ | baseline show @
cache verify --store @ | cache repair --store @ | cache merge @ | cache export --into @
export latest --to csv --into @ | export latest --to lm-eval --into @
train @ | train t.yaml --dry-run --output @
merge @ --out m | merge ADAPTER --model MODEL --out @ | lint-adapter @
lint-adapter ADAPTER --model @
rows @ | rows rows.jsonl --guard @ | rows rows.jsonl --out @ | rows rows.jsonl --report @
fix --bad-cases @ | fix --report-dir @ | rollback --current @ | engine status --store @
"""
WORDS = [line.split() for part in COMMANDS.split("\n") for line in part.split("|") if line.strip()]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small project with a run in its store, which each test copies."""
    folder = tmp_path_factory.mktemp("project")
    with chdir(folder):
        Path("s.yaml").write_text(SUITE)
        given = [{"case": case, "response": "x"} for case in ("c1", "c2")]
        Path("a.jsonl").write_text("\n".join(map(json.dumps, given)))
        Path("n.yaml").write_text("name: n\nsuites: [s.yaml]\n")
        Path("harness.toml").write_text('backend = "echo"\n')
        Path("x.csv").write_text("id,prompt,type,label,focus,note\n1,hi,homonyms,safe,,\n")
        Path("p.yaml").write_text("prompts: [hi]\nproviders: [echo]\ntests: [{assert: []}]\n")
        Path("l.yaml").write_text("task: t\noutput_type: generate_until\ndoc_to_text: hi\n")
        rows = write_rows(Path("rows.jsonl"), pets(6))
        training = {"model": str(MODEL), "output": "out", "data": [str(rows)]}
        Path("t.yaml").write_text(json.dumps(training))
        Path("file").write_text("x")
        Path("folder").mkdir()
        Path("loop").symlink_to("loop")
        main(["run", "s.yaml"])
    return folder


@pytest.fixture
def copied(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    shutil.copytree(project, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    yield


@pytest.mark.skipif(sys.platform != "linux", reason="devices and files of the system")
@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=name, marks=() if name in SHORT else pytest.mark.full)
        for name, path in ODD.items()
    ],
)
def test_an_odd_path_is_a_result_or_wrong_input(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    wrong = []
    for words in WORDS:
        given = [word.replace("@", path) for word in words]
        given = [{"MODEL": str(MODEL), "ADAPTER": str(ADAPTER)}.get(w, w) for w in given]
        code = main(given)
        said = "".join(capsys.readouterr())
        broken = code in (3, CLOSED_PIPE, INTERRUPTED) or OURS in said
        if broken or (code == 2 and not said.strip()):
            wrong.append((" ".join(words), code, said[:300]))

    assert wrong == []
