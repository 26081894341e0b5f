"""How the next token is chosen, against distributions worked out by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch

from harness.backends import Address, Prompt, Request
from harness.backends.hf.rows import DecodingRow, make_row
from harness.backends.hf.sampling import draw
from harness.common import Sampling, Variant

# Probabilities 0.5, 0.25, 0.15, 0.1 of tokens 3, 0, 2, 1.
SCORES = torch.log(torch.tensor([0.25, 0.1, 0.15, 0.5]))


def row(prompt: tuple[int, ...] = (9,), number: int = 0, **sampling: Any) -> DecodingRow:
    request = Request(
        "key",
        Address("case", "base", number),
        Variant("base", "model"),
        Prompt((), prompt, len(prompt)),
        Sampling(**sampling),
    )
    made = make_row(request)
    made.begin()
    return made


def shares(draws: int = 4_000, **sampling: Any) -> dict[int, float]:
    rows = [row(number=number, **sampling) for number in range(draws)]
    tokens = draw(SCORES.expand(draws, -1), rows)
    return {token: count / draws for token, count in sorted(Counter(tokens).items())}


def test_temperature_zero_is_the_most_probable_token() -> None:
    assert shares(draws=3) == {3: 1.0}


# The standard error of a share from 4,000 draws is at most 0.008: four of them.
@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({"temperature": 1.0}, {0: 0.25, 1: 0.1, 2: 0.15, 3: 0.5}),
        ({"temperature": 0.5}, {0: 0.1812, 1: 0.029, 2: 0.0652, 3: 0.7246}),
        ({"temperature": 1.0, "top_k": 2}, {0: 1 / 3, 3: 2 / 3}),
        ({"temperature": 1.0, "top_p": 0.6}, {0: 1 / 3, 3: 2 / 3}),
        ({"temperature": 1.0, "top_p": 0.4}, {3: 1.0}),
        ({"temperature": 1.0, "top_k": 3, "top_p": 0.8}, {0: 1 / 3, 3: 2 / 3}),
        ({"temperature": 1.0, "top_k": 1}, {3: 1.0}),
    ],
)
def test_shares_of_drawn_tokens(sampling: dict[str, Any], expected: dict[int, float]) -> None:
    assert shares(**sampling) == pytest.approx(expected, abs=0.032)


def test_repetition_penalty_counts_prompt_and_answer() -> None:
    scores = torch.tensor([[2.0, 1.5, -1.0, 1.9]])
    penalised = row(prompt=(0, 2), repetition_penalty=2.0)
    penalised.ids = [3]

    assert draw(scores, [penalised]) == [1]  # 1.0, 1.5, -2.0, 0.95
    assert draw(scores, [row(prompt=(0, 2))]) == [0]


def test_rows_of_a_batch_keep_their_own_settings() -> None:
    scores = SCORES.expand(3, -1)
    greedy, top, cold = row(), row(temperature=2.0, top_k=1), row(temperature=0.01)

    assert draw(scores, [greedy, top, cold]) == [3, 3, 3]


def test_a_row_draws_the_same_numbers_in_any_company() -> None:
    hot: dict[str, Any] = {"temperature": 3.0, "seed": 11}
    alone = draw(SCORES[None], [row(**hot)])
    company = draw(SCORES.expand(2, -1), [row(temperature=1.0, seed=3), row(**hot)])

    assert company[1:] == alone


def test_half_precision_scores_are_drawn_in_float32() -> None:
    assert draw(SCORES[None].to(torch.bfloat16), [row()]) == [3]
