"""Columns that change what a row or a message means: obeyed, or refused; none is left alone."""

from __future__ import annotations

from collections.abc import Mapping

from harness.common import NUMBER_DIGITS, InputError, Problem, shown
from harness.common.reading import parse_json
from harness.scorers import Tool, ToolProblemError, declared_tool

Values = Mapping[str, object]

# Said of a whole answer, true or false, in KTO rows of trl, LLaMA-Factory, ms-swift and axolotl.
RATINGS = ("label", "kto_tag")
# Whether an answer is learned: axolotl, ms-swift; OpenAI's weight is 0 or 1.
_SWITCHES = ("train", "loss")
_WEIGHTS = ("weight", "loss_scale")
# What is learned of an answer, sign by sign or token by token.
_PARTIAL = ("train_detail", "loss_mask", "mask", "masks", "labels")
CHOSEN = ("chosen", "chosen_response")
REJECTED = ("rejected", "rejected_response", "rejected_messages")
_MEDIA = (
    "image", "images", "image_url", "image_urls", "image_path", "video", "videos", "audio",
    "audios", "objects", "pixel_values",
)  # fmt: skip
REASONING = ("reasoning_content", "reasoning", "thinking")
TOOLS = ("tools", "functions")
COLUMNS = (
    *RATINGS, *_SWITCHES, *_WEIGHTS, *_PARTIAL, *CHOSEN, *REJECTED, *_MEDIA, *REASONING, *TOOLS,
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
    for key in REASONING:
        if not is_empty(values.get(key)):
            raise RowError(
                Problem(
                    "the row keeps its reasoning apart, and it would be lost",
                    found=key,
                    hint="give it as reasoning_content in the answer's message, or take it out",
                ),
                key,
            )
    for key in (*CHOSEN, *REJECTED):
        if not is_empty(values.get(key)):
            raise RowError(
                Problem(
                    "the row prefers one answer to another, and would be trained on without its "
                    "preference",
                    found=key,
                    hint="method: dpo learns from such rows (docs/repair.md); or keep the question "
                    "and the answer to be learned, under keys of one shape",
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
        if not is_empty(value := values.get(key)) and not _masks_nothing(value):
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
    if not isinstance(value, list):
        return truth(value) is not False
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
