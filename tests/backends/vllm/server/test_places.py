"""On a CPU the last place for an adapter stays empty; one that was unloaded still counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends.effect import Effect
from harness.backends.vllm.server import Warm
from harness.backends.vllm.server.backend import check_apart, full, load_adapters
from harness.backends.vllm.server.home import Home
from harness.common import MachineryError
from tests.backends.openai.serving import Said, SmallServer, models

WARM = Warm("model", "hash", {}, 4096, 64, 3, True, 60.0, "the.log", key="secret")


@pytest.fixture
def server() -> Iterator[SmallServer]:
    """A server that knows its base alone: what was loaded was unloaded by hand."""
    server = SmallServer(
        lambda heard: Said(body={"loaded": heard.body["lora_name"]}),
        pages={"/v1/models": models("base")},
    )
    yield server
    server.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.make()
    return home


def adapter(folder: Path) -> Path:
    folder.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).write_text("{}")
    return folder


def test_an_adapter_that_was_unloaded_still_takes_its_place(
    server: SmallServer, home: Home, tmp_path: Path
) -> None:
    warm = replace(WARM, port=server.port)
    before = full(warm, home, {"one", "two"})
    load_adapters(warm, home, [("one", adapter(tmp_path / "one"))])

    assert before == ""
    assert full(warm, home, {"two"}) == ""
    assert full(warm, home, {"one", "two"}) == "1 of its 2 places for adapters are taken"


@pytest.mark.parametrize(
    ("version", "refused"), [("0.25.1", True), ("0.26.0", False), ("0.32.0", False), (None, True)]
)
def test_a_gpu_below_026_is_given_no_more_adapters_than_it_has_slots(
    server: SmallServer, home: Home, tmp_path: Path, version: str | None, refused: bool
) -> None:
    facts = {"version": version} if version else {}
    warm = replace(WARM, port=server.port, is_cpu=False, slots=2, environment=facts)
    load_adapters(warm, home, [(n, adapter(tmp_path / n)) for n in ("one", "two")])

    reason = full(warm, home, {"three"})

    assert bool(reason) is refused
    if refused:  # also where two runs have looked before either has loaded
        assert reason.startswith("2 of its 2 places for adapters are taken, and vLLM ")
        assert reason.endswith("adds no more safely: install 0.26 or newer")
        with pytest.raises(MachineryError, match=r"install 0\.26 or newer"):
            load_adapters(warm, home, [("three", adapter(tmp_path / "three"))])
        assert home.loads() == ("one", "two")


def test_adapters_that_others_loaded_count_too(home: Home) -> None:
    pages = {"/v1/models": models("mine", "yours", parent="base")}
    server = SmallServer(pages=pages)
    warm = replace(WARM, port=server.port)

    assert full(warm, home, {"mine"}) == ""
    assert full(warm, home, {"other"}) == "2 of its 2 places for adapters are taken"
    server.close()
    assert full(warm, home, {"mine"}) == "it does not answer"


def test_a_new_engine_has_all_its_places(home: Home) -> None:
    home.count_load("one")
    assert home.loads() == ("one",)

    home.forget()

    assert home.loads() == ()


def test_a_base_that_answers_with_an_adapter_is_said_with_what_mends_it() -> None:
    mixed = Effect("tuned", moved=0.7, noise=0.6, tokens=252)

    check_apart(WARM, [Effect("tuned", moved=0.7, noise=1e-5, tokens=252)])
    check_apart(WARM, [Effect("idle", moved=0.0, noise=1e-5, tokens=252)])  # told as an idle one
    check_apart(replace(WARM, is_cpu=False), [mixed])
    with pytest.raises(MachineryError) as caught:
        check_apart(WARM, [mixed])

    assert str(caught.value) == (
        "the.log: the warm engine's base does not answer as itself beside adapters\n"
        "  found: adapter tuned: mean |Δ log-probability| 0.7 per token against the base, "
        "the base against itself 0.6 (252 tokens)\n"
        "  hint: harness engine down, and harness engine up: adapters that were unloaded by hand "
        "keep their places; or add --no-warm"
    )
