"""A warm engine answers a run only where it would answer as the run's own engine does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends import BackendOptions
from harness.backends.registry import open_here
from harness.backends.vllm.backend import VllmBackend
from harness.backends.vllm.server import READY, Warm
from harness.backends.vllm.server.backend import misfit
from harness.backends.vllm.server.starting import environment_facts
from harness.common import Variant
from tests.backends.tiny import save_adapter, save_model


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> BackendOptions:
    """A tiny base with an adapter."""
    folder = tmp_path_factory.mktemp("fit")
    model = save_model(folder / "model")
    adapter = save_adapter(folder / "adapter", model, seed=1)
    tuned = Variant("tuned", str(model), str(adapter))
    return BackendOptions(variants=(Variant("base", str(model)), tuned), cache_dir=folder)


def fitting(options: BackendOptions) -> Warm:
    """An engine that was started for these options."""
    planner = open_here("vllm", options)
    base = options.variants[0]
    facts = environment_facts(planner.environment(base))
    weights = planner.fingerprint(base).weights
    return Warm(
        base.model, weights, facts, planner.context_length, 64, 5, True, 60.0, "log", "k",
        stage=READY,
    )  # fmt: skip


def why(warm: Warm, options: BackendOptions) -> str:
    planner = open_here("vllm", options)
    assert isinstance(planner, VllmBackend)
    return misfit(warm, planner, options.variants)


def test_the_engine_of_the_same_options_fits(options: BackendOptions) -> None:
    assert why(fitting(options), options) == ""


def test_another_engine_is_refused_with_the_reason(options: BackendOptions) -> None:
    warm = fitting(options)
    context = warm.max_model_len or 0

    assert why(replace(warm, stage="starting"), options) == "it is still starting"
    assert why(replace(warm, model="m", weights="x"), options) == "it holds another model: m"
    assert why(replace(warm, max_model_len=8), options) == (
        f"its context is 8 tokens, and the run may need {context}"
    )
    assert why(replace(warm, max_lora_rank=1), options).startswith("adapter tuned has rank ")
    half = replace(options, dtype="bfloat16")
    assert why(warm, half) == "it differs in dtype: float32, not bfloat16"


def test_a_run_of_two_models_starts_its_own(options: BackendOptions, tmp_path: Path) -> None:
    other = Variant("other", str(save_model(tmp_path / "other")))
    both = replace(options, variants=(options.variants[0], other))

    assert why(fitting(options), both) == "the run asks 2 models, and it holds one"
