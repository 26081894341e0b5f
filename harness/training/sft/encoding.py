"""Conversations to token ids and labels: every answer behind the prompt that inference gives it.

The ids of a prompt come from `harness.prompts` alone, the only renderer. An answer is what the
template writes behind that prompt, up to the token that ends the turn; only these tokens are in
the loss. A conversation becomes one sample where the prompts of its later turns continue it, and
one sample per answer where they do not: templates that drop earlier reasoning, say.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.common import InputError, Message, Messages, Problem, shown
from harness.prompts import ChatTokenizer
from harness.training.values import TrainingRow

IGNORED = -100  # labels that torch's cross entropy leaves out
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One sequence to train on: `ids` and `labels` are of one length.

    `row` is the index of its row; `starts` are the places where its answers begin, and `turns` the
    indices of their messages.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    row: int
    starts: tuple[int, ...]
    turns: tuple[int, ...]


def encode(
    rows: Sequence[TrainingRow],
    tokenizer: ChatTokenizer,
    ends: Collection[int],
    *,
    last_only: bool = False,
) -> tuple[Sample, ...]:
    """Return the samples of all rows, in order; `ends` are the tokens that end an answer.

    `last_only`: only the last answer of a row is in the loss, and each row is one sample.
    Raise `InputError` with all rows that cannot be trained on as inference would see them.
    """
    samples: list[Sample] = []
    problems: list[Problem] = []
    for index, row in enumerate(rows):
        try:
            samples.extend(_Row(row, index, tokenizer, ends).samples(last_only=last_only))
        except InputError as error:
            # What the template says of the messages is said of the row that has them.
            problems.extend(replace(problem, path=row.source) for problem in error.problems)
    if problems:
        more = len(problems) - MOST_SHOWN
        rest = [Problem(f"and {more} more problems")] if more > 0 else []
        raise InputError(*problems[:MOST_SHOWN], *rest)
    return tuple(samples)


def prove(samples: Sequence[Sample], rows: Sequence[TrainingRow], tokenizer: ChatTokenizer) -> int:
    """Render every prompt anew and compare; return how many answers were proven.

    Raise `InputError` where the ids before an answer are not those that inference gives.
    """
    proven = 0
    for sample in samples:
        row = rows[sample.row]
        for start, turn in zip(sample.starts, sample.turns, strict=True):
            if tokenizer.token_ids(row.messages[:turn], tools=row.tools) != sample.ids[:start]:
                raise InputError(
                    Problem(
                        "the prompt in training is not the prompt at inference",
                        row.source,
                        found=f"other token ids before message {turn + 1}",
                        hint="train with the chat template and the tokenizer that the model is "
                        "served with",
                    )
                )
            proven += 1
    return proven


def _left_out(answer: Message, rendered: str) -> str:
    """Return what an answer says and its rendered text does not; empty where all is there.

    Space does not count, and calls may be written as JSON or in any other form: looked for are
    their names and the texts in their arguments.
    """
    said = "".join(rendered.split())
    wanted = [answer.reasoning, answer.content]
    for call in answer.tool_calls:
        values = list(call.arguments.values()) if isinstance(call.arguments, Mapping) else []
        wanted += [call.name, *(value for value in values if isinstance(value, str))]
    for text in wanted:
        plain = "".join(text.split())
        escaped = (
            "".join(json.dumps(text, ensure_ascii=one)[1:-1].split()) for one in (True, False)
        )
        if plain not in said and not any(form in said for form in escaped):
            return text
    return ""


class _Row:
    """One row on its way to samples."""

    def __init__(
        self, row: TrainingRow, index: int, tokenizer: ChatTokenizer, ends: Collection[int]
    ) -> None:
        self.row, self.index = row, index
        self.tokenizer, self.ends = tokenizer, ends

    def samples(self, *, last_only: bool) -> Iterator[Sample]:
        open_sample: Sample | None = None
        answers = list(self._answers())
        for turn, prompt, answer in answers[-1:] if last_only else answers:
            whole = prompt + answer
            start, labels = len(prompt), [IGNORED] * len(prompt) + list(answer)
            starts: tuple[int, ...] = (start,)
            turns: tuple[int, ...] = (turn,)
            if open_sample is not None and prompt[: len(open_sample.ids)] == open_sample.ids:
                labels[: len(open_sample.labels)] = open_sample.labels
                starts, turns = open_sample.starts + starts, open_sample.turns + turns
            elif open_sample is not None:
                yield open_sample
            open_sample = Sample(whole, tuple(labels), self.index, starts, turns)
        if open_sample is not None:
            yield open_sample

    def _answers(self) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
        messages = self.row.messages
        if not messages or messages[-1].role != "assistant":
            raise InputError(
                Problem(
                    "the last message is not the assistant's",
                    self.row.source,
                    found=", ".join(message.role for message in messages) or "no message",
                    hint="end every training row with the answer to be learnt",
                )
            )
        for turn, message in enumerate(messages):
            if message.role == "assistant" and turn not in self.row.untaught:
                prompt = self.tokenizer.token_ids(messages[:turn], tools=self.row.tools)
                yield turn, prompt, self._answer(messages, turn)

    def _answer(self, messages: Messages, turn: int) -> tuple[int, ...]:
        tools = self.row.tools
        before = self.tokenizer.text(messages[:turn], tools=tools)
        after = self.tokenizer.text(messages[: turn + 1], add_generation_prompt=False, tools=tools)
        if not after.startswith(before):
            raise InputError(
                Problem(
                    "the chat template renders the prompt in another way once it is answered, so "
                    "the model would be trained on a prompt that it never sees",
                    self.row.source,
                    found=f"at inference the prompt ends in {before[-40:]!r}",
                    hint="write the answer as the model gives it, reasoning included; or train "
                    "another model",
                )
            )
        # What a template opens before the answer (`<think>`) may be a part of it.
        asked = self.tokenizer.text(messages[:turn], add_generation_prompt=False, tools=tools)
        rendered = after[len(asked if after.startswith(asked) else before) :]
        if lost := _left_out(messages[turn], rendered):
            raise InputError(
                Problem(
                    "the chat template leaves out what the answer says, and the model would learn "
                    "another one",
                    self.row.source,
                    found=f"no {shown(lost)} in {shown(rendered)}",
                    hint="write the answer as the model gives it; or train another model",
                )
            )
        ids = self.tokenizer.tokenizer.encode(after[len(before) :], add_special_tokens=False)
        ended = [at for at, token in enumerate(ids) if token in self.ends]
        if not ended:
            raise InputError(
                Problem(
                    "the chat template ends the answer with no token that ends generation: the "
                    "model would never learn to stop",
                    self.row.source,
                    hint="set eos_token_id in the model's generation_config.json to the end of a "
                    "turn",
                )
            )
        if len(ended) > 1:
            raise InputError(
                Problem(
                    "an answer holds the text of a token that ends it",
                    self.row.source,
                    found=f"{len(ended)} such tokens in message {turn + 1}",
                    expected="one, which the chat template sets",
                    hint="remove the model's special tokens from the text of the row",
                )
            )
        return tuple(ids[: ended[0] + 1])
