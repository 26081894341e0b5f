"""What `make test-full` proves beyond one repair: forgetting, kills, time, another engine."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.training.repair.workplace import FIX, Workplace, new_workplace

pytestmark = pytest.mark.full

# Found by measurement: multilingual falls from 48 to 12 of 48 cases, instruction_following from 73
# to 29 of 74. At a rate of 0.02 the loss diverges, and the trainer stops by itself.
FORGETFUL = (
    "  train: {learning_rate: 0.008, batch_size: 8, max_steps: 120, warmup: 0.1, keep: last}\n"
)
KILLS = 6


def test_a_fix_that_forgets_is_rejected_and_the_broken_suite_is_named(failing: Workplace) -> None:
    failing.replace(FIX, FORGETFUL)
    failing.replace("share: 0.3", "share: 0")
    done = failing.run("fix")
    report = failing.report()
    broken = [r["suite"] for r in report["suites"] if r["verdict"] == "regressed"]

    assert done.code == 1, done.out
    assert report["decision"] == "rejected"
    assert broken
    assert "json_validity" not in broken
    assert any(reason.startswith(f"{broken[0]}: regressed") for reason in report["reasons"])
    assert not (failing.folder / ".harness" / "adapters" / "current").exists()


def test_a_loop_that_is_killed_again_and_again_comes_to_the_same_end(failing: Workplace) -> None:
    rng = random.Random(1)
    for _ in range(KILLS):
        end = time.monotonic() + rng.uniform(4, 25)
        failing.killed("fix", when=lambda end=end: time.monotonic() > end)  # type: ignore[misc]
    done = failing.run("fix")

    assert done.code == 0, done.out
    assert failing.report()["decision"] == "promoted"
    history = failing.folder / ".harness" / "adapters" / "current.history.jsonl"
    assert len(history.read_text().splitlines()) == 1


def test_from_the_failing_run_to_the_promotion(tmp_path: Path) -> None:
    place = new_workplace(tmp_path / "project")
    assert place.run("run").code == 1
    done = place.run("fix")

    assert done.code == 0, done.out
    assert place.report()["decision"] == "promoted"


def outcomes(place: Workplace, backend: str, adapter: str) -> dict[str, Any]:
    """The verdicts on every suite, and the pass rates."""
    done = place.run(
        "run", "--backend", backend, "--adapter", f"fix={adapter}", "--report-dir", backend
    )
    card = json.loads((place.folder / backend / "latest" / "scorecard.json").read_text("utf-8"))
    assert done.code == 0, done.out
    rows = [row for row in card["categories"] if row["variant"] == "fix"]
    return {row["suite"]: row["gate"]["verdict"] for row in rows}


def test_the_adapter_gets_the_same_verdicts_on_transformers_and_on_vllm(failing: Workplace) -> None:
    pytest.importorskip("vllm", reason="the backend vllm is not installed")
    assert failing.run("fix").code == 0
    adapter = str(failing.folder / ".harness" / "adapters" / "current")

    found = {backend: outcomes(failing, backend, adapter) for backend in ("hf", "vllm")}

    assert found["hf"] == found["vllm"]
    assert set(found["vllm"].values()) == {"pass"}
