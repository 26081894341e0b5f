"""Scores of many trials: in this process, or in several where that is faster.

A few trials of each group are scored here, to see what the others will take; where that is
little, all stay here. Otherwise processes are forked, so that checks with whatever they hold
(compiled patterns, the language detector, a user's own functions) are there without being sent;
each check is used here once before, so that it is all there. Forking is safe while no library with
threads of its own is loaded, so runs that load torch score in this process, as do systems other
than Linux. A worker's main thread does the scoring: time limits work there as they do here.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import repeat
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

from harness.evaluation.plan import Plan
from harness.evaluation.scoring import Alarm, ScoreResult, Transcript, score_transcript
from harness.evaluation.trial import Trial
from harness.results import Outcome
from harness.store import chunks

FEWEST = 400  # trials of a run: below that forking and the first use of each check cost more
GROUP = 64  # trials that are ready at once: a slow engine's few are scored while it goes on
SAMPLE = 16  # trials of a group that are scored here, to see how long one takes
WORTH = 0.1  # seconds of work: sending less to other processes takes as long as doing it
CHUNK = 16  # trials sent to a worker at once: some 50 ms of work
MOST = 16  # workers: the one process that stores their results keeps no more busy

Job = tuple[Trial, Transcript]


class ScoringPool:
    """Scores trials in the order of the jobs, equally whatever the number of processes.

    `worth` is the work of a group, in seconds, from which it is spread.
    """

    def __init__(
        self,
        plan: Plan,
        check_seconds: float,
        processes: int | None = None,
        worth: float = WORTH,
    ) -> None:
        self._score = _Scoring(plan, check_seconds)
        self._processes = processes or usable_processes(len(plan.trials))
        self._worth = worth
        self._used: set[str] = set()
        self._pool: ProcessPoolExecutor | None = None

    def scores(self, jobs: Sequence[Job]) -> Iterator[ScoreResult]:
        """Return what the checks say, one score for each job."""
        if len(jobs) < GROUP or self._processes == 1 or not _may_fork():
            return self._score.all_of(jobs)
        return self._sampled(jobs)

    def stop(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _sampled(self, jobs: Sequence[Job]) -> Iterator[ScoreResult]:
        """Score some here, the rest as is faster."""
        first_uses = set()  # jobs with a check that was not used before: workers know nothing of it
        for place, (trial, _) in enumerate(jobs):
            names = {check.name for turn in trial.case.turns for check in turn.checks}
            if not names <= self._used:
                self._used |= names
                first_uses.add(place)
        if first_uses:
            self.stop()
        places = sorted({*first_uses, *range(0, len(jobs), -(-len(jobs) // SAMPLE))})
        done, seconds = {}, 0.0
        for place in places:
            began = time.thread_time()
            done[place] = self._score(*jobs[place])
            seconds += 0.0 if place in first_uses else time.thread_time() - began
        rest = [job for place, job in enumerate(jobs) if place not in done]
        work = seconds / max(len(done) - len(first_uses), 1) * len(rest)
        # A check that was used here for the first time may have loaded torch.
        spread = work >= self._worth and (self._pool is not None or _may_fork())
        others = self._spread(rest) if spread else self._score.all_of(rest)
        for place in range(len(jobs)):
            yield done[place] if place in done else next(others)

    def _spread(self, jobs: Sequence[Job]) -> Iterator[ScoreResult]:
        """Yield the scores from workers; errors for those that one took with it when it died."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._processes, get_context("fork"), _begin, (self._score,)
            )
        places = [self._score.places[trial.position] for trial, _ in jobs]
        transcripts = [transcript for _, transcript in jobs]
        with warnings.catch_warnings():
            # Python 3.12 and later warn of any fork beside threads; ours hold no lock here.
            warnings.simplefilter("ignore", DeprecationWarning)
            found = self._pool.map(_work, places, transcripts, chunksize=CHUNK)
        given = 0
        try:
            for score in found:
                yield score
                given += 1
        except BrokenProcessPool:
            lost = ScoreResult(Outcome.ERROR, 0.0, "a process that scored answers died")
            yield from repeat(lost, len(jobs) - given)


class _Scoring:
    """How this run's trials are scored; workers inherit it."""

    def __init__(self, plan: Plan, check_seconds: float) -> None:
        self.trials = plan.trials
        self.places = {trial.position: place for place, trial in enumerate(plan.trials)}
        self._plan, self._seconds = plan, check_seconds

    def __call__(
        self, trial: Trial, transcript: Transcript, alarm: Alarm | None = None
    ) -> ScoreResult:
        tags = self._plan.reasoning_of(trial.case, trial.variant.name).tags
        return score_transcript(
            trial.case, transcript, check_seconds=self._seconds, tags=tags, alarm=alarm
        )

    def all_of(self, jobs: Iterable[Job]) -> Iterator[ScoreResult]:
        """Yield the scores of many, some at a time under one alarm."""
        for some in chunks(jobs, CHUNK):
            with Alarm(self._seconds) as alarm:
                scores = [self(*job, alarm) for job in some]
            yield from scores


def usable_processes(trials: int) -> int:
    """Return how many processes are worth it for so many trials: one for each core of ours."""
    if trials < FEWEST or not hasattr(os, "sched_getaffinity"):
        return 1
    return min(len(os.sched_getaffinity(0)), MOST)


def _may_fork() -> bool:
    mine = threading.current_thread() is threading.main_thread()
    return sys.platform == "linux" and mine and "torch" not in sys.modules


# -- in a worker -----------------------------------------------------------------------------------

_inherited: list[_Scoring] = []


def _begin(scoring: _Scoring) -> None:
    """Leave interrupts to the parent, and end with it, even when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _inherited.append(scoring)
    gc.freeze()  # what was inherited is not looked through, and so not copied, again and again
    threading.Thread(target=_end_with_parent, daemon=True, name="parent").start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(place: int, transcript: Transcript) -> ScoreResult:
    scoring = _inherited[0]
    return scoring(scoring.trials[place], transcript)
