"""One cluster of Ray's for all tests of a session, and the backend `steady` on all of its nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.embedded import ROOT

MODULE = "tests.backends.replicas.steady:open_steady"


@dataclass(frozen=True)
class Nodes:
    """A head without room for replicas, and two nodes.

    One has two CPUs, a GPU by name only, and the resources `hf`, `both` and `shared`; the other,
    with `both`, has another version of safetensors, as far as its metadata say.
    """

    cluster: Any
    site: Path

    @property
    def address(self) -> str:
        """Return the head's address."""
        return str(self.cluster.address)

    @property
    def environment(self) -> dict[str, str]:
        """Return what a process needs to find `steady`, and the cluster on loopback."""
        return {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": f"{self.site}:{ROOT}",
            "COLUMNS": "100",
        }


def distribution(site: Path, name: str, version: str, entry_points: str = "") -> None:
    """Write the metadata of an installed distribution."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / "entry_points.txt").write_text(entry_points)


def restore(name: str, value: str | None) -> None:
    """Set a variable of the environment to what it was."""
    if value is None:
        del os.environ[name]
    else:
        os.environ[name] = value


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Start the cluster; its processes keep the environment that they are started in."""
    site, odd = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("odd")
    distribution(site, "steady", "1.0", f"[harness.backends]\nsteady = {MODULE}\n")
    distribution(odd, "safetensors", "0.0.1")
    told = {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": "/tmp",
        "RAY_worker_niceness": "0",  # 15 is Ray's own: beside other work they would starve
        "RAY_memory_monitor_refresh_ms": "0",  # else it kills them for the memory of others
        "PYTHONPATH": f"{site}:{ROOT}",
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    from ray.cluster_utils import Cluster

    store = {"object_store_memory": 80_000_000}
    health = {
        "health_check_initial_delay_ms": 1000,
        "health_check_period_ms": 500,
        "health_check_timeout_ms": 1000,
        "health_check_failure_threshold": 3,
    }
    cluster: Any = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": health, **store}
    )
    resources = {"hf": 2, "both": 1, "shared": 1}
    cluster.add_node(wait=False, num_cpus=2, num_gpus=1, resources=resources, **store)
    os.environ["PYTHONPATH"] = f"{odd}:{site}:{ROOT}"
    cluster.add_node(wait=False, num_cpus=1, resources={"both": 1}, **store)
    restore("PYTHONPATH", before.pop("PYTHONPATH"))
    cluster.wait_for_nodes()
    yield Nodes(cluster, site)
    cluster.shutdown()
    for name, value in before.items():
        restore(name, value)


@pytest.fixture
def steady(nodes: Nodes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of a model for `steady`, which this process finds too."""
    monkeypatch.syspath_prepend(str(nodes.site))
    folder = tmp_path / "model"
    folder.mkdir()
    return folder
