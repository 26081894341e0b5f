"""Checkpoints chosen by what they do, on answers that other tests have made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.common import Variant
from harness.config import load_settings
from harness.suites import load_suites
from harness.training.repair import (
    CheckpointReport,
    best_checkpoint,
    select_checkpoint,
    selection_lines,
    selection_suites,
)
from harness.training.sft import History, TrainedAdapter
from tests.embedded import ROOT, Done


def seen(
    step: int, passed: int, *, lost: int = 0, forgot: str = "", loss: float = 1.0
) -> CheckpointReport:
    return CheckpointReport(step, loss, passed, 20, lost, tuple(forgot.split()))


@pytest.mark.parametrize(
    ("found", "step"),
    [
        ([seen(1, 10), seen(2, 12), seen(3, 11)], 2),
        ([seen(1, 10), seen(2, 19, forgot="tone")], 1),  # the best has forgotten something
        ([seen(1, 12, lost=2), seen(2, 12, lost=1)], 2),
        ([seen(1, 12, loss=0.3), seen(2, 12, loss=0.2)], 2),
        ([seen(1, 12), seen(2, 12)], 1),
        ([seen(1, 12, lost=9, forgot="a b"), seen(2, 3, lost=8, forgot="a")], 2),  # all forgot
    ],
)
def test_the_best_that_forgot_nothing_is_taken(found: list[CheckpointReport], step: int) -> None:
    assert best_checkpoint(found).step == step


def test_only_the_dev_side_is_looked_at() -> None:
    weak, *others = load_suites(["suites/starter"])

    looked_at = selection_suites((weak, *others))

    assert [suite.name for suite in looked_at] == [suite.name for suite in (weak, *others)]
    for whole, part in zip((weak, *others), looked_at, strict=True):
        assert 0 < len(part.cases) < len(whole.cases)
        assert part.gate.min_pass_rate is None


def test_a_checkpoint_that_forgets_is_not_taken_whatever_its_loss(
    gated: Done, tmp_path: Path
) -> None:
    out = tmp_path / "adapter"
    for step, name in ((2, "repaired"), (4, "forgetful")):
        shutil.copytree(ROOT / "fixtures" / "adapters" / name, out / f"checkpoint-{step}")
    shutil.copytree(out / "checkpoint-4", out, dirs_exist_ok=True)
    losses = [(2, 0.2), (4, 0.1)]
    manifest = {
        "schema": 1, "base": "fixtures/model", "identity": {"template": "t"},
        "data": {"rows": 1, "replay": 0, "held_out": 1, "tokens": 1, "answer_tokens": 1},
        "settings": {"lora": {"rank": 8, "alpha": None, "rslora": False, "targets": ["q_proj"]},
                     "learning_rate": 1e-3, "schedule": "cosine", "batch_size": 16, "seed": 42},
        "metrics": {"step": 4, "steps": 4, "held_out_loss": 0.1, "losses": [],
                    "held_out_losses": losses},
    }  # fmt: skip
    (out / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    history = History((), tuple(losses))
    steps = tuple(out / f"checkpoint-{step}" for step in (2, 4))
    trained = TrainedAdapter(out, 4, 4, history, steps, manifest)
    store = tmp_path / "store.db"
    shutil.copy(gated.folder / "store.db", store)
    settings = load_settings(ROOT, {"store": store, "report_dir": tmp_path / "reports"})
    suites = selection_suites(load_suites(["suites/starter"]))

    found = select_checkpoint(
        settings, Variant("base", "fixtures/model"), trained, suites, {"json_validity"}
    )

    assert found["step"] == 2
    repaired, forgetful = found["checkpoints"]
    assert repaired["forgot"] == () and "multilingual" in forgetful["forgot"]
    assert repaired["passed"] > repaired["n"] / 2 and forgetful["lost"] > repaired["lost"]
    weights = "adapter_model.safetensors"
    assert (out / weights).read_bytes() == (out / "checkpoint-2" / weights).read_bytes()
    written = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert (written["metrics"]["step"], written["metrics"]["held_out_loss"]) == (2, 0.2)
    assert written["selection"]["step"] == 2
    assert "of step 2 of 4, chosen by suites" in (out / "README.md").read_text(encoding="utf-8")
    lines = selection_lines(found)
    assert lines[0].endswith("held-out loss 0.2, taken")
    assert "forgets" in lines[1] and "taken" not in lines[1]
