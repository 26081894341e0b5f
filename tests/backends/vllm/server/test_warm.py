"""Runs find the warm engine, and its answers are those of an engine of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx

from harness.backends.vllm.server import find_engine
from tests.embedded import ADAPTERS, ROOT, Done, run

SUITE = "suites/starter/refusal.yaml"
WORDS = ["-m", "harness", "run", SUITE, "--backend=vllm", *ADAPTERS]


def harness(*words: str) -> subprocess.CompletedProcess[str]:
    """A command without the options of a run."""
    line = [sys.executable, "-m", "harness", *words]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True)


def test_a_run_is_answered_by_the_warm_engine_as_hf_answers(warm_engine: Path, gated: Done) -> None:
    done = run(warm_engine, *WORDS)

    assert "note: answers come from the warm engine, up since" in done.out, done.out
    assert "effect of repaired" in str(done.card)
    for variant in ("base", "repaired", "forgetful"):  # a verdict depends on the other suites
        assert done.rate("refusal", variant) == gated.rate("refusal", variant)


def test_an_engine_of_its_own_would_give_the_same_answers(warm_engine: Path) -> None:
    run(warm_engine, *WORDS)

    alone = run(warm_engine, *WORDS, "--no-warm")

    assert "0 answers generated" in alone.out
    assert "warm engine" not in alone.out


def test_its_server_wants_the_key_and_says_nothing_of_it(warm_engine: Path) -> None:
    warm = find_engine(warm_engine)
    assert warm is not None

    bare = httpx.get(f"{warm.url}/models", trust_env=False)

    assert bare.status_code == 401
    assert warm.key not in Path(warm.log).read_text()
    assert warm.key not in Path(f"/proc/{warm.server}/cmdline").read_text()


def test_status_says_what_is_warm_and_up_starts_no_second(warm_engine: Path) -> None:
    warm = find_engine(warm_engine)
    assert warm is not None
    store = f"--store={warm_engine / 'store.db'}"

    said = harness("engine", "status", store)
    again = harness("engine", "up", store)

    assert f"address        {warm.url}\n" in said.stdout
    assert warm.key not in said.stdout
    assert again.returncode == 2
    assert again.stderr == (
        "a warm engine is up already\n"
        f"  found: {warm.model}\n"
        "  hint: use it, or end it first: harness engine down\n"
    )
