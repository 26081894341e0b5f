"""Two nodes with hf replicas: a worker and a node are killed in the middle of a run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
from tests.embedded import ROOT, run

pytestmark = pytest.mark.slow

MODEL, ADAPTERS = str(ROOT / "fixtures/model"), ROOT / "fixtures/adapters"
VARIANTS = (
    Variant("base", MODEL),
    Variant("repaired", MODEL, str(ADAPTERS / "repaired")),
    Variant("forgetful", MODEL, str(ADAPTERS / "forgetful")),
)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A head without room for replicas, and two nodes with room for one or two each."""
    os.environ.update(
        RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_USAGE_STATS_ENABLED="0", RAY_TMPDIR="/tmp"
    )
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "object_store_memory": 80_000_000,
            "_system_config": {
                "health_check_initial_delay_ms": 1000,
                "health_check_period_ms": 500,
                "health_check_timeout_ms": 1000,
                "health_check_failure_threshold": 3,
            },
        },
    )
    cluster.add_node(num_cpus=2, object_store_memory=80_000_000)
    cluster.second = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def requests(backend: Backend, count: int = 60) -> list[Request]:
    return [
        Request(
            f"{number}/{variant.name}",
            Address(f"c{number}", variant.name),
            variant,
            backend.prompt((Message("user", f"Count from {number} on, please."),), variant),
            Sampling(max_new_tokens=32),
        )
        for number in range(count)
        for variant in VARIANTS
    ]


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    """What one engine without Ray says."""
    backend = open_backend("hf", BackendOptions(VARIANTS, device="cpu"))
    texts = {request.key: done.text for request, done in backend.generate(requests(backend))}
    backend.close()
    return texts


def answers(backend: Backend, act: Callable[[int], None]) -> dict[str, str]:
    """All answers; `act` is told how many there are."""
    found: dict[str, str] = {}
    for request, done in backend.generate(requests(backend)):
        assert request.key not in found and not done.error
        found[request.key] = done.text
        act(len(found))
    return found


def test_a_worker_and_a_node_are_killed_and_every_answer_is_that_of_one_engine(
    nodes: Any, plain: dict[str, str]
) -> None:
    told = Replicas(2, nodes.address, start=120.0)
    backend = open_backend("hf", BackendOptions(VARIANTS, device="cpu", replicas=told))
    assert isinstance(backend, ReplicatedBackend)

    def kill(count: int) -> None:
        if count == 5:
            hello = next(place.hello for place in backend._places if place.hello)
            os.kill(hello.pid, signal.SIGKILL)
        if count == 60:
            nodes.remove_node(nodes.second, allow_graceful=False)

    found = answers(backend, kill)
    facts = backend.execution()
    notes = backend.notes
    backend.close()

    assert found == plain
    assert int(facts["replicas lost"]) >= 1
    assert any("was lost" in note for note in notes)
    assert facts["effect of repaired"].startswith("mean |Δ log-probability|")


def test_a_run_from_the_command_line_starts_and_ends_its_own_cluster(tmp_path: Path) -> None:
    words = ["-m", "harness", "run", "suites/starter/refusal.yaml", "--device=cpu"]
    alone = run(tmp_path / "one", *words)
    done = run(tmp_path / "two", *words, "--replicas=2", RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0")

    assert done.answers() == alone.answers() and done.code == alone.code
    assert done.card["run"]["execution"]["replicas"] == "2"
    assert "raylet" not in done.out and "Traceback" not in done.out
