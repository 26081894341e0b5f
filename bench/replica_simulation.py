"""Replicas with failures and stragglers: a discrete-event model beside replicas on Ray.

    python -m bench.replica_simulation
    python -m bench.replica_simulation --measured OUT/results.json    beside GPUs (bench.replicas)

The model hands out work by the harness's own rules (`Portions`), in time that jumps from event to
event: a replica starts, works on so many requests at once, may be killed, and another starts in
its place. The measured side is the harness's own backend for replicas, on a Ray cluster of this
machine, with an engine that sleeps instead of generating; a kill is SIGKILL. What a replica costs
to start and an answer to pass on is measured with one replica, and used for all others. Prints the
table of docs/scale.md.

An engine that works on many requests at once needs as many steps for a few of them: they take the
seconds of all together, and a time that is the same for any number. With `--measured` that time is
what the first answer took in the step `one` of bench.replicas, and the seconds of a request are
those with which the model gives what all of them took. `--rows` is on how many the engine works at
once. Two replicas are foretold, one of two killed, and how well more of them share the work: those
that have answered something before, and those that begin with it.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import os
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.backends import (
    Address,
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Prompt,
    Replicas,
    Request,
    models_are,
    open_backend,
)
from harness.backends.replicas.backend import LOOK, PAUSE, ReplicatedBackend
from harness.backends.replicas.portions import Pace, Portions
from harness.common import Message, Sampling, Variant

DEATHS = 3  # of replicas that a request survives
UP = 180.0  # seconds for replicas to come up, or to say something
WARM = 20  # requests that a replica of bench.replicas has answered before it is measured
ROOT = Path(__file__).parents[1]
ALONE = "one replica, with its start"


@dataclass(frozen=True, slots=True)
class World:
    """What happens: seconds of each request, replicas with their slowness, and kills.

    `slowness` multiplies a replica's seconds; `start` is what its engine takes to start, `spawn`
    what comes before that; those of the beginning are up already where `are_up`. `kills` are
    moments and replicas. `overhead` is what an answer costs beside its seconds. An engine works on
    `rows` requests at once, which take the seconds of all together and `wait`. Requests are of
    `variants` in turn.
    """

    requests: tuple[float, ...]
    slowness: tuple[float, ...]
    start: float
    kills: tuple[tuple[float, int], ...] = ()
    spawn: float = 0.0
    overhead: float = 0.0
    are_up: bool = False
    wait: float = 0.0
    rows: int = 1
    variants: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds until the first and the last answer, answers, and replicas that died at work."""

    first: float
    seconds: float
    answered: int
    deaths: int


def asked(world: World, model: str) -> list[Request]:
    """Return the requests of a world; each says its seconds."""
    sampling = Sampling()
    address = Address("case", "base")
    tuned = [Variant(f"lora{n}", model, f"lora{n}") for n in range(world.variants - 1)]
    variants = [Variant("base", model), *tuned]
    return [
        Request(
            str(number),
            address,
            variants[number % len(variants)],
            Prompt((Message("user", str(seconds)),), None, 1, estimated=True),
            sampling,
        )
        for number, seconds in enumerate(world.requests)
    ]


@dataclass
class _Engine:
    """One replica: what it works on, with the share of each that is done, and what waits."""

    world: World
    slowness: float
    ready: float = 0.0  # from when on it works: it loads until then
    life: int = 0
    at: float = 0.0  # up to when its work is reckoned
    running: dict[str, tuple[float, float]] = field(default_factory=dict)  # share done, begun
    waiting: deque[str] = field(default_factory=deque)

    def turn(self) -> float:
        """Return the seconds that those it works on take, were they begun together."""
        alone = sum(self.world.requests[int(key)] for key in self.running)
        overhead = self.world.overhead * len(self.running)
        return alone * self.slowness + self.world.wait * self.slowness + overhead

    def go_on(self, now: float) -> None:
        """Work up to this moment, and begin with what there is room for."""
        begun = max(self.at, self.ready)
        if self.running and now > begun:
            share = (now - begun) / self.turn()
            self.running = {key: (did + share, at) for key, (did, at) in self.running.items()}
        self.at = now
        while self.waiting and len(self.running) < self.world.rows:
            self.running[self.waiting.popleft()] = (0.0, max(now, self.ready))

    def next_answer(self) -> float:
        """Return when it answers next."""
        most = max(did for did, _ in self.running.values())
        return max(self.at, self.ready) + (1.0 - most) * self.turn()


def simulate(world: World, before: Pace | None = None) -> Outcome:
    """Run the model; `before` is the pace of replicas that have answered something before."""
    paces = {place: replace(before) for place in range(len(world.slowness)) if before}
    work = Portions(asked(world, "model"), len(world.slowness), DEATHS, paces)
    engines = [_Engine(world, slowness) for slowness in world.slowness]
    events: list[tuple[float, int, str, int, int]] = []  # time, order, what, replica, its life
    order = itertools.count()
    answered = deaths = 0
    now = first = 0.0

    def later(moment: float, what: str, place: int) -> None:
        heapq.heappush(events, (moment, next(order), what, place, engines[place].life))

    def go_on(place: int) -> None:
        """Hand over what it is to have, and say when it answers next, or looks again."""
        engine = engines[place]
        while portion := work.take(place, now):
            engine.waiting.extend(request.key for request in portion)
        engine.go_on(now)
        engine.life += 1
        if engine.running:
            later(engine.next_answer(), "answer", place)
        else:
            later(now + LOOK, "look", place)

    for place, engine in enumerate(engines):
        if not world.are_up:
            engine.ready = world.spawn + world.start
        later(0.0 if world.are_up else world.spawn, "up", place)
    for moment, place in world.kills:
        heapq.heappush(events, (moment, next(order), "kill", place, -1))
    while not work.is_done:
        now, _, what, place, life = heapq.heappop(events)
        engine = engines[place]
        if what == "kill":
            deaths += bool(engine.running)
            work.lost(place)
            engines[place] = _Engine(world, engine.slowness, life=engine.life + 1)
            engines[place].ready = now + PAUSE + world.spawn + world.start
            later(now + PAUSE + world.spawn, "up", place)
        elif life == engine.life:
            engine.go_on(now)
            for key, (did, begun) in list(engine.running.items()):
                if did > 1.0 - 1e-9:
                    del engine.running[key]
                    if work.answered(place, key, now, now - begun):
                        answered, first = answered + 1, first or now
            if what == "answer" and not engine.running and not engine.waiting:
                work.finished(place)
            go_on(place)
    return Outcome(first, now, answered, deaths)


class SleepingBackend(Backend):
    """Sleeps as long as a request says, times what its place says; not at all for words."""

    name = "sleeping"
    holds_weights = True

    def __init__(self, options: BackendOptions) -> None:
        slowness = options.engine_args.get("slowness", [1.0])
        number = int(options.label.removeprefix("replica-") or 1)
        self._slowness = float(slowness[(number - 1) % len(slowness)])
        self._start = float(options.engine_args.get("start", 0.0))

    def environment(self, variant: Variant) -> Environment:
        """Depend on nothing."""
        return Environment("sleeping", "1")

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Take the name for the content."""
        return Fingerprint(Path(variant.model).name)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Sleep, and say so."""
        time.sleep(self._start)
        self._start = 0.0
        for request in requests:
            begun, said = time.monotonic(), request.prompt.messages[-1].content
            if said.replace(".", "").isdigit():
                time.sleep(float(said) * self._slowness)
            yield request, Completion(said, "stop", 1, 1, seconds=time.monotonic() - begun)


@models_are("directories", options=())
def open_sleeping(options: BackendOptions) -> SleepingBackend:
    """Open it; nothing is loaded."""
    return SleepingBackend(options)


@contextmanager
def sleeping() -> Iterator[Path]:
    """Install the backend `sleeping` for this process and its children; yield a folder for both.

    Ray's cluster stays up all the while: its start is no part of what a replica takes to start.
    """
    with tempfile.TemporaryDirectory() as name:
        metadata = Path(name, "sleeping-1.0.dist-info")
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sleeping\nVersion: 1.0\n")
        target = "sleeping = bench.replica_simulation:open_sleeping"
        (metadata / "entry_points.txt").write_text(f"[harness.backends]\n{target}\n")
        path = os.pathsep.join(filter(None, (name, str(ROOT), os.environ.get("PYTHONPATH"))))
        # Ray's own niceness is 15: beside other work an engine that sleeps would wake too late. And
        # it kills workers where the machine's memory runs out, whoever has taken it.
        told = {
            "PYTHONPATH": path,
            "RAY_worker_niceness": "0",
            "RAY_memory_monitor_refresh_ms": "0",
        }
        before = {key: os.environ.get(key) for key in told}
        os.environ.update(told)
        sys.path.insert(0, name)
        options = BackendOptions((Variant("base", name),), replicas=Replicas(1))
        first = open_backend("sleeping", options)
        try:
            list(first.generate(asked(World((0.0,), (1.0,), 0.0), name)))
            yield Path(name)
        finally:
            first.close()
            sys.path.remove(name)
            for key, value in before.items():
                os.environ.pop(key)
                if value is not None:
                    os.environ[key] = value


def measure(world: World, model: str) -> Outcome:
    """Do the same with replicas on Ray, all of which are up where the world says so.

    Raises RuntimeError where they do not come up.
    """
    arguments = {"slowness": list(world.slowness), "start": world.start}
    told = Replicas(len(world.slowness), silence=UP, start=UP)
    options = BackendOptions((Variant("base", model),), engine_args=arguments, replicas=told)
    backend = open_backend("sleeping", options)
    assert isinstance(backend, ReplicatedBackend)
    kills = deque(sorted(world.kills))
    first = seconds = 0.0
    answered = 0
    try:
        until = time.monotonic() + UP
        while world.are_up and {p.has_answered for p in backend._places} != {True}:
            if any(place.given_up for place in backend._places) or time.monotonic() > until:
                raise RuntimeError(f"not all replicas came up: {'; '.join(backend.notes)}")
            warming = World((0.0,) * 64 * len(world.slowness), world.slowness, 0.0)
            list(backend.generate(asked(warming, model)))
        backend._paces.clear()  # of answers that took no time
        began = time.monotonic()
        for _, done in backend.generate(asked(world, model)):
            passed = time.monotonic() - began
            answered, first, seconds = answered + (not done.error), first or passed, passed
            if kills and passed >= kills[0][0]:
                hello = backend._places[kills.popleft()[1]].hello
                if hello is not None:
                    os.kill(hello.pid, signal.SIGKILL)
        lost = int(backend.execution().get("replicas lost", "0"))
    finally:
        backend.close()
    return Outcome(first, seconds, answered, lost)


def small_worlds() -> dict[str, World]:
    """Return what is measured as well: seconds of sleeping, so a busy machine changes little."""
    requests = tuple(0.08 + 0.12 * (number % 7) / 6 for number in range(320))
    four, slow = (1.0,) * 4, (1.0, 1.0, 1.0, 4.0)
    return {
        ALONE: World(requests[:80], (1.0,), 1.0),
        "four": World(requests, four, 1.0, are_up=True),
        "four, one four times as slow": World(requests, slow, 1.0, are_up=True),
        "four, one killed": World(requests, four, 1.0, ((4.0, 2),), are_up=True),
        "four, one slow, two killed": World(requests, slow, 1.0, ((3.0, 0), (6.0, 1)), are_up=True),
    }


def calibrated(worlds: dict[str, World], alone: Outcome) -> dict[str, World]:
    """Return the worlds with what one replica alone has taken to start and to pass answers on."""
    world = worlds[ALONE]
    spawn = max(0.0, alone.first - world.start - world.requests[0])
    late = alone.seconds - alone.first - sum(world.requests[1:])
    each = max(0.0, late) / (len(world.requests) - 1)
    return {name: replace(one, spawn=spawn, overhead=each) for name, one in worlds.items()}


def large_worlds() -> dict[str, World]:
    """Return what is only simulated: 10^6 answers at 63 a second and replica, 20 s of start."""
    requests = (1 / 63,) * 1_000_000
    eight = (1.0,) * 8
    often = tuple((600.0 * (n + 1), n % 8) for n in range(3))
    return {
        "10⁶ on eight H200": World(requests, eight, 20.0),
        "the same, one at half speed": World(requests, (*eight[:7], 2.0), 20.0),
        "the same, one killed every ten minutes": World(requests, eight, 20.0, often),
    }


def fitted(one: dict[str, Any], rows: int) -> tuple[World, Pace]:
    """Return the world of a measured replica, and its pace before the requests."""
    wait, count = one["first_answer"], one["requests"]
    before = Pace(WARM, wait, WARM * wait)
    alone = World((), (1.0,), one["start"], are_up=True, wait=wait, rows=rows, variants=5)
    least, most = 0.0, one["seconds"] / count
    while most - least > 1e-6:
        each = (least + most) / 2
        short = simulate(replace(alone, requests=(each,) * count), before).seconds < one["seconds"]
        least, most = (each, most) if short else (least, each)
    return replace(alone, requests=(least,) * count), before


def shared(alone: World, before: Pace) -> Iterator[tuple[int, float, float, float, float]]:
    """Yield what 1, 2, 4 and 8 such replicas take, and their efficiency; the same of cold ones.

    Efficiency is against one that has answered something before.
    """
    one = simulate(alone, before).seconds
    for count in (1, 2, 4, 8):
        world = replace(alone, slowness=(1.0,) * count)
        warm, cold = simulate(world, before).seconds, simulate(world).seconds
        yield count, warm, one / count / warm, cold, one / count / cold


def foretold(file: Path, rows: int) -> Iterator[tuple[str, float, float]]:
    """Yield what the model says of steps of bench.replicas, and what they took, in seconds.

    Any number of requests at once takes what the first answer did; what each takes beside that is
    fitted to one replica. Where one was killed, its replacement starts as it did there.
    """
    results = json.loads(file.read_text(encoding="utf-8"))
    one = results["one"]
    alone, before = fitted(one, rows)
    least, wait = alone.requests[0], alone.wait
    said = simulate(alone, before).seconds
    yield f"one ({wait:.2f} s, and {1000 * least:.2f} ms for each)", said, one["seconds"]
    for name, label in (("two", "two"), ("lost", "two, one killed")):
        if "seconds" not in (took := results.get(name, {})):
            continue
        world = replace(alone, requests=(least,) * took["requests"], slowness=(1.0, 1.0))
        if name == "lost":
            up, answered = took["up_after_kill"], took["answered_after_kill"]
            kills = ((took["killed_at"], 0),)
            start = answered - up - wait
            world = replace(world, kills=kills, spawn=up - PAUSE, start=start)
        yield label, simulate(world, before).seconds, took["seconds"]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--measured", type=Path, help="results.json of bench.replicas")
    parser.add_argument("--rows", type=int, default=1024, help="what it works on at once")
    told = parser.parse_args()
    if told.measured:
        print("| | simulated, s | measured, s | ratio |")
        print("|---|---|---|---|")
        for name, expected, took in foretold(told.measured, told.rows):
            print(f"| {name} | {expected:.2f} | {took:.2f} | {expected / took:.2f} |")
        one = json.loads(told.measured.read_text(encoding="utf-8"))["one"]
        print("\n| replicas | seconds | efficiency | cold, seconds | efficiency |")
        print("|---|---|---|---|---|")
        for count, warm, of_warm, cold, of_cold in shared(*fitted(one, told.rows)):
            print(f"| {count} | {warm:.1f} | {of_warm:.2f} | {cold:.1f} | {of_cold:.2f} |")
        return
    print("| | simulated, s | measured, s | ratio | replicas lost |")
    print("|---|---|---|---|---|")
    with sleeping() as folder:
        model = str(folder)
        alone = measure(small_worlds()[ALONE], model)
        worlds = calibrated(small_worlds(), alone)
        for name, world in worlds.items():
            real = alone if name == ALONE else measure(world, model)
            found = simulate(world)
            assert real.answered == found.answered == len(world.requests)
            ratio = found.seconds / real.seconds
            print(
                f"| {name} | {found.seconds:.2f} | {real.seconds:.2f} | {ratio:.2f} "
                f"| {found.deaths} / {real.deaths} |",
                flush=True,
            )
        said = worlds[ALONE]
    print(f"start of an actor {said.spawn:.2f} s, an answer {1000 * said.overhead:.1f} ms")
    for name, world in large_worlds().items():
        print(f"| {name} | {simulate(world).seconds:,.0f} | – | – | – |", flush=True)


if __name__ == "__main__":
    main()
