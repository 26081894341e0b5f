"""The rows of a run are recorded answers: they give the same results again, without the engine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from harness.backends import BackendOptions, Completion, Request, open_backend
from harness.common import Sampling
from harness.evaluation import make_plan
from harness.results import Result, Signature, result_to_json
from tests.evaluation.engines import ScriptedEngine, last_user_turn
from tests.evaluation.worlds import BASE, TUNED, case, go, suite


def answer(request: Request) -> Completion:
    """Break one case; cut another one off; think in a third."""
    name = request.address.case
    if name == "broken":
        return Completion("", "error", error="out of memory")
    if name == "cut":
        return Completion("I am", "length", 3, 2)
    if name == "thinks":
        return Completion("<think>zzz</think>fine", "stop", 3, 2)
    return last_user_turn(request)


def test_results_are_recorded_answers(tmp_path: Path) -> None:
    cases = [
        case("plain", repeats=2, tags=("smoke",)),
        case("turns", "one", "two", check={"contains": "two"}),
        case("broken"),
        case("cut", check={"contains": "Lina"}),
        case("long", "w " * 60, sampling=Sampling(max_new_tokens=50)),
        case("thinks", required=True, cluster="k"),
    ]
    suites, variants = [suite(*cases)], [BASE, TUNED]
    engine = ScriptedEngine(answer, room=400)
    first = go(tmp_path / "a.db", make_plan(suites, variants, engine), engine)[1]
    file = tmp_path / "results.jsonl"
    file.write_text("".join(json.dumps(result_to_json(r)) + "\n" for r in first), "utf-8")

    replay = open_backend("replay", BackendOptions(responses=file))
    second = go(tmp_path / "b.db", make_plan(suites, variants, replay), replay)[1]

    assert [essence(result) for result in second] == [essence(result) for result in first]


def essence(result: Result) -> Result:
    """A result without what an engine says of itself."""
    reason = "broken" if result.outcome == "error" else result.reason
    return replace(
        result,
        signature=Signature(),
        reason=reason,
        prompt_tokens=0,
        completion_tokens=0,
        seconds=0,
    )
