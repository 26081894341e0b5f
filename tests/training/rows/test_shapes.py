from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.common import InputError, Message, Messages, ToolCall, as_dicts
from harness.training.rows import Spoken, converted

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
    ({"system_prompt": "Be kind.", "question": "Hi", "response": "Hello"}, LED),  # OpenOrca
    ({"prompt": "Hi", "messages": [*as_dicts(ASKED)]}, ASKED),  # UltraChat says its prompt twice
    ({"instruction": "Hi", "input": "", "output": "Hello", "text": "### Instruction: Hi"}, ASKED),
    ({"prompt": '[{"a": 1}]', "completion": '[{"a": 2}]'},
     (Message("user", '[{"a": 1}]'), Message("assistant", '[{"a": 2}]'))),
)  # fmt: skip


@pytest.mark.parametrize(("values", "expected"), SHAPES)
def test_every_usual_shape_becomes_messages(values: dict[str, Any], expected: Messages) -> None:
    assert converted(values) == Spoken(expected)


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

    asked = {"query": query, "response": response, "history": history, "system": system}
    for values in ({"messages": as_dicts(said)}, {"conversations": sharegpt}, asked):
        assert converted(values).messages == said


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
        "  expected: system, user, assistant (human, gpt) or tool\n"
        "  did you mean: human",
    ),
    (
        {"prompt": "a", "completion": "b", "label": False},
        "the row is marked as an answer that is not to be given\n"
        "  found: label: False\n"
        "  hint: method: dpo learns from such rows (docs/repair.md); to learn right answers alone,"
        " take it out",
    ),
    (
        {"messages": [{"role": "assistant", "content": "a", "weight": 0.5}]},
        "a message is to be learned in part\n"
        "  found: weight: 0.5\n"
        "  hint: answers of the assistant are learned whole, or with weight: 0 not at all",
    ),
    (
        {"messages": [{"role": "user", "content": "a", "train": True}]},
        "a message that is no answer is to be learned\n"
        "  found: train: True\n"
        "  hint: answers of the assistant are learned whole, or with weight: 0 not at all",
    ),
    (
        {"messages": [{"role": "assistant", "content": "a", "weight": 1, "train": False}]},
        "a message is to be learned, and is not\n  found: train: False, weight: 1",
    ),
    (
        {"messages": [{"role": "assistant", "content": "a",
                       "train_detail": [{"begin_offset": 0, "end_offset": 2, "train": False}]}]},
        "a message is to be learned in part\n"
        "  found: train_detail: [{'begin_offset': 0, 'end_offset': 2, 'train': False}]\n"
        "  hint: answers are learned whole, or with weight: 0 in their message not at all",
    ),
    (
        {"query": "a", "response": "b", "reasoning_content": "c"},
        "the row keeps its reasoning apart, and it would be lost\n"
        "  found: reasoning_content\n"
        "  hint: give it as reasoning_content in the answer's message, or take it out",
    ),
    (
        {"messages": [{"role": "user", "content": "a", "thinking": "b"}]},
        "a message of role user has reasoning\n  found: thinking",
    ),
    (
        {"query": "<image>what is it?", "response": "a cat", "images": ["cat.png"]},
        "the row has more than text, and would be trained on without it\n"
        "  found: images\n"
        "  hint: take rows with images, videos or sound out: only texts are trained",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "a message has more than text, and would be trained on without it\n"
        "  found: 'image_url'\n"
        "  hint: take rows with images, videos or sound out: only texts are trained",
    ),
    (
        {"prompt": "a", "chosen": "b", "rejected": "c"},
        "the row prefers one answer to another, and would be trained on without its preference\n"
        "  found: chosen\n"
        "  hint: method: dpo learns from such rows (docs/repair.md); or keep the question and the"
        " answer to be learned, under keys of one shape",
    ),
    (
        {"instruction": "a", "output": "b", "response": "c"},
        "the row has two shapes, and they do not say the same\n"
        "  found: instruction, output (Alpaca) and instruction, response (Dolly)\n"
        "  hint: take out the keys that are not to be learned",
    ),
    (
        {"messages": [*as_dicts(ASKED)], "history": [["a", "b"]]},
        "'history' stands beside messages, and would be left out\n"
        "  found: [['a', 'b']]\n"
        "  hint: write it into the question, or take the key out",
    ),
    (
        {"question": "a", "answer": "b", "choices": ["b", "c"]},
        "'choices' stands beside question, answer, and would be left out\n"
        "  found: ['b', 'c']\n"
        "  hint: write it into the question, or take the key out",
    ),
    (
        {"query": "a", "response": "b", "Label": False},
        "key 'Label' is not known\n"
        "  did you mean: label\n  hint: rename the key, or take it out",
    ),
    (
        {"messages": [{"role": "system", "content": "a"}], "system": "b"},
        "the row has two system prompts\n  expected: 'system' or a system message",
    ),
    (
        {"messages": [*as_dicts(ASKED)], "tools": [{"name": ""}]},
        "tools: a tool has a name",
    ),
    (
        {"messages": [{"role": "tool_call", "content": "get_time"}]},
        "a call of a tool is no JSON\n  found: 'get_time'",
    ),
    (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "get_time",
                                                                         "arguments": "{"}}]}]},
        "a call of a tool is malformed\n"
        "  found: {'function': {'name': 'get_time', 'arguments': '{'}}\n"
        '  expected: {"name": "...", "arguments": {...}}',
    ),
)  # fmt: skip


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_what_is_wrong_with_a_row_is_said(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        converted(values)

    assert str(error.value) == message


@pytest.mark.parametrize(
    "mark",
    [
        {"kto_tag": False},
        {"label": "False"},  # as a table writes it
        {"label": 0},
        {"train": False},
        {"train": "false"},
        {"loss": False},
        {"weight": 0.5},
        {"weight": "0"},
        {"loss_scale": 0},
        {"loss_mask": [1, 0]},
        {"labels": [-100, 5]},
        {"train_detail": [{"begin_offset": 0, "end_offset": 2, "train": False}]},
        {"training": False},  # axolotl's default names
        {"training_detail": [{"begin_offset": 0, "end_offset": 2, "train": False}]},
        {"trainable": 0},
        {"kto_label": False},
        {"desirable": "false"},
        {"sample_weight": 0.2},
        {"loss_weight": 0},
        {"loss_mul": 0},  # NeMo
        {"mask": "Assistant"},
        {"mask": True},  # learned, or left out?
        {"weights": [1, 0]},
        {"completion_mask": [0, 1]},  # trl
        {"assistant_masks": [0, 1]},
        {"attention_mask": [1, 0]},
    ],
)
def test_a_row_that_is_not_to_be_learned_is_refused(mark: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"the row is (marked as|to be learned in part)"):
        converted({"query": "a", "response": "b", **mark})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"images": ["a.png"]}, "the row has more than text"),
        ({"videos": ["a.mp4"]}, "the row has more than text"),
        ({"audios": ["a.wav"]}, "the row has more than text"),
        ({"objects": {"ref": ["a dog"], "bbox": [[1, 2]]}}, "the row has more than text"),
        ({"rejected_images": ["a.png"]}, "the row has more than text"),
        ({"image_paths": ["a.png"]}, "the row has more than text"),
        ({"attachments": ["a.pdf"]}, "the row has more than text"),
        ({"reasoning_content": "c"}, "the row keeps its reasoning apart"),
        ({"chain_of_thought": "c"}, "the row keeps its reasoning apart"),
        ({"rationale": "c"}, "the row keeps its reasoning apart"),
        ({"tool_calls": [{"name": "t"}]}, "the row keeps calls of tools apart"),
        ({"function_call": {"name": "t"}}, "the row keeps calls of tools apart"),
        ({"chat_template_kwargs": {"enable_thinking": False}}, "the row tells the chat template"),
        ({"enable_thinking": False}, "the row tells the chat template"),
        ({"input_ids": [1, 2]}, "the row is tokenised already"),
        ({"chosen_weight": 0.5}, "the row is marked as not to be learned, or not as it stands"),
        ({"rejected_responses": ["c"]}, "the row prefers one answer to another"),
        ({"better_response_id": 1}, "the row prefers one answer to another"),
        (
            {"positive_messages": [[]], "negative_messages": [["c"]]},
            "the row prefers one answer to another",
        ),
        ({"documents": [{"title": "a", "text": "c"}]}, "'documents' stands beside query"),
        ({"few_shot": [["a", "b"]]}, "'few_shot' stands beside query"),
        ({"segments": [{"label": False, "text": "c"}]}, "'segments' stands beside query"),
        ({"completions": ["b", "c"]}, "'completions' stands beside query"),
        ({"developer": "Be kind."}, "'developer' stands beside query"),
        ({"ktoTag": False}, "key 'ktoTag' is not known\n  did you mean: kto_tag"),
        ({"label ": False}, "key 'label ' is not known\n  did you mean: label"),
        ({"Loss-Mask": [0]}, "key 'Loss-Mask' is not known\n  did you mean: loss_mask"),
    ],
)
def test_a_column_that_changes_what_a_row_means_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        converted({"query": "a", "response": "b", **more})

    assert said in str(error.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"weight": 0.5}, "a message is to be learned in part"),
        ({"training_detail": [{"train": False}]}, "a message is to be learned in part"),
        ({"label": False}, "a message is marked as an answer that is not to be given"),
        ({"Weight": 0}, "key 'Weight' of a message is not known\n  did you mean: weight"),
        ({"images": ["a.png"]}, "a message has more than text"),
        ({"audio": {"id": "a"}}, "a message has more than text"),
        ({"value": "c"}, "a message has content and value, and they do not say the same"),
        ({"from": "human"}, "a message has role and from, and they do not say the same"),
        ({"refusal": "No."}, "'refusal' stands beside a message's text"),
        ({"parts": ["c"]}, "'parts' stands beside a message's text"),
        ({"channel": "analysis"}, "a message is not said to the user"),
        ({"recipient": "functions.t"}, "a message is not said to the user"),
        ({"prefix": True}, "a message is the beginning of one, to be continued"),
        ({"tools": [{"name": "t"}]}, "a message declares tools, and rows declare them"),
        ({"reasoning": "c", "thinking": "d"}, "a message has two reasonings"),
        ({"reasoning_details": [{"text": "c"}]}, "a message keeps its reasoning in a form"),
    ],
)
def test_what_a_message_would_lose_is_refused(more: dict[str, Any], said: str) -> None:
    said_by = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", **more}]
    with pytest.raises(InputError) as error:
        converted({"messages": said_by})

    assert said in str(error.value)


@pytest.mark.parametrize(
    "mark", [{"train": False}, {"weight": 0}, {"loss": "false"}, {"training": False},
             {"trainable": False}, {"loss_weight": 0}]
)  # fmt: skip
def test_an_answer_that_is_not_to_be_learned_is_read_alone(mark: dict[str, Any]) -> None:
    messages = as_dicts((*LED, *ASKED))
    messages[2] |= mark

    assert converted({"messages": messages}) == Spoken((*LED, *ASKED), untaught=(2,))
    assert converted({"messages": messages[1:], "system": "Be kind."}).untaught == (2,)


def test_marks_that_change_nothing_are_left_alone() -> None:
    row = {"query": "a", "response": "b"}
    marks = {
        "label": True, "train": True, "weight": 1, "images": [], "reasoning_content": None,
        "videos": "[]", "loss_mask": [1, 1], "labels": ["short", "math"], "tools": "",
        "channel": "chat", "margin": 0.5, "solution": "4", "mask": "User", "sample_weight": 1.0,
        "chat_template_kwargs": {}, "attention_mask": [1, 1],
    }  # fmt: skip

    assert converted({**row, **marks}) == converted(row)
    assert converted({**row, "label": "positive"}) == converted(row)  # a class, no lesson
    said: dict[str, list[dict[str, Any]]] = {
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    }
    assert converted({**row, **said}) == converted(row)  # twice the same
    said["messages"][1] |= {"channel": "final", "refusal": None, "parts": [], "value": "b",
                            "reasoning": "c", "reasoning_details": [{"text": "c"}]}  # fmt: skip
    assert converted(said).messages[1] == Message("assistant", "b", reasoning="c")


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_beside_an_answer_belongs_to_it(key: str) -> None:
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", key: "c"}]

    assert converted({"messages": said}).messages[1] == Message("assistant", "b", reasoning="c")


TOOL = {
    "type": "function",
    "function": {
        "name": "get_time",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALL = ToolCall("get_time", {"city": "Oslo"})
TIMES = (
    Message("user", "What time is it in Oslo?"),
    Message("assistant", "", (CALL,)),
    Message("tool", "12:30"),
    Message("assistant", "Half past twelve."),
)
WRITTEN = '{"name": "get_time", "arguments": {"city": "Oslo"}}'
# One conversation in the public formats of tool calls.
CALLED: tuple[dict[str, Any], ...] = (
    {  # OpenAI's and trl's; arguments as text or as an object
        "messages": [
            {"role": "user", "content": "What time is it in Oslo?"},
            {"role": "assistant", "content": None,
             "tool_calls": [{"type": "function",
                             "function": {"name": "get_time", "arguments": '{"city": "Oslo"}'}}]},
            {"role": "tool", "content": "12:30"},
            {"role": "assistant", "content": "Half past twelve."},
        ],
        "tools": [TOOL],
    },
    {  # LLaMA-Factory's
        "conversations": [
            {"from": "human", "value": "What time is it in Oslo?"},
            {"from": "function_call", "value": WRITTEN},
            {"from": "observation", "value": "12:30"},
            {"from": "gpt", "value": "Half past twelve."},
        ],
        "tools": json.dumps([TOOL["function"]]),
    },
    {  # ms-swift's
        "messages": [
            {"role": "user", "content": "What time is it in Oslo?"},
            {"role": "tool_call", "content": WRITTEN},
            {"role": "tool_response", "content": "12:30"},
            {"role": "assistant", "content": "Half past twelve."},
        ],
        "tools": json.dumps([TOOL]),
    },
    {  # OpenAI's older form
        "messages": [
            {"role": "user", "content": "What time is it in Oslo?"},
            {"role": "assistant", "content": "",
             "function_call": {"name": "get_time", "arguments": '{"city": "Oslo"}'}},
            {"role": "function", "content": "12:30"},
            {"role": "assistant", "content": "Half past twelve."},
        ],
        "functions": [TOOL["function"]],
    },
    {  # as Parquet gives it: every key is there
        "messages": [
            {"role": "user", "content": "What time is it in Oslo?", "tool_calls": None},
            {"role": "assistant", "content": None, "weight": None,
             "tool_calls": [{"id": None, "function": {
                 "name": "get_time", "arguments": {"city": "Oslo", "zone": None}}}]},
            {"role": "tool", "content": "12:30", "tool_calls": []},
            {"role": "assistant", "content": "Half past twelve.", "tool_calls": None},
        ],
        "tools": [{**TOOL, "extra": None}],
    },
)  # fmt: skip


@pytest.mark.parametrize("values", CALLED)
def test_calls_of_tools_are_read_in_the_usual_formats(values: dict[str, Any]) -> None:
    found = converted(values)

    assert found.messages == TIMES
    assert [tool["function"]["name"] for tool in found.tools] == ["get_time"]
    assert found.tools[0]["function"]["parameters"] == TOOL["function"]["parameters"]  # type: ignore[index]


def test_calls_in_a_row_are_one_turn() -> None:
    other = '{"name": "get_time", "arguments": {"city": "Rome"}}'
    said = [("user", "Times?"), ("assistant", "I look."), ("tool_call", WRITTEN),
            ("tool_call", other), ("tool", "12:30"), ("tool", "13:30"),
            ("assistant", "Here.")]  # fmt: skip

    found = converted({"messages": [{"role": role, "content": text} for role, text in said]})

    calls = (CALL, ToolCall("get_time", {"city": "Rome"}))
    assert found.messages[1] == Message("assistant", "I look.", calls)
    assert [message.role for message in found.messages[2:]] == ["tool", "tool", "assistant"]
