"""Haystacks: seeded, cut to length, never truncated, quick for any length."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.suites import Fitted, Haystack, HaystackSpec, TooLong, fit
from harness.suites.haystack import INTRO, Facts, Task, build, expand, text
from harness.suites.haystack_prose import WORDS, prose

TASKS: tuple[Task, ...] = ("single", "multikey", "multivalue", "tracking", "counting")


def words(user: str) -> int:
    return len(user.split())


def one(task: Task = "single", length: int = 400, depth: float = 0.5) -> Haystack:
    return expand(HaystackSpec(id="h", task=task, lengths=(length,), depths=(depth,)))[0]


def fitted(haystack: Haystack, limit: int | None = None) -> Fitted:
    found = fit(haystack, words, limit)
    assert isinstance(found, Fitted)
    return found


def test_every_length_at_every_depth_with_every_seed() -> None:
    spec = HaystackSpec(id="needle", lengths=(512, 1024), depths=(0, 0.5, 1), seeds=2)
    ids = [haystack.id for haystack in expand(spec)]
    assert len(ids) == len(set(ids)) == 12
    assert ids[0] == "needle-512-d0-s1"
    assert ids[3] == "needle-512-d50-s2"


def test_depths_that_differ_by_little_have_different_ids() -> None:
    spec = HaystackSpec(id="n", lengths=(512,), depths=(0.12, 0.125))
    assert [h.id for h in expand(spec)] == ["n-512-d12-s1", "n-512-d12.5-s1"]


def test_one_length_and_one_depth_may_stand_alone() -> None:
    spec = HaystackSpec.model_validate({"id": "n", "lengths": 512, "depths": 0.5})
    assert spec.lengths == (512,) and spec.depths == (0.5,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lengths": []},
        {"lengths": [512], "depths": [1.1]},
        {"lengths": [8]},
        {"lengths": [512], "seeds": 0},
        {"lengths": [512], "task": "other"},
        {"lengths": [512], "checks": []},
        {"lengths": [512], "id": "two words"},
    ],
)
def test_a_wrong_family_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HaystackSpec.model_validate({"id": "n", **wrong})


@pytest.mark.parametrize("task", TASKS)
def test_the_same_file_always_makes_the_same_haystack(task: Task) -> None:
    assert one(task) == one(task)
    assert text(one(task), 20) == text(one(task), 20)


def test_another_process_makes_the_same_text() -> None:
    code = (
        "from harness.suites.haystack import HaystackSpec, expand, text\n"
        "print(text(expand(HaystackSpec(id='h', lengths=(400,)))[0], 9))"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip() == text(one(), 9)


@pytest.mark.parametrize("task", TASKS)
def test_everything_but_the_filler_is_in_the_canonical_form(task: Task) -> None:
    haystack = one(task)
    found = haystack.as_json()
    assert found["question"] == haystack.question
    assert found["values"] == list(haystack.values)
    assert set(found) == set(Haystack.__dataclass_fields__)


@pytest.mark.parametrize("task", TASKS)
def test_all_facts_are_in_the_text_and_the_question_ends_it(task: Task) -> None:
    haystack = one(task)
    said = text(haystack, 30)
    assert said.startswith(INTRO)
    assert said.endswith(haystack.question)
    for sentence in (*haystack.needles, *haystack.distractors):
        assert sentence in said


def test_the_values_are_unique_and_no_filler_says_them() -> None:
    haystack = one("multivalue")
    assert len(set(haystack.values)) == len(haystack.values) == 3
    filler = " ".join(prose(haystack.id).first(500))
    assert not any(value in filler for value in haystack.values)
    assert not any(sign.isdigit() for sign in filler)


def test_keys_are_names_that_no_sentence_of_the_prose_has() -> None:
    haystack = one("multikey")
    assert len(haystack.distractors) == 3
    key = haystack.question.removeprefix("What is the special number of ").split("?")[0]
    assert not WORDS & {word.lower() for word in key.split()}


def test_a_chain_is_told_in_order_and_only_its_beginning_has_the_number() -> None:
    haystack = one("tracking", depth=0.8)
    said = text(haystack, 30)
    places = [said.index(sentence) for sentence in haystack.needles]
    assert places == sorted(places)
    assert [haystack.values[0] in sentence for sentence in haystack.needles] == [True, False, False]


def test_the_count_is_how_often_it_happens() -> None:
    haystack = one("counting")
    rings = haystack.needles[0]
    assert text(haystack, 30).count(rings) == int(haystack.values[0]) == len(haystack.needles)


@pytest.mark.parametrize(("depth", "place"), [(0.0, 0), (0.5, 10), (1.0, 20)])
def test_the_needle_stands_at_its_depth(depth: float, place: int) -> None:
    haystack = one(depth=depth)
    before = text(haystack, 20).removeprefix(INTRO).split(haystack.needles[0])[0]
    assert before.strip() == " ".join(prose(haystack.id).first(place))


def test_no_two_facts_are_the_same_even_where_the_draws_collide() -> None:
    class Stuck:
        """Draws the lowest number twice before it goes on."""

        def __init__(self) -> None:
            self.drawn = iter([1_000_000, 1_000_000, 1_000_001])

        def randrange(self, low: int, high: int) -> int:
            return next(self.drawn)

    facts = Facts(Stuck())  # type: ignore[arg-type]
    assert [facts.value(), facts.value()] == ["1000000", "1000001"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("length", [150, 400, 2000])
def test_the_text_is_as_long_as_asked_and_no_longer(task: Task, length: int) -> None:
    haystack = one(task, length)
    found = fitted(haystack)
    assert found.tokens == words(found.text) <= length
    assert words(text(haystack, found.sentences + 1)) > length


def test_the_index_counts_what_stands_before_the_needle() -> None:
    haystack = one(depth=0.5)
    found = fitted(haystack)
    before = found.text.split(haystack.needles[0])[0]
    assert found.needle_token_index == words(before)


def test_a_length_beyond_the_models_limit_does_not_fit() -> None:
    found = fit(one(length=400), words, limit=399)
    assert found == TooLong("400 tokens are asked for, and the model takes 399")


def test_facts_that_are_longer_than_the_length_do_not_fit() -> None:
    found = fit(one("tracking", length=40), words)
    assert isinstance(found, TooLong)
    assert found.reason.endswith("tokens without any filler, and 40 are asked for")


def test_a_long_text_costs_few_counts() -> None:
    asked: list[int] = []

    def count(user: str) -> int:
        asked.append(words(user))
        return asked[-1]

    found = fit(one(length=128_000), count)
    assert isinstance(found, Fitted)
    assert found.tokens > 127_900
    assert len(asked) < 40


@settings(max_examples=40, deadline=None)
@given(
    task=st.sampled_from(TASKS),
    length=st.integers(32, 3000),
    depth=st.floats(0, 1),
    scale=st.floats(0.01, 40),
    limit=st.none() | st.integers(1, 4000),
)
def test_any_tokenizer_gets_a_text_within_its_length_or_none(
    task: Task, length: int, depth: float, scale: float, limit: int | None
) -> None:
    def count(user: str) -> int:
        return int(words(user) * scale)

    haystack = one(task, length, depth)
    found = fit(haystack, count, limit)
    if isinstance(found, Fitted):
        assert found.tokens == count(found.text) <= length
        assert limit is None or length <= limit
        assert all(value in found.text for value in haystack.values if task != "counting")


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_the_search_ends_for_any_count_whatsoever(data: st.DataObject) -> None:
    fit(one(length=200), lambda _: data.draw(st.integers(0, 400)))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(TASKS), st.integers(2, 64), st.integers(2, 16), st.integers(0, 10_000))
def test_every_size_of_family_can_be_built(task: Task, keys: int, values: int, seed: int) -> None:
    spec = HaystackSpec(id=f"f{seed}", task=task, lengths=(99,), keys=keys, values=values)
    haystack = expand(spec)[0]
    assert haystack.values and haystack.needles
    assert len(set(haystack.distractors)) >= len(haystack.distractors) - (task == "counting")


def test_a_recipe_may_bring_its_own_facts() -> None:
    class Own(Facts):
        def key(self) -> str:
            return self._fresh(lambda: self.rng.choice(["Ada", "Bob", "Cid"]))

    haystack = build("own", "multikey", 0, 0.5, 0, 3, 2, Own(random.Random(1)))
    said = text(haystack, 3)
    assert all(name in said for name in ("Ada", "Bob", "Cid"))
