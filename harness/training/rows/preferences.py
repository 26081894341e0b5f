"""Rows that say which answer is better, or whether one is good, in the public formats.

prompt, chosen, rejected                texts or messages, the prompt's own or not      trl
instruction, input, chosen, rejected    conversations, chosen, rejected       LLaMA-Factory
messages, rejected_response                                                        ms-swift
messages, chosen, rejected              question, chosen_response, rejected_response axolotl
input: messages, preferred_output, non_preferred_output                              OpenAI
any shape with label or kto_tag         one answer, and whether it is good             KTO
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.common import Message, Messages, shown
from harness.training.rows.meaning import (
    CHOSEN,
    RATINGS,
    REJECTED,
    RowError,
    check_row,
    is_empty,
    parsed,
    tools_of,
    truth,
)
from harness.training.rows.shapes import (
    SHAPES,
    Shape,
    check_keys,
    converted,
    group_of,
    question_of,
    with_system,
)
from harness.training.rows.spoken import Spoken, listed, spoken, text_of
from harness.training.rows.valid import check
from harness.training.values import LabelledAnswer, Pair

# What some data sets say of both answers, by a number.
_SCORES = (("chosen_score", "rejected_score"), ("score_chosen", "score_rejected"))


def preference(values: Mapping[str, Any], source: str, system: str | None = None) -> Pair:
    """Return the pair of a row. Raise RowError, without a place."""
    if isinstance(whole := values.get("input"), Mapping):  # OpenAI's: the prompt and its tools
        values = {**{key: value for key, value in values.items() if key != "input"}, **whole}
    better, worse = _named(values, CHOSEN), _named(values, REJECTED)
    if not worse:
        raise RowError(
            "the row has a better answer, and none that is worse",
            better,
            found=better,
            expected="rejected, beside it",
            hint="to learn the good answer alone, give it as a completion (method: sft)",
        )
    plain = {key: value for key, value in values.items() if key not in (*CHOSEN, *REJECTED)}
    check_row(plain)
    if tools_of(plain):
        raise RowError(
            "a pair of answers declares tools, and pairs are compared as texts",
            "tools",
            hint="take such rows out",
        )
    shape = None
    if better:
        prompt, shape = _prompt(plain)
        chosen = _answers(values[better], better)
    else:  # ms-swift: the row's own answer is the better one
        whole = converted(plain)
        prompt, chosen = whole.messages[:-1], whole.messages[-1:]
    rejected = _answers(values[worse], worse)
    prompt = _shared(prompt, (chosen, rejected), values, (better, worse))
    if shape is not None:
        check_keys(plain, shape, (*prompt, chosen[-1], rejected[-1]))
    if system is not None and prompt[0].role != "system":
        prompt = (Message("system", system), *prompt)
    texts = [answers[-1].content for answers in (chosen, rejected)]
    for text in texts:
        check((*prompt, Message("assistant", text)))
    if texts[0].strip() == texts[1].strip():
        raise RowError(
            "the two answers are the same",
            worse,
            found=shown(texts[0]),
            hint="take the row out: it prefers nothing",
        )
    for high, low in _SCORES:
        scores = [one for key in (high, low) if isinstance(one := values.get(key), int | float)]
        if len(scores) == 2 and scores[0] < scores[1]:
            raise RowError(
                "the worse answer has the higher score",
                high,
                found=f"{high}: {scores[0]:g}, {low}: {scores[1]:g}",
                hint="swap the two, or take the row out",
            )
    return Pair(prompt, texts[0], texts[1], source, group_of(values))


def rated(values: Mapping[str, Any], source: str, system: str | None = None) -> LabelledAnswer:
    """Return an answer with whether it is good. Raise RowError, without a place."""
    key = next((key for key in RATINGS if truth(values.get(key)) is not None), "")
    if not key:
        raise RowError(
            "the row prefers no answer, and rates none",
            found=", ".join(map(str, values))[:200],
            expected="chosen and rejected; or label: true or false",
            hint="rows that are only to be learned are for method: sft",
        )
    whole = converted({name: value for name, value in values.items() if name not in RATINGS})
    messages = whole.messages
    if whole.tools or whole.untaught:
        raise RowError(
            "a rated answer is a text, without tools or weights",
            hint="take the row out",
        )
    if system is not None and messages[0].role != "system":
        messages = (Message("system", system), *messages)
    check(messages)
    good = truth(values[key]) is True
    return LabelledAnswer(messages[:-1], messages[-1].content, good, source, group_of(values))


def prefers(values: Mapping[str, Any]) -> bool:
    """Return whether a row has an answer that is better, or worse, than another."""
    return bool(_named(values, CHOSEN) or _named(values, REJECTED))


def _named(values: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """Return the key of an answer that is there; raise RowError where there are two."""
    there = [key for key in keys if not is_empty(values.get(key))]
    if len(there) > 1 and any(values[key] != values[there[0]] for key in there):
        raise RowError(
            "the row has two answers for one side",
            there[1],
            found=", ".join(there),
        )
    return there[0] if there else ""


def _prompt(values: Mapping[str, Any]) -> tuple[Messages | None, Shape]:
    """Return what both answers answer, and its shape; None where the row has no column for it."""
    asked = [shape for shape in SHAPES if not is_empty(values.get(shape.keys[0]))]
    for shape in asked:
        key, value = shape.keys[0], values[shape.keys[0]]
        if len(shape.keys) == 1 or isinstance(value, list):
            found = listed(value, key)
        else:
            mores = (s.more for s in asked if s.keys[0] == key and not is_empty(values.get(s.more)))
            shape = Shape(shape.name, (key, CHOSEN[0]), next(mores, ""))
            found = Spoken(question_of(values, key, shape.more))
        if found.messages[-1].role == "assistant" and shape is not asked[-1]:
            continue  # the better conversation once more, beside a prompt
        if found.messages[-1].role != "user":
            raise RowError(
                "the prompt of a pair does not end with the user",
                key,
                found=", ".join(message.role for message in found.messages)[:200],
                hint="the last answers stand under chosen and rejected alone",
            )
        return with_system(found, values).messages, shape
    return None, Shape("answers with their prompt", (CHOSEN[0],))


def _answers(value: object, key: str) -> Messages:
    """Return an answer: a text, a message, or a conversation that ends with it."""
    given = parsed(value)
    given = [given] if isinstance(given, Mapping) else given
    if not isinstance(given, list):
        return (Message("assistant", text_of(given, key)),)
    if any(isinstance(one, str) for one in given):
        raise RowError(
            f"{key!r} is a list of texts",
            key,
            found=shown(value),
            expected="one answer",
            hint="make one row for each pair of answers",
        )
    found = spoken(given)
    if not found.messages or found.messages[-1].role != "assistant":
        raise RowError(f"{key!r} does not end with an answer", key, found=shown(value))
    if found.messages[-1].tool_calls:
        raise RowError(
            "an answer that calls tools is compared with another",
            key,
            hint="take such rows out: pairs are compared as texts",
        )
    return found.messages


def _shared(
    prompt: Messages | None,
    answers: tuple[Messages, Messages],
    values: Mapping[str, Any],
    keys: tuple[str, str],
) -> Messages:
    """Return the prompt of both answers, which stand under `keys`: the longest that is there.

    Either may bring the whole conversation along, and a column of its own leave turns out.
    """
    brought = [messages[:-1] for messages in answers if messages[:-1]]
    for before in brought:
        if before != brought[0] or (prompt is not None and not _continues(before, prompt)):
            raise RowError(
                "the two answers do not belong to one prompt",
                keys[1],
                found=shown(before[-1].content),
                expected=shown((prompt or brought[0])[-1].content),
                hint="the better and the worse conversation may differ in the last answer only",
            )
    found = max([*brought[:1], *([] if prompt is None else [prompt])], key=len, default=None)
    if found is None:
        raise RowError(
            "a pair of answers has no prompt",
            keys[0],
            found=", ".join(map(str, values))[:200],
            expected="prompt, or messages in chosen and rejected",
        )
    return found


def _continues(before: Messages, prompt: Messages) -> bool:
    """Return whether one of the two is the end of the other: a column may leave turns out."""
    short, long = sorted((before, prompt), key=len)
    return bool(short) and long[-len(short) :] == short
