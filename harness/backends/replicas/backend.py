"""The driver of all replicas: one loop that hands out portions and takes answers as they arrive.

Plain actors, without Ray's restarts and retries: a retry replays a stream and skips as many items
as were read before, which loses and doubles answers where they come in another order. Who has no
answer when a replica is gone is asked again, by this loop.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import __version__
from harness.backends.base import (
    Backend,
    BackendOptions,
    Completion,
    More,
    PlannedBackend,
    Replicas,
    Request,
    once,
)
from harness.backends.replicas.actor import Replica
from harness.backends.replicas.cluster import Connection, connect, disconnect, room_for
from harness.backends.replicas.hello import (
    HELLOS,
    HelloCommand,
    HelloEvent,
    other_answers,
    refusal,
    unlike,
)
from harness.backends.replicas.portions import Pace, Portions
from harness.backends.workers import (
    AGAIN,
    FRAMES,
    AnswerEvent,
    DoneEvent,
    FailedEvent,
    Frame,
    GenerateCommand,
)
from harness.common import InputError, MachineryError, Problem, Variant

LOOK = 0.5  # seconds that the loop waits at most before it looks at limits
FETCH = 60.0  # seconds to fetch an answer that is said to be there
LINES = 4096  # in one stream: Ray keeps half a kilobyte of each until the stream ends
STARTS = 3  # times in a row that a replica may fail before it has answered anything
DEATHS_IN_A_ROW = 12  # of any replicas without one answer between them, and two for each of many
COMPARED = 16  # answers at most that another replica is asked for too, and a tenth of those given
PAUSE = 1.0  # seconds before a lost replica is replaced: Ray may not know yet that a node is gone


@dataclass
class _Place:
    """One of the replicas, whoever holds its place now. Times are on the monotonic clock."""

    number: int
    actor: Any = None
    greeting: Any = None  # what its hello will be
    hello: HelloEvent | None = None
    stream: Any = None  # of the next lines that it says
    lines: int = 0  # of them that have not come
    commands: int = 0  # that it was given and has not said to be done
    work: Portions | None = None  # that they are part of
    sign: float = 0.0  # when it was last heard of
    has_answered: bool = False
    failures: int = 0  # in a row, without an answer
    since: float = 0.0  # not before this is it filled again
    given_up: bool = False
    is_replaced: bool = False  # who came first is gone
    notes: tuple[str, ...] = ()
    execution: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_idle(self) -> bool:
        """Return whether it is there and has nothing to do."""
        return self.hello is not None and not self.commands


class ReplicatedBackend(PlannedBackend[Backend]):
    """Replicas of one backend on Ray.

    The cluster and the replicas start with the first `generate`. One that is lost is replaced, and
    what it had not answered is asked again.
    """

    def __init__(self, planner: Backend, name: str, options: BackendOptions) -> None:
        assert options.replicas is not None
        super().__init__(planner)
        models = {variant.model for variant in options.variants}
        self.one_model_at_a_time = len(models) > 1
        self._backend = name
        self._replicas: Replicas = options.replicas
        self.engines = self._replicas.count or 1
        self._variants = {variant.name: variant for variant in options.variants}
        cache = options.cache_dir
        self._options = replace(
            options,
            variants=tuple(map(located, options.variants)),
            cache_dir=Path(os.path.abspath(cache)) if cache else None,
            replicas=None,
            warm=False,
        )
        self._connection: Connection | None = None
        self._group: Any = None  # Ray's placement group, where one was asked for
        self._places: list[_Place] = []
        self._gpus = 0.0
        self._first: HelloEvent | None = None
        self._unlike: dict[str, None] = {}
        self._told: dict[str, None] = {}
        self._deaths = 0
        self._have_answered = False  # any of them, ever
        self._paces: dict[int, Pace] = {}  # by the places' numbers
        self._given: list[tuple[Request, str, int]] = []  # greedy answers, each with its replica
        self._has_reported = False  # any of them, how it ran
        self._equal = ""  # how many of those another replica has given too, once it is known
        self._expected = 0
        self._closing = threading.Event()
        self._at_work = threading.Lock()

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the planner's, what happened to replicas, and what these note."""
        own = (note for place in self._places for note in place.notes)
        return tuple(dict.fromkeys((*self._planner.notes, *self._told, *self._unlike, *own)))

    def expect(self, answers: int) -> None:
        """Let each replica plan its start for its share of this many answers, at least."""
        self._expected = max(self._expected, answers // self.engines)

    def waiting(self, requests: Sequence[Request]) -> str:
        """Say that replicas start, until one has answered."""
        if any(place.has_answered for place in self._places):
            return ""
        return f"starting {self._replicas.count or 'all'} replicas"

    def execution(self) -> Mapping[str, str]:
        """Say how many replicas there were and where; their own facts, each difference once."""
        facts = {**self._planner.execution(), "replicas": str(len(self._places) or self.engines)}
        if self._connection is not None:
            facts["ray"] = f"{self._connection.ray.__version__} on {self._connection.address}"
        if self._deaths:
            facts["replicas lost"] = str(self._deaths)
        if self._equal:
            facts["equal answers of two replicas"] = self._equal
        said: dict[str, list[str]] = {}
        for place in self._places:
            for name, value in place.execution.items():
                known = said.setdefault(name, [])
                known += [value] if value not in known else []
        return {**facts, **{name: "; ".join(values) for name, values in said.items()}}

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer all requests, as `serve` does."""
        return self.serve(once(requests))

    def serve(self, more: More) -> Iterator[tuple[Request, Completion]]:
        """Answer what `more` gives, in any order; raises what a replica says of wrong input.

        What comes meanwhile is shared out beside what is left. Raises `MachineryError` where no
        replica is left.
        """
        requests = more()
        if not requests:
            return
        with self._at_work:
            self._start()
            asked: dict[str, Request] = {}  # and not answered
            work = Portions((), len(self._places), self._replicas.deaths, self._paces)
            count = 0  # of all that was asked
            before = self._deaths  # when the last answer came
            while requests or not work.is_done:
                count += len(requests)
                asked |= {request.key: request for request in requests}
                work.add(replace(request, variant=located(request.variant)) for request in requests)
                if self._closing.is_set():
                    raise MachineryError(Problem("the replicas were stopped"))
                self._fill(work)
                for place in self._ready(self._places):
                    for key, completion in self._heard(place, work):
                        before = before if completion.error else self._deaths
                        request = asked.pop(key)
                        is_greedy = request.sampling.temperature == 0 and not completion.error
                        if is_greedy and not self._equal and len(self._given) < COMPARED:
                            moved = replace(request, variant=located(request.variant))
                            self._given.append((moved, completion.text, place.number))
                        # Portions differ, and machines may: their times are not comparable.
                        yield request, replace(completion, machine="")
                for place in [place for place in self._places if self._is_lost(place, work)]:
                    for key, completion in self._buried(place, work):
                        yield asked.pop(key), completion
                row = self._deaths - before
                if row > max(DEATHS_IN_A_ROW, 2 * len(self._places)):
                    raise MachineryError(
                        Problem(
                            f"{row} replicas died without an answer between them",
                            found=next(reversed(self._told), ""),
                            hint=AGAIN,
                        )
                    )
                requests = more()
            # Each that has nothing left to answer says how it ran before the run ends; where those
            # that did are lost, the others do.
            while unheard := self._unheard(work):
                for place in self._ready(unheard):
                    list(self._heard(place, work))
                for place in [place for place in unheard if self._is_lost(place, work)]:
                    list(self._buried(place, work))
            if not self._equal:
                self._compare(self._given[: math.ceil(count / 10)])

    def close(self) -> None:
        """End the actors, with all that they started, and the cluster if it is our own."""
        self._closing.set()
        is_ours = self._at_work.acquire(timeout=10 * LOOK)  # the loop sees it within LOOK
        try:
            connection, self._connection = self._connection, None
            if connection is not None:
                idle = [place for place in self._places if place.is_idle]
                with suppress(Exception):  # who does not end by itself is killed
                    endings = [place.actor.close.remote() for place in idle]
                    connection.ray.wait(endings, num_returns=len(endings), timeout=FETCH)
                for place in self._places:
                    self._kill(connection, place)
                if self._group is not None:
                    with suppress(Exception):
                        connection.ray.util.remove_placement_group(self._group)
                disconnect(connection)
        finally:
            if is_ours:
                self._at_work.release()
            self._closing.clear()
            self._planner.close()

    # -- starting ------------------------------------------------------------------------------

    def _start(self) -> None:
        """Join the cluster and find places for all replicas, once."""
        if self._connection is not None:
            return
        connection = connect(self._replicas)
        try:
            self._plan(connection)
        except BaseException:
            disconnect(connection)
            raise
        self._connection = connection

    def _plan(self, connection: Connection) -> None:
        """See whether they fit; raise `InputError` for more than there is room for."""
        told = self._replicas
        self._gpus = float(self._planner.gpus) if told.gpus is None else told.gpus
        needs = {"GPU": self._gpus, **told.resources}
        if not connection.is_own:
            needs["CPU"] = 1.0 if told.cpus is None else told.cpus
        nodes = connection.nodes()
        room = room_for(needs, nodes) if any(needs.values()) else None
        count = told.count
        if count is None:
            count = room or 0
        if room is not None and (count > room or count == 0):
            each = ", ".join(f"{need:g} {name}" for name, need in needs.items() if need)
            kinds = [name for name, need in needs.items() if need]
            there = {
                name: sum(float(node["Resources"].get(name, 0)) for node in nodes) for name in kinds
            }
            have = ", ".join(f"{value:g} {name}" for name, value in there.items())
            hint = f"--replicas {room}" if room else "ask for less in [tool.harness.ray]"
            if self._gpus == 1 and room:
                hint += ", or let replicas share: gpus_per_replica = 0.5 in [tool.harness.ray]"
            machines = "1 node has" if len(nodes) == 1 else f"{len(nodes)} nodes have"
            raise InputError(
                Problem(
                    f"{count or 'even one'} replicas do not fit: each takes {each}"
                    if count != 1
                    else f"a replica does not fit: it takes {each}",
                    found=f"{machines} {have}: room for {room}",
                    hint=hint,
                )
            )
        self.engines = count
        self._places = [_Place(number) for number in range(1, count + 1)]
        if told.placement:
            bundle = {name: need for name, need in needs.items() if need} or {"CPU": 0.01}
            self._group = connection.ray.util.placement_group(
                [bundle] * count, strategy=told.placement.upper()
            )
            if not self._group.wait(told.start):
                raise InputError(
                    Problem(
                        f"placement {told.placement!r} finds no place for {count} replicas",
                        found=f"{len(nodes)} nodes",
                        hint="use spread or pack, which give way where they must",
                    )
                )

    def _spawn(self, connection: Connection, place: _Place) -> None:
        """Start an actor in this place, and ask who it is."""
        told = self._replicas
        cpus = (0.0 if connection.is_own else 1.0) if told.cpus is None else told.cpus
        threads = 0
        if connection.is_own:
            affinity = getattr(os, "sched_getaffinity", None)
            cores = len(affinity(0)) if affinity else os.cpu_count() or 1
            threads = max(1, int(told.cpus or cores // len(self._places)))
            cpus = 0.0
        strategy: Any = "SPREAD"
        if self._group is not None:
            from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

            strategy = PlacementGroupSchedulingStrategy(
                self._group, placement_group_bundle_index=place.number - 1
            )
        environment = {"runtime_env": dict(told.runtime_env)} if told.runtime_env else {}
        place.actor = (
            connection.ray.remote(Replica)
            .options(
                num_cpus=cpus,
                num_gpus=self._gpus,
                resources=dict(told.resources),
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=Replica.threads,
                scheduling_strategy=strategy,
                **environment,
            )
            .remote()
        )
        options = replace(
            self._options,
            label=f"replica-{place.number}",
            gpu_share=self._gpus if 0 < self._gpus < 1 else 1.0,
        )
        command = HELLOS.to_line(HelloCommand(self._backend, options, threads))
        place.greeting = place.actor.hello.remote(command)
        place.sign = time.monotonic()

    # -- the loop ------------------------------------------------------------------------------

    def _fill(self, work: Portions) -> None:
        """Start actors in empty places, and give idle ones something to do."""
        connection, now = self._connection, time.monotonic()
        assert connection is not None
        for place in self._places:
            if place.actor is None and not place.given_up and now >= place.since:
                self._spawn(connection, place)
        # Engines that share a GPU look how much of it is free when they start: one after another.
        share = 0 < self._gpus < 1
        for place in self._places:
            loading = any(other.commands and not other.has_answered for other in self._places)
            # It may still be at what others have answered, in a call before this one.
            is_busy = place.commands > 0 and place.work is not work
            if place.hello is None or is_busy or (share and loading and not place.has_answered):
                continue
            while portion := work.take(place.number, now):
                self._ask(place, portion, work)
        if all(place.given_up for place in self._places):
            raise MachineryError(
                Problem("no replica is left", found=next(reversed(self._told), ""), hint=AGAIN)
            )

    def _ask(self, place: _Place, portion: Sequence[Request], work: Portions | None) -> None:
        """Give a replica something to answer, beside what it has."""
        if not place.commands:
            place.sign = time.monotonic()
        place.commands, place.work = place.commands + 1, work
        command = FRAMES.to_line(GenerateCommand(tuple(portion), self._expected))
        place.actor.ask.remote(command)  # its stream says what comes of it, also that it is dead

    def _unheard(self, work: Portions) -> list[_Place]:
        """Return the places whose last word of this work is to be waited for."""
        asked = [place for place in self._places if place.commands and place.work is work]
        ended = [place for place in asked if not work.is_at_work(place.number)]
        return ended or ([] if self._has_reported else asked)

    def _ready(self, places: Sequence[_Place]) -> list[_Place]:
        """Wait for a while; return those of these places that have something to say."""
        waited = {}
        for place in places:
            if (source := place.stream or place.greeting) is not None:
                waited[source] = place
        if not waited:
            time.sleep(LOOK / 5)
            return []
        assert self._connection is not None
        ready, _ = self._connection.ray.wait(list(waited), num_returns=1, timeout=LOOK)
        if ready:  # others may have something too
            ready, _ = self._connection.ray.wait(list(waited), num_returns=len(waited), timeout=0)
        return [waited[source] for source in ready]

    def _heard(self, place: _Place, work: Portions) -> Iterator[tuple[str, Completion]]:
        """Take what a place says next: its hello, an answer, or how it ran."""
        assert self._connection is not None
        ray, now = self._connection.ray, time.monotonic()
        place.sign = now
        try:
            if place.stream is None:
                greeting, place.greeting = place.greeting, None
                self._greeted(place, HELLOS.from_line(ray.get(greeting, timeout=FETCH)))
                return
            frame = self._frame(place)
        except StopIteration:  # what it still had must not be forgotten
            yield from self._buried(place, work, "its answers ended without a last word")
            return
        except (ray.exceptions.RayError, TimeoutError) as error:
            yield from self._buried(place, work, _cause(error))
            return
        if isinstance(frame, AnswerEvent):
            place.has_answered, place.failures, self._have_answered = True, 0, True
            seconds = frame.completion.seconds
            if place.work is work and work.answered(place.number, frame.key, now, seconds):
                yield frame.key, frame.completion
        elif isinstance(frame, DoneEvent):
            place.notes, place.execution = frame.notes, frame.execution
            self._has_reported = True
            if place.work is work and not place.commands:
                for request in work.finished(place.number):
                    yield request.key, Completion("", "error", error="no answer of the engine")
        elif isinstance(frame, FailedEvent):
            broken = frame.error()
            if isinstance(broken, InputError):
                raise broken
            said = "; ".join(filter(None, (broken.problems[0].message, broken.problems[0].found)))
            if not place.has_answered:  # it could not start: no request is to blame
                self._dismiss(place, f"could not start: {said}")
                work.returned(place.number)
                # One that cannot start may find too little memory, or a broken node; all cannot.
                if not self._have_answered and all(other.failures for other in self._places):
                    raise broken
                return
            yield from self._buried(place, work, said)

    def _greeted(self, place: _Place, said: Any) -> None:
        """Let a replica take part, unless it is not what was asked for."""
        assert self._connection is not None
        problems: tuple[Problem, ...] = ()
        if isinstance(said, FailedEvent):
            hint = (
                f"this is what replica {place.number} found on its node: models and adapters have "
                "to be under the same path on every node (a shared file system, or a copy)"
            )
            problems = tuple(
                problem if self._connection.is_own else replace(problem, hint=hint)
                for problem in said.problems
            )
        elif said.harness != __version__:
            what = f"harness {said.harness}, here {__version__}"
            problems = (refusal(what, said.host),)
        elif reason := other_answers(said, self._planner, self._variants):
            problems = (refusal(reason, said.host),)
        elif self._first is not None and (
            odd := "; ".join(unlike(said, self._first, self._connection.gpu_kinds()))
        ):
            if self._replicas.mixed:
                self._unlike[f"replicas differ: {odd} ({said.host}, {self._first.host})"] = None
            else:
                problems = (refusal(odd, said.host, self._first.host),)
        if not problems:
            self._first = self._first or said
            place.hello = said
            self._listen(place)
            return
        if place.is_replaced and any(other.has_answered for other in self._places):
            self._dismiss(place, problems[0].message + f": {problems[0].found}")
            place.given_up = True
            return
        if isinstance(said, FailedEvent) and not said.wrong_input:
            raise MachineryError(*problems)
        raise InputError(*problems)

    def _listen(self, place: _Place) -> None:
        """Ask for the next lines that a replica says."""
        place.stream = place.actor.lines.options(num_returns="streaming").remote(LINES)
        place.lines = LINES

    def _frame(self, place: _Place) -> Frame:
        """Return what a replica says next; raise TimeoutError where that does not come.

        What `next` of its stream calls, but with a limit: `next` waits without end for the last
        word of a stream whose node is gone (ray 2.60).
        """
        assert self._connection is not None
        answer = place.stream._next_sync(FETCH)
        if answer.is_nil():
            raise TimeoutError
        frame = FRAMES.from_line(self._connection.ray.get(answer, timeout=FETCH))
        place.lines -= 1
        if not place.lines:
            self._listen(place)
        if isinstance(frame, DoneEvent):
            place.commands -= frame.commands
        return frame

    def _compare(self, given: Sequence[tuple[Request, str, int]]) -> None:
        """Ask another replica for each of these answers too, and say how many are equal.

        In 16 bits an answer depends on its batch, so this is what replicas change. Where none is
        free, or one is lost meanwhile, nothing is said of the answers that it was asked for.
        """
        assert self._connection is not None
        asked: dict[int, list[Request]] = {}
        for request, _, number in given:
            others = (p for p in self._places if p.is_idle and p.has_answered)
            if free := [place.number for place in others if place.number != number]:
                least = min(free, key=lambda other: len(asked.get(other, ())))
                asked.setdefault(least, []).append(request)
        places = [place for place in self._places if place.number in asked]
        for place in places:
            self._ask(place, asked[place.number], None)
        texts: dict[str, str] = {}
        for place in places:
            with suppress(self._connection.ray.exceptions.RayError, TimeoutError, StopIteration):
                while isinstance(frame := self._frame(place), AnswerEvent):
                    texts[frame.key] = frame.completion.text
        equal = sum(texts.get(request.key) == text for request, text, _ in given)
        if texts:
            self._equal = f"{equal} of {len(texts)}"
        if equal < len(texts):
            self._told[
                f"{self._equal} answers are equal, word for word, where another replica was asked "
                "for them too: numbers in 16 bits depend on the batch (docs/ray.md)"
            ] = None

    # -- losses --------------------------------------------------------------------------------

    def _is_lost(self, place: _Place, work: Portions) -> bool:
        """Return whether a place was silent for too long."""
        if place.greeting is None and not place.commands:
            return False
        return time.monotonic() - place.sign > self._patience(place, work)

    def _patience(self, place: _Place, work: Portions) -> float:
        """Return for how many seconds it may say nothing; its last word takes no work."""
        limit = self._replicas.silence if place.has_answered else self._replicas.start
        is_ended = place.work is work and place.commands and not work.is_at_work(place.number)
        return min(limit, FETCH) if is_ended else limit

    def _buried(
        self, place: _Place, work: Portions, cause: str = ""
    ) -> Iterator[tuple[str, Completion]]:
        """Clear the place of a lost replica; yield the requests that are given up with it."""
        limit = self._patience(place, work)
        self._dismiss(place, cause or f"gave no sign of life for {limit:g} s")
        for request, deaths in work.lost(place.number):
            place.failures = 0  # it was the request's doing
            error = (
                f"it was given up: {deaths} replicas died over it, the last one "
                f"{cause or f'silent for {limit:g} s'}"
            )
            yield request.key, Completion("", "error", error=error)

    def _dismiss(self, place: _Place, cause: str) -> None:
        """End an actor that is of no more use, and let its place be filled again after a pause."""
        assert self._connection is not None
        host = f" on {place.hello.host}" if place.hello else ""
        self._told[f"replica {place.number}{host} was lost: {cause}"] = None
        self._kill(self._connection, place)
        self._deaths += 1
        place.is_replaced = True
        place.failures += 1
        place.since = time.monotonic() + PAUSE
        if place.failures >= STARTS and not place.has_answered:
            others = [p for p in self._places if p is not place and not p.given_up]
            place.given_up = bool(place.failures >= STARTS * 2 or not others)
        place.has_answered = False

    def _kill(self, connection: Connection, place: _Place) -> None:
        """End an actor; one on this machine also where it is frozen and does not hear Ray."""
        if place.actor is not None:
            with suppress(Exception):
                connection.ray.kill(place.actor, no_restart=True)
            if place.hello is not None and place.hello.host == socket.gethostname():
                with suppress(OSError):
                    os.kill(place.hello.pid, signal.SIGKILL)
        place.actor = place.greeting = place.stream = place.hello = None
        place.commands = 0


def located(variant: Variant) -> Variant:
    """Return the variant with absolute paths: another process stands in another folder."""

    def absolute(path: str | None) -> str | None:
        return os.path.abspath(path) if path and os.path.exists(path) else path

    model = absolute(variant.model) or variant.model
    return replace(
        variant,
        model=model,
        adapter=absolute(variant.adapter),
        chat_template=absolute(variant.chat_template),
    )


def _cause(error: Exception) -> str:
    """Return why an actor is gone, in a line of Ray's."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    telling = (line for line in lines if "SIG" in line or "memory" in line or "node" in line)
    return next(telling, lines[0] if lines else type(error).__name__)[:300]
