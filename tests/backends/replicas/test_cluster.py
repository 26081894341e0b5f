"""Two nodes with hf replicas: a worker and a node are killed in the middle of a run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.backends import (
    Address,
    Backend,
    BackendOptions,
    Replicas,
    Request,
    open_backend,
)
from harness.backends.replicas.backend import ReplicatedBackend
from harness.common import Message, Sampling, Variant
from tests.backends.replicas.conftest import Nodes
from tests.embedded import ROOT, Done, run

pytestmark = pytest.mark.slow

MODEL, ADAPTERS = str(ROOT / "fixtures/model"), ROOT / "fixtures/adapters"
VARIANTS = (
    Variant("base", MODEL),
    Variant("repaired", MODEL, str(ADAPTERS / "repaired")),
    Variant("forgetful", MODEL, str(ADAPTERS / "forgetful")),
)


def requests(backend: Backend, count: int = 60) -> list[Request]:
    return [
        Request(
            f"{number}/{variant.name}",
            Address(f"c{number}", variant.name),
            variant,
            backend.prompt((Message("user", f"Count from {number} on, please."),), variant),
            Sampling(max_new_tokens=12),
        )
        for number in range(count)
        for variant in VARIANTS
    ]


def answers(backend: Backend, act: Callable[[int], None]) -> dict[str, str]:
    """All answers; `act` is told how many there are."""
    found: dict[str, str] = {}
    for request, done in backend.generate(requests(backend)):
        assert request.key not in found and not done.error
        found[request.key] = done.text
        act(len(found))
    return found


def killed(nodes: Nodes, name: str, told: Replicas) -> None:
    """Kill a worker and a node under this backend; every answer has to be that of one engine."""
    second = nodes.cluster.add_node(num_cpus=1, resources={"hf": 1}, object_store_memory=80_000_000)
    plain = open_backend(name, BackendOptions(VARIANTS, device="cpu"))
    expected = answers(plain, lambda count: None)
    plain.close()
    backend = open_backend(name, BackendOptions(VARIANTS, device="cpu", replicas=told))
    assert isinstance(backend, ReplicatedBackend)

    def kill(count: int) -> None:
        if count == 5:
            hello = next(place.hello for place in backend._places if place.hello)
            os.kill(hello.pid, signal.SIGKILL)
        if count == 60:
            nodes.cluster.remove_node(second, allow_graceful=False)

    found = answers(backend, kill)
    facts = backend.execution()
    notes = backend.notes
    backend.close()

    assert found == expected
    assert int(facts["replicas lost"]) >= 1
    assert any("was lost" in note for note in notes)
    assert facts["effect of repaired"].startswith("mean |Δ log-probability|")


def test_a_worker_and_a_node_are_killed_and_every_answer_is_that_of_one_engine(
    nodes: Nodes,
) -> None:
    killed(nodes, "hf", Replicas(2, nodes.address, resources={"hf": 1}, start=120.0))


@pytest.mark.full
def test_a_worker_and_a_node_are_killed_under_vllm(nodes: Nodes) -> None:
    killed(nodes, "vllm", Replicas(2, nodes.address, resources={"hf": 1}, start=400.0))


@pytest.mark.full
def test_a_run_from_the_command_line_starts_and_ends_its_own_cluster(
    tmp_path: Path, gated: Done
) -> None:
    words = ["-m", "harness", "run", "suites/starter/refusal.yaml", "--device=cpu"]
    done = run(tmp_path, *words, "--replicas=2", RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0")

    alone = gated.answers()
    found = done.answers()
    assert len(found) == 48 and found == {key: alone[key] for key in found}
    assert done.code == 0 and done.card["run"]["execution"]["replicas"] == "2"
    assert "raylet" not in done.out and "Traceback" not in done.out
