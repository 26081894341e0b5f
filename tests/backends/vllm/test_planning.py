"""The start of the engine: chosen for the least time, each choice with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.vllm.planning import (
    COMPILED,
    EAGER,
    GIB,
    Machine,
    ModelShape,
    Work,
    lora_slots,
    plan_start,
    seconds,
    shared_prefixes,
)

GPU = Machine(is_cpu=False, cores=16, memory=128 * GIB, is_warm=True)
CPU = Machine(is_cpu=True, cores=2, memory=16 * GIB)
SEVEN_B = ModelShape(layers=28, parameters=7_600_000_000, kv_bytes=57_344, context=32_768)
EMBEDDED = ModelShape(layers=6, parameters=5_500_000, kv_bytes=12_288, context=4_096)


def work(answers: int, *, tuned: bool = True, **changes: Any) -> Work:
    """Answers of at most 512 tokens, so of 128 as they are expected to be."""
    tokens = 512 * answers
    base, adapter = (0, tokens) if tuned else (tokens, 0)
    made = Work(answers, base_tokens=base, adapter_tokens=adapter, longest=900, shared=0.3)
    return replace(made, **changes)


def test_a_gate_of_a_few_hundred_cases_runs_eager_on_a_gpu() -> None:
    start = plan_start(work(300), SEVEN_B, GPU, [16], {})

    assert start.arguments == {
        "enforce_eager": True,
        "max_model_len": 2048,
        "enable_prefix_caching": True,
        "enable_lora": True,
        "max_lora_rank": 16,
        "max_loras": 1,
    }
    assert start.environment == {}
    assert start.reasons == (
        "eager: 300 answers take about 24 s eager, 56 s compiled, with the start",
        "max_model_len 2,048: prompt and answer take 900 tokens at most",
        "prefix cache on: 30% of the prompt tokens are shared",
        "max_lora_rank 16, max_loras 1: 1 adapter of one base",
    )


@pytest.mark.parametrize(
    ("answers", "tuned", "eager"),
    [(3_000, True, True), (3_500, True, False), (12_500, False, True), (14_000, False, False)],
)
def test_where_compiling_pays_is_where_the_table_says(
    answers: int, tuned: bool, eager: bool
) -> None:
    start = plan_start(work(answers, tuned=tuned), SEVEN_B, GPU, [16], {})

    assert start.arguments["enforce_eager"] is eager


def test_without_a_compile_cache_compiling_pays_later() -> None:
    cold = replace(GPU, is_warm=False)

    assert plan_start(work(4_000), SEVEN_B, cold, [16], {}).arguments["enforce_eager"]


@given(st.integers(1, 100_000), st.booleans(), st.booleans())
def test_the_mode_is_never_the_slower_one(answers: int, tuned: bool, warm: bool) -> None:
    asked = work(answers, tuned=tuned)
    start = plan_start(asked, SEVEN_B, replace(GPU, is_warm=warm), [], {})

    chosen, other = (EAGER, COMPILED) if start.arguments["enforce_eager"] else (COMPILED, EAGER)
    assert seconds(chosen, asked, 28, is_warm=warm) <= seconds(other, asked, 28, is_warm=warm)


def test_a_cpu_is_given_memory_threads_and_an_empty_slot() -> None:
    start = plan_start(work(40), EMBEDDED, CPU, [8, 4], {})

    assert start.arguments["max_loras"] == 3
    assert start.arguments["max_lora_rank"] == 8
    assert start.arguments["max_num_seqs"] == 40
    assert start.environment == {"OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    assert start.reasons[-3:] == (
        "max_lora_rank 8, max_loras 3: 2 adapters of one base, and one that stays empty for the "
        "base",
        "threads 1: the model is too small for more",
        "VLLM_CPU_KVCACHE_SPACE 1 GiB: for the longest prompts, at most a 25% share of the free "
        "memory",
    )


def test_on_a_cpu_prompts_are_read_in_one_piece() -> None:
    start = plan_start(work(40, longest=6_000), SEVEN_B, CPU, [], {})
    own = plan_start(work(40), EMBEDDED, CPU, [], {"enable_chunked_prefill": True})

    assert start.arguments["enable_chunked_prefill"] is False
    assert start.arguments["max_num_batched_tokens"] == start.arguments["max_model_len"] == 16_384
    assert own.arguments["enable_chunked_prefill"] is True
    assert "enable_chunked_prefill" not in plan_start(work(40), SEVEN_B, GPU, [], {}).arguments


def test_a_large_model_has_all_cores_and_no_more_than_its_share_of_memory() -> None:
    start = plan_start(work(4_000, longest=16_000), SEVEN_B, CPU, [], {})

    assert start.environment == {"OMP_NUM_THREADS": "2", "VLLM_CPU_KVCACHE_SPACE": "4"}


def test_what_the_user_says_holds_and_is_not_explained() -> None:
    given = {"enforce_eager": False, "max_model_len": 8192, "max_loras": 5, "dtype": "x"}

    start = plan_start(work(10), SEVEN_B, GPU, [16], given)

    assert {name: start.arguments[name] for name in given} == given
    assert start.arguments["max_lora_rank"] == 16
    assert [reason.split()[0] for reason in start.reasons] == ["max_num_seqs", "prefix"]


def test_who_sets_how_to_compile_has_chosen_to() -> None:
    start = plan_start(work(10), SEVEN_B, GPU, [], {"compilation_config": {"level": 1}})

    assert "enforce_eager" not in start.arguments


@pytest.mark.parametrize(
    ("longest", "context", "length"),
    [(10, 32_768, 2048), (1_025, 32_768, 4096), (2_000, 32_768, 4096), (20_000, 32_768, 32_768)],
)
def test_the_length_is_the_smallest_with_room_for_further_turns(
    longest: int, context: int, length: int
) -> None:
    model = replace(SEVEN_B, context=context)

    start = plan_start(work(10, longest=longest), model, GPU, [], {})

    assert start.arguments["max_model_len"] == length


def test_a_context_whose_numbers_turn_on_its_length_is_not_shortened() -> None:
    start = plan_start(work(10), replace(SEVEN_B, rope="longrope"), GPU, [], {})

    assert "max_model_len" not in start.arguments


def test_prompts_that_share_nothing_need_no_prefix_cache() -> None:
    start = plan_start(work(10, shared=0.0), SEVEN_B, GPU, [], {})

    assert start.arguments["enable_prefix_caching"] is False


def test_shared_prefixes_count_whole_blocks() -> None:
    system = list(range(40))

    share = shared_prefixes([[*system, 1], [*system, 2], [9] * 41])

    assert share == 32 / 123
    assert shared_prefixes([]) == 0.0


def test_slots_for_adapters() -> None:
    assert lora_slots(4, is_cpu=False) == 4
    assert lora_slots(20, is_cpu=False) == 8
    assert lora_slots(20, is_cpu=True) == 21
