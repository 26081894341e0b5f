"""Columns that change what a row or a message means: obeyed, or refused; none is left alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
# What a message may have, and what changes what it means.
_MESSAGE = (
    "role", "from", "content", "value", "name", "tool_call_id", "tool_calls", "function_call",
    "parts", "refusal", "channel", "recipient", "prefix", *TOOLS, *RATINGS, *_SWITCHES,
    *_WEIGHTS, *_PARTIAL, *_MEDIA, *REASONING, *_THOUGHTS,
)  # fmt: skip
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class RowError(InputError):
    """A row is wrong; `key` names the column that it is about, if it is about one."""

    def __init__(
        self,
        message: str,
        key: str = "",
        *,
        found: str = "",
        expected: str = "",
        did_you_mean: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(
            Problem(message, found=found, expected=expected, did_you_mean=did_you_mean, hint=hint)
        )
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


def _is_bad(key: str, value: object) -> bool:
    """Return whether a rating says that the answer is not one to give."""
    return truth(value) is False


def _is_not_whole(key: str, value: object) -> bool:
    """Return whether a switch or weight of a row leaves something of it out."""
    if is_empty(value):
        return False
    found = truth(value)
    return found is not True if key in _WEIGHTS else found is False


def _masks(key: str, value: object) -> bool:
    """Return whether a mask leaves something out; a list of texts is no mask, but tags of a row."""
    if is_empty(value):
        return False
    if key in _AMBIGUOUS and truth(value) is not None:
        return True
    if not isinstance(value, list):  # NeMo names the role whose turns are left out
        return truth(value) is False or plain(value) in ("assistant", "gpt", "model")
    parts = [part.get("train") if isinstance(part, Mapping) else part for part in value]
    return not all(isinstance(part, str) or truth(part) is True for part in parts)


def _says(key: str, value: object) -> bool:
    return not is_empty(value)


@dataclass(frozen=True, slots=True)
class RefusedColumns:
    """Columns that a row or a message may not have, where `meant` holds of key and value.

    `shows`: what stands in them is shown, beside the key.
    """

    keys: Sequence[str]
    message: str
    hint: str
    meant: Callable[[str, object], bool] = _says
    shows: bool = False


_PREFERRED = "the row prefers one answer to another, and would be trained on without its preference"
_DPO = "method: dpo learns from such rows (docs/repair.md)"
_KEEP = "; or keep the question and the answer to be learned, under keys of one shape"


def _parts_of(what: str) -> tuple[RefusedColumns, ...]:
    """Return what rows and messages are refused for: masks over an answer, and what is no text."""
    return (
        RefusedColumns(
            _PARTIAL,
            f"{what} is to be learned in part",
            "answers are learned whole, or with weight: 0 in their message not at all",
            _masks,
            shows=True,
        ),
        RefusedColumns(
            _MEDIA,
            f"{what} has more than text, and would be trained on without it",
            "take rows with images, videos or sound out: only texts are trained",
        ),
    )


# The first that applies is told.
_IN_ROWS = (
    RefusedColumns(
        RATINGS,
        "the row is marked as an answer that is not to be given",
        f"{_DPO}; to learn right answers alone, take it out",
        _is_bad,
        shows=True,
    ),
    RefusedColumns(
        (*_SWITCHES, *_WEIGHTS),
        "the row is marked as not to be learned, or not as it stands",
        "take it out; answers of a row that are only to be read have weight: 0 in their message",
        _is_not_whole,
        shows=True,
    ),
    *_parts_of("the row"),
    RefusedColumns(
        (*REASONING, *_THOUGHTS),
        "the row keeps its reasoning apart, and it would be lost",
        "give it as reasoning_content in the answer's message, or take it out",
    ),
    RefusedColumns(
        _CALLS,
        "the row keeps calls of tools apart, and they would be lost",
        "give them in the messages that make them (docs/training-data.md)",
    ),
    RefusedColumns(
        _TEMPLATE,
        "the row tells the chat template something of its own",
        "say chat_template_args for the whole training, and take it out of rows",
    ),
    RefusedColumns(
        ("input_ids",),
        "the row is tokenised already, beside its text",
        "take it out: the model's own template and tokenizer make the tokens",
    ),
    RefusedColumns((*CHOSEN, *REJECTED), _PREFERRED, _DPO + _KEEP),
    RefusedColumns(_PREFERS, _PREFERRED, f"{_DPO}, as chosen and rejected{_KEEP}"),
)
_TO_THE_USER = {"channel": "final", "recipient": "all"}
_IN_MESSAGES = (
    RefusedColumns(
        TOOLS,
        "a message declares tools, and rows declare them",
        "give them in the row's own column tools",
    ),
    RefusedColumns(
        ("prefix",),
        "a message is the beginning of one, to be continued",
        "give the whole answer, without prefix",
        lambda key, value: bool(truth(value)),
        shows=True,
    ),
    RefusedColumns(
        tuple(_TO_THE_USER),
        "a message is not said to the user",
        "give reasoning as reasoning_content, and calls of tools as tool_calls, of the answer's "
        "message",
        lambda key, value: not is_empty(value) and value != _TO_THE_USER[key],
        shows=True,
    ),
)
_IN_ANSWERS = (
    RefusedColumns(
        RATINGS,
        "a message is marked as an answer that is not to be given",
        "weight: 0 lets an answer be read and not learned",
        _is_bad,
        shows=True,
    ),
    *_parts_of("a message"),
)
_THOUGHT = RefusedColumns(
    _THOUGHTS,
    "a message keeps its reasoning in a form that no template is given",
    "give it as a text, under reasoning_content",
)


def _refuse(values: Values, *listed: RefusedColumns) -> None:
    for refused in listed:
        for key in refused.keys:
            if refused.meant(key, values.get(key)):
                found = f"{key}: {shown(values[key])}" if refused.shows else key
                raise RowError(refused.message, key, found=found, hint=refused.hint)


def check_row(values: Values) -> None:
    """Refuse a row that is not to be learned, or not as it stands, and what has more than text."""
    _refuse(values, *_IN_ROWS)


def check_message(message: Values) -> None:
    """Refuse what a message says besides its text, and would lose, and keys written wrongly."""
    for key in message:
        known = _PLAIN_MESSAGE.get(plain(key), key)
        if known != key and not is_empty(message[key]):
            raise RowError(
                f"key {key!r} of a message is not known",
                known,
                did_you_mean=known,
                hint="rename the key, or take it out",
            )
    for first, second in (("content", "value"), ("role", "from")):
        both = [message[key] for key in (first, second) if not is_empty(message.get(key))]
        if len(both) == 2 and both[0] != both[1]:
            raise RowError(
                f"a message has {first} and {second}, and they do not say the same",
                second,
                found=f"{shown(both[0])} and {shown(both[1])}",
                hint="keep one of them",
            )
    text = message.get("content", message.get("value"))
    for key in ("parts", "refusal"):
        if not is_empty(message.get(key)) and message[key] != text:
            raise RowError(
                f"{key!r} stands beside a message's text, and would be left out",
                key,
                found=shown(message[key]),
                hint="write it as the message's content",
            )
    _refuse(message, *_IN_MESSAGES)
    said = {key: message[key] for key in REASONING if not is_empty(message.get(key))}
    if len(set(map(str, said.values()))) > 1:
        raise RowError("a message has two reasonings", next(iter(said)), found=", ".join(said))
    if not said:
        _refuse(message, _THOUGHT)


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
                "a message is to be learned in part"
                if found is None
                else "a message that is no answer is to be learned",
                key,
                found=f"{key}: {shown(value)}",
                hint="answers of the assistant are learned whole, or with weight: 0 not at all",
            )
        said[key] = found
    if len(set(said.values())) > 1:
        both = ", ".join(f"{key}: {shown(message[key])}" for key in said)
        raise RowError("a message is to be learned, and is not", next(iter(said)), found=both)
    _refuse(message, *_IN_ANSWERS)
    return all(said.values())


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
            raise RowError(f"{key!r} is no list of tools", key, found=shown(value))
        try:
            tools = tuple(declared_tool(_without_nulls(tool)) for tool in listed)
        except ToolProblemError as error:
            raise RowError(f"{key}: {error.message}", key) from None
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
