"""Who is given what: every request once, whoever dies, and nobody waits for a slow replica."""

from __future__ import annotations

import math
import random
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.backends import Address, Prompt, Request
from harness.backends.replicas.portions import LEAST, MOST, Portions, ordered
from harness.common import Sampling, Variant

BASE, TUNED = Variant("base", "m"), Variant("tuned", "m", "a")


def request(number: int, variant: Variant = BASE, ids: tuple[int, ...] | None = None) -> Request:
    ids = (number, *range(10)) if ids is None else ids
    address = Address(f"c{number}", variant.name)
    prompt = Prompt((), ids, len(ids))
    return Request(f"{number}/{variant.name}", address, variant, prompt, Sampling())


def test_long_prompts_come_first_and_shared_beginnings_together() -> None:
    short = [request(n, ids=(1, 2, n)) for n in (3, 4)]
    long = request(9, ids=tuple(range(50, 90)))

    assert [r.key for r in ordered([short[0], long, short[1]])] == ["9/base", "3/base", "4/base"]


def test_portions_shrink_and_each_is_of_one_adapter() -> None:
    work = Portions([request(n, v) for n in range(3000) for v in (BASE, TUNED)], 2, 3)
    sizes, groups, now = [], set(), 0.0
    while portion := work.take(1, now):
        groups.add(len({each.variant.name for each in portion}))
        sizes.append(len(portion))
        for each in portion:
            now += 0.01
            assert work.answered(1, each.key, now)
        assert work.finished(1) == []

    assert work.is_done and sum(sizes) == 6000 and groups == {1}
    assert max(sizes) == MOST and sizes[-1] <= LEAST


def test_few_requests_are_shared_out_at_once() -> None:
    work = Portions([request(n) for n in range(2 * LEAST)], 2, 3)

    assert len(work.take(1, 0.0)) == len(work.take(2, 0.0)) == LEAST


def test_the_next_portion_is_there_before_the_last_is_done_and_may_be_of_another_adapter() -> None:
    work = Portions([request(n, v) for n in range(300) for v in (BASE, TUNED)], 1, 3)
    held, now, mixed = work.take(1, 0.0), 0.0, False
    for left in range(600, 0, -1):
        now += 0.1
        assert work.answered(1, held.pop(0).key, now, seconds=0.8)  # eight at once
        while portion := work.take(1, now):
            held += portion
        mixed |= len({each.variant.name for each in held}) == 2
        assert len(held) >= min(8, left - 1)

    assert work.is_done and mixed


def test_what_one_has_died_over_is_asked_as_all_else_and_what_two_have_with_nothing_beside_it() -> (
    None
):
    work = Portions([request(n) for n in range(600)], 1, 3)
    first = {each.key for each in work.take(1, 0.0)}
    assert work.lost(1) == []
    held, now = work.take(1, 1.0), 1.0
    while not (twice := first & {each.key for each in held}):
        now += 1.0
        assert work.answered(1, held.pop(0).key, now, seconds=40.0)
        while more := work.take(1, now):
            held += more
    assert not first >= {each.key for each in held}, "it is asked beside all else"
    assert work.lost(1) == []
    while held := work.take(1, now):
        while held:
            keys = {each.key for each in held}
            assert not keys & twice or keys <= twice
            now += 1.0
            assert work.answered(1, held.pop(0).key, now, seconds=40.0)
            while more := work.take(1, now) if held else []:
                held += more
    assert work.is_done


def test_an_engine_is_kept_as_full_as_it_was_while_others_load() -> None:
    work = Portions([request(n) for n in range(1000)], 2, 3)
    held, now = work.take(1, 0.0), 0.0
    work.take(2, 0.0)  # and says nothing
    for left in range(1000 - LEAST, 0, -1):
        now += 0.1
        assert work.answered(1, held.pop(0).key, now, seconds=4.0)  # forty at once
        while portion := work.take(1, now):
            held += portion
        assert len(held) >= min(30, left - 1) or left > 800  # its pace has to be known


def together(count: int, rows: int, wait: float, each: float, replicas: int) -> tuple[float, float]:
    """How long engines take that work on `rows` at once, and for how long one had less to do.

    Those at work take `wait` and `each` for every one of them; all of them end together.
    """
    work = Portions([request(n, v) for n in range(count // 2) for v in (BASE, TUNED)], replicas, 3)
    free = dict.fromkeys(range(replicas), 0.0)
    held: dict[int, list[Request]] = {replica: [] for replica in free}
    seconds = dict.fromkeys(free, 0.0)  # of those at work, the first in its hands
    now = poor = 0.0
    while not work.is_done:
        replica = min(free, key=lambda one: free[one])
        now = free[replica]
        if seconds[replica]:
            for one in held[replica][:rows]:
                work.answered(replica, one.key, now, seconds[replica])
            held[replica] = held[replica][rows:]
        while portion := work.take(replica, now):
            held[replica] += portion
        row = len(held[replica][:rows])
        seconds[replica] = wait + each * row if row else 0.0
        poor += seconds[replica] if row < rows else 0.0
        free[replica] = now + (seconds[replica] or 0.5)
    return now, poor


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 300), wait=st.floats(0.0, 5.0), replicas=st.integers(1, 4), seed=st.data()
)
def test_an_engine_that_batches_is_kept_full_but_for_the_beginning_and_the_end(
    rows: int, wait: float, replicas: int, seed: st.DataObject
) -> None:
    count = seed.draw(st.integers(rows * replicas * 8, rows * replicas * 20)) + 200 * replicas
    full = wait + 0.02 * rows

    seconds, poor = together(count, rows, wait, 0.02, replicas)

    best = count / replicas / rows * full
    assert seconds <= best + 6 * full + 64 * 0.02
    assert poor <= replicas * (5 * full + 64 * 0.02)


@given(
    replicas=st.integers(1, 5),
    paces=st.lists(st.floats(0.2, 5.0), min_size=5, max_size=5),
    count=st.integers(1, 400),
)
def test_no_replica_has_more_than_its_share_of_what_is_not_done(
    replicas: int, paces: list[float], count: int
) -> None:
    work = Portions([request(n) for n in range(count)], replicas, 3)
    clock = dict.fromkeys(range(replicas), 0.0)
    held: dict[int, deque[str]] = {replica: deque() for replica in clock}
    left, given_out = count, set[str]()
    while not work.is_done:
        replica = min(clock, key=lambda one: clock[one])
        if held[replica]:
            left -= work.answered(replica, held[replica].popleft(), clock[replica])
        while portion := work.take(replica, clock[replica]):
            keys = [each.key for each in portion]
            held[replica].extend(keys)
            if not given_out.isdisjoint(keys):
                return  # it takes over what another one has: all is handed out
            assert len(held[replica]) <= math.ceil(left / replicas)
            given_out.update(keys)
        clock[replica] += paces[replica]


def test_a_request_that_kills_is_given_up_and_all_others_are_answered() -> None:
    work = Portions([request(n) for n in range(200)], 1, 3)
    answered, given_up, deaths = set(), [], 0
    for _ in range(1000):
        if work.is_done:
            break
        for each in work.take(1, 0.0):
            if each.key == "77/base":
                deaths += 1
                given_up += work.lost(1)
                break
            assert work.answered(1, each.key, 0.0)
            answered.add(each.key)
        else:
            work.finished(1)

    assert len(answered) == 199
    assert [(each.key, count) for each, count in given_up] == [("77/base", deaths)]
    assert 3 <= deaths <= 9


def test_an_idle_replica_takes_over_what_a_slow_one_has() -> None:
    work = Portions([request(n) for n in range(80)], 2, 3)
    slow = work.take(1, 0.0)
    now = 0.0
    while mine := work.take(2, now):
        for each in mine:
            now += 0.5
            work.answered(2, each.key, now)
        work.finished(2)

    assert work.is_done  # the slow one has not said a word
    assert not work.answered(1, slow[0].key, now), "a second answer counts for nothing"


def test_whatever_happens_each_request_is_answered_once() -> None:
    dice = random.Random(7)
    for _ in range(50):
        asked = [request(n, dice.choice((BASE, TUNED))) for n in range(150)]
        work = Portions(asked[:60], 3, 3)
        counts: dict[str, int] = {}
        held: dict[int, list[Request]] = {}
        for now in range(100_000):
            if now in (10, 200):  # the second time with nothing left, or nearly so
                work.add(asked[60:100] if now == 10 else asked[100:])
            if work.is_done and now > 200:
                break
            replica = dice.choice((1, 2, 3))
            if not held.get(replica):
                work.finished(replica)
                held[replica] = work.take(replica, float(now))
            elif dice.random() < 0.01:
                for each, _ in work.lost(replica):
                    counts[each.key] = counts.get(each.key, 0) + 1
                held[replica] = []
            elif dice.random() < 0.01:
                work.returned(replica)
                held[replica] = []
            else:
                each = held[replica].pop()
                if work.answered(replica, each.key, float(now)):
                    counts[each.key] = counts.get(each.key, 0) + 1
        assert work.is_done and len(counts) == 150 and set(counts.values()) == {1}
