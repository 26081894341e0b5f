"""Columns that change what a row or a message means: obeyed, or refused; none is left alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.common import NUMBER_DIGITS, InputError, Problem, shown
from harness.common.reading import parse_json
from harness.scorers import Tool, ToolProblemError, declared_tool

Values = Mapping[str, object]

# Said of a whole answer, true or false, in KTO rows of trl, LLaMA-Factory, ms-swift and axolotl.
RATINGS = ("label", "kto_tag", "kto_label", "desirable", "is_desirable")
# Whether an answer is learned: axolotl, ms-swift; OpenAI's weight is 0 or 1.
_SWITCHES = ("train", "loss", "training", "trainable")
_WEIGHTS = (
    "weight", "loss_scale", "loss_weight", "loss_mul", "sample_weight", "example_weight",
    "chosen_weight", "rejected_weight",
)  # fmt: skip
# What is learned of an answer, sign by sign or token by token.
_PARTIAL = (
    "train_detail", "training_detail", "loss_mask", "mask", "masked", "masks", "labels",
    "completion_mask", "assistant_mask", "assistant_masks", "attention_mask", "label_mask",
    "weights", "token_weights", "loss_weights",
)  # fmt: skip
_AMBIGUOUS = ("mask", "masked")  # true may mean learned, or left out
CHOSEN = ("chosen", "chosen_response", "preferred_output")
REJECTED = ("rejected", "rejected_response", "rejected_messages", "non_preferred_output")
# Other words for it, which no public format pairs by rule.
_PREFERS = (
    "rejected_responses", "rejected_output", "rejected_answer", "rejected_completion",
    "rejected_text", "chosen_output", "chosen_answer", "chosen_completion", "chosen_text",
    "better_response_id", "safer_response_id", "is_chosen", "positive_messages",
    "negative_messages",
)  # fmt: skip
_MEDIA = (
    "image", "images", "image_url", "image_urls", "image_path", "image_paths", "images_path",
    "image_file", "image_files", "img", "imgs", "rejected_images", "video", "videos", "video_url",
    "video_path", "video_paths", "frames", "audio", "audios", "audio_url", "audio_path",
    "audio_paths", "speech", "media", "attachments", "objects", "pixel_values",
)  # fmt: skip
REASONING = ("reasoning_content", "reasoning", "thinking")
# Reasoning in other words or forms, which no template is given.
_THOUGHTS = (
    "reasoning_details", "reasoning_text", "thinking_blocks", "think", "thought", "thoughts",
    "chain_of_thought", "cot", "complex_cot", "rationale",
)  # fmt: skip
TOOLS = ("tools", "functions")
_CALLS = ("tool_calls", "function_call", "tool_responses")
_TEMPLATE = ("chat_template_kwargs", "chat_template_args", "chat_template", "enable_thinking")
COLUMNS = (
    *RATINGS, *_SWITCHES, *_WEIGHTS, *_PARTIAL, *CHOSEN, *REJECTED, *_PREFERS, *_MEDIA, *REASONING,
    *_THOUGHTS, *TOOLS, *_CALLS, *_TEMPLATE, "input_ids",
)  # fmt: skip
# What a row would lose, or says in a way that is not read: the message and the hint.
_LOST = (
    (
        (*REASONING, *_THOUGHTS),
        "the row keeps its reasoning apart, and it would be lost",
        "give it as reasoning_content in the answer's message, or take it out",
    ),
    (
        _CALLS,
        "the row keeps calls of tools apart, and they would be lost",
        "give them in the messages that make them (docs/training-data.md)",
    ),
    (
        _TEMPLATE,
        "the row tells the chat template something of its own",
        "say chat_template_args for the whole training, and take it out of rows",
    ),
    (
        ("input_ids",),
        "the row is tokenised already, beside its text",
        "take it out: the model's own template and tokenizer make the tokens",
    ),
)
# What a message may have, and what changes what it means.
_MESSAGE = (
    "role", "from", "content", "value", "name", "tool_call_id", "tool_calls", "function_call",
    "parts", "refusal", "channel", "recipient", "prefix", *TOOLS, *RATINGS, *_SWITCHES,
    *_WEIGHTS, *_PARTIAL, *_MEDIA, *REASONING, *_THOUGHTS,
)  # fmt: skip
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class RowError(InputError):
    """A row is wrong; `key` names the column that it is about, if it is about one."""

    def __init__(self, problem: Problem, key: str = "") -> None:
        super().__init__(problem)
        self.key = key


def is_empty(value: object) -> bool:
    """Return whether a cell says nothing; tables write an empty list as text."""
    if isinstance(value, str):
        return value.strip() in ("", "[]", "{}", "null", "None")
    return value is None or value == [] or value == {} or value == ()


def plain(key: object) -> str:
    """Return a key without case, spaces and hyphens: `ktoTag`, `KTO-tag` and `kto_tag` are one."""
    return re.sub(r"[\W_]+", "", str(key).casefold())


_PLAIN_MESSAGE = {plain(key): key for key in _MESSAGE}


def truth(value: object) -> bool | None:
    """Return what a cell says, also as a number or a text of a table; None where it is no truth."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return bool(value) if value in (0, 1) else None
    return _TRUTH.get(value.strip().casefold()) if isinstance(value, str) else None


def check_row(values: Values) -> None:
    """Refuse a row that is not to be learned, or not as it stands, and what has more than text."""
    for key in (*RATINGS, *_SWITCHES, *_WEIGHTS):
        if key in RATINGS and truth(values.get(key)) is False:
            raise RowError(
                Problem(
                    "the row is marked as an answer that is not to be given",
                    found=f"{key}: {shown(values[key])}",
                    hint="method: dpo learns from such rows (docs/repair.md); to learn right "
                    "answers alone, take it out",
                ),
                key,
            )
        if key not in RATINGS and not _is_whole(key, values.get(key)):
            raise RowError(
                Problem(
                    "the row is marked as not to be learned, or not as it stands",
                    found=f"{key}: {shown(values[key])}",
                    hint="take it out; answers of a row that are only to be read have weight: 0 "
                    "in their message",
                ),
                key,
            )
    _check_parts(values, "the row")
    for keys, message, hint in _LOST:
        for key in keys:
            if not is_empty(values.get(key)):
                raise RowError(Problem(message, found=key, hint=hint), key)
    for key in (*CHOSEN, *REJECTED, *_PREFERS):
        if not is_empty(values.get(key)):
            raise RowError(
                Problem(
                    "the row prefers one answer to another, and would be trained on without its "
                    "preference",
                    found=key,
                    hint="method: dpo learns from such rows (docs/repair.md)"
                    + ("" if key in (*CHOSEN, *REJECTED) else ", as chosen and rejected")
                    + "; or keep the question and the answer to be learned, under keys of one "
                    "shape",
                ),
                key,
            )


def check_message(message: Values) -> None:
    """Refuse what a message says besides its text, and would lose, and keys written wrongly."""
    for key in message:
        known = _PLAIN_MESSAGE.get(plain(key), key)
        if known != key and not is_empty(message[key]):
            raise RowError(
                Problem(
                    f"key {key!r} of a message is not known",
                    did_you_mean=known,
                    hint="rename the key, or take it out",
                ),
                known,
            )
    for first, second in (("content", "value"), ("role", "from")):
        both = [message[key] for key in (first, second) if not is_empty(message.get(key))]
        if len(both) == 2 and both[0] != both[1]:
            raise RowError(
                Problem(
                    f"a message has {first} and {second}, and they do not say the same",
                    found=f"{shown(both[0])} and {shown(both[1])}",
                    hint="keep one of them",
                ),
                second,
            )
    text = message.get("content", message.get("value"))
    for key in ("parts", "refusal"):
        if not is_empty(message.get(key)) and message[key] != text:
            raise RowError(
                Problem(
                    f"{key!r} stands beside a message's text, and would be left out",
                    found=shown(message[key]),
                    hint="write it as the message's content",
                ),
                key,
            )
    for key in TOOLS:
        if not is_empty(message.get(key)):
            raise RowError(
                Problem(
                    "a message declares tools, and rows declare them",
                    found=key,
                    hint="give them in the row's own column tools",
                ),
                key,
            )
    if truth(message.get("prefix")):
        raise RowError(
            Problem(
                "a message is the beginning of one, to be continued",
                found="prefix: true",
                hint="give the whole answer, without prefix",
            ),
            "prefix",
        )
    for key, usual in (("channel", "final"), ("recipient", "all")):
        if not is_empty(message.get(key)) and message[key] != usual:
            raise RowError(
                Problem(
                    "a message is not said to the user",
                    found=f"{key}: {shown(message[key])}",
                    hint="give reasoning as reasoning_content, and calls of tools as tool_calls, "
                    "of the answer's message",
                ),
                key,
            )
    said = {key: message[key] for key in REASONING if not is_empty(message.get(key))}
    if len(set(map(str, said.values()))) > 1:
        raise RowError(
            Problem("a message has two reasonings", found=", ".join(said)), next(iter(said))
        )
    for key in _THOUGHTS:
        if not said and not is_empty(message.get(key)):
            raise RowError(
                Problem(
                    "a message keeps its reasoning in a form that no template is given",
                    found=key,
                    hint="give it as a text, under reasoning_content",
                ),
                key,
            )


def is_learned(message: Values, *, answers: bool) -> bool:
    """Return whether a message's answer is learned, as its own columns say.

    `answers`: it is the assistant's. Raise RowError for what is neither wholly learned nor not.
    """
    said: dict[str, bool] = {}
    for key in (*_SWITCHES, *_WEIGHTS):
        if is_empty(value := message.get(key)):
            continue
        found = truth(value)
        if found is None or (found and not answers and key in _SWITCHES):
            raise RowError(
                Problem(
                    "a message is to be learned in part"
                    if found is None
                    else "a message that is no answer is to be learned",
                    found=f"{key}: {shown(value)}",
                    hint="answers of the assistant are learned whole, or with weight: 0 not at all",
                ),
                key,
            )
        said[key] = found
    if len(set(said.values())) > 1:
        found_both = ", ".join(f"{key}: {shown(message[key])}" for key in said)
        raise RowError(
            Problem("a message is to be learned, and is not", found=found_both), next(iter(said))
        )
    for key in RATINGS:
        if truth(message.get(key)) is False:
            raise RowError(
                Problem(
                    "a message is marked as an answer that is not to be given",
                    found=f"{key}: {shown(message[key])}",
                    hint="weight: 0 lets an answer be read and not learned",
                ),
                key,
            )
    _check_parts(message, "a message")
    return all(said.values())


def _is_whole(key: str, value: object) -> bool:
    if is_empty(value):
        return True
    found = truth(value)
    return found is True if key in _WEIGHTS else found is not False


def _check_parts(values: Values, what: str) -> None:
    """Refuse masks over an answer's parts, and what is no text."""
    for key in _PARTIAL:
        value = values.get(key)
        unclear = key in _AMBIGUOUS and truth(value) is not None
        if not is_empty(value) and (unclear or not _masks_nothing(value)):
            raise RowError(
                Problem(
                    f"{what} is to be learned in part",
                    found=f"{key}: {shown(value)}",
                    hint="answers are learned whole, or with weight: 0 in their message not at all",
                ),
                key,
            )
    for key in _MEDIA:
        if not is_empty(values.get(key)):
            raise RowError(
                Problem(
                    f"{what} has more than text, and would be trained on without it",
                    found=key,
                    hint="take rows with images, videos or sound out: only texts are trained",
                ),
                key,
            )


def _masks_nothing(value: object) -> bool:
    """Return whether a mask leaves all in; a list of texts is no mask, but tags of a row."""
    if not isinstance(value, list):  # NeMo names the role whose turns are left out
        return truth(value) is not False and plain(value) not in ("assistant", "gpt", "model")
    parts = [part.get("train") if isinstance(part, Mapping) else part for part in value]
    return all(isinstance(part, str) or truth(part) is True for part in parts)


def tools_of(values: Values) -> tuple[Tool, ...]:
    """Return the tools that a row declares, in OpenAI's form; as JSON text too, as tables hold it.

    Raise RowError where they are none.
    """
    for key in TOOLS:
        value = values.get(key)
        if is_empty(value):
            continue
        listed = parsed(value)
        if not isinstance(listed, list):
            raise RowError(Problem(f"{key!r} is no list of tools", found=shown(value)), key)
        try:
            tools = tuple(declared_tool(_without_nulls(tool)) for tool in listed)
        except ToolProblemError as error:
            raise RowError(Problem(f"{key}: {error.message}"), key) from None
        return tools
    return ()


def _without_nulls(value: object) -> object:
    """Return a declaration without keys that say nothing: Parquet gives every row all keys."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def parsed(value: object) -> object:
    """Return a list that stands as JSON in a cell of a table."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            found: object = parse_json(value, "", digits=NUMBER_DIGITS, surrogates=True)
            return found
        except InputError:
            return value
    return value
