"""Arguments of chat templates: `enable_thinking` and the like; unknown ones are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import InputError, Message
from harness.prompts import ChatTokenizer, load_tokenizer
from tests.backends.tiny import save_tokenizer

# Of Qwen3's kind: an empty block of thought where thinking is off.
THINKER = (
    "{%- set last = messages | length %}"
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}{%- endif %}"
)
# Of gpt-oss's kind: the effort stands in a system turn.
EFFORT = (
    "{{- '<|start|>system<|message|>Reasoning: ' + (reasoning_effort | default('medium')) }}"
    "{%- for message in messages %}{{- '<|start|>' + message.role + '<|message|>' }}"
    "{{- message.content + '<|end|>' }}{%- endfor %}{{- '<|start|>assistant' }}"
)
USER = (Message("user", "Hi"),)


@pytest.fixture(params=["built", "kept"])
def which(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def load(template: str, folder: Path, which: str) -> ChatTokenizer:
    save_tokenizer(folder, template)
    if which == "kept":
        load_tokenizer(folder, cache_dir=folder / "cache")
        return load_tokenizer(folder, cache_dir=folder / "cache")
    return load_tokenizer(folder)


def test_thinking_is_turned_off(tmp_path: Path, which: str) -> None:
    tokenizer = load(THINKER, tmp_path, which)

    assert tokenizer.text(USER).endswith("assistant\n")
    off = {"enable_thinking": False}
    assert tokenizer.text(USER, arguments=off).endswith("<think>\n\n</think>\n\n")
    assert tokenizer.token_ids(USER, arguments=off) != tokenizer.token_ids(USER)
    on = {"enable_thinking": True}  # as it is without
    assert tokenizer.token_ids(USER, arguments=on) == tokenizer.token_ids(USER)


def test_the_effort_of_reasoning_is_said(tmp_path: Path, which: str) -> None:
    tokenizer = load(EFFORT, tmp_path, which)

    assert "Reasoning: low" in tokenizer.text(USER, arguments={"reasoning_effort": "low"})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("enable_thinkin", "enable_thinking"),
        ("last", ""),
        ("fo", ""),  # a word of Jinja's, and so no suggestion
        ("tools", ""),
        ("messages", ""),
    ],
)
def test_an_argument_that_the_template_does_not_know_is_told(
    name: str, meant: str, tmp_path: Path
) -> None:
    tokenizer = load(THINKER, tmp_path, "built")

    with pytest.raises(InputError) as raised:
        tokenizer.token_ids(USER, arguments={name: True})

    (problem,) = raised.value.problems
    assert problem.message == f"the chat template knows no argument {name!r}"
    assert problem.path == str(tmp_path)
    assert problem.did_you_mean == meant


def test_arguments_that_always_hold_stand_before_those_of_a_prompt(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, THINKER)
    quick = load_tokenizer(tmp_path, arguments={"enable_thinking": False})

    assert quick.text(USER).endswith("</think>\n\n")
    assert quick.token_ids(USER) == load(THINKER, tmp_path, "kept").token_ids(
        USER, arguments={"enable_thinking": False}
    )
    assert quick.text(USER, arguments={"enable_thinking": True}).endswith("assistant\n")
