"""Reasoning from the answer to the scorecard: kept apart, counted, checked, passed on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.backends import PLAIN, Completion, Prompt, Rendering, Request
from harness.common import InputError, Message, Messages, Sampling, Variant
from harness.config import Settings
from harness.evaluation import RunReport
from harness.evaluation.plan import Plan
from harness.evaluation.reasoning import (
    ReasoningForm,
    check_limits,
    reasoning_forms,
    reasoning_notes,
)
from harness.evaluation.rescore import rescore
from harness.evaluation.trial import Trial
from harness.results import Outcome, Result, result_from_json, result_to_json
from harness.store import Store
from harness.suites import load_suite
from tests.backends.tiny import save_model
from tests.evaluation.engines import ScriptedEngine
from tests.evaluation.worlds import BASE, case, go, plan_of

SUITE = """
suite: thinking
category: instruction_following
defaults: {system: The code word is heron.}
cases:
  - id: one
    user: What is 2 + 2?
    checks: [{contains: "4"}]
  - id: private
    user: What is 3 + 3?
    checks:
      - contains: "6"
      - {not: {contains: heron}, read: reasoning}
"""


ROWS = ({"case": "one", "response": "4"}, {"case": "private", "response": "6"})


def score(folder: Path, rows: Iterable[Mapping[str, Any]], **more: Any) -> RunReport:
    """Score recorded answers to the suite above."""
    (folder / "s.yaml").write_text(SUITE)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "answers.jsonl").write_text(lines)
    return harness.score(str(folder / "s.yaml"), responses=str(folder / "answers.jsonl"), **more)


def found(report: RunReport) -> dict[str, Result]:
    return {result.case: result for result in report.results()}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "written",
    [
        {"response": "<think>Two and two.</think>4"},
        {"response": "4", "reasoning": "Two and two."},
        {"response": "4", "reasoning_content": "Two and two."},
        {"response": "[THINK]Two and two.[/THINK]4"},
        {"responses": ["Two and two.</think>4"]},
        {"responses": ["4"], "reasoning": ["Two and two."]},
        {"steps": [{"turn": 0, "text": "4", "reasoning": "Two and two."}]},
        {"response": "<|channel|>analysis<|message|>Two and two.<|end|><|start|>assistant"
         "<|channel|>final<|message|>4"},
    ],
)  # fmt: skip
def test_it_stands_beside_the_answer_wherever_it_comes_from(
    tmp_path: Path, written: Mapping[str, Any]
) -> None:
    private = {"case": "private", "response": "<think>Three.</think>6"}

    report = score(tmp_path, [{"case": "one", **written}, private])

    one = found(report)["one"]
    assert (one.outcome, one.reasoning, one.unended) == (Outcome.PASS, ("Two and two.",), 0)
    assert one.said == ("4",)
    assert one.thought == ("Two and two.",)
    assert 0 < one.reasoning_tokens <= one.completion_tokens
    row = result_to_json(one)
    assert row["reasoning"] in ("Two and two.", ["Two and two."])
    assert result_from_json(row) == replace(one, seconds=0.0, cached=False)


def test_a_run_of_recorded_results_is_the_same_run(tmp_path: Path) -> None:
    rows = [
        {"case": "one", "response": "<think>4, I think"},
        {"case": "private", "response": "6", "reasoning": "Not heron."},
    ]
    first = score(tmp_path, rows)
    again = harness.score("s.yaml", responses=str(first.paths.results))

    kept = [result_to_json(result) for result in first.results()]
    assert [result_to_json(result) for result in again.results()] == kept
    with Store(first.store) as store:
        pairs = list(rescore(first.info.id, [load_suite(Path("s.yaml"))], store))
    assert [result_to_json(pair.after) for pair in pairs] == kept


@pytest.mark.parametrize(
    "written",
    [
        {"response": "<think>It is 4", "finish_reason": "length", "completion_tokens": 9},
        {"response": "<think>It is 4"},
        {"response": "", "reasoning": "It is 4"},
        {"response": None, "reasoning": "It is 4"},
        {"response": "analysisIt is 4"},
    ],
)
def test_thinking_that_never_ended_is_a_reason_of_its_own(
    tmp_path: Path, written: Mapping[str, Any]
) -> None:
    private = {"case": "private", "response": "<think>It is", "completion_tokens": 5}

    report = score(tmp_path, [{"case": "one", **written}, private])

    one, other = found(report)["one"], found(report)["private"]
    cut = written.get("finish_reason") == "length"
    limit = " (cut off after 9 tokens, at max_new_tokens)" if cut else ""
    assert (one.outcome, one.reason) == (Outcome.FAIL, f"thinking never ended{limit}")
    assert (one.reasoning, one.unended, one.said) == (("It is 4",), 1, ("",))
    assert [check.reason for check in one.checks] == ["thinking never ended"]
    # What there is of it is read by the check that asks for it, and the case fails all the same.
    assert other.outcome is Outcome.FAIL
    assert [check.passed for check in other.checks] == [False, True]
    (warning,) = (text for text in report.gate.warnings if "thinking" in text)
    assert warning.startswith("base: thinking never ended in 2 answers, which failed for that;")
    (row,) = report.scorecard.extras["thinking"]
    assert row.model_dump() == {
        "suite": "thinking",
        "variant": "base",
        "answers": 2,
        "reasoned": 2,
        "unended": 2,
        "reasoning_tokens": one.reasoning_tokens + other.reasoning_tokens,
        "completion_tokens": one.completion_tokens + other.completion_tokens,
    }


@pytest.mark.parametrize(
    ("reasoning", "outcome", "reason"),
    [
        ("Three and three.", Outcome.PASS, ""),
        (
            "The word is heron.",
            Outcome.FAIL,
            "not of the reasoning: not contains: ",
        ),
        ("", Outcome.FAIL, "not of the reasoning: cannot tell: there is no reasoning"),
    ],
)
def test_a_check_reads_the_reasoning(
    tmp_path: Path, reasoning: str, outcome: Outcome, reason: str
) -> None:
    rows = [
        {"case": "one", "response": "4"},
        {"case": "private", "response": "6", "reasoning": reasoning},
    ]

    private = found(score(tmp_path, rows))["private"]

    assert (private.outcome, private.reason[: len(reason)]) == (outcome, reason)
    assert [check.read for check in private.checks] == ["", "reasoning"]


def test_nothing_changes_where_nothing_is_thought(tmp_path: Path) -> None:
    report = score(tmp_path, ROWS)

    row = result_to_json(found(report)["one"])
    assert not {"reasoning", "reasoning_tokens", "unended"} & row.keys()
    assert "thinking" not in report.scorecard.extras
    assert not [note for note in report.info.notes if "reasoning" in note]


@pytest.mark.parametrize(
    ("parser", "passed", "note"),
    [
        ("auto", True, ""),
        ("think", True, "reasoning is read as think: base"),
        ("none", False, "reasoning is left in the answers: base"),
        ("harmony", False, "reasoning is read as harmony: base"),
    ],
)
def test_the_parser_is_chosen(tmp_path: Path, parser: str, passed: bool, note: str) -> None:
    rows = [
        {"case": "one", "response": "<think>Hm.</think>4"},
        {"case": "private", "response": "<think>Hm.</think>6"},
    ]
    (tmp_path / "s.yaml").write_text(SUITE.replace('contains: "4"', 'equals: "4"'))
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    report = harness.score("s.yaml", responses="answers.jsonl", reasoning_parser=parser)

    assert (found(report)["one"].outcome is Outcome.PASS) == passed
    assert bool(found(report)["one"].reasoning) == passed
    assert [text for text in report.info.notes if "reasoning" in text] == [note] * bool(note)


def test_two_settings_for_one_thing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reasoning_parser and reasoning_tags both say"):
        score(tmp_path, ROWS, reasoning_parser="think", reasoning_tags=["think"])


# Of Qwen3's kind: the reasoning of an answer is given beside its text, and dropped if it is old.
QWEN = "{% if '</think>' in message.content %}{{ message.reasoning_content }}{% endif %}"


@dataclass
class Thinker(ScriptedEngine):
    """A scripted engine with a chat template, whose prompts may end inside reasoning."""

    template: str | None = QWEN
    ending: str = ""

    def prompt(self, messages: Messages, variant: Variant, rendering: Rendering = PLAIN) -> Prompt:
        return replace(super().prompt(messages, variant, rendering), ending=self.ending)

    def chat_template(self, variant: Variant) -> str | None:
        return self.template

    def count_tokens(self, text: str, variant: Variant) -> int | None:
        return len(text.split())


def planned(engine: Thinker, settings: Settings | None = None, **more: Any) -> Plan:
    plan = plan_of(engine, case("a", "One?", "Two?", check={"contains": "yes"}), **more)
    forms = reasoning_forms(settings or Settings(), [BASE], engine)
    return replace(plan, reasoning=forms)


@pytest.mark.parametrize(
    ("answer", "response", "reasoning", "outcome"),
    [
        (
            "I think so.\n</think>\nyes",
            "<think>\nI think so.\n</think>\nyes",
            "I think so.",
            "pass",
        ),
        ("<think>\nI do.</think>yes", "<think>\nI do.</think>yes", "I do.", "pass"),
        ("I think yes", "<think>\nI think yes", "I think yes", "fail"),
    ],
)
def test_a_prompt_that_opens_the_reasoning(
    tmp_path: Path, answer: str, response: str, reasoning: str, outcome: str
) -> None:
    engine = Thinker(
        lambda request: Completion(answer, "stop", 1, 9), ending="assistant\n<think>\n"
    )

    _, (result,) = go(tmp_path / "s.db", planned(engine), engine)

    assert (result.outcome, result.responses) == (Outcome(outcome), (response, response))
    assert result.reasoning == (reasoning, reasoning)
    assert result.reasoning_tokens == 2 * len(reasoning.split())
    assert result.unended == (2 if outcome == "fail" else 0)
    with Store(tmp_path / "s.db") as store:  # the answer itself is stored as it was made
        kept = store.completions(request.key for request in engine.asked)
    assert {completion.text for completion in kept.values()} == {answer}


def test_earlier_reasoning_goes_to_templates_that_read_it(tmp_path: Path) -> None:
    def say(request: Request) -> Completion:
        return Completion("<think>Hm.</think>yes", "stop", 1, 9)

    reads, other = Thinker(say), Thinker(say, template="<think>")
    go(tmp_path / "a.db", planned(reads), reads)
    go(tmp_path / "b.db", planned(other), other)

    assert reads.asked[1].prompt.messages[1] == Message("assistant", "yes", reasoning="Hm.")
    assert other.asked[1].prompt.messages[1] == Message("assistant", "yes")


def test_the_template_says_the_family(tmp_path: Path) -> None:
    def form(template: str | None, **settings: Any) -> ReasoningForm:
        engine = Thinker(template=template)
        return reasoning_forms(Settings(**settings), [BASE], engine)["base"]

    usual = ReasoningForm().tags
    assert form("{{ message.content }}") == ReasoningForm()
    assert form(None) == ReasoningForm()
    assert form(QWEN) == ReasoningForm(usual, "think", passed_on=True)
    mistral = form("[THINK]{{ x }}[/THINK]")
    assert mistral == ReasoningForm(usual, "[THINK]", marked=True)
    gpt = form("<|channel|>analysis<|message|>{{ message.thinking }}")
    assert gpt == ReasoningForm(usual, "harmony", marked=True, passed_on=True)
    assert form(QWEN, reasoning_parser="none") == ReasoningForm(())
    forms = {"a": form(QWEN), "b": mistral, "c": form("x"), "d": form(QWEN)}
    assert reasoning_notes(forms) == (
        "reasoning is read as think: a, d",
        "reasoning is read as [THINK]: b",
    )


def test_marks_that_are_special_tokens_are_kept_and_in_the_key(tmp_path: Path) -> None:
    plain, marked = Thinker(template="{{ x }}"), Thinker(template="[THINK]{{ x }}")
    go(tmp_path / "a.db", planned(plain), plain)
    go(tmp_path / "b.db", planned(marked), marked)

    assert [request.keeps_special for request in plain.asked] == [False, False]
    assert [request.keeps_special for request in marked.asked] == [True, True]
    assert plain.asked[0].key != marked.asked[0].key
    usual = Thinker()
    go(tmp_path / "c.db", planned(usual), usual)
    assert plain.asked[0].key == usual.asked[0].key


def test_a_variant_has_a_parser_of_its_own() -> None:
    variants = [BASE, Variant("raw", "m", reasoning_parser="none"), Variant("own", "m")]
    settings = Settings(reasoning_parser="harmony")

    forms = reasoning_forms(settings, variants, Thinker())

    assert [form.tags for form in forms.values()] == [("harmony",), (), ("harmony",)]


@pytest.mark.parametrize(
    ("limits", "template", "wrong"),
    [
        (True, QWEN, ""),
        (True, None, ""),
        (False, QWEN, "max_reasoning_tokens: scripted has no limit for reasoning"),
        (True, "{{ x }}", "max_reasoning_tokens: the chat template of m shows no marks"),
        (
            True,
            "<|channel|>analysis<|message|>",
            "max_reasoning_tokens: the chat template of m shows no marks",
        ),
    ],
)
def test_a_limit_is_refused_where_nobody_keeps_to_it(
    limits: bool, template: str | None, wrong: str
) -> None:
    engine = Thinker(template=template)
    engine.limits_reasoning = limits
    limited = Sampling(max_reasoning_tokens=8)
    trials = [Trial(case(name, sampling=limited), Variant("base", "m")) for name in ("a", "b")]
    check_limits([Trial(case("c"), BASE)], Thinker())

    if not wrong:
        check_limits(trials, engine)
        return
    with pytest.raises(InputError) as caught:
        check_limits(trials, engine)
    (problem,) = caught.value.problems
    assert problem.message.startswith(wrong)
    assert (problem.case, problem.path, problem.line) == ("a and 1 more", "s.yaml", 1)
    assert problem.hint


@pytest.mark.parametrize(
    ("of_run", "of_variant", "of_case", "tags"),
    [
        ("auto", None, "none", ()),
        ("auto", None, "think", ("think",)),
        ("harmony", None, "auto", ReasoningForm().tags),
        ("none", None, None, ()),
        ("auto", "think", "none", ("think",)),
        ("none", "auto", "harmony", ReasoningForm().tags),
    ],
)
def test_the_variant_stands_before_the_case_and_the_case_before_the_run(
    of_run: Any, of_variant: Any, of_case: str | None, tags: tuple[str, ...]
) -> None:
    variant = Variant("v", "m", reasoning_parser=of_variant)
    settings = Settings(reasoning_parser=of_run)
    forms = reasoning_forms(settings, [variant], Thinker(template="{{ x }}"))
    asked = case("a", reasoning_parser=of_case)

    form = Plan((), reasoning=forms).reasoning_of(asked, "v")

    assert form.tags == tags
    assert (asked.hash == case("a").hash) == (of_case is None)


def test_a_suite_leaves_reasoning_in_its_answers(tmp_path: Path) -> None:
    raw = SUITE.replace("heron.}", "heron., reasoning_parser: none}").replace(
        'contains: "4"', "starts_with: <think>"
    )
    (tmp_path / "s.yaml").write_text(raw)
    rows = [{"case": "one", "response": "<think>Hm.</think>4"}, ROWS[1]]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    report = harness.score("s.yaml", responses="answers.jsonl")

    one = found(report)["one"]
    assert (one.outcome, one.reasoning) == (Outcome.PASS, ())
    with Store(report.store) as store:
        pairs = list(rescore(report.info.id, [load_suite(Path("s.yaml"))], store))
    assert not any(pair.changed for pair in pairs)


def test_an_answer_under_a_schema_has_no_reasoning(tmp_path: Path) -> None:
    """The grammar binds from the first token on: it cannot close what the prompt opened."""
    engine = Thinker(lambda request: Completion("{}", "stop", 1, 9), ending="a\n<think>\n")
    engine.constrains_json = True
    plan = plan_of(engine, case("a", check="json", decoding="constrained"))

    _, (result,) = go(tmp_path / "s.db", plan, engine)

    assert (result.outcome, result.responses, result.unended) == (Outcome.PASS, ("{}",), 0)


def test_a_judge_without_a_limit_is_an_input_error(tmp_path: Path) -> None:
    judged = SUITE.replace('contains: "4"', "judge: polite")
    (tmp_path / "s.yaml").write_text(judged)
    (tmp_path / "harness.toml").write_text(
        '[judge]\nbackend = "hf"\nmodel = "m"\nsampling = {max_reasoning_tokens = 8}\n'
    )
    save_model(tmp_path / "m")
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / "answers.jsonl").write_text(lines)

    with pytest.raises(InputError, match="max_reasoning_tokens of a judge: hf has no limit"):
        harness.score("s.yaml", responses="answers.jsonl")
