"""What is lost on real actors, where they are put, and which of them may answer."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.backends import Address, BackendOptions, Completion, Replicas, Request, open_backend
from harness.backends.replicas.backend import ReplicatedBackend
from harness.common import HarnessError, InputError, MachineryError, Message, Sampling, Variant
from tests.backends.replicas.conftest import Nodes

pytestmark = pytest.mark.slow

MANY = 2000  # questions: one replica is at them for longer than another takes to start


def opened(steady: Path, told: Replicas, **arguments: object) -> ReplicatedBackend:
    variants = (Variant("base", str(steady)),)
    backend = open_backend("steady", BackendOptions(variants, replicas=told, engine_args=arguments))
    assert isinstance(backend, ReplicatedBackend)
    return backend


def asked(backend: ReplicatedBackend, *texts: str) -> list[Request]:
    (variant,) = backend._variants.values()
    return [
        Request(
            f"{number}",
            Address(f"c{number}", variant.name),
            variant,
            backend.prompt((Message("user", text),), variant),
            Sampling(),
        )
        for number, text in enumerate(texts)
    ]


def answered(backend: ReplicatedBackend, texts: list[str]) -> dict[str, Completion]:
    """All answers by what was asked; each comes once."""
    found: dict[str, Completion] = {}
    try:
        for request, done in backend.generate(asked(backend, *texts)):
            said = request.prompt.messages[-1].content
            assert said not in found
            found[said] = done
    finally:
        backend.close()
    return found


def refused(backend: ReplicatedBackend, questions: int = 1) -> str:
    with pytest.raises(HarnessError) as caught:
        answered(backend, list(map(str, range(questions))))
    assert isinstance(caught.value, InputError)
    return str(caught.value)


def test_a_request_that_kills_replicas_is_an_error_and_all_others_are_answered(
    nodes: Nodes, steady: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.backends.replicas.backend.LINES", 7)  # so streams end meanwhile
    texts = [f"question {number}" for number in range(30)]
    texts[11] = "a poison pill"
    told = Replicas(2, nodes.address, cpus=0, resources={"shared": 0.1}, deaths=2)
    backend = opened(steady, told)

    found = answered(backend, texts)

    broken = {text: done.error for text, done in found.items() if done.error}
    assert list(broken) == ["a poison pill"]
    deaths = broken["a poison pill"].removeprefix("it was given up: ").partition(" ")[0]
    assert "replicas died over it" in broken["a poison pill"] and 2 <= int(deaths) <= 6
    assert {done.text for done in found.values() if not done.error} == {
        f"You said: {text}" for text in texts if text != "a poison pill"
    }
    assert backend.execution()["replicas lost"] == deaths


def test_what_is_asked_meanwhile_is_answered_once_and_a_lost_replica_changes_nothing(
    nodes: Nodes, steady: Path
) -> None:
    told = Replicas(2, nodes.address, cpus=0, resources={"shared": 0.1})
    backend = opened(steady, told, delay=0.005)
    questions = asked(backend, *map(str, range(200)))
    left = [questions[at : at + 40] for at in range(0, 200, 40)]
    found: list[str] = []

    def more() -> list[Request]:
        """Give the next ones while some of those before are at work, and the last when none is."""
        given = 200 - sum(map(len, left))
        early = given - len(found) < 20 and len(left) > 1
        return left.pop(0) if left and (early or given == len(found)) else []

    for request, done in backend.serve(more):
        assert not done.error
        found.append(request.key)
        if len(found) == 50:
            hello = next(place.hello for place in backend._places if place.hello)
            os.kill(hello.pid, signal.SIGKILL)
    facts = backend.execution()
    backend.close()

    assert sorted(found, key=int) == [request.key for request in questions]
    assert facts["replicas lost"] == "1"


def test_a_run_ends_where_replicas_die_again_and_again_without_an_answer(
    nodes: Nodes, steady: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.backends.replicas.backend.DEATHS_IN_A_ROW", 2)
    monkeypatch.setattr("harness.backends.replicas.backend.PAUSE", 0.0)
    told = Replicas(1, nodes.address, cpus=0, resources={"shared": 0.1}, deaths=9)
    backend = opened(steady, told)

    with pytest.raises(MachineryError, match="3 replicas died without an answer between them"):
        answered(backend, ["a poison pill"] * 40)


def test_where_no_replica_can_start_the_run_ends_with_what_they_say(
    nodes: Nodes, steady: Path
) -> None:
    backend = opened(steady, Replicas(2, nodes.address, cpus=0, resources={"shared": 0.1}))

    with pytest.raises(MachineryError) as caught:
        answered(backend, ["broken"] * 40)

    assert str(caught.value) == "the engine cannot start\n  found: no memory"
    assert int(backend.execution()["replicas lost"]) == 2


def test_a_frozen_worker_counts_as_dead_and_its_work_is_done_elsewhere(
    nodes: Nodes, steady: Path
) -> None:
    told = Replicas(1, nodes.address, cpus=0, resources={"shared": 0.1}, silence=2.0)
    backend = opened(steady, told, delay=0.02)
    frozen = 0
    count = 0
    for _, done in backend.generate(asked(backend, *map(str, range(60)))):
        assert not done.error
        count += 1
        if count == 3:
            hello = backend._places[0].hello
            assert hello is not None
            frozen = hello.pid
            os.kill(frozen, signal.SIGSTOP)
    notes = backend.notes
    backend.close()

    assert count == 60
    assert any("gave no sign of life for 2 s" in note for note in notes)
    assert not Path(f"/proc/{frozen}").exists() or "\nState:\tZ" in (
        Path(f"/proc/{frozen}/status").read_text()
    )


def test_a_stream_that_ends_without_a_last_word_is_a_lost_replica(
    nodes: Nodes, steady: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened(steady, Replicas(2, nodes.address, cpus=0, resources={"shared": 0.1}))
    frames = 0
    read = backend._frame

    def cut(stream: Any) -> Any:
        nonlocal frames
        frames += 1
        if frames == 5:
            raise StopIteration
        return read(stream)

    monkeypatch.setattr(backend, "_frame", cut)

    found = answered(backend, [f"question {number}" for number in range(60)])

    assert len(found) == 60 and not any(done.error for done in found.values())
    assert any("ended without a last word" in note for note in backend.notes)


def test_how_many_answers_two_replicas_give_alike_is_said(nodes: Nodes, steady: Path) -> None:
    told = Replicas(2, nodes.address, cpus=0, resources={"shared": 0.1})
    backend = opened(steady, told)
    said = []
    for word in ("question", "who is it, question"):
        backend._given.clear()
        backend._equal = ""
        while not backend._equal:  # the second replica may not be up yet
            assert not any(place.given_up for place in backend._places), backend.notes
            texts = [f"{word} {number}" for number in range(120)]
            assert len(list(backend.generate(asked(backend, *texts)))) == 120
        facts = backend.execution()
        notes = [note for note in backend.notes if "answers are equal" in note]
        said.append((facts["equal answers of two replicas"], len(notes)))
    backend.close()

    assert said == [("12 of 12", 0), ("0 of 12", 1)]


def places(backend: ReplicatedBackend) -> list[str]:
    """The nodes of two replicas, as soon as both are there: the second may start much later."""
    answers: Any = backend.generate(asked(backend, *map(str, range(MANY))))
    try:
        for _ in answers:
            if len(found := [place.hello.node for place in backend._places if place.hello]) == 2:
                return found
        return []
    finally:
        answers.close()
        backend.close()


def test_replicas_with_other_libraries_are_refused_or_noted(nodes: Nodes, steady: Path) -> None:
    spread = Replicas(
        2, nodes.address, cpus=0, resources={"both": 1}, placement="strict_spread", start=60.0
    )

    text = refused(opened(steady, spread, delay=0.05), MANY)
    mixed = opened(steady, replace(spread, mixed=True), delay=0.05)
    found = places(mixed)

    assert "is not like the one on" in text and "safetensors" in text and "0.0.1" in text
    assert "or set mixed = true there: both are then recorded" in text
    assert len(set(found)) == 2, "strict_spread puts each on a node of its own"
    assert any("replicas differ: safetensors" in note for note in mixed.notes)


def test_replicas_share_what_each_takes_a_part_of(nodes: Nodes, steady: Path) -> None:
    half: dict[str, Any] = {"cpus": 0, "gpus": 0.5, "resources": {"shared": 0.5}}
    found = places(opened(steady, Replicas(2, nodes.address, **half), gpus=1, delay=0.05))
    text = refused(opened(steady, Replicas(3, nodes.address, **half), gpus=1))

    assert len(found) == 2 and len(set(found)) == 1
    assert "3 replicas do not fit: each takes 0.5 GPU, 0.5 shared" in text
    assert "hint: --replicas 2" in text


def test_a_replica_of_another_version_than_the_planner_is_refused(
    nodes: Nodes, steady: Path
) -> None:
    told = Replicas(
        1,
        nodes.address,
        cpus=0,
        resources={"shared": 0.1},
        runtime_env={"env_vars": {"STEADY_VERSION": "2"}},
    )

    text = refused(opened(steady, told))

    assert "would give other answers than this machine's settings say" in text
    assert "version 2, here 1" in text


@pytest.mark.full
def test_one_process_joins_a_cluster_starts_its_own_and_joins_the_first_again(
    nodes: Nodes, steady: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", nodes.environment["PYTHONPATH"])  # of its own cluster's nodes
    theirs = Replicas(1, nodes.address, cpus=0, resources={"shared": 0.1})
    before = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}

    for told in (theirs, Replicas(1), theirs, Replicas(1)):
        backend = opened(steady, told)
        found = answered(backend, ["a", "b"])
        after = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}

        assert {done.text for done in found.values()} == {"You said: a", "You said: b"}
        assert {name: after.get(name) for name in before} == before
        assert "RAY_AUTH_TOKEN" not in after
