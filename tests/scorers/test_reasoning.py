"""Reasoning is taken out once, before any check."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.scorers import (
    DEFAULT_TAGS,
    Answer,
    Context,
    SplitAnswer,
    Tag,
    declared_tags,
    opened_by,
    parse_check,
    reasoning_family,
    split_reasoning,
    strip_reasoning,
    unread_mark,
)


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        ("Yes.", "Yes."),
        (" [1]\n", " [1]\n"),
        ("", ""),
        ("<think>Hm.</think>\n\nYes.", "Yes."),
        ("<think>\n\n</think>\n\nYes.\n", "Yes.\n"),
        ("<THINK>Hm.</Think>Yes.", "Yes."),
        ("<think>a<think>b</think>c</think>Yes.", "Yes."),
        ("One <think>a</think>two <think>b</think>three", "One two three"),
        ("<think>never closed", ""),
        ("Yes. <think>or not", ""),
        ("<think>a</think>Yes.<think>b", ""),
        ("the template opened it</think>\nYes.", "Yes."),
        ("a</think>b</think>Yes.", "Yes."),
        ("<think>a</think>b</think>Yes.", "Yes."),
        ("Write `<think>` first.", "Write `<think>` first."),
        ("<think>so `</think>` ends it</think>Yes.", "Yes."),
        ("<thinking>is part of the answer", "<thinking>is part of the answer"),
        ("</think>", ""),
    ],
)
def test_default_tags(raw: str, answer: str) -> None:
    assert strip_reasoning(raw) == answer


def test_tags_of_ones_own() -> None:
    assert strip_reasoning("[T]a[/T]b", [("[T]", "[/T]")]) == "b"
    assert strip_reasoning("<reason>a</reason>b", ["reason"]) == "b"
    assert strip_reasoning("<think>a</think>b", ["reason"]) == "<think>a</think>b"
    assert strip_reasoning("<think>a", []) == "<think>a"


def test_a_megabyte_of_tags_is_read() -> None:
    assert strip_reasoning("<think>" * 150_000) == ""
    assert strip_reasoning("</think>" * 150_000) == ""


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        ("[THINK]The user greets.[/THINK]Hello there friend", "Hello there friend"),
        ("The template opened it.[/THINK]\nHello", "Hello"),
        ("[THINK]never closed", ""),
        ("Write `[THINK]` first.", "Write `[THINK]` first."),
        ("◁think▷Hm.◁/think▷Yes.", "Yes."),
        ("<seed:think>Hm.</seed:think>Yes.", "Yes."),
        (
            "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>",
            "Yes.",
        ),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final"
            "<|message|>Yes.<|return|>",
            "Yes.",
        ),
        ("<|channel|>final<|message|>Yes.", "Yes."),
        ("<|channel|>analysis<|message|>never closed", ""),
        (
            "the template opened it<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
            "Yes.",
        ),
        (
            "<|channel|>commentary to=functions.a <|constrain|>json<|message|>{}<|call|>"
            "<|start|>assistant<|channel|>final<|message|>Yes.",
            "Yes.",
        ),
        ("analysisThe user wants a greeting.assistantfinalHello there", "Hello there"),
        ("analysisHm.assistantcommentaryHm.assistantfinalYes.", "Yes."),
        ("analysis用户问好。assistantfinal你好", "你好"),
        ("analysisNever closed", ""),
        ("analysis is a branch of mathematics.", "analysis is a branch of mathematics."),
        ("Analysis: the assistant won the final.", "Analysis: the assistant won the final."),
        ("Use `<|channel|>final<|message|>` here.", "Use `<|channel|>final<|message|>` here."),
    ],
)
def test_each_family_marks_its_reasoning_in_its_own_way(raw: str, answer: str) -> None:
    assert strip_reasoning(raw) == answer


def test_families_are_named_in_the_configuration() -> None:
    assert strip_reasoning("[THINK]a[/THINK]b", ["[THINK]"]) == "b"
    assert strip_reasoning("[THINK]a[/THINK]b", ["think"]) == "[THINK]a[/THINK]b"
    assert strip_reasoning("analysisAh.assistantfinalb", ["harmony"]) == "b"
    assert strip_reasoning("analysisAh.assistantfinalb", ["think"]) == "analysisAh.assistantfinalb"


def test_a_chat_template_declares_its_marks() -> None:
    template = "<thought> {%- set content = content.split('</thought>')[-1] %} <think></think>"

    assert declared_tags(template) == (("<thought>", "</thought>"),)
    assert declared_tags("{{ content.split('</think>')[-1] }} <think>") == ()
    assert declared_tags("{{ content.split('</tool_call>')[0] }} <tool_call>") == ()


@pytest.mark.parametrize(
    ("raw", "tags", "mark"),
    [
        ("<thinking>Hm.</thinking>Yes.", DEFAULT_TAGS, "<thinking>"),
        ("<think>Hm.</think>Yes.", DEFAULT_TAGS, ""),
        ("[THINK]Hm.[/THINK]Yes.", ("think",), "[THINK]"),
        ("analysisHm.assistantfinalYes.", ("think",), "analysis…assistantfinal"),
        ("<|channel|>analysis<|message|>Hm.", ("think",), "<|channel|>analysis<|message|>"),
        ("Yes. <thinking> is an element.", DEFAULT_TAGS, ""),
        ("<thinking>Hm.</thinking>Yes.", ("thinking",), ""),
    ],
)
def test_marks_that_nobody_configured_are_found(raw: str, tags: tuple[Tag, ...], mark: str) -> None:
    assert unread_mark(raw, tags) == mark


@pytest.mark.parametrize(
    ("raw", "split"),
    [
        ("Yes.", SplitAnswer("Yes.")),
        ("<think>Hm.\n</think>\n\nYes.", SplitAnswer("Yes.", "Hm.")),
        ("<think>\n\n</think>\n\nYes.", SplitAnswer("Yes.")),
        ("Hm.</think>Yes.", SplitAnswer("Yes.", "Hm.")),
        ("<think>a</think>Yes<think>b</think>.", SplitAnswer("Yes.", "a\n\nb")),
        ("<think>a<think>b</think>c</think>Yes.", SplitAnswer("Yes.", "a\n\nb\n\nc")),
        ("<think>Hm, but", SplitAnswer("", "Hm, but", ended=False)),
        ("Yes. <think>or", SplitAnswer("", "or", ended=False)),
        ("<think>a</think>", SplitAnswer("", "a")),
        ("[THINK]Hm.[/THINK]Yes.", SplitAnswer("Yes.", "Hm.")),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>"
            "Yes.",
            SplitAnswer("Yes.", "Hm."),
        ),
        (
            "<|channel|>analysis<|message|>Hm, but",
            SplitAnswer("", "Hm, but", ended=False),
        ),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary "
            'to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|>',
            SplitAnswer("", "Hm."),
        ),
        ("analysisNot red.assistantfinalBlue", SplitAnswer("Blue", "Not red.")),
        ("analysisNot re", SplitAnswer("", "Not re", ended=False)),
    ],
)
def test_reasoning_is_kept_apart(raw: str, split: SplitAnswer) -> None:
    assert split_reasoning(raw) == split
    assert strip_reasoning(raw) == split.text


@pytest.mark.parametrize(
    ("ending", "opened"),
    [
        ("<|im_start|>assistant\n", ""),
        ("<|im_start|>assistant\n<think>\n", "<think>\n"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),
        ("what is <think>?<|im_end|>\n<|im_start|>assistant\n", ""),
        ("[THINK]", "[THINK]"),
        (
            "<|start|>assistant<|channel|>analysis<|message|>",
            "<|channel|>analysis<|message|>",
        ),
        ("<|start|>assistant", ""),
    ],
)
def test_a_prompt_may_open_the_reasoning(ending: str, opened: str) -> None:
    assert opened_by(ending) == opened
    assert opened_by(ending, ()) == ""


@pytest.mark.parametrize(
    ("template", "family"),
    [
        ("{{ '<think>\\n\\n</think>' }}", "think"),
        ("{% if '</think>' in content %}", "think"),
        ("'<|channel|>analysis<|message|>' + message.thinking", "harmony"),
        ("'[THINK]' + block.thinking", "[THINK]"),
        ("<thought> {{ content.split('</thought>')[-1] }}", "<thought>"),
        ("{{ message.content }}", ""),
    ],
)
def test_a_template_shows_its_family(template: str, family: str) -> None:
    assert reasoning_family(template) == family


def test_a_check_may_read_the_reasoning() -> None:
    check = parse_check({"contains": "secret", "read": "reasoning"})
    plain = parse_check({"contains": "secret", "read": "answer"})
    nested = parse_check({"not": {"contains": "secret", "read": "reasoning"}})
    thinking = Answer("Hello.", reasoning="The secret is 7.")

    assert check(thinking, Context()).passed is True
    assert plain(thinking, Context()).passed is False
    assert nested(thinking, Context()).passed is False
    assert check.as_json() == {"contains": {"text": "secret"}, "read": "reasoning"}
    assert plain.as_json() == {"contains": {"text": "secret"}}
    for each in (check, nested):
        found = each(Answer("The secret is 7."), Context())
        assert (found.passed, found.reason) == (None, "cannot tell: there is no reasoning")


def test_a_judge_of_the_reasoning_is_shown_it_alone() -> None:
    thinking = Answer("Hello.", reasoning="The user greets.")
    asked = parse_check({"judge": "polite", "read": "reasoning"})
    (question,) = asked.questions(thinking, Context())
    (usual,) = parse_check({"judge": "polite"}).questions(thinking, Context())

    assert "The user greets." in question.messages[1].content
    assert "Hello." not in question.messages[1].content
    assert "The user greets." not in usual.messages[1].content
    assert asked.questions(Answer("Hello."), Context()) == ()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"contains": "a", "read": "thoughts"}, "answer or reasoning, not 'thoughts'"),
        ({"contains": "a", "read": ["reasoning"]}, "read must be answer or reasoning"),
        ({"tool_call": "f", "read": "reasoning"}, "check 'tool_call' reads calls of tools"),
        ({"not": "no_tool_call", "read": "reasoning"}, "check 'not' reads calls of tools"),
        ({"read": "reasoning"}, "a check is one name with its arguments"),
    ],
)
def test_what_cannot_be_read_is_told(written: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        parse_check(written)


@pytest.mark.parametrize("mark", ["Thought:", "THOUGHT:"])
def test_marks_of_letters_alone_are_found_in_any_case(mark: str) -> None:
    tags: tuple[Tag, ...] = (("thought:", "answer:"),)
    assert split_reasoning(f"{mark} hm. Answer: yes", tags) == SplitAnswer("yes", "hm.")
    assert split_reasoning("nothing of it", tags) == SplitAnswer("nothing of it")
