"""Whether an adapter changes anything: the judgement, apart from any engine."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.effect import (
    CLEAR,
    NOISE_FLOOR,
    PROBES,
    Effect,
    LogProbs,
    effect_facts,
    effect_notes,
    judge_effect,
    require_effects,
    unchecked,
)
from harness.common import InputError

BASE: LogProbs = {(0, 1): -1.0, (0, 2): -2.0, (1, 1): -3.0, (1, "tok"): -4.0}


def shifted(by: float) -> dict[tuple[int, int | str], float]:
    return {place: value + by for place, value in BASE.items()}


def test_an_adapter_that_moves_every_token_has_an_effect() -> None:
    effect = judge_effect("tuned", BASE, shifted(0.01), shifted(-0.5))

    assert not effect.is_missing
    assert effect.sentence == (
        "mean |Δ log-probability| 0.5 per token against the base, "
        "the base against itself 0.01 (4 tokens)"
    )


def test_an_adapter_within_ten_times_the_noise_has_none() -> None:
    effect = judge_effect("tuned", BASE, shifted(0.01), shifted(0.099))

    assert effect.is_missing
    with pytest.raises(InputError) as caught:
        require_effects("vllm", [(effect, "adapters/tuned")])
    assert str(caught.value) == (
        "adapters/tuned: has no effect in backend 'vllm': it answers as its base does\n"
        "  found: mean |Δ log-probability| 0.099 per token against the base, "
        "the base against itself 0.01 (4 tokens)\n"
        "  expected: at least 0.1 per token, 10 times the base against itself\n"
        "  hint: compare the names in adapter_model.safetensors with the model's as this engine "
        "loads it: trained as model.layers..., served as language_model.model.layers... is the "
        "usual reason; or train it longer"
    )


def test_a_server_that_answers_alike_under_every_name_is_looked_at_first() -> None:
    effect = judge_effect("tuned", BASE, BASE, BASE)

    with pytest.raises(InputError) as caught:
        require_effects("openai", [(effect, "tuned")], served=True)
    assert str(caught.value) == (
        "tuned: has no effect in backend 'openai': it answers as its base does\n"
        "  found: mean |Δ log-probability| 0 per token against the base, "
        "the base against itself 0 (4 tokens)\n"
        "  expected: at least 1e-05 per token, 10 times the base against itself\n"
        "  hint: look whether --base-url is the server that has this adapter: some answer as one "
        "model under every name; where it is, compare the names in adapter_model.safetensors with "
        "the model's as this engine loads it: trained as model.layers..., served as "
        "language_model.model.layers... is the usual reason; or train it longer"
    )


def test_an_engine_without_noise_still_needs_more_than_rounding() -> None:
    assert judge_effect("tuned", BASE, BASE, shifted(5e-6)).is_missing
    assert not judge_effect("tuned", BASE, BASE, shifted(5e-5)).is_missing


def test_an_adapter_of_nans_is_an_error_of_its_own() -> None:
    effect = judge_effect("tuned", BASE, BASE, {**BASE, (0, 1): math.nan})

    with pytest.raises(InputError) as caught:
        require_effects("hf", [(effect, "adapters/tuned")])
    assert str(caught.value) == (
        "adapters/tuned: gives no numbers in backend 'hf': log-probabilities are NaN\n"
        "  hint: train it again: the training diverged; or give a number format with more range"
    )


def test_all_adapters_without_effect_are_named_at_once() -> None:
    none = judge_effect("one", BASE, BASE, BASE)

    with pytest.raises(InputError) as caught:
        require_effects("vllm", [(none, "a"), (judge_effect("x", BASE, BASE, shifted(1)), "b"),
                                 (none, "c")])  # fmt: skip
    assert [problem.path for problem in caught.value.problems] == ["a", "c"]


def test_without_log_probabilities_nothing_is_refused_and_everything_said() -> None:
    effect = judge_effect("tuned", {}, {}, {})

    require_effects("openai", [(effect, "tuned")])
    assert effect_notes([effect]) == (
        "adapter tuned: effect not checked: the engine gave no log-probabilities",
    )
    assert effect_facts([effect]) == {
        "effect of tuned": "not checked: the engine gave no log-probabilities"
    }


def test_equal_answers_alone_only_warn() -> None:
    effect = unchecked("tuned", "the server gives none", same_answers=True)

    require_effects("openai", [(effect, "tuned")])
    assert effect_notes([effect]) == (
        "adapter tuned: effect not checked: the server gives none; "
        "its answers to the probes are the base's",
    )


def test_a_measured_effect_is_no_note() -> None:
    assert effect_notes([judge_effect("tuned", BASE, BASE, shifted(1))]) == ()


def test_tokens_that_were_and_stay_impossible_did_not_move() -> None:
    impossible: LogProbs = {(0, 1): -math.inf, (0, 2): -1.0}

    assert judge_effect("tuned", impossible, impossible, impossible).moved == 0.0


@given(st.floats(0, 10), st.floats(0, 10))
def test_more_movement_is_never_less_clear(noise: float, moved: float) -> None:
    effect, further = Effect("a", moved, noise, 1), Effect("a", moved * 2 + 1e-3, noise, 1)

    assert effect.bar >= CLEAR * NOISE_FLOOR
    assert further.is_missing <= effect.is_missing


def test_probes_are_conversations_that_every_template_knows() -> None:
    for messages in PROBES:
        roles = [message.role for message in messages]
        assert roles == ["user", "assistant", "user"][: len(roles)]
        assert roles[-1] == "user"
