from __future__ import annotations

import pytest

from harness.training.rows import marks_in, template_families

FAMILIES = (
    ("<|im_start|>user\nHi<|im_end|>", "ChatML (Qwen)"),
    ("<|start_header_id|>user<|end_header_id|>", "Llama 3"),
    ("<|header_start|>user", "Llama 4"),
    ("<s>[INST] Hi [/INST]", "Llama 2 and Mistral"),
    ("<start_of_turn>user", "Gemma"),
    ("<|user|>\nHi", "Phi-3 and Zephyr"),
    ("<｜User｜>Hi<｜Assistant｜>", "DeepSeek"),
    ("<|channel|>final<|message|>", "GPT-OSS"),
    ("<|START_OF_TURN_TOKEN|>", "Command R"),
    ("The end.<|endoftext|>", "GPT-2"),
    ("Below is a task.\n\n### Instruction:\nAdd.\n\n### Response:\n3", "Alpaca"),
    ("USER: Hi ASSISTANT: Hello", "Vicuna"),
)


@pytest.mark.parametrize(("text", "family"), FAMILIES)
def test_marks_name_their_family(text: str, family: str) -> None:
    assert {mark.family for mark in marks_in(text)} == {family}


@pytest.mark.parametrize(
    "text",
    [
        "Plain words, <b>bold</b> & [a link](x).",
        "Follow the ### Instruction: part of the manual.",
        "### Instructions\nDo this.",
        "USER: the one who uses it",
        "a[INSTANCE] <s>gone</s> </s> <|x|>",
    ],
)
def test_ordinary_texts_have_no_marks(text: str) -> None:
    assert marks_in(text) == ()


def test_marks_stand_in_order_with_their_places() -> None:
    found = marks_in("a [INST] b [/INST]")

    assert [(mark.text, mark.at) for mark in found] == [("[INST]", 2), ("[/INST]", 11)]


@pytest.mark.parametrize(
    ("template", "families"),
    [
        ("{% for m in messages %}{{ '<|im_start|>' + m.role }}{% endfor %}", ("ChatML (Qwen)",)),
        ("{{ '### Instruction:\\n' + m.content }}", ("Alpaca",)),
        ("{{ m.content }}", ()),
    ],
)
def test_a_chat_template_tells_its_families(template: str, families: tuple[str, ...]) -> None:
    assert template_families(template) == families
