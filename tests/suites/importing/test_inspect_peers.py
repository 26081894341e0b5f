"""Beside the real package: its own logs, of each scorer, are judged as it judged them.

make test-peers
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.suites.importing import import_inspect
from tests.suites.importing.projects import written

pytestmark = pytest.mark.peers

ANSWERS = (
    *("The answer is (Paris).", "berlin", "It is 42!", "ANSWER: B", "no idea", "ANSWER: 42"),
    *("So\nANSWER: Paris", "4,200", "Paris, or so", "ANSWER: A, B", "b", "The Paris."),
)


@pytest.mark.filterwarnings("ignore")  # inspect_ai's and its packages' own
@pytest.mark.parametrize("form", ["eval", "json"])
@pytest.mark.parametrize(
    ("scorer", "options"),
    [
        ("match", {}),
        ("match", {"location": "begin", "ignore_case": False}),
        ("match", {"location": "any"}),
        ("match", {"numeric": True}),
        ("includes", {}),
        ("exact", {}),
        ("pattern", {"pattern": r"ANSWER: (\w+)"}),
        ("answer", {"pattern": "word"}),
        ("answer", {"pattern": "line"}),
        ("choice", {}),
    ],
)
def test_its_own_logs_are_judged_alike(
    scorer: str, options: dict[str, Any], form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("inspect_ai")
    import tiktoken
    from inspect_ai import Task, eval
    from inspect_ai import scorer as scorers
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput, get_model
    from inspect_ai.solver import generate, multiple_choice, system_message

    class Counted:  # the mock model counts tokens by a table from the network
        def encode(self, text: str, **_: Any) -> list[int]:
            return list(text.encode())

        encode_ordinary = encode

    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: Counted())
    monkeypatch.chdir(tmp_path)
    samples = [
        Sample(input="Capital of France?", target="Paris", id="fr"),
        Sample(input="6 * 7?", target=["42", "forty-two"], id=2),
    ]
    solver = [system_message("Be short."), generate()]
    if scorer == "choice":
        samples = [Sample(input=f"Pick {x}", choices=["x", "y"], target=x, id=x) for x in "AB"]
        solver = [multiple_choice()]
    outputs = [ModelOutput.from_content("mockllm/model", text) for text in ANSWERS * 2]
    (log,) = eval(
        Task(dataset=samples, solver=solver, scorer=getattr(scorers, scorer)(**options)),
        model=get_model("mockllm/model", custom_outputs=outputs),
        epochs=len(ANSWERS),
        max_connections=1,
        log_dir="logs",
        log_format=form,
        display="none",
    )
    assert log.status == "success"

    (path,) = Path("logs").glob(f"*.{form}")
    made = import_inspect(path)
    total = len(samples) * len(ANSWERS)
    assert (
        made.confirmed == f"The checks judge {total} of {total} recorded answers as inspect_ai did."
    )
    assert len(made.answers) == total
    assert [case.repeats for case in written(made).cases] == [len(ANSWERS)] * len(samples)
