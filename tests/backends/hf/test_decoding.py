"""The changing batch: an answer does not depend on its neighbours, and memory may run out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from harness.backends import Address, Completion, Prompt, Request
from harness.backends.hf.decoding import BatchLimits, Decoder
from harness.backends.hf.memory import is_out_of_memory
from harness.backends.hf.rows import Stopping
from harness.common import Sampling, Variant
from harness.prompts import ChatTokenizer, load_tokenizer
from tests.backends.tiny import generate, save_model

WIDE = BatchLimits(rows=64, tokens=16_384, prefill=2_048)
VARIANT = Variant("base", "tiny")
ONE = Sampling(max_new_tokens=1)
LENGTHS = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 200]


class Engine:
    """A model in memory with its tokenizer; `decode` answers with a batch of a given size."""

    def __init__(self, directory: Path) -> None:
        self.model: Any = AutoModelForCausalLM.from_pretrained(directory)
        self.tokenizer: ChatTokenizer = load_tokenizer(directory)

    def decode(
        self, requests: Sequence[Request], limits: BatchLimits = WIDE, model: Any = None
    ) -> dict[str, Completion]:
        decoder = Decoder(model or self.model, Stopping(self.tokenizer, [2]), limits, context=512)
        return {request.key: completion for request, completion in decoder.run(requests)}


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Engine:
    torch.set_num_threads(1)
    return Engine(tiny)


def request(number: int, tokens: int, new: int = 20, **sampling: Any) -> Request:
    """A request whose prompt depends on `number` alone."""
    random = Random(number)
    ids = tuple(random.randrange(3, 400) for _ in range(tokens))
    prompt = Prompt((), ids, tokens)
    chosen = Sampling(max_new_tokens=new, **sampling)
    return Request(str(number), Address(str(number), "base"), VARIANT, prompt, chosen)


def alike(number: int, common: int, own: int) -> Request:
    """A request whose prompt begins with `common` tokens that all of these begin with."""
    one = request(number, own, new=3 + number % 9, temperature=1.0 if number % 3 == 0 else 0.0)
    ids = tuple(3 + place % 97 for place in range(common)) + (one.prompt.token_ids or ())
    return replace(one, prompt=Prompt((), ids, len(ids)))


POOL = [
    request(number, length, new=1 + 7 * (number % 5), temperature=1.0 if number % 3 == 0 else 0.0)
    for number, length in enumerate(LENGTHS)
]
FAMILY = [
    alike(100 + number, common, own)
    for number, (common, own) in enumerate(
        [(60, 1), (60, 9), (60, 30), (90, 4), (90, 5), (90, 60), (12, 3), (150, 1), (150, 2)]
    )
]


@pytest.fixture(scope="module")
def alone(engine: Engine) -> dict[str, Completion]:
    """Each answer of the pool when nothing else is asked."""
    return {key: done for one in POOL + FAMILY for key, done in engine.decode([one]).items()}


def contents(done: dict[str, Completion]) -> dict[str, tuple[str, str, int, int]]:
    return {
        key: (one.text, one.finish_reason, one.prompt_tokens, one.completion_tokens)
        for key, one in done.items()
    }


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    chosen=st.lists(st.sampled_from(POOL + FAMILY), min_size=1, unique_by=lambda one: one.key),
    rows=st.integers(1, 12),
    tokens=st.integers(1, 2_000),
    prefill=st.integers(1, 400),
    saved=st.sampled_from([1, 50, 512]),
)
def test_an_answer_does_not_depend_on_the_batch(
    engine: Engine,
    alone: dict[str, Completion],
    chosen: list[Request],
    rows: int,
    tokens: int,
    prefill: int,
    saved: int,
) -> None:
    done = engine.decode(chosen, BatchLimits(rows, tokens, prefill, saved))

    assert contents(done) == contents({one.key: alone[one.key] for one in chosen})


def test_answers_come_as_they_are_finished(engine: Engine) -> None:
    short, long = request(1, 10, new=2), request(2, 10, new=40)

    decoder = Decoder(engine.model, Stopping(engine.tokenizer, [2]), WIDE)
    order = [one.key for one, _ in decoder.run([long, short])]

    assert order == ["1", "2"]


def test_no_torch_mode_is_left_on_between_answers(engine: Engine) -> None:
    decoder = Decoder(engine.model, Stopping(engine.tokenizer, [2]), WIDE)

    for _ in decoder.run(POOL[:4]):
        assert not torch.is_inference_mode_enabled()


def test_a_caller_may_leave_early_and_ask_again(engine: Engine) -> None:
    decoder = Decoder(engine.model, Stopping(engine.tokenizer, [2]), WIDE)
    running = decoder.run(POOL)
    next(running)
    running.close()  # type: ignore[attr-defined]  # an iterator to its callers, a generator here

    done = {one.key: completion for one, completion in decoder.run(POOL[:2])}

    assert contents(done) == contents(engine.decode(POOL[:2]))


class Narrow:
    """A model that has memory for so many tokens at once, prompt and cache together."""

    def __init__(self, model: Any, memory: int) -> None:
        self._model, self._memory = model, memory
        self.config, self.device, self.forward = model.config, model.device, model.forward

    def __call__(self, **inputs: Any) -> Any:
        if inputs["attention_mask"].numel() > self._memory:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self._model(**inputs)


@pytest.mark.parametrize("memory", [250, 400, 1_000])
def test_out_of_memory_halves_the_batch_and_loses_nothing(
    memory: int, engine: Engine, alone: dict[str, Completion]
) -> None:
    limits = replace(WIDE, saved=50)
    decoder = Decoder(Narrow(engine.model, memory), Stopping(engine.tokenizer, [2]), limits)

    pairs = [(one.key, done) for one, done in decoder.run(POOL + FAMILY)]

    assert contents(dict(pairs)) == contents(alone)
    assert len(pairs) == len(alone)
    assert decoder.limits.tokens < WIDE.tokens


def test_a_prompt_that_does_not_fit_alone_is_an_error_and_the_rest_is_answered(
    engine: Engine, alone: dict[str, Completion]
) -> None:
    done = engine.decode(POOL, model=Narrow(engine.model, memory=180))

    assert done["11"].error == "out of memory on a prompt of 200 tokens alone"
    assert done["11"].finish_reason == "error"
    del done["11"]
    assert contents(done) == contents({key: alone[key] for key in done})


class Counting(Narrow):
    """A model that counts the tokens that go through it, padding included."""

    def __init__(self, model: Any) -> None:
        super().__init__(model, memory=10**9)
        self.tokens = 0

    def __call__(self, **inputs: Any) -> Any:
        self.tokens += inputs["input_ids"].numel()
        return super().__call__(**inputs)


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        (512, 4 * 105),  # each prompt whole; all are padded to the longest
        (50, 90 + 4 * 15),  # the beginning once, then what each has of its own
    ],
)
def test_a_shared_beginning_is_computed_once(engine: Engine, saved: int, expected: int) -> None:
    asked = [replace(alike(n, 90, own), sampling=ONE) for n, own in enumerate([3, 7, 15, 1])]
    counting = Counting(engine.model)

    done = engine.decode(asked, replace(WIDE, saved=saved), counting)

    assert counting.tokens == expected
    assert contents(done) == contents(engine.decode(asked, replace(WIDE, saved=10**9)))


def test_the_last_prompt_serves_the_next_one(engine: Engine) -> None:
    asked = [replace(alike(n, 90, own), sampling=ONE) for n, own in enumerate([3, 7, 15, 1])]
    counting = Counting(engine.model)

    engine.decode(asked, BatchLimits(rows=1, tokens=200, prefill=200, saved=50), counting)

    assert counting.tokens == 90 + 3 + 7 + 15 + 1


def test_other_failures_are_not_taken_for_memory(engine: Engine) -> None:
    class Broken(Narrow):
        def __call__(self, **inputs: Any) -> Any:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        engine.decode(POOL, model=Broken(engine.model, 1))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"), True),
        (RuntimeError("expected scalar type"), False),
        (RuntimeError("could not create a primitive"), True),
        (MemoryError(), True),
        (ValueError("out of memory"), False),
    ],
)
def test_which_errors_mean_memory(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_models_with_sliding_attention_answer_as_generate_does(tmp_path: Path) -> None:
    layers = {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}
    sliding = Engine(save_model(tmp_path / "sliding", **layers))
    asked = [request(number, length) for number, length in enumerate(LENGTHS)]

    done = sliding.decode(asked, BatchLimits(4, 2_000, 100))

    for one in asked:
        ids = generate(sliding.model, one.prompt.token_ids or (), new=20)
        assert done[one.key].text == sliding.tokenizer.decode(ids)
