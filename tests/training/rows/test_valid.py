from __future__ import annotations

import pytest

from harness.common import InputError, Message, Messages, Role
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
