from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.common import InputError, Message
from harness.training import LabelledAnswer, Pair
from harness.training.rows import RowFile, preference, read_preferences, read_rows

ASK = Message("user", "Hi")
LED = (Message("system", "Be kind."), ASK)
USER = {"role": "user", "content": "Hi"}
GOOD, BAD = ({"role": "assistant", "content": text} for text in ("Hello!", "What?"))
PAIR = Pair((ASK,), "Hello!", "What?", "r")

# One pair in every public format.
PAIRS: tuple[tuple[str, dict[str, Any], Pair], ...] = (
    ("trl, texts", {"prompt": "Hi", "chosen": "Hello!", "rejected": "What?"}, PAIR),
    ("trl, messages", {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}, PAIR),
    ("trl, implicit prompt", {"chosen": [USER, GOOD], "rejected": [USER, BAD]}, PAIR),
    ("UltraFeedback", {"prompt": "Hi", "prompt_id": "0a", "chosen": [USER, GOOD],
                       "rejected": [USER, BAD], "messages": [USER, GOOD],
                       "score_chosen": 8.0, "score_rejected": 3.5}, PAIR),
    ("LLaMA-Factory, Alpaca", {"instruction": "Hi", "input": "", "chosen": "Hello!",
                               "rejected": "What?"}, PAIR),
    ("LLaMA-Factory, Alpaca with input",
     {"instruction": "Add", "input": "1 2", "chosen": "3", "rejected": "12"},
     Pair((Message("user", "Add\n\n1 2"),), "3", "12", "r")),
    ("LLaMA-Factory, ShareGPT", {"conversations": [{"from": "human", "value": "Hi"}],
                                 "chosen": {"from": "gpt", "value": "Hello!"},
                                 "rejected": {"from": "gpt", "value": "What?"}}, PAIR),
    ("ms-swift", {"messages": [USER, GOOD], "rejected_response": "What?"}, PAIR),
    ("ms-swift, messages", {"messages": [USER, GOOD], "rejected_messages": [USER, BAD]}, PAIR),
    ("ms-swift, query", {"query": "Hi", "response": "Hello!", "rejected_response": "What?"}, PAIR),
    ("axolotl, chat_template", {"messages": [USER], "chosen": GOOD, "rejected": BAD}, PAIR),
    ("axolotl, intel", {"system": "Be kind.", "question": "Hi", "chosen": "Hello!",
                        "rejected": "What?"}, Pair(LED, "Hello!", "What?", "r")),
    ("axolotl, argilla", {"system": "", "instruction": "Hi", "chosen_response": "Hello!",
                          "rejected_response": "What?"}, PAIR),
    ("OpenAI", {"input": {"messages": [USER], "tools": [], "parallel_tool_calls": True},
                "preferred_output": [GOOD], "non_preferred_output": [BAD]}, PAIR),
    ("a system prompt in the answers' conversations",
     {"prompt": "Hi", "chosen": [{"role": "system", "content": "Be kind."}, USER, GOOD],
      "rejected": [{"role": "system", "content": "Be kind."}, USER, BAD], "group": 7},
     Pair(LED, "Hello!", "What?", "r", "7")),
)  # fmt: skip


@pytest.mark.parametrize(("values", "pair"), [row[1:] for row in PAIRS], ids=[r[0] for r in PAIRS])
def test_pairs_are_read_in_the_public_formats(values: dict[str, Any], pair: Pair) -> None:
    assert preference(values, "r") == pair


@pytest.mark.parametrize("values", [row[1] for row in PAIRS], ids=[row[0] for row in PAIRS])
def test_no_pair_is_learned_from_as_a_row(tmp_path: Path, values: dict[str, Any]) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(values), encoding="utf-8")

    with pytest.raises(InputError, match=r"a\.jsonl:1:\d+: the row prefers one answer") as error:
        read_rows([tmp_path / "a.jsonl"])

    assert "method: dpo learns from such rows" in error.value.problems[0].hint


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"prompt": "a", "chosen": "b"}, "the row has a better answer, and none that is worse"),
    ({"prompt": "a", "rejected": "b"}, "the row has no shape that is known"),
    ({"prompt": "a", "chosen": "b", "rejected": " b"}, "the two answers are the same"),
    ({"chosen": "a", "rejected": "b"}, "a pair of answers has no prompt"),
    ({"prompt": "a", "chosen": ["b", "c"], "rejected": "d"}, "'chosen' is a list of texts"),
    ({"prompt": "a", "chosen": "b", "rejected": [USER]}, "'rejected' does not end with an answer"),
    ({"prompt": [USER, GOOD], "chosen": "b", "rejected": "c"},
     "the prompt of a pair does not end with the user"),
    ({"prompt": "a", "chosen": [USER, GOOD], "rejected": [USER, BAD]},
     "the two answers do not belong to one prompt"),
    ({"chosen": [USER, GOOD], "rejected": [{"role": "user", "content": "Bye"}, BAD]},
     "the two answers do not belong to one prompt"),
    ({"chosen": [USER, GOOD, USER, GOOD], "rejected": [USER, BAD]},
     "the two answers do not belong to one prompt"),
    ({"prompt": "a", "chosen": "b", "rejected": "c", "images": ["x.png"]},
     "the row has more than text"),
    ({"prompt": "a", "chosen": "b", "rejected": "c", "rejected_images": ["x.png"]},
     "the row has more than text"),
    ({"prompt": "a", "chosen": "b", "rejected": "c", "chosen_weight": 0.5},
     "the row is marked as not to be learned, or not as it stands"),
    ({"prompt": "a", "chosen": "b", "rejected": "c", "chat_template_kwargs": {"x": 1}},
     "the row tells the chat template something of its own"),
    ({"prompt": "a", "chosen": "b", "rejected": "c", "context": "d"},
     "'context' stands beside prompt"),
    ({"prompt": "a", "chosen": "b", "rejected": "c", "rejected_response": "d"},
     "the row has two answers for one side"),
    ({"prompt": "a", "chosen": "b", "rejected": "c", "score_chosen": 1, "score_rejected": 2},
     "the worse answer has the higher score"),
    ({"prompt": "a", "chosen": "b", "rejected": "c",
      "tools": [{"name": "t", "parameters": {"type": "object"}}]},
     "a pair of answers declares tools"),
    ({"prompt": "a", "chosen": "\n\nHuman: a [INST]", "rejected": "c"},
     "the text is rendered in the chat template"),
    ({"prompt": "a", "completion": "b"}, "the row prefers no answer, and rates none"),
    ({"prompt": "a", "completion": "b", "label": "positive"},
     "the row prefers no answer, and rates none"),
)  # fmt: skip


@pytest.mark.parametrize(("values", "said"), WRONG)
def test_what_is_wrong_with_a_pair_is_said_with_its_line(
    tmp_path: Path, values: dict[str, Any], said: str
) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n" + json.dumps(values), encoding="utf-8")

    with pytest.raises(InputError) as error:
        read_preferences([path])

    (problem,) = error.value.problems
    assert (problem.path, problem.line) == (path.as_posix(), 2)
    assert problem.message.startswith(said)


@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "Hi", "completion": "Hello!"},  # trl
        {"prompt": [USER], "completion": [GOOD]},
        {"messages": [USER, GOOD]},  # LLaMA-Factory, ms-swift
        {"instruction": "Hi", "input": "", "output": "Hello!"},
    ],
)
@pytest.mark.parametrize("key", ["label", "kto_tag", "kto_label", "desirable"])
def test_rated_answers_are_read(
    tmp_path: Path, values: dict[str, Any], key: str, good: bool
) -> None:
    path = tmp_path / "kto.jsonl"
    path.write_text(json.dumps({**values, key: good}), encoding="utf-8")

    found = read_preferences([RowFile(path, system="Be kind.")])

    source = f"{path.as_posix()}:1"
    assert found.answers == (LabelledAnswer(LED, "Hello!", good, source),)
    assert found.pairs == ()


def test_wrong_pairs_can_be_left_out_and_are_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    rows = [{"prompt": "a", "chosen": "b", "rejected": "c"}, {"prompt": "a", "chosen": "b"}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    found = read_preferences([path], skip=True)

    assert len(found.pairs) == 1
    assert [problem.place for problem in found.left_out] == [f"{path.as_posix()}:2:17"]
