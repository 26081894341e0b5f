"""`kill -9` at any moment: what was reported is kept and not made again, the results are the same.

`HARNESS_KILLS` says how many runs of each engine are killed (3 in the tests, 50 for the table of
docs/reliability.md, which `python -m tests.evaluation.test_kill` prints), `HARNESS_KILL_SEED` where
the random moments begin.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.backends import Completion
from harness.results import result_to_json
from harness.store import Store, verify
from tests.backends.tiny import save_adapter, save_model
from tests.evaluation import worker

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(  # nine seconds of a processor's, which no process has to take again
    [
        "harness.evaluation",
        "harness.backends.hf.loading",
        "harness.backends.hf.placement",
        "peft",
        "transformers.models.auto.auto_factory",
        "transformers.models.auto.modeling_auto",
        "transformers.models.auto.tokenization_auto",
        "transformers.models.qwen2.modeling_qwen2",
    ]
)
KILLS = int(os.environ.get("HARNESS_KILLS", "3"))
SEED = int(os.environ.get("HARNESS_KILL_SEED", "1"))


class Started:
    """A run in a process that was forked from one that has imported all that a run needs."""

    def __init__(self, words: list[str]) -> None:
        ours, theirs = FORKS.Pipe(duplex=False)
        self.process = FORKS.Process(target=worker.forked, args=(words, theirs))
        self.process.start()
        theirs.close()
        self._said = os.fdopen(os.dup(ours.fileno()), encoding="utf-8")
        ours.close()

    def line(self) -> str:
        """Its next line, errors included."""
        return self._said.readline()

    def send(self, kind: signal.Signals) -> None:
        """Send it a signal, where it has not ended before."""
        if self.process.is_alive() and self.process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, kind)

    def rest(self, timeout: float) -> list[str]:
        """Its other lines, once it has ended; they are few, and the pipe holds them."""
        self.process.join(timeout)
        assert self.process.exitcode is not None, "it did not end"
        with self._said:
            return self._said.readlines()


@dataclass(frozen=True)
class Subject:
    """An engine to kill: `span` is about how long a run of it generates, in seconds."""

    name: str
    cases: int
    delay: float
    span: float
    options: tuple[str, ...] = ()

    @property
    def answers(self) -> int:
        """How many answers a run needs: every third case has two turns, on two variants."""
        return 2 * (self.cases + len(range(0, self.cases, 3)))

    def start(self, store: Path, delay: float | None = None) -> Started:
        """A run in another process."""
        wait = self.delay if delay is None else delay
        return Started([str(store), "run", str(self.cases), str(wait), *self.options])

    def finish(self, store: Path) -> int:
        """Let a run end; how many answers it made."""
        run = self.start(store, delay=0)
        said = run.rest(timeout=300)
        assert run.process.exitcode == 0, said
        return answers(said)


@dataclass(frozen=True)
class Killed:
    """What became of one run; `other` counts rows unlike those of the run that nobody killed."""

    kills: int
    reported: int
    made_again: int
    changed: int
    other: int
    other_verdicts: int


ECHO = Subject("echo", cases=60, delay=0.005, span=0.9)  # 160 answers in about a second


def model(folder: Path) -> Subject:
    """A random Qwen2 with a random adapter."""
    base = save_model(folder / "model")
    adapter = save_adapter(folder / "adapter", base, seed=1)
    options = ("--model", str(base), "--adapter", str(adapter))
    return Subject("hf, fp32", cases=24, delay=0, span=2.0, options=options)


def answers(lines: Iterable[str]) -> int:
    """How many answers were reported as done."""
    words = (line.split() for line in lines)
    return sum(int(each[1]) for each in words if each and each[0] == "answers")


def rows(store: Path) -> list[dict[str, Any]]:
    """The run's rows of results.jsonl."""
    with Store(store) as opened:
        return [result_to_json(result) for result in opened.results("run")]


def held(store: Path) -> dict[str, Completion]:
    """All answers in a store."""
    with Store(store) as opened:
        with opened.reading() as connection:
            keys = [row[0] for row in connection.execute("SELECT key FROM completions")]
        return opened.completions(keys)


def kill_and_resume(
    subject: Subject, store: Path, moments: random.Random, whole: list[dict[str, Any]]
) -> Killed:
    """Kill a run once or more, at random moments, then let it end.

    One moment in four is counted from the start of the process: while it loads or makes the file.
    """
    kills = reported = changed = 0
    for _ in range(moments.choice((1, 1, 2, 3))):
        before = held(store) if store.exists() else {}
        run = subject.start(store)
        first = run.line() if moments.random() < 0.75 else ""
        time.sleep(moments.uniform(0, subject.span))
        run.send(signal.SIGKILL)
        said = [first, *run.rest(timeout=60)]
        code = run.process.exitcode
        assert code in (0, -signal.SIGKILL), said  # 0: it had ended before the kill
        kills += code != 0
        reported += answers(said)
        changed += differing(before, held(store) if store.exists() else {})
    before = held(store) if store.exists() else {}
    made = subject.finish(store)
    assert verify(store).faults == ()
    found = rows(store)
    return Killed(
        kills,
        reported,
        made_again=max(0, made + reported - subject.answers),
        changed=changed + differing(before, held(store)),
        other=sum(json.dumps(a) != json.dumps(b) for a, b in zip(found, whole, strict=True)),
        other_verdicts=sum(a["outcome"] != b["outcome"] for a, b in zip(found, whole, strict=True)),
    )


def differing(before: dict[str, Completion], after: dict[str, Completion]) -> int:
    """How many stored answers are gone or others than they were."""
    return sum(after.get(key) != answer for key, answer in before.items())


def uninterrupted(subject: Subject, store: Path) -> list[dict[str, Any]]:
    """The rows of a run that nobody killed."""
    assert subject.finish(store) == subject.answers
    return rows(store)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows of a run on echo that nobody killed."""
    return uninterrupted(ECHO, tmp_path_factory.mktemp("whole") / "db")


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_run_goes_on_where_it_stopped(
    tmp_path: Path, whole: list[dict[str, Any]], number: int
) -> None:
    """Nothing that was reported is made again, and the rows are the same to the byte."""
    killed = kill_and_resume(ECHO, tmp_path / "db", random.Random(f"{SEED}/{number}"), whole)

    assert (killed.made_again, killed.changed, killed.other) == (0, 0, 0)


@pytest.mark.slow
def test_a_killed_run_of_a_model_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Answers that were not stored may differ, as another batch may round otherwise."""
    subject = model(tmp_path)
    whole = uninterrupted(subject, tmp_path / "whole.db")

    for number in range(KILLS):
        moments = random.Random(f"{SEED}/{number}")
        killed = kill_and_resume(subject, tmp_path / f"{number}.db", moments, whole)

        assert (killed.made_again, killed.changed, killed.other_verdicts) == (0, 0, 0)


def test_a_killed_writer_leaves_no_lock_behind(tmp_path: Path) -> None:
    run = ECHO.start(tmp_path / "db")
    run.line()
    run.send(signal.SIGKILL)
    run.rest(timeout=60)

    with Store(tmp_path / "db") as store:
        assert len(store.runs()) == 1


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_where_it_stopped(
    tmp_path: Path, whole: list[dict[str, Any]], kind: signal.Signals
) -> None:
    run = ECHO.start(tmp_path / "db")
    first = run.line()
    time.sleep(0.2)
    run.send(kind)
    said = [first, *run.rest(timeout=30)]
    made = ECHO.finish(tmp_path / "db")

    assert run.process.exitcode not in (0, 3)
    assert 0 < made <= ECHO.answers - answers(said)
    assert rows(tmp_path / "db") == whole


def table(subject: Subject, folder: Path) -> str:
    """One row: how often runs were killed, and what they lost."""
    whole = uninterrupted(subject, folder / "whole.db")
    found = [
        kill_and_resume(subject, folder / f"{n}.db", random.Random(f"{SEED}/{n}"), whole)
        for n in range(KILLS)
    ]
    sums = (
        sum(one.kills for one in found),
        sum(one.reported for one in found),
        sum(one.made_again for one in found),
        sum(one.changed for one in found),
        f"{sum(one.other for one in found)} of {len(whole) * len(found):,}",
        sum(one.other_verdicts for one in found),
    )
    return f"| {subject.name} | {len(found)} | {' | '.join(map(str, sums))} |"


def main() -> None:
    """Print the table of docs/reliability.md."""
    print(
        "| engine | runs | kills | answers reported before a kill | of these made again "
        "| stored answers changed | other rows | other verdicts |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as echo, tempfile.TemporaryDirectory() as hf:
        print(table(ECHO, Path(echo)), flush=True)
        print(table(model(Path(hf)), Path(hf)), flush=True)


if __name__ == "__main__":
    main()
