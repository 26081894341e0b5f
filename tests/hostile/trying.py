"""One try after another, each in a process that the system ends at its limits.

A try has survived when it ended by itself with a message or a result, within 10 s of processor time
and 1 GB of data above what the process had when it began.
"""

from __future__ import annotations

import faulthandler
import io
import multiprocessing
import os
import random
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from harness.cli import main

CPU_SECONDS = 10
BYTES = 10**9
BATCH = 300  # tries of one process: what it keeps from one to the next is no input's doing
STALLED = 120.0  # wall seconds without an answer: a wait for something that never comes
OURS = "this is a mistake of the harness"


def named(table: Iterable[str], text: str) -> list[str]:
    """Return the names of rows that `text` is a part of, all without one; raises for no row."""
    names = list(table)
    if found := [name for name in names if text in name]:
        return found
    raise SystemExit(f"no row has {text!r} in its name; there are: {'; '.join(names)}")


def ran(*words: str) -> str:
    """Run one command; return what is wrong with how it ended, or nothing."""
    stream = io.StringIO()
    with redirect_stderr(stream), redirect_stdout(stream):
        code = main(list(words))
    said = stream.getvalue()
    if OURS in said or "Traceback" in said:
        return said[:500]
    if code == 2 and not said.strip():
        return "no message"
    return "" if code in (0, 1, 2, 3, 4) else f"exit code {code}"


@dataclass(frozen=True)
class Row:
    """One kind of input: `lay` puts whole files into the folder, `one` makes a try in it."""

    name: str
    lay: Callable[[], None]
    one: Callable[[random.Random], str]


def work(row: Row, numbers: range, answers: Connection) -> None:
    """Make the tries in a folder of their own; send each number with what was wrong."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        try:
            row.lay()
            for number in range(3):  # imports and caches are no part of a try
                row.one(random.Random(f"warm/{number}"))
        except Exception as error:
            answers.send((-1, f"{row.name} cannot be laid out: {error!r}", 0.0))
            return
        used = Path("/proc/self/statm").read_text().split()  # [5]: data and stacks
        limit = int(used[5]) * os.sysconf("SC_PAGE_SIZE") + BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        faulthandler.register(signal.SIGPROF, all_threads=True, chain=True)  # then it ends
        for number in numbers:
            answers.send((number, None, 0.0))
            before = time.process_time()
            # Not RLIMIT_CPU: it counts from the start of the process, by samples at each tick. Over
            # a row on a busy machine they ran away from the true time by more than ten seconds.
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
            try:
                wrong = row.one(random.Random(f"{row.name}/{number}"))
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"[:500]
            took = time.process_time() - before
            if took > CPU_SECONDS:
                wrong = wrong or f"{took:.1f} s of processor time"
            answers.send((number, wrong, took))


def tries(row: Row, numbers: range) -> Iterator[tuple[int, str, float]]:
    """Yield number, fault and processor seconds of each try; a process that dies is replaced."""
    forks = multiprocessing.get_context("fork")
    while numbers:
        ours, theirs = forks.Pipe(duplex=False)
        process = forks.Process(target=work, args=(row, numbers, theirs), daemon=True)
        process.start()
        theirs.close()
        current = numbers[0]
        try:
            while ours.poll(STALLED):
                current, wrong, seconds = ours.recv()
                if current < 0:
                    raise RuntimeError(wrong)
                if wrong is not None:
                    numbers = range(current + 1, numbers.stop)
                    yield current, wrong, seconds
                if not numbers:
                    break
            else:
                process.kill()
        except EOFError:
            pass
        process.join(None if numbers else 10)
        if numbers:  # it died, or was ended, at `current`
            yield current, f"the process ended: {process.exitcode}", float(CPU_SECONDS)
            numbers = range(current + 1, numbers.stop)


def run(row: Row, numbers: range) -> tuple[int, list[tuple[int, str]], list[float]]:
    """Return how many survived, the faults by number, and the seconds of all tries."""
    faults: list[tuple[int, str]] = []
    seconds: list[float] = []
    for first in range(0, len(numbers), BATCH):
        for number, wrong, took in tries(row, numbers[first : first + BATCH]):
            seconds.append(took)
            if wrong:
                faults.append((number, wrong))
    return len(seconds) - len(faults), faults, seconds
