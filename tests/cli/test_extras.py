"""An environment without extras: every command works there, or says what to install."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import EXTRAS
from tests.embedded import ROOT

MODEL, ADAPTER = ROOT / "fixtures" / "model", ROOT / "fixtures" / "adapters" / "repaired"
# Runs commands, one a line, where none of the packages can be imported.
SCRIPT = """
import contextlib, io, json, sys

# For `import` and for `find_spec`, as where they are not installed.
sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))
from harness.cli import main

for line in sys.stdin:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(line.split())
    print(json.dumps([line.strip(), code, said.getvalue()]))
"""
WORKS = (
    "checks",
    "checks refuses",
    "schema",
    "validate s.yaml",
    "plan s.yaml",
    "run s.yaml",
    "show",
    "review latest --by=scores --rater=ann --export=ann.jsonl",
    "review latest --import=ann.jsonl",
    "show latest a",
    "export latest --to=csv",
    "export latest --to=inspect",
    "export latest --to=lm-eval",
)
NEEDS = {
    "checks bleu": "metrics",
    "checks rouge": "metrics",
    "validate m.yaml": "metrics",
    f"lint-adapter {ADAPTER}": "hf",
    f"merge {ADAPTER} --out m": "hf",
    f"run s.yaml --backend=hf --model={MODEL}": "hf",
    f"run s.yaml --backend=vllm --model={MODEL}": "vllm",
    "export latest --to=parquet": "parquet",
    "view": "view",
    "review latest --by=scores": "view",
    "export latest --to=mlflow": "mlflow",
    "export latest --to=wandb": "wandb",
}


def test_every_command_works_or_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cases = "[{id: a, user: hi, checks: [{contains: hi}]}]"
    (tmp_path / "s.yaml").write_text(f"suite: s\ncategory: c\ncases: {cases}\n")
    bleu = cases.replace("contains: hi", "chrf: {reference: hi, min: 0.5}")
    (tmp_path / "m.yaml").write_text(f"suite: m\ncategory: c\ncases: {bleu}\n")
    (tmp_path / "harness.toml").write_text('backend = "echo"\n')
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(sorted(EXTRAS))],
        input="\n".join([*WORKS, *NEEDS]) + "\n",
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    found = {line: (code, said) for line, code, said in map(json.loads, done.stdout.splitlines())}
    assert {line: found[line][0] for line in WORKS} == dict.fromkeys(WORKS, 0)
    for line, extra in NEEDS.items():
        code, said = found[line]
        assert code == 2, (line, said)
        assert "pip install" in said and f"[{extra}]" in said, (line, said)
