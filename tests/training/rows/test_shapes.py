from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.common import InputError, Message, Messages, as_dicts
from harness.training.rows import converted

ASKED = (Message("user", "Hi"), Message("assistant", "Hello"))
LED = (Message("system", "Be kind."), *ASKED)

# Every shape that is known, and what becomes of it.
SHAPES: tuple[tuple[dict[str, Any], Messages], ...] = (
    ({"messages": [*as_dicts(LED)]}, LED),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                   {"role": "assistant", "content": "Hello"}]}, ASKED),
    ({"conversations": [{"from": "system", "value": "Be kind."}, {"from": "human", "value": "Hi"},
                        {"from": "gpt", "value": "Hello"}]}, LED),
    ({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}],
      "system": "Be kind."}, LED),
    ({"messages": '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]'},
     ASKED),
    ({"instruction": "Hi", "input": "", "output": "Hello"}, ASKED),
    ({"instruction": "Add", "input": "1 2", "output": "3"},
     (Message("user", "Add\n\n1 2"), Message("assistant", "3"))),
    ({"instruction": "Hi", "context": "", "response": "Hello"}, ASKED),
    ({"query": "Hi", "response": "Hello", "system": "Be kind."}, LED),
    ({"query": "And?", "response": "No.", "history": [["Hi", "Hello"]]},
     (*ASKED, Message("user", "And?"), Message("assistant", "No."))),
    ({"prompt": "Hi", "completion": "Hello", "score": 3}, ASKED),
    ({"prompt": [{"role": "user", "content": "Hi"}],
      "completion": [{"role": "assistant", "content": "Hello"}]}, ASKED),
    ({"prompt": "Hi", "response": "Hello"}, ASKED),
    ({"question": "Hi", "answer": "Hello"}, ASKED),
    ({"prompt": '[{"a": 1}]', "completion": '[{"a": 2}]'},
     (Message("user", '[{"a": 1}]'), Message("assistant", '[{"a": 2}]'))),
)  # fmt: skip


@pytest.mark.parametrize(("values", "expected"), SHAPES)
def test_every_usual_shape_becomes_messages(values: dict[str, Any], expected: Messages) -> None:
    assert converted(values) == expected


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4), st.none() | TEXTS.filter(bool))
def test_messages_survive_the_way_through_other_shapes(
    turns: list[tuple[str, str]], system: str | None
) -> None:
    head = () if system is None else (Message("system", system),)
    said = (*head, *(m for q, a in turns for m in (Message("user", q), Message("assistant", a))))
    sharegpt = [{"from": {"user": "human", "assistant": "gpt"}.get(m.role, m.role),
                 "value": m.content} for m in said]  # fmt: skip
    *earlier, (query, response) = turns
    history = [list(pair) for pair in earlier]

    assert converted({"messages": as_dicts(said)}) == said
    assert converted({"conversations": sharegpt}) == said
    asked = {"query": query, "response": response, "history": history, "system": system}
    assert converted(asked) == said


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    (
        {"instruction": "a", "ouput": "b"},
        "the row has no shape that is known\n"
        "  found: instruction, ouput\n"
        "  expected: messages (messages); conversations (ShareGPT); instruction, output (Alpaca);"
        " instruction, response (Dolly); query, response (query and response);"
        " prompt, completion (prompt and completion)\n"
        "  did you mean: output",
    ),
    (
        {"query": "a", "response": "b", "sytem": "c"},
        "key 'sytem' is not known\n  did you mean: system\n  hint: rename the key, or take it out",
    ),
    ({"query": "a", "response": 3}, "'response' is no text\n  found: 3"),
    ({"messages": "hello"}, "'messages' is no list of messages\n  found: 'hello'"),
    ({"messages": ["hello"]}, "a message is a mapping\n  found: 'hello'"),
    ({"query": "a", "response": "b", "history": "x"}, "'history' is no list\n  found: 'x'"),
    (
        {"query": "a", "response": "b", "history": ["x"]},
        "'history' is no list of pairs\n  found: 'x'",
    ),
    (
        {"conversations": [{"from": "humann", "value": "a"}]},
        "the speaker of a message is not known\n"
        "  found: 'humann'\n"
        "  expected: system, user or assistant (human, gpt)\n"
        "  did you mean: human",
    ),
    (
        {"messages": [{"role": "tool", "content": "a"}]},
        "tool calls are not supported\n"
        "  found: 'tool'\n"
        "  hint: take the rows with tool calls out: only system, user and assistant are trained",
    ),
    (
        {"messages": [{"role": "assistant", "content": "a", "weight": 0}]},
        "a message is marked as not to be learned, or not as it stands\n"
        "  found: weight: 0\n"
        "  hint: every answer of a row is learned whole: make one row for each that should be",
    ),
    (
        {"prompt": "a", "completion": "b", "label": False},
        "the row is marked as not to be learned, or not as it stands\n"
        "  found: label: False\n"
        "  hint: every answer of a row is learned whole: make one row for each that should be",
    ),
    (
        {"messages": [{"role": "assistant", "content": "a", "reasoning_content": "b"}]},
        "a message keeps its reasoning apart, and it would be lost\n"
        "  found: reasoning_content\n"
        "  hint: write it into the content as the model does, or take the key out",
    ),
    (
        {"query": "<image>what is it?", "response": "a cat", "images": ["cat.png"]},
        "the row has more than text, and would be trained on without it\n"
        "  found: images\n"
        "  hint: take rows with images, videos or sound out: only texts are trained",
    ),
    (
        {"messages": [{"role": "user", "content": "a"}], "rejected": "b"},
        "the row prefers one answer to another, and would be trained on without its preference\n"
        "  found: rejected\n"
        "  hint: keep the question and the answer to be learned, under keys of one shape",
    ),
    (
        {"instruction": "a", "output": "b", "response": "c"},
        "the row has two shapes, and they do not say the same\n"
        "  found: instruction, output (Alpaca) and instruction, response (Dolly)\n"
        "  hint: take out the keys that are not to be learned",
    ),
    (
        {"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}]},
        "tool calls are not supported\n"
        "  found: 'tool_call'\n"
        "  hint: take the rows with tool calls out: only system, user and assistant are trained",
    ),
    (
        {"messages": [{"role": "system", "content": "a"}], "system": "b"},
        "the row has two system prompts\n  expected: 'system' or a system message",
    ),
)


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_what_is_wrong_with_a_row_is_said(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        converted(values)

    assert str(error.value) == message


@pytest.mark.parametrize(
    "mark",
    [
        {"kto_tag": False},
        {"train": False},
        {"loss": False},
        {"weight": 0.5},
        {"train_detail": [{"begin_offset": 0, "end_offset": 2, "train": False}]},
        {"loss_scale": 0},
    ],
)
def test_what_is_not_to_be_learned_is_refused(mark: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="the row is marked as not to be learned"):
        converted({"query": "a", "response": "b", **mark})
    with pytest.raises(InputError, match="a message is marked as not to be learned"):
        converted({"messages": [{"role": "assistant", "content": "a", **mark}]})


def test_marks_that_change_nothing_are_left_alone() -> None:
    row = {"query": "a", "response": "b"}
    marks = {"label": True, "train": True, "weight": 1, "images": [], "reasoning_content": None}

    assert converted({**row, **marks}) == converted(row)
    assert converted({**row, "label": "positive"}) == converted(row)  # a class, no lesson
    said = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    assert converted({**row, **said}) == converted(row)  # twice the same
