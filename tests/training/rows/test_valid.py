from __future__ import annotations

import pytest

from harness.common import InputError, Message, Messages, Role, ToolCall
from harness.training.rows import check


def said(*roles: Role) -> Messages:
    return tuple(Message(role, "a") for role in roles)


def says(messages: Messages) -> str:
    with pytest.raises(InputError) as error:
        check(messages)
    return str(error.value)


def test_turns_with_or_without_a_system_prompt_are_right() -> None:
    check(said("user", "assistant"))
    check(said("system", "user", "assistant", "user", "assistant"))


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        (said("assistant", "user", "assistant"), "assistant, user, assistant"),
        (said("user", "user", "assistant"), "user, user, assistant"),
        (said("user", "system", "assistant"), "user, system, assistant"),
        (said("system"), "system"),
        ((), "no message"),
    ],
)
def test_user_and_assistant_take_turns(messages: Messages, found: str) -> None:
    assert says(messages) == f"user and assistant do not take turns\n  found: {found}"


def test_a_conversation_without_a_last_answer_is_wrong() -> None:
    assert says(said("user", "assistant", "user")) == (
        "the conversation ends with the user: there is no answer to learn\n  found: 'a'"
    )


def test_half_a_surrogate_pair_is_no_text() -> None:
    messages = (Message("user", "\ud800"), Message("assistant", "a"))

    assert says(messages) == "not valid text: half of a surrogate pair"


def test_a_text_in_a_chat_template_is_refused_by_name() -> None:
    messages = (Message("user", "[INST] Hi [/INST]"), Message("assistant", "a"))

    assert says(messages) == (
        "the text is rendered in the chat template of Llama 2 and Mistral\n"
        "  found: [INST]\n"
        "  expected: plain texts as messages: the model's own chat template is put around them\n"
        "  hint: take the marks out; give the turns as messages with role and content"
    )


TOOLS = ({"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}},)
LOOK = Message("assistant", "", (ToolCall("look", {}, "c1"),))
ASK, SEEN, SAYS = Message("user", "a"), Message("tool", "b"), Message("assistant", "c")


def test_calls_with_and_without_what_they_give_back_are_right() -> None:
    check((ASK, LOOK, SEEN, SAYS), TOOLS)
    check((ASK, LOOK, SEEN, LOOK, SEEN, SAYS, ASK, LOOK), TOOLS)
    check((ASK, LOOK, Message("tool", "b", tool_call_id="c1"), SAYS), TOOLS)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ((ASK, SEEN, SAYS), "a tool answers that was not called\n  found: user, tool, assistant"),
        ((ASK, LOOK, SEEN, SEEN, SAYS), "a tool answers that was not called"),
        (
            (ASK, LOOK, Message("tool", "b", tool_call_id="c2"), SAYS),
            "a tool answers a call that was not made\n  found: 'c2'\n  expected: c1",
        ),
        ((ASK, LOOK, SAYS), "user and assistant do not take turns"),
        ((ASK, LOOK, SEEN), "the conversation ends with a tool: there is no answer to learn"),
        (
            (ASK, Message("assistant", "", (ToolCall("lok", {}),))),
            "the row calls 'lok', and declares no such tool\n"
            "  expected: look\n  did you mean: look",
        ),
        (
            (ASK, Message("assistant", "", (ToolCall("look", "{"),))),
            "a call of a tool is malformed\n  found: '{'\n"
            '  expected: {"name": "...", "arguments": {...}}',
        ),
    ],
)
def test_calls_and_what_tools_give_back_belong_together(messages: Messages, said: str) -> None:
    with pytest.raises(InputError) as error:
        check(messages, TOOLS)

    assert str(error.value).startswith(said)


def test_a_call_without_declared_tools_says_where_to_declare_them() -> None:
    assert says((ASK, LOOK)) == (
        "the row calls 'look', and declares no such tool\n"
        "  hint: declare in the column tools what the model may call"
    )
