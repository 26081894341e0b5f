"""Who is given what: every request once, whoever dies, and nobody waits for a slow replica."""

from __future__ import annotations

import random

from harness.backends import Address, Prompt, Request
from harness.backends.replicas.portions import LEAST, Portions, ordered
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
    work = Portions([request(n, v) for n in range(300) for v in (BASE, TUNED)], 2, 3)
    sizes, groups, now = [], set(), 0.0
    while portion := work.take(1, now):
        groups.add(len({each.variant.name for each in portion}))
        sizes.append(len(portion))
        for each in portion:
            now += 0.01
            assert work.answered(1, each.key, now)
        assert work.finished(1) == []

    assert work.is_done and sum(sizes) == 600 and groups == {1}
    assert max(sizes) > 4 * LEAST and sizes[-1] <= LEAST


def test_an_engine_that_takes_as_long_for_few_gets_no_few_at_the_end() -> None:
    work = Portions([request(n) for n in range(3000)], 2, 3)
    free, sizes = {1: 0.0, 2: 0.0}, []
    while not work.is_done:
        replica = min(free, key=lambda one: free[one])
        if not (portion := work.take(replica, free[replica])):
            free[replica] += 0.5
            continue
        sizes.append(len(portion))
        free[replica] += 6.0  # all steps of an answer, for few and for many
        for each in portion:
            free[replica] += 0.01
            work.answered(replica, each.key, free[replica])
        work.finished(replica)

    assert sum(sizes) == 3000 and len(sizes) <= 14  # 20 and more when portions only shrink
    assert max(free.values()) < 60


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
        work = Portions([request(n, dice.choice((BASE, TUNED))) for n in range(150)], 3, 3)
        counts: dict[str, int] = {}
        held: dict[int, list[Request]] = {}
        for now in range(100_000):
            if work.is_done:
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
