"""`harness view`: what it prints, what it refuses, and how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from harness.cli import main
from tests.embedded import ROOT
from tests.viewer.worlds import project, run_id, write_runs


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = project(tmp_path).store
    write_runs(path, 2, cases=2)
    return path


def test_it_serves_until_ctrl_c(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    words = [sys.executable, "-m", "harness", "view", "latest", "--port=0", f"--store={store}"]
    with subprocess.Popen(
        words, cwd=store.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        address = process.stdout.readline().strip()
        assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/run/{run_id(1)}\?token=[\w-]{{32}}", address)
        with httpx.Client(follow_redirects=True, trust_env=False, timeout=60) as client:
            assert run_id(1) in client.get(address).text
            process.send_signal(signal.SIGINT)  # a browser keeps its connection open
            rest, wrong = process.stdout.read(), process.stderr.read()
    assert process.returncode == 130
    assert rest.endswith("stopped\n") and "Ctrl-C ends the server" in rest
    assert wrong == ""


def test_a_port_in_use(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["view", f"--port={port}", f"--store={store}"]) == 2
    assert capsys.readouterr().err == (
        f"port {port} is in use\n"
        "  found: another server listens there; perhaps another `harness view`\n"
        "  hint: --port 0 takes a free one; or name another\n"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--port=x"], "argument --port: 'x' is no port: a number from 0 to 65535"),
        (["--port=65536"], "'65536' is no port"),
        (["--port=-1"], "'-1' is no port"),
        (["20260301-020000-00000x"], "did you mean: 20260301-020000-000000"),
        (["--store=none.db"], "nothing was run yet"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_served(
    store: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", f"--store={store}", *words]) == 2
    assert told in capsys.readouterr().err
