"""Scripted conversations: examples, fixed answers and calls, prefixes, the system's role, steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.backends import Completion, Request
from harness.common import InputError, Message, ToolCall, Variant
from harness.config import load_settings
from harness.evaluation import RunReport, rescore, run_suites
from harness.evaluation.trial import Trial, messages_of
from harness.prompts import load_tokenizer
from harness.results import Outcome, Result
from harness.store import Store
from harness.suites import Case, Suite, load_suite
from tests.backends.openai.serving import Heard, Said, SmallServer, answer, models
from tests.backends.test_tools import HERMES
from tests.backends.tiny import save_model, save_tokenizer
from tests.evaluation.engines import ScriptedEngine
from tests.evaluation.worlds import BASE, go, plan_of

SUITE = """
suite: talks
category: instruction_following
vars: {word: red}
defaults:
  system: Be brief.
  examples:
    - {user: "Colour of blood?", assistant: "{{ word }}"}
  sampling: {max_new_tokens: 8}
cases:
  - {id: shown, user: Colour of grass?, checks: [{contains: green}]}
  - id: fixed
    examples: []
    turns:
      - {user: My name is Lina., assistant: "Hello, Lina."}
      - {user: Who am I?, checks: [{contains: Lina}]}
      - {user: And I live in Rome., assistant: Noted.}
      - {user: Where do I live?, prefix: "You live in", checks: [{regex: "^You live in Rome"}]}
"""
TOOLS = """
suite: tools
category: tool_calling
tools: [{name: get_time, parameters: {type: object, properties: {zone: {type: string}}}}]
cases:
  - id: goes-on
    user: What time is it in Tokyo?
    examples:
      - {user: "What time is it in Rome?"}
      - {tool_calls: [{name: get_time, arguments: {zone: Europe/Rome}}]}
      - {tool: get_time, returns: {time: "01:40"}}
      - {assistant: "It is 01:40."}
    tool_calls: [{name: get_time, arguments: {zone: Asia/Tokyo}}]
    results: [{tool: get_time, returns: "09:40"}]
    checks: [no_tool_call, {contains: "09:40"}]
  - id: steps
    user: What time is it in Tokyo?
    results: [{tool: get_time, returns: "09:40"}]
    checks:
      - {contains: check, step: 0}
      - {not: {contains: check}, step: -1}
      - {tool_call: get_time, step: 0}
      - {no_tool_call: {}, step: 1}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    tmp_path.joinpath("s.yaml").write_text(SUITE)
    tmp_path.joinpath("t.yaml").write_text(TOOLS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def only(name: str, file: str = "s.yaml") -> Case:
    return next(case for case in load_suite(file).cases if case.id == name)


def told(case: Case, *answers: str, variant: Variant = BASE) -> list[tuple[str, str]]:
    """Role and content of what leads to the next answer."""
    messages = messages_of(Trial(case, variant), answers, {})
    return [(message.role, message.content) for message in messages]


def test_examples_stand_before_what_is_asked() -> None:
    assert told(only("shown")) == [
        ("system", "Be brief."),
        ("user", "Colour of blood?"),
        ("assistant", "red"),
        ("user", "Colour of grass?"),
    ]


def test_fixed_answers_are_not_asked_and_a_prefix_is_gone_on_with() -> None:
    case = only("fixed")
    begun = [("system", "Be brief."), ("user", "My name is Lina."), ("assistant", "Hello, Lina.")]

    assert len(case.turns) == 2
    assert told(case) == [*begun, ("user", "Who am I?")]
    assert told(case, "Lina.") == [
        *begun,
        *(("user", "Who am I?"), ("assistant", "Lina.")),
        *(("user", "And I live in Rome."), ("assistant", "Noted.")),
        *(("user", "Where do I live?"), ("assistant", "You live in")),
    ]


def recorded(file: str, **answers: Any) -> RunReport:
    rows = (
        {"case": case.replace("_", "-"), **({"steps": said} if file == "t.yaml" else said)}
        for case, said in answers.items()
    )
    Path("a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return harness.score(file, responses="a.jsonl")


def results(report: RunReport) -> dict[str, Result]:
    return {result.case: result for result in report.results()}


def test_recorded_answers_are_whole_and_scored_again(project: Path) -> None:
    report = recorded(
        "s.yaml",
        shown={"response": "green"},
        fixed={"responses": ["Lina.", "You live in Rome."]},
    )

    found = results(report)
    assert [one.outcome for one in found.values()] == [Outcome.PASS] * 2, found["fixed"].reason
    assert found["fixed"].responses == ("Lina.", "You live in Rome.")
    with Store(report.store) as store:
        again = list(rescore(report.info.id, [load_suite("s.yaml")], store))
        other = Path("s.yaml").read_text().replace("Noted.", "Well noted.")
        Path("s.yaml").write_text(other)
        changed = list(rescore(report.info.id, [load_suite("s.yaml")], store))
    assert not any(one.changed for one in again)
    assert {one.after.case: one.after.outcome for one in changed} == {
        "shown": Outcome.PASS,
        "fixed": Outcome.ERROR,
    }


def test_what_an_engine_goes_on_with_is_a_part_of_its_answer(project: Path) -> None:
    def say(request: Request) -> Completion:
        last = request.prompt.messages[-1]
        return Completion(" Rome." if last.role == "assistant" else "Lina.", "stop", 1, 1)

    engine = ScriptedEngine(say)
    plan = plan_of(engine, only("fixed"))
    _, first = go(project / "db", plan, engine)
    counts, second = go(project / "db", plan, engine, run_id="again")

    assert first[0].outcome is Outcome.PASS, first[0].reason
    assert first[0].responses == second[0].responses == ("Lina.", "You live in Rome.")
    assert counts.generated == 0


def test_what_is_scripted_is_asked_and_nothing_else_changes_a_hash() -> None:
    whole = only("fixed")
    first, last = whole.turns

    hashes = {
        whole.hash,
        replace(whole, turns=(first, replace(last, prefix=""))).hash,
        replace(whole, turns=(replace(first, before=()), last)).hash,
        replace(whole, system_role="merge").hash,
        replace(whole, tool_choice="none").hash,
    }
    assert len(hashes) == 5


# -- the system's role -----------------------------------------------------------------------------

NO_SYSTEM = (
    "{%- for message in messages %}"
    "{%- if message.role == 'system' %}{{- raise_exception('System role not supported') }}"
    "{%- endif %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


@pytest.fixture
def strict(project: Path) -> Path:
    """A random model whose template forbids the system's role, as Gemma 2's does."""
    folder = save_model(project / "strict")
    (folder / "chat_template.jinja").write_text(NO_SYSTEM)
    return folder


def run(settings: str) -> RunReport:
    Path("harness.toml").write_text(
        'backend = "hf"\ndevice = "cpu"\nmodel = "strict"\nsuites = ["s.yaml"]\n' + settings
    )
    return run_suites(load_settings(Path()))


def test_a_forbidden_system_role_names_the_choice(strict: Path) -> None:
    with pytest.raises(InputError) as raised:
        run("")

    (problem, *_) = raised.value.problems
    assert problem.message == (
        f"{strict.name}: the chat template refuses these messages: System role not supported"
    )
    assert problem.place == "s.yaml:11:5"
    assert problem.hint.startswith("say system_role: merge")


def test_the_system_prompt_goes_before_the_first_user_turn(strict: Path) -> None:
    text = Path("s.yaml").read_text().replace("defaults:\n", "defaults:\n  system_role: merge\n")
    Path("s.yaml").write_text(text)
    report = run('[variants.kind]\nsystem = "Be kind."\n[variants.native]\nsystem = ""\n')

    prompts = {(one.variant, one.case): one.prompt for one in report.results()}
    assert prompts["base", "shown"][0]["content"] == "Be brief.\n\nColour of blood?"
    assert prompts["kind", "fixed"][0]["content"] == "Be kind.\n\nMy name is Lina."
    assert prompts["native", "shown"][0] == {"role": "user", "content": "Colour of blood?"}
    said = " ".join(report.info.notes)
    assert "base: the system prompt stands in the first user turn (system_role: merge)" in said
    assert "native: the system prompt" not in said
    assert all(
        one.responses[-1].startswith("You live in")
        for one in report.results()
        if one.case == "fixed"
    )


def test_a_variant_may_choose(strict: Path) -> None:
    for role, system in (("merge", "user"), ("native", "system")):
        variant = Variant("v", "m", system_role=role)
        assert told(only("shown"), variant=variant)[0][0] == system
    Path("s.yaml").write_text(SUITE.replace("system: Be brief.", "tags: [a]"))
    report = run('[variants.merged]\nsystem = "Be kind."\nsystem_role = "merge"\n')

    infos = {info.name: info.system_role for info in report.info.variants}
    assert infos == {"base": None, "merged": "merge"}
    assert "<dt>System role</dt><dd>merge</dd>" in report.paths.html.read_text()


# -- prefixes in prompts and servers ---------------------------------------------------------------


def test_a_prompt_ends_within_the_answer(tmp_path: Path) -> None:
    """With the template of a thinking model, too: what is begun is not closed."""
    save_tokenizer(tmp_path / "model", HERMES)
    tokenizer = load_tokenizer(tmp_path / "model")
    talk = (Message("user", "Hi"), Message("assistant", "You live in"))

    assert tokenizer.text(talk).endswith("<|im_start|>assistant\nYou live in")
    assert tokenizer.decode(tokenizer.token_ids(talk), special=True) == tokenizer.text(talk)
    whole: Any = tokenizer.tokenizer.apply_chat_template
    rows = [{"role": message.role, "content": message.content} for message in talk]
    assert tokenizer.text(talk) == whole(rows, tokenize=False, continue_final_message=True)


@pytest.fixture
def servers() -> Iterator[dict[str, SmallServer]]:
    def say(heard: Heard) -> Said:
        last = heard.body["messages"][-1]
        return answer(" Rome." if last["role"] == "assistant" else "Lina and green.")

    vllm = {"/v1/models": models("small", owned_by="vllm"), "/version": Said(body={"version": "0"})}
    started = {"vllm": SmallServer(say, vllm), "other": SmallServer(say)}
    yield started
    for server in started.values():
        server.close()


def test_vllm_s_server_goes_on_and_others_cannot(servers: dict[str, SmallServer]) -> None:
    where: dict[str, Any] = {"backend": "openai", "model": "small"}

    report = harness.run("s.yaml", base_url=servers["vllm"].url, **where)

    assert [one.outcome for one in report.results()] == [Outcome.PASS] * 2
    bodies = [heard.body for heard in servers["vllm"].heard]
    (last,) = (body for body in bodies if body["messages"][-1]["role"] == "assistant")
    assert (last["continue_final_message"], last["add_generation_prompt"]) == (True, False)
    assert sum("continue_final_message" in body for body in bodies) == 1
    with pytest.raises(InputError, match="cannot go on with the beginning of an answer") as raised:
        harness.run("s.yaml", base_url=servers["other"].url, store=Path("other.db"), **where)
    assert raised.value.problems[0].case == "fixed"
    assert servers["other"].heard == []  # it is found before anything is asked


# -- tools -----------------------------------------------------------------------------------------

CALL = '<tool_call>{"name": "get_time", "arguments": {"zone": "Asia/Tokyo"}}</tool_call>'


def test_scripted_calls_are_answered_and_steps_are_read() -> None:
    report = recorded(
        "t.yaml",
        goes_on=[{"turn": 0, "text": "It is 09:40."}],
        steps=[{"turn": 0, "text": f"I check. {CALL}"}, {"turn": 0, "text": "It is 09:40."}],
    )

    found = results(report)
    assert [one.outcome for one in found.values()] == [Outcome.PASS] * 2, [
        one.reason for one in found.values()
    ]
    prompt = found["goes-on"].prompt
    assert [row["role"] for row in prompt] == [
        *("user", "assistant", "tool", "assistant"),
        *("user", "assistant", "tool"),
    ]
    ids = [call["id"] for row in prompt for call in row.get("tool_calls", ())]
    assert ids == [row["tool_call_id"] for row in prompt if row["role"] == "tool"]
    assert len(set(ids)) == 2 and all(len(each) == 9 and each.isalnum() for each in ids)
    assert found["goes-on"].said == ("It is 09:40.",)
    assert "← '09:40'" in found["steps"].said[0]


def test_a_step_that_is_not_there_fails_and_is_named() -> None:
    report = recorded(
        "t.yaml",
        goes_on=[{"turn": 0, "text": "It is 09:40."}],
        steps=[{"turn": 0, "text": "I check: it is 09:40."}],
    )

    reason = results(report)["steps"].reason
    assert "not of step -1: " in reason
    assert "tool_call of step 0: no tool is called" in reason
    assert "no_tool_call of step 1: there is no step 1: the turn has 1 answer" in reason


def test_tool_choice_goes_to_servers_and_is_refused_elsewhere(
    servers: dict[str, SmallServer], project: Path
) -> None:
    free = TOOLS.replace(
        "checks: [no_tool_call, ", "checks: ["
    )  # it never holds where one is forced
    Path("t.yaml").write_text(
        free.replace("cases:", "tool_choice: required\ncases:").replace(
            "  - id: steps", "  - id: steps\n    tool_choice: get_time"
        )
    )
    where: dict[str, Any] = {"backend": "openai", "model": "small", "base_url": servers["vllm"].url}
    harness.run("t.yaml", **where)

    chosen = {str(heard.body["tool_choice"]) for heard in servers["vllm"].heard}
    named = {"type": "function", "function": {"name": "get_time"}}
    assert chosen == {"required", str(named)}
    Path("t.yaml").write_text(free)
    count = len(servers["vllm"].heard)
    harness.run("t.yaml", **where)
    assert len(servers["vllm"].heard) == count + 2  # another key
    assert all("tool_choice" not in heard.body for heard in servers["vllm"].heard[count:])

    model = save_model(project / "caller", max_position_embeddings=2048)
    (model / "chat_template.jinja").write_text(HERMES)
    calls_nothing = TOOLS.partition("  - id: steps")[0]
    Path("t.yaml").write_text(calls_nothing.replace("cases:", "tool_choice: none\ncases:"))
    with pytest.raises(InputError, match="tool_choice cannot be held") as raised:
        harness.run("t.yaml", backend="hf", device="cpu", model=str(model))
    assert raised.value.problems[0].place.startswith("t.yaml:")


def test_a_choice_of_tools_is_about_the_first_answer_to_a_turn() -> None:
    def say(heard: Heard) -> Said:
        if heard.body["messages"][-1]["role"] == "tool" and "tool_choice" not in heard.body:
            return answer("It is 09:40.")
        call = {"name": "get_time", "arguments": '{"zone": "Asia/Tokyo"}'}
        calls = [{"id": "one", "type": "function", "function": call}]
        said = {"role": "assistant", "content": "Let me check.", "tool_calls": calls}
        return Said(body={"choices": [{"message": said, "finish_reason": "tool_calls"}]})

    steps = TOOLS.partition("cases:\n")[0] + "tool_choice: required\ncases:\n"
    steps += "  - id: steps" + TOOLS.partition("  - id: steps")[2]
    Path("t.yaml").write_text(steps)
    server = SmallServer(say)
    try:
        report = harness.run("t.yaml", backend="openai", model="small", base_url=server.url)
    finally:
        server.close()

    assert [heard.body.get("tool_choice") for heard in server.heard] == ["required", None]
    (result,) = report.results()
    assert (result.outcome, result.responses[-1]) == (Outcome.PASS, "It is 09:40.")


def test_a_random_model_is_asked_after_scripted_calls(project: Path) -> None:
    model = save_model(project / "caller", max_position_embeddings=2048)
    (model / "chat_template.jinja").write_text(HERMES)
    case = only("goes-on", "t.yaml")
    report = harness.run(
        Suite("tools", "tool_calling", "t.yaml", (case,)),
        backend="hf",
        device="cpu",
        model=str(model),
    )

    (result,) = report.results()
    assert result.outcome in (Outcome.PASS, Outcome.FAIL)
    calls = [message.tool_calls for message in case.turns[0].calls]
    assert calls[0] == (ToolCall("get_time", {"zone": "Asia/Tokyo"}, "fixed0002"),)
