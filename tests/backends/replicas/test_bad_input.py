"""What is wrong with replicas is said with what mends it, before anything starts."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.backends import BackendOptions, Environment, Fingerprint, Replicas, open_backend
from harness.backends.replicas import cluster
from harness.backends.replicas.backend import ReplicatedBackend
from harness.backends.replicas.cluster import refused, room_for
from harness.backends.replicas.hello import HelloEvent, other_answers, unlike
from harness.common import InputError, Variant
from tests.backends.tiny import save_model


def said(act: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        act()
    return str(caught.value)


def test_recorded_answers_have_no_replicas(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"case": "c", "response": "r"}\n')
    options = BackendOptions(responses=tmp_path / "a.jsonl", replicas=Replicas(2))

    assert said(lambda: open_backend("replay", options)) == (
        "--replicas does not go with backend 'replay': it loads no model that there could be "
        "several of\n  hint: leave it out"
    )


@pytest.mark.parametrize("address", ["nohost", "host:0", "host:65536", "host:²", ":6379"])
def test_what_can_be_no_address_is_refused_before_anything_is_connected_to(
    address: str, tiny: Path
) -> None:
    variants = (Variant("base", str(tiny)),)
    options = BackendOptions(variants, device="cpu", replicas=Replicas(2, address))

    assert said(lambda: open_backend("hf", options)) == (
        f"--ray {address!r} is no address\n  expected: HOST:PORT (6379), or auto"
    )


def test_a_device_by_number_is_refused(tiny: Path) -> None:
    options = BackendOptions((Variant("base", str(tiny)),), device="cpu:0", replicas=Replicas(2))

    assert "Ray gives each its GPU" in said(lambda: open_backend("hf", options))


def test_without_ray_the_message_names_the_extra(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    options = BackendOptions((Variant("base", str(tiny)),), device="cpu", replicas=Replicas(2))

    assert said(lambda: open_backend("hf", options)) == (
        "--replicas and --ray need Ray, which is not installed\n"
        "  hint: pip install 'lora-regression-harness[ray]'"
    )


def test_an_address_where_nobody_listens_is_found_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        assert said(lambda: cluster.connect(Replicas(2, address))) == (
            f"no Ray cluster answers at {address}\n  found: Connection refused\n"
            "  hint: start one: ray start --head --port 6379; or leave --ray out: --replicas N "
            "alone uses this machine"
        )


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("auto", "this machine belongs to no Ray cluster"),
        ("ray://host:10001", "with --ray auto"),
        ("somewhere", "expected: HOST:PORT (6379), or auto"),
    ],
)
def test_an_address_that_is_none_is_said(
    address: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    assert words in said(lambda: cluster.connect(Replicas(2, address)))


def test_a_cluster_of_other_versions_is_said() -> None:
    error = RuntimeError(
        "Version mismatch: The cluster was started with:\n    Ray: 2.59.0\n    Python: 3.12.3\n"
        "This process on node 10.0.0.1 was started with:\n    Ray: 2.60.0\n"
    )

    text = str(refused("10.0.0.2:6379", error))

    assert text.startswith(
        "the Ray cluster at 10.0.0.2:6379 has other versions\n  found: Ray: 2.59"
    )
    assert "hint: install the same Ray and the same Python" in text


def test_room_is_counted_node_by_node_and_a_share_lies_on_one_gpu() -> None:
    nodes = [{"Resources": {"GPU": 4.0, "CPU": 8.0}}, {"Resources": {"GPU": 3.0, "CPU": 8.0}}]

    assert room_for({"GPU": 1, "CPU": 1}, nodes) == 7
    assert room_for({"GPU": 2, "CPU": 1}, nodes) == 3
    assert room_for({"GPU": 0.5, "CPU": 1}, nodes) == 14
    assert room_for({"GPU": 0.6, "CPU": 1}, nodes) == 7
    assert room_for({"GPU": 1, "CPU": 8}, nodes) == 2


def hello(**changes: object) -> HelloEvent:
    told = {"harness": "1", "node": "n1", "host": "h1", "pid": 1, **changes}
    return HelloEvent(**told)  # type: ignore[arg-type]  # fields of HelloEvent, as it checks itself


def test_a_replica_that_is_another_is_found_out(tmp_path: Path) -> None:
    variant = Variant("base", str(save_model(tmp_path / "m")))
    planner = open_backend("hf", BackendOptions((variant,), device="cpu"))
    same = planner.environment(variant)
    prints = planner.fingerprint(variant)

    def reason(environment: Environment, fingerprint: Fingerprint) -> str:
        told = hello(environments={"base": environment}, fingerprints={"base": fingerprint})
        return other_answers(told, planner, {"base": variant})

    half = Environment(
        same.engine, same.version, "bfloat16", same.quantisation, same.chat_template, same.extra
    )
    assert reason(same, prints) == ""
    assert reason(half, prints) == "dtype bfloat16, here float32"
    assert reason(same, Fingerprint("other")) == "other weights for base"


def test_other_gpus_and_libraries_are_found_out() -> None:
    first, other = (
        hello(libraries={"torch": "2.13.0"}),
        hello(node="n2", libraries={"torch": "2.12.0", "vllm": "0.32.0"}),
    )

    assert [*unlike(other, first, {"n1": "H200", "n2": "H100"})] == [
        "GPU H100 beside H200",
        "torch 2.12.0 beside 2.13.0",
        "vllm 0.32.0 beside none",
    ]
    assert [*unlike(first, first, {"n1": "H200"})] == []


def test_nothing_of_ray_is_imported_or_started_before_the_first_request(tiny: Path) -> None:
    options = BackendOptions((Variant("base", str(tiny)),), device="cpu", replicas=Replicas(2))

    backend = open_backend("hf", options)

    assert isinstance(backend, ReplicatedBackend)
    assert list(backend.generate([])) == []
    assert "RAY_AUTH_TOKEN" not in os.environ or backend.execution().get("ray") is None
    backend.close()
