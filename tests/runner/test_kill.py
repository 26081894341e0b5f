"""`kill -9` at any moment: what was reported is kept and not made again, the results are the same.

`HARNESS_KILLS` says how often (3 in the tests, 50 in `make kill-test`), `HARNESS_KILL_SEED` where
the random moments begin. Run as a program it prints the table of docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.runner import Store, result_to_json, verify

ROOT = Path(__file__).parents[2]
CASES = 60
DELAY = 0.005  # 160 answers in about a second
KILLS = int(os.environ.get("HARNESS_KILLS", "3"))
SEED = int(os.environ.get("HARNESS_KILL_SEED", "1"))


@dataclass(frozen=True)
class Killed:
    """What became of one run: answers reported before each kill, and made in all."""

    kills: int
    reported: int
    made: int
    same: bool


def worker(store: Path, delay: float = DELAY) -> subprocess.Popen[str]:
    """A run in another process."""
    module = [sys.executable, "-m", "tests.runner.worker"]
    command = [*module, str(store), "run", str(CASES), str(delay)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def rows(store: Path) -> list[str]:
    """The run's rows of results.jsonl."""
    with Store(store) as opened:
        return [json.dumps(result_to_json(result)) for result in opened.results("run")]


def answers(lines: Iterator[str] | list[str]) -> int:
    """How many answers were reported as done."""
    words = (line.split() for line in lines)
    return sum(int(each[1]) for each in words if each and each[0] == "answers")


def kill_and_resume(store: Path, moments: random.Random, whole: list[str]) -> Killed:
    """Kill a run once or more, at random moments, then let it end.

    One moment in four is counted from the start of the process: while it loads or makes the file.
    """
    kills, reported = 0, 0
    for _ in range(moments.choice((1, 1, 2, 3))):
        process = worker(store)
        assert process.stdout is not None
        first = process.stdout.readline() if moments.random() < 0.75 else "starting"
        time.sleep(moments.uniform(0, 0.9))
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL)  # 0: it had ended before the kill
        kills += process.returncode != 0
        reported += answers([first, *rest.splitlines()])
    last = worker(store, delay=0)
    made = answers((last.communicate(timeout=60)[0]).splitlines())
    assert last.returncode == 0
    assert verify(store).faults == ()
    return Killed(kills, reported, made, rows(store) == whole)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The rows of a run that nobody killed."""
    return uninterrupted(tmp_path_factory.mktemp("whole"))


def uninterrupted(folder: Path) -> list[str]:
    """The rows of a run that nobody killed, and that made all its answers."""
    process = worker(folder / "db", delay=0)
    assert answers(process.communicate(timeout=60)[0].splitlines()) == total()
    return rows(folder / "db")


def total() -> int:
    """How many answers a run needs: every third case has two turns, on two variants."""
    return 2 * (CASES + len(range(0, CASES, 3)))


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_run_goes_on_where_it_stopped(
    tmp_path: Path, whole: list[str], number: int
) -> None:
    killed = kill_and_resume(tmp_path / "db", random.Random(f"{SEED}/{number}"), whole)

    assert killed.same
    # An answer may be on disk and not yet reported when the kill comes: never the other way.
    assert killed.made <= total() - killed.reported


def test_a_killed_writer_leaves_no_lock_behind(tmp_path: Path) -> None:
    process = worker(tmp_path / "db")
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()

    began = time.monotonic()
    with Store(tmp_path / "db") as store:
        store.runs()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_where_it_stopped(
    tmp_path: Path, whole: list[str], kind: signal.Signals
) -> None:
    process = worker(tmp_path / "db")
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(kind)
    rest, _ = process.communicate(timeout=30)
    last = worker(tmp_path / "db", delay=0)
    made = answers(last.communicate(timeout=60)[0].splitlines())

    assert process.returncode not in (0, 3)
    assert 0 < made <= total() - answers([first, *rest.splitlines()])
    assert rows(tmp_path / "db") == whole


def main(folder: Path) -> None:
    """Print how many runs were killed how often, and what they lost."""
    reference = uninterrupted(folder)
    found = [
        kill_and_resume(folder / f"{n}.db", random.Random(f"{SEED}/{n}"), reference)
        for n in range(KILLS)
    ]
    lost = sum(max(0, one.made - (total() - one.reported)) for one in found)
    print("| engine | runs | kills | answers reported before a kill | made again | same rows |")
    print("|---|---|---|---|---|---|")
    print(
        f"| echo | {len(found)} | {sum(one.kills for one in found)} "
        f"| {sum(one.reported for one in found)} | {lost} "
        f"| {sum(one.same for one in found)} of {len(found)} |"
    )


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
