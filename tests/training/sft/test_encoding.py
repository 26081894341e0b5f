"""Tests of conversations as token ids and labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import InputError, Message, Messages, ToolCall
from harness.prompts import ChatTokenizer, load_tokenizer
from harness.training import TrainingRow
from harness.training.sft.encoding import IGNORED, encode, prove
from tests.backends.tiny import save_tokenizer
from tests.prompts.test_template_args import THINKER

END = 2  # <|im_end|> of the tiny tokenizer
QUESTION, ANSWER = Message("user", "What is 1 2?"), Message("assistant", "3 4 5")


def row(*messages: Message) -> TrainingRow:
    return TrainingRow(messages, "rows.jsonl:7")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ChatTokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    return load_tokenizer(folder)


def with_template(folder: Path, template: str) -> ChatTokenizer:
    save_tokenizer(folder, template)
    return load_tokenizer(folder)


def said(tokenizer: ChatTokenizer, labels: tuple[int, ...]) -> str:
    return str(tokenizer.tokenizer.decode([label for label in labels if label != IGNORED]))


def test_the_prompt_is_that_of_inference_and_the_answer_is_learnt(tokenizer: ChatTokenizer) -> None:
    (sample,) = encode([row(QUESTION, ANSWER)], tokenizer, [END])

    prompt = tokenizer.token_ids((QUESTION,))
    assert sample.ids[: len(prompt)] == prompt
    assert sample.labels[: len(prompt)] == (IGNORED,) * len(prompt)
    assert sample.labels[len(prompt) :] == sample.ids[len(prompt) :]
    assert said(tokenizer, sample.labels) == "3 4 5<|im_end|>"


def test_every_answer_of_a_conversation_is_in_the_loss(tokenizer: ChatTokenizer) -> None:
    messages = (Message("system", "Be brief."), QUESTION, ANSWER, QUESTION, ANSWER)

    (sample,) = encode([row(*messages)], tokenizer, [END])

    assert said(tokenizer, sample.labels) == "3 4 5<|im_end|>" * 2
    assert sample.turns == (2, 4)
    for start, turn in zip(sample.starts, sample.turns, strict=True):
        assert sample.ids[:start] == tokenizer.token_ids(messages[:turn])


def test_the_prompt_is_the_one_that_these_arguments_give(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, THINKER)
    quick = load_tokenizer(tmp_path, arguments={"enable_thinking": False})
    answer = Message("assistant", "<think>\n\n</think>\n\n3 4 5")

    (sample,) = encode([row(QUESTION, answer)], quick, [END])

    assert sample.ids[: sample.starts[0]] == load_tokenizer(tmp_path).token_ids(
        (QUESTION,), arguments={"enable_thinking": False}
    )
    assert said(quick, sample.labels) == "3 4 5<|im_end|>"


def test_what_follows_the_end_of_a_turn_is_not_learnt(tokenizer: ChatTokenizer) -> None:
    (sample,) = encode([row(QUESTION, ANSWER)], tokenizer, [END])

    assert sample.ids[-1] == END


FORGETS = (  # as templates of reasoning models do: earlier answers lose their first word
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{{ m.content if loop.last else m.content.split(' ')[-1] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_a_template_that_rewrites_earlier_answers_gives_one_sample_each(tmp_path: Path) -> None:
    tokenizer = with_template(tmp_path, FORGETS)
    messages = (Message("user", "one"), ANSWER, Message("user", "two"), ANSWER)

    samples = encode([row(*messages)], tokenizer, [END])

    assert [sample.turns for sample in samples] == [(1,), (3,)]
    assert prove(samples, [row(*messages)], tokenizer) == 2


def test_a_prompt_that_changes_with_its_answer_is_refused(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}"
    )

    with pytest.raises(InputError) as caught:
        encode([row(QUESTION, ANSWER)], with_template(tmp_path, template), [END])

    assert str(caught.value) == (
        "rows.jsonl:7: the chat template renders the prompt in another way once it is answered, so "
        "the model would be trained on a prompt that it never sees\n"
        "  found: at inference the prompt ends in '<|im_end|>\\n<|im_start|>assistant\\n<think>'\n"
        "  hint: write the answer as the model gives it, reasoning included; or train another model"
    )


def test_a_template_without_an_end_is_refused(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )

    with pytest.raises(InputError) as caught:
        encode([row(QUESTION, ANSWER)], with_template(tmp_path, template), [END])

    assert str(caught.value) == (
        "rows.jsonl:7: the chat template ends the answer with no token that ends generation: the "
        "model would never learn to stop\n"
        "  hint: set eos_token_id in the model's generation_config.json to the end of a turn"
    )


def test_an_answer_with_an_end_inside_is_refused(tokenizer: ChatTokenizer) -> None:
    with pytest.raises(InputError) as caught:
        encode([row(QUESTION, Message("assistant", "3<|im_end|>4"))], tokenizer, [END])

    assert str(caught.value) == (
        "rows.jsonl:7: an answer holds the text of a token that ends it\n"
        "  found: 2 such tokens in message 2\n"
        "  expected: one, which the chat template sets\n"
        "  hint: remove the model's special tokens from the text of the row"
    )


def test_a_row_without_an_answer_is_refused(tokenizer: ChatTokenizer) -> None:
    with pytest.raises(InputError) as caught:
        encode([row(QUESTION)], tokenizer, [END])

    assert str(caught.value) == (
        "rows.jsonl:7: the last message is not the assistant's\n"
        "  found: user\n"
        "  hint: end every training row with the answer to be learnt"
    )


def test_samples_of_another_template_are_not_proven(
    tokenizer: ChatTokenizer, tmp_path: Path
) -> None:
    messages: Messages = (QUESTION, ANSWER)
    samples = encode([row(*messages)], tokenizer, [END])
    other = with_template(tmp_path, FORGETS)

    with pytest.raises(InputError) as caught:
        prove(samples, [row(*messages)], other)

    assert str(caught.value) == (
        "rows.jsonl:7: the prompt in training is not the prompt at inference\n"
        "  found: other token ids before message 2\n"
        "  hint: train with the chat template and the tokenizer that the model is served with"
    )


def test_at_most_twenty_problems_are_shown(tokenizer: ChatTokenizer) -> None:
    with pytest.raises(InputError) as caught:
        encode([row(QUESTION)] * 25, tokenizer, [END])

    assert len(caught.value.problems) == 21
    assert str(caught.value.problems[-1]) == "and 5 more problems"


def test_an_answer_that_is_not_to_be_learned_is_part_of_the_prompt(
    tokenizer: ChatTokenizer,
) -> None:
    messages = (QUESTION, Message("assistant", "7 7 7"), QUESTION, ANSWER)

    (sample,) = encode([TrainingRow(messages, "r", untaught=(1,))], tokenizer, [END])

    assert said(tokenizer, sample.labels) == "3 4 5<|im_end|>"
    assert "7 7 7" in tokenizer.decode(sample.ids)
    assert sample.turns == (3,)
    assert prove([sample], [row(*messages)], tokenizer) == 1


WITH_TOOLS = (  # in the form of Hermes, as Qwen2.5 writes calls
    "{% if tools %}<|im_start|>system\n{{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOOLS = ({"type": "function", "function": {"name": "sum", "parameters": {"type": "object"}}},)
CALLS = (
    QUESTION,
    Message("assistant", "", (ToolCall("sum", {"of": "1 2"}),)),
    Message("tool", "3"),
    Message("assistant", "It is 3"),
)


def test_calls_are_learned_in_the_models_own_form_behind_the_declared_tools(tmp_path: Path) -> None:
    tokenizer = with_template(tmp_path, WITH_TOOLS)
    calling = TrainingRow(CALLS, "r", tools=TOOLS)

    (sample,) = encode([calling], tokenizer, [END])

    assert said(tokenizer, sample.labels) == (
        '<tool_call>{"name": "sum", "arguments": {"of": "1 2"}}</tool_call><|im_end|>'
        "It is 3<|im_end|>"
    )
    assert sample.ids[: sample.starts[0]] == tokenizer.token_ids((QUESTION,), tools=TOOLS)
    assert prove([sample], [calling], tokenizer) == 2


# Templates that lose what a row says, and what is said of it.
LOSES = {
    "leaves out what the answer says": WITH_TOOLS.replace("{{ m.content }}", "{{ m.content[:1] }}"),
    "leaves out message 1, of role user": WITH_TOOLS.replace("{{ m.content }}", ""),
    "ignores tools": WITH_TOOLS.replace("{% if tools %}", "{% if 0 %}"),
    "no 'sum' in": WITH_TOOLS.replace("{{ c.function | tojson }}", ""),
}  # fmt: skip


@pytest.mark.parametrize("lost", LOSES)
def test_a_template_that_loses_what_a_row_says_is_refused_with_its_line(
    tmp_path: Path, lost: str
) -> None:
    tokenizer = with_template(tmp_path, LOSES[lost])
    hi = Message("user", "a") if "answer" in lost else QUESTION

    with pytest.raises(InputError) as error:
        encode([TrainingRow((hi, *CALLS[1:]), "rows.jsonl:7", tools=TOOLS)], tokenizer, [END])

    (problem,) = error.value.problems
    assert problem.path == "rows.jsonl:7"
    assert lost in f"{problem.message} {problem.found}"


THINKS = WITH_TOOLS.replace(
    "{{ m.content }}",
    "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}"
    "{{ m.content }}",
)


def test_reasoning_is_learned_where_the_template_writes_it(tmp_path: Path) -> None:
    thinking = row(QUESTION, Message("assistant", "3 4 5", reasoning="1 and 2"))
    tokenizer = with_template(tmp_path / "thinks", THINKS)

    (sample,) = encode([thinking], tokenizer, [END])

    assert said(tokenizer, sample.labels) == "<think>1 and 2</think>3 4 5<|im_end|>"
    with pytest.raises(InputError, match="leaves out what the answer says"):
        encode([thinking], with_template(tmp_path / "not", WITH_TOOLS), [END])
