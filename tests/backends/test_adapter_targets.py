"""Which modules `target_modules` wraps: the same ones as in peft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.backends.adapter_targets import target_problems, wraps
from harness.common import InputError

NAMES = [
    f"model.layers.{layer}.{module}"
    for layer in (0, 1, 11)
    for module in ("self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.experts.3.down")
] + ["lm_head"]

CONFIGS: list[dict[str, Any]] = [
    {"target_modules": ["q_proj", "v_proj"]},
    {"target_modules": ["proj"]},
    {"target_modules": ["model.layers.1.mlp.gate_proj"]},
    {"target_modules": r".*\.mlp\..*_proj"},
    {"target_modules": r"model\.layers\.(1|11)\..*"},
    {"target_modules": "q_proj"},
    {"target_modules": ["q_proj", "lm_head"], "exclude_modules": ["lm_head"]},
    {"target_modules": ["q_proj", "v_proj"], "exclude_modules": r".*layers\.0\..*"},
    {"target_modules": ["q_proj", "down"], "layers_to_transform": [0, 11]},
    {"target_modules": ["q_proj"], "layers_to_transform": 1},
    {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": "layers"},
    {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": ["h"]},
    {"target_modules": ["q_proj"], "layers_to_transform": []},
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_the_modules_are_those_that_peft_wraps(config: dict[str, Any]) -> None:
    from peft import LoraConfig
    from peft.tuners.tuners_utils import check_target_module_exists

    theirs = LoraConfig(**config)

    for name in NAMES:
        assert wraps(config, name) == bool(check_target_module_exists(theirs, name)), name


def test_all_linear_wraps_whatever_has_weights() -> None:
    assert all(wraps({"target_modules": "all-linear"}, name) for name in NAMES)


def test_parameters_of_experts_are_not_judged_by_target_modules() -> None:
    config = {"target_modules": ["q_proj"], "target_parameters": ["experts.gate_up_proj"]}

    assert target_problems(Path("a"), config, ["model.layers.0.mlp.experts"]) == []


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing ) at position 7"),
        (r"(?:a|aa|a)+\d", "regex timed out"),
    ],
)
def test_a_pattern_that_cannot_be_used(pattern: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        wraps({"target_modules": pattern}, "a" * 60 + "b")

    assert str(caught.value) == (
        f"a pattern for modules cannot be used: {reason}\n  found: (?:{pattern})\\Z"
    )
