"""Tools in a run: calls are read, scripted results come back, and all of it can be looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.api import run, score
from harness.backends import Completion, Request
from harness.common import InputError, ToolCall, Variant
from harness.evaluation import RunReport, rescore
from harness.evaluation.rendering import families_of
from harness.results import Outcome, Result, result_from_json, result_to_json
from harness.store import Store
from harness.suites import MOST_STEPS, Suite, load_suite
from tests.evaluation.engines import ScriptedEngine
from tests.evaluation.worlds import BASE, go, plan_of

SUITE = """
suite: tools
category: tool_calling
tools:
  - name: get_weather
    description: The weather of today.
    parameters: {type: object, properties: {city: {type: string}}, required: [city]}
  - name: get_time
cases:
  - id: weather
    user: What is the weather in Paris and in Rome?
    results:
      - {tool: get_weather, arguments: {city: Paris}, returns: {degrees: 21}}
      - {tool: get_weather, returns: rain}
    checks:
      - tool_calls:
          - {name: get_weather, arguments: {city: Paris}}
          - {name: get_weather, arguments: {city: Rome}}
      - contains: "21"
  - id: thanks
    user: Thank you!
    checks: [no_tool_call]
  - id: one
    tools: [get_time]
    user: What time is it?
    checks: [{tool_call: get_time}]
"""
PARIS, ROME = (
    f'{{"name": "get_weather", "arguments": {{"city": "{c}"}}}}' for c in ("Paris", "Rome")
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.joinpath("s.yaml").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(text: str) -> str:
    return f"<tool_call>\n{text}\n</tool_call>"


GOOD = {
    "weather": [call(PARIS) + call(ROME), "It has 21 degrees in Paris; rain in Rome."],
    "thanks": ["You are welcome."],
    "one": [call('{"name": "get_time", "arguments": {}}')],
}


def recorded(project: Path, answers: dict[str, list[str]]) -> RunReport:
    rows = (
        {"case": case, "steps": [{"turn": 0, "text": text} for text in texts]}
        for case, texts in answers.items()
    )
    project.joinpath("a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return score("s.yaml", responses="a.jsonl")


def results(report: RunReport) -> dict[str, Result]:
    return {result.case: result for result in report.results()}


def test_a_conversation_goes_from_calls_to_results_to_the_answer(project: Path) -> None:
    found = results(recorded(project, GOOD))

    assert {name: str(one.outcome) for name, one in found.items()} == {
        "weather": "pass",
        "thanks": "pass",
        "one": "pass",
    }
    weather = found["weather"]
    assert weather.responses == ("It has 21 degrees in Paris; rain in Rome.",)
    assert [step.tool_calls for step in weather.steps] == [
        (ToolCall("get_weather", {"city": "Paris"}), ToolCall("get_weather", {"city": "Rome"})),
        (),
    ]
    told = [(row["role"], row["content"]) for row in weather.prompt]
    assert told == [
        ("user", "What is the weather in Paris and in Rome?"),
        ("assistant", ""),
        ("tool", '{"degrees": 21}'),
        ("tool", "rain"),
    ]
    ids = [one["id"] for one in weather.prompt[1]["tool_calls"]]
    assert ids == [row["tool_call_id"] for row in weather.prompt[2:]]
    assert all(len(one) == 9 and one.isalnum() for one in ids)
    assert weather.said == (
        '→ get_weather(city="Paris")\n→ get_weather(city="Rome")\n'
        "← '{\"degrees\": 21}'\n← 'rain'\n"
        "It has 21 degrees in Paris; rain in Rome.",
    )


def test_a_call_is_no_empty_answer_and_a_malformed_one_keeps_its_text(project: Path) -> None:
    bad = {**GOOD, "weather": [call('{"name": "get_weather", "argum')], "one": ["Half past nine."]}

    found = results(recorded(project, bad))

    assert found["weather"].outcome is Outcome.FAIL
    assert "a malformed call" in found["weather"].reason
    assert found["weather"].steps[0].tool_calls == (ToolCall("", '{"name": "get_weather", "argum'),)
    assert found["one"].reason == "tool_call: no tool is called, get_time wanted"


def test_results_are_recorded_answers_again(project: Path) -> None:
    first = recorded(project, GOOD)
    rows = first.paths.results.read_text()

    again = score("s.yaml", responses=first.paths.results)

    assert all(one.outcome is Outcome.PASS for one in again.results())
    assert '"tool_calls": [{"name": "get_weather"' in rows or '"tool_calls":[{' in rows
    for one in again.results():
        assert result_from_json(result_to_json(one)).steps == one.steps


def test_the_form_of_calls_is_named(project: Path) -> None:
    notes = " ".join(recorded(project, GOOD).info.notes)

    assert "calls of tools are read in every form that has marks: base" in notes


class Calling(ScriptedEngine):
    """Calls the weather for ever."""


def forever(request: Request) -> Completion:
    assert request.rendering.tools
    return Completion("", "stop", 1, 1, tool_calls=(ToolCall("get_weather", {"city": "Paris"}),))


def only(name: str) -> Any:
    suite = load_suite("s.yaml")
    return next(case for case in suite.cases if case.id == name)


def test_a_model_that_calls_on_and_on_is_ended(project: Path) -> None:
    engine = ScriptedEngine(forever)

    _, found = go(project / "db", plan_of(engine, only("weather")), engine)

    assert len(found[0].steps) == MOST_STEPS
    assert found[0].outcome is Outcome.FAIL


def test_calls_of_a_server_are_kept_in_the_store(project: Path) -> None:
    def say(request: Request) -> Completion:
        if request.address.step:
            assert request.prompt.messages[-1].role == "tool"
            return Completion("21 degrees.", "stop", 1, 1)
        calls = tuple(ToolCall("get_weather", {"city": city}) for city in ("Rome", "Paris"))
        return Completion("", "stop", 1, 1, tool_calls=calls)

    engine = ScriptedEngine(say)
    plan = plan_of(engine, only("weather"))
    _, first = go(project / "db", plan, engine)
    counts, second = go(project / "db", plan, engine, run_id="again")

    assert first[0].outcome is Outcome.PASS, first[0].reason
    assert (counts.generated, counts.cached) == (0, 2)
    assert second[0].steps == first[0].steps


def test_what_a_server_could_not_read_is_a_malformed_call(project: Path) -> None:
    """No call is seen by a program there, and yet none was wanted."""
    engine = ScriptedEngine(lambda request: Completion(call(PARIS)[:-4], "stop", 1, 1))

    _, found = go(project / "db", plan_of(engine, only("thanks")), engine)

    assert found[0].outcome is Outcome.FAIL
    assert found[0].reason.startswith("no_tool_call: calls a malformed call")


def test_stored_calls_are_scored_again(project: Path) -> None:
    report = recorded(project, GOOD)
    suite = load_suite("s.yaml")
    cases = tuple(
        replace(case, turns=(replace(case.turns[0], checks=only("thanks").turns[0].checks),))
        for case in suite.cases
    )
    other = Suite("tools", "tool_calling", "s.yaml", cases)

    with Store(report.store) as store:
        same = list(rescore(report.info.id, [suite], store))
        found = {one.before.case: one.after for one in rescore(report.info.id, [other], store)}

    assert not any(one.changed for one in same)
    assert found["thanks"].outcome is Outcome.PASS
    assert found["one"].reason == "no_tool_call: calls get_time()"
    assert found["weather"].reason.startswith("no_tool_call: calls get_weather")


def test_other_results_are_another_question(project: Path) -> None:
    whole = only("weather")
    tools, turn = whole.tools, whole.turns[0]

    hashes = {
        whole.hash,
        replace(whole, tools=tools[:1]).hash,
        replace(whole, turns=(replace(turn, results=turn.results[:1]),)).hash,
        replace(whole, tools=(), turns=(replace(turn, results=()),)).hash,
    }

    assert len(hashes) == 4


def test_a_template_of_no_known_family_is_an_input_error(project: Path) -> None:
    class Templated(ScriptedEngine):
        def chat_template(self, variant: Variant) -> str | None:
            return "{{ tools }}{{ messages }}"

    with pytest.raises(InputError, match="nobody knows how m writes calls of tools") as caught:
        families_of(None, [BASE], Templated(), [only("one")])

    assert "s.yaml" in str(caught.value)
    assert "--tool-parser" in str(caught.value)
    assert families_of("hermes", [BASE], Templated(), [only("one")]) == {"base": "hermes"}
    assert families_of(None, [BASE], ScriptedEngine(), [only("one")]) == {"base": ""}
    assert families_of(None, [BASE], Templated(), []) == {}


def test_the_form_can_be_chosen(project: Path) -> None:
    project.joinpath("a.jsonl").write_text(
        json.dumps({"case": "one", "response": '{"name": "get_time", "arguments": {}}'})
    )

    first = score("s.yaml", responses="a.jsonl", tool_parser="json")
    other = score("s.yaml", responses="a.jsonl", tool_parser="hermes")

    assert results(first)["one"].outcome is Outcome.PASS
    assert results(other)["one"].outcome is Outcome.FAIL
    with pytest.raises(InputError, match="tool-parser"):
        score("s.yaml", responses="a.jsonl", tool_parser="herms")


def test_echo_plays_recorded_calls(project: Path) -> None:
    recorded(project, GOOD)

    report = run("s.yaml", backend="echo", responses="a.jsonl")

    assert all(one.outcome is Outcome.PASS for one in report.results())
