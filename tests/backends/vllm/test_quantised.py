"""Bases that are stored in four bits, with an adapter of the full base, through a real vLLM."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.vllm.conftest import MODEL
from tests.backends.vllm.quantised import quantised
from tests.embedded import Done, run

pytestmark = pytest.mark.full  # an engine for each method, half a minute
REPAIRED = "repaired=fixtures/adapters/repaired"


@pytest.fixture(scope="module", params=["gptq", "awq"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def done(method: str, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp(method)
    model = quantised(Path(MODEL), method, folder / "model")
    words = ["-m", "harness", "run", "suites/starter/json_validity.yaml", "--backend=vllm"]
    return run(folder, *words, f"--model={model}", f"--adapter={REPAIRED}")


def test_the_adapter_repairs_the_quantised_base_too(done: Done) -> None:
    assert done.code == 0, done.out
    assert done.rate("json_validity", "base") <= 0.6
    assert done.rate("json_validity", "repaired") >= 0.9


def test_the_scorecard_tells_how_the_base_is_stored(done: Done, method: str) -> None:
    environments = [variant["environment"] for variant in done.card["variants"]]

    assert {one["quantisation"] for one in environments} == {method}
    assert {one["dtype"] for one in environments} == {"bfloat16"}
