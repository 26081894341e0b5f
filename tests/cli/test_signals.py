"""Ctrl-C and SIGTERM: what was reported as done is kept, and the next run does the rest."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.cli import main
from harness.store import Store, stats
from tests.recorded_project import Record

MODEL = Path(__file__).parents[2] / "fixtures" / "model"
COMMAND = [sys.executable, "-m", "harness", "run", "--backend", "echo"]


def answers() -> int:
    """How many answers the store holds."""
    store = Path(".harness/store.db")
    if not store.exists():
        return 0
    with Store(store) as opened:
        return stats(opened).answers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_what_it_has(
    project: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    Path("harness.toml").write_text('suites = ["suites"]\n')
    slow = subprocess.Popen(
        [*COMMAND, "--engine-arg", "delay=0.3"], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while answers() < 3 and time.monotonic() < deadline:
        time.sleep(0.05)

    slow.send_signal(number)
    _, said = slow.communicate(timeout=60)
    kept = answers()
    main(["run", "--backend", "echo"])

    assert slow.returncode == 130
    assert said.endswith("stopped; what was finished is kept: run the same command again\n")
    assert 3 <= kept < 12
    told = f"{12 - kept} answers generated, {kept} from the store"
    assert told in capsys.readouterr().out


def test_an_engine_that_still_works_does_not_abort_the_process() -> None:
    script = (
        "import sys, threading, time, torch, harness.evaluation\n"
        "from harness.cli.parser import leave\n"
        "def work():\n"
        "    x = torch.randn(300, 300, requires_grad=True)\n"
        "    while True: (x @ x).sum().backward()\n"
        "threading.Thread(target=work, daemon=True, name='engine').start()\n"
        "time.sleep(0.5)\n"
        "print('kept')\n"
        "sys.exit(leave(130))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120)

    assert (done.returncode, done.stdout, done.stderr) == (130, b"kept\n", b"")


def test_ctrl_c_twice_while_a_model_generates(project: Path) -> None:
    Path("harness.toml").write_text(f'suites = ["suites"]\nmodel = "{MODEL}"\ndevice = "cpu"\n')
    running = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", "--batch-tokens", "400"],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while answers() < 1 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)

    assert running.returncode == 130
    assert said.endswith("stopped; what was finished is kept: run the same command again\n")
    assert "terminate" not in said
    assert answers() >= 1


@pytest.mark.parametrize("words", [["schema"], ["runs"], ["show"]])
def test_a_reader_that_leaves_is_no_error(record: Record, words: list[str]) -> None:
    record({"base": "++++++++++++"})
    main(["run"])
    command = [sys.executable, "-m", "harness", *words]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.close()
    assert writer.stderr is not None

    assert writer.stderr.read() == b""
    assert writer.wait(timeout=60) in (0, 141)
    writer.stderr.close()


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("runs", "--nonsense"), 2),
        (("checks",), 3),
        (("checks", "contains"), 3),
        (("run",), 1),
    ],
)
@pytest.mark.parametrize("output", ["/dev/full", "closed"])
def test_the_exit_code_stays_where_nothing_can_be_said(
    record: Record, words: tuple[str, ...], code: int, output: str
) -> None:
    record({"base": "++++++++++++", "new": "------------"})
    command = shlex.join([sys.executable, "-m", "harness", *words])
    ways = ">/dev/full 2>/dev/full" if output == "/dev/full" else ">&- 2>&-"

    done = subprocess.run(["sh", "-c", f"{command} {ways}"], check=False)

    assert done.returncode == (0 if (output, code) == ("closed", 3) else code)


@pytest.mark.skipif(sys.platform != "linux", reason="words of bytes")
@pytest.mark.parametrize("words", ["runs --store=/dev/null", "show \\377", "compare \\377 latest"])
def test_words_that_cannot_be_used_are_input_errors(record: Record, words: str) -> None:
    record({"base": "++++++++++++"})
    main(["run"])
    command = f"exec {shlex.quote(sys.executable)} -m harness $(printf '{words}')"

    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    said = "the store is no file" if "store" in words else "a word of the command line is not UTF-8"
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_summary_that_finds_no_room_is_told_and_the_verdict_stands(record: Record) -> None:
    record({"base": "++++++++++++", "new": "------------"})
    command = [sys.executable, "-m", "harness", "run", "--summary=/dev/full"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "/dev/full: cannot go on: no space left on device" in done.stderr
