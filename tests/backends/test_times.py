"""How fast an answer was and where: what backends say of it, and when two times may be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.backends import (
    Address,
    Backend,
    BackendOptions,
    Completion,
    Prompt,
    Request,
    beside,
    in_batches,
    machine_of,
    open_backend,
)
from harness.common import Message, Sampling, Variant
from tests.backends.conftest import Ask
from tests.backends.openai.serving import Heard, Said, SmallServer, echo

Times = dict[str, list[Completion]]


def times(backend: Backend, variants: Sequence[Variant], ask: Ask) -> Times:
    """Answers by the variant's name; prompts of one variant come together."""
    prompts = [backend.prompt((Message("user", f"Say {n}."),), variants[0]) for n in range(6)]
    requests = [
        ask(prompt, variant, f"{variant.name}-{n}")
        for variant in variants
        for n, prompt in enumerate(prompts)
    ]
    found: Times = {variant.name: [] for variant in variants}
    for request, completion in backend.generate(requests):
        found[request.variant.name].append(completion)
    return found


def machines(found: Times) -> list[set[str]]:
    """Where the answers of each variant were made."""
    return [{completion.machine for completion in answers} for answers in found.values()]


@contextmanager
def hf(tiny: Path, *, apart: bool) -> Iterator[tuple[Backend, list[Variant]]]:
    """A random model; the second variant has another system prompt, and so the same weights."""
    variants = [Variant("base", str(tiny)), Variant("kind", str(tiny), system="Be kind.")]
    options = BackendOptions(tuple(variants), device="cpu", apart=apart)
    backend = open_backend("hf", options)
    try:
        yield backend, variants
    finally:
        backend.close()


def test_hf_says_how_long_it_worked_and_when_the_first_token_was_there(
    tiny: Path, ask: Ask
) -> None:
    with hf(tiny, apart=False) as (backend, variants):
        found = times(backend, variants[:1], ask)["base"]

    assert all(c.first_token is not None and 0 < c.first_token <= c.seconds for c in found)
    assert len({c.machine for c in found}) == 1 and all(c.counted for c in found)


@pytest.mark.parametrize("apart", [False, True])
def test_variants_that_share_batches_are_not_compared(tiny: Path, ask: Ask, apart: bool) -> None:
    with hf(tiny, apart=apart) as (backend, variants):
        base, kind = machines(times(backend, variants, ask))

    assert len(base) == len(kind) == 1
    assert (base == kind) is apart


@pytest.mark.parametrize("apart", [False, True])
def test_a_server_is_asked_for_one_variant_after_the_other_where_times_count(
    apart: bool, ask: Ask
) -> None:
    server = SmallServer(echo)
    variants = [Variant("base", "small"), Variant("kind", "small", system="Be kind.")]
    options = BackendOptions(
        tuple(variants), base_url=server.url, engine_args={"in_flight": 12}, apart=apart
    )
    backend = open_backend("openai", options)
    try:
        found = times(backend, variants, ask)
    finally:
        backend.close()
        server.close()
    base, kind = machines(found)
    assert len(base) == len(kind) == 1
    assert (base == kind) is apart
    answers = [completion for some in found.values() for completion in some]
    assert {(c.first_token, c.counted) for c in answers} == {(None, True)}
    assert all(c.seconds > 0 for c in answers)


def test_a_server_without_usage_gives_estimates(ask: Ask) -> None:
    def talk(heard: Heard) -> Said:
        said = echo(heard)
        assert isinstance(said.body, dict)
        return Said(200, {key: value for key, value in said.body.items() if key != "usage"})

    server = SmallServer(talk)
    variant = Variant("base", "small")
    backend = open_backend("openai", BackendOptions((variant,), base_url=server.url))
    try:
        assert not any(c.counted for c in times(backend, [variant], ask)["base"])
    finally:
        backend.close()
        server.close()


def request(variant: str, number: int) -> Request:
    asked = Prompt((Message("user", "hi"),), (1, number), 2)
    address = Address(str(number), variant)
    return Request(f"{variant}{number}", address, Variant(variant, "m"), asked, Sampling())


def test_batches_are_of_all_variants_or_of_one_each() -> None:
    mixed = [request("a", 1), request("b", 1), request("a", 2)]

    assert in_batches(mixed, apart=False) == [mixed]
    assert in_batches(mixed, apart=True) == [[mixed[0], mixed[2]], [mixed[1]]]
    assert in_batches([], apart=True) == []
    assert beside(mixed, mixed[1].variant) == ("b", "a")
    assert beside(mixed[:1], mixed[0].variant) == ()


def test_a_digest_of_a_machine_turns_on_all_that_a_time_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine_of.cache_clear()
    known = {
        machine_of("vllm 1", "cpu", 64),
        machine_of("vllm 2", "cpu", 64),
        machine_of("vllm 1", "a GPU", 64),
        machine_of("vllm 1", "cpu", 32),
    }
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    machine_of.cache_clear()
    there = machine_of("vllm 1", "cpu", 64)
    machine_of.cache_clear()
    assert len(known) == 4 and there not in known
    assert all(len(digest) == 12 for digest in known)
