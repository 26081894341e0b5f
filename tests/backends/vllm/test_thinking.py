"""Thinking through a real vLLM on a CPU: ended by the engine, and read by its server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.common import InputError
from harness.results import Outcome, Result
from tests.backends.test_thinking import OPENED, save_thinker
from tests.backends.vllm.conftest import api_server

SUITE = """
suite: thinking
category: instruction_following
defaults:
  sampling: {max_new_tokens: 48LIMIT}
cases:
  - {id: a, user: Hi, checks: [{not: {contains: zzz}}, {not: {contains: zzz}, read: reasoning}]}
  - {id: b, user: What is the capital of France?, checks: [{not: {contains: zzz}}]}
"""
LIMIT = ", max_reasoning_tokens: 6"


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Heads of 64 numbers: vLLM's kernels for CPUs have none smaller than 32.
    sizes = {"hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 1}
    return save_thinker(tmp_path_factory.mktemp("thinker") / "model", OPENED, **sizes)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("limited.yaml").write_text(SUITE.replace("LIMIT", LIMIT))
    Path("free.yaml").write_text(SUITE.replace("LIMIT", ""))


def results(suite: str, **where: Any) -> list[Result]:
    return list(harness.run(suite, **where).results())


@pytest.mark.full
def test_the_engine_ends_it(thinker: Path) -> None:
    """A random model never closes its reasoning by itself, and answers once it is closed."""
    limited = results("limited.yaml", backend="vllm", model=str(thinker))

    assert [each.outcome for each in limited] == [Outcome.PASS, Outcome.PASS]
    assert [each.unended for each in limited] == [0, 0]
    for each in limited:
        thought, _, said = each.responses[0].partition("</think>")
        assert said.strip()
        # It may close it once more, which makes what stands before it reasoning too.
        assert each.reasoning[0].startswith(thought.removeprefix("<think>\n").strip())


@pytest.fixture(scope="module")
def server(thinker: Path) -> Iterator[str]:
    with api_server(str(thinker), "--reasoning-parser=qwen3") as address:
        yield address


@pytest.mark.full
def test_the_server_reads_it_and_ends_it(server: str, thinker: Path) -> None:
    where: dict[str, Any] = {"backend": "openai", "base_url": server, "model": "small"}
    free = results("free.yaml", **where)
    limited = results("limited.yaml", **where)
    as_tokens = results("limited.yaml", **where, engine_args={"tokenizer": str(thinker)})

    assert [each.reason.partition(" (")[0] for each in free] == ["thinking never ended"] * 2
    assert [each.responses for each in free] == [("",), ("",)]
    for each, same in zip(limited, as_tokens, strict=True):
        assert (each.outcome, each.unended) == (Outcome.PASS, 0)
        assert "<think>" not in each.responses[0]
        assert each.reasoning[0]
        assert same.responses[0].startswith("<think>\n")
        assert same.reasoning[0] == each.reasoning[0].strip()
        assert same.said[0].strip() == each.said[0].strip()


def test_a_template_without_marks_cannot_be_limited(tmp_path: Path) -> None:
    plain = save_thinker(tmp_path / "model", OPENED.replace("think>", "b>"))

    with pytest.raises(InputError, match="shows no marks between which reasoning could be ended"):
        harness.run("limited.yaml", backend="vllm", model=str(plain))
