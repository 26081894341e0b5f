"""Beside the real package: the same task on the same answers has lm-eval's own prompts and numbers.

make test-peers
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.scorers import Answer, Context
from harness.suites import Suite
from harness.suites.importing import TaskOptions, import_lm_eval
from tests.suites.importing.projects import put, written

pytestmark = pytest.mark.peers

SUMS = [
    {"question": f"How much is {n} and {n * 7}?", "answer": f"{n} + {n * 7}.\n#### {n * 8:,}"}
    for n in range(1, 401)
]
CAPITALS = [
    {"country": "France", "names": ["Paris", "City of Paris"], "kind": "a"},
    {"country": "Italy", "names": ["Rome", "Roma"], "kind": "b"},
    {"country": "Spain", "names": ["Madrid"], "kind": "a"},
]
COMMON = {
    "dataset_path": "json",
    "output_type": "generate_until",
    "test_split": "test",
    "generation_kwargs": {"until": ["Question:"], "max_gen_toks": 64, "do_sample": False},
}
GSM8K = {
    **COMMON,
    "task": "sums",
    "dataset_kwargs": {"data_files": {"test": "sums.jsonl", "train": "train.jsonl"}},
    "training_split": "train",
    "fewshot_split": "train",
    "num_fewshot": 3,
    "description": "Answer the question.",
    "doc_to_text": "Question: {{question}}\nAnswer:",
    "doc_to_target": "{{answer}}",
    "metric_list": [
        {
            "metric": "exact_match",
            "aggregation": "mean",
            "higher_is_better": True,
            "ignore_case": True,
            "ignore_punctuation": False,
            "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"],
        }
    ],
    "filter_list": [
        {
            "name": "strict-match",
            "filter": [
                {"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"},
                {"function": "take_first"},
            ],
        },
        {
            "name": "flexible-extract",
            "filter": [
                {
                    "function": "regex",
                    "group_select": -1,
                    "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)",
                },
                {"function": "take_first"},
            ],
        },
    ],
}
FIRST_N = {**GSM8K, "task": "sums_first", "fewshot_config": {"sampler": "first_n"}}
SAME_SPLIT = {**GSM8K, "task": "sums_same", "fewshot_split": "test", "gen_prefix": "Let's see"}
SEVERAL = {
    **COMMON,
    "task": "capitals",
    "dataset_kwargs": {"data_files": {"test": "capitals.jsonl"}},
    "doc_to_text": "{{ country.upper() }}{% if kind == 'a' %}!{% endif %} Capital?",
    "doc_to_target": "{{ names }}",
    "metric_list": [{"metric": "exact_match", "ignore_case": True, "ignore_punctuation": True}],
    "filter_list": [
        {
            "name": "short",
            "filter": [
                {"function": "remove_whitespace"},
                {"function": "lowercase"},
                {"function": "take_first"},
            ],
        }
    ],
}
CHOICES = {
    **SEVERAL,
    "task": "choices",
    "doc_to_choice": ["a", "b"],
    "doc_to_target": "{{ 0 if kind == 'a' else 1 }}",
    "filter_list": None,
    "metric_list": [{"metric": "exact_match"}],
}


def answers_to(doc: dict[str, Any], number: int) -> str:
    """Return one of many kinds of answers: right, nearly right, and wrong ones."""
    if "names" in doc:
        names = doc["names"]
        several = [f" {names[-1]}. ", doc["kind"], "Berlin", f"\n{names[0].upper()}"]
        return str(several[number % 4])
    right = doc["answer"].rpartition("#### ")[2]
    plain = right.replace(",", "")
    return [
        f"Easy.\n#### {right}",
        f"#### {plain}.",
        f"The answer is ${plain}.",
        f"#### {plain}00",
        "I do not know",
        f"It is {plain}, or {int(plain) + 1}",
        f"#### {right} and so #### 7",
        f"{plain}\nANSWER #### none",
    ][number % 8]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    rows: dict[str, list[dict[str, Any]]] = {
        "sums.jsonl": SUMS[:240],
        "train.jsonl": SUMS[300:],
        "capitals.jsonl": CAPITALS * 4,
    }
    put({name: "".join(json.dumps(row) + "\n" for row in each) for name, each in rows.items()})


def evaluated(task: dict[str, Any], turns: bool) -> list[dict[str, Any]]:
    """Return lm-eval's own samples of a task, answered by `answers_to`."""
    lm_eval = pytest.importorskip("lm_eval")
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Recorded(LM):  # type: ignore[misc]  # lm-eval has no types here
        tokenizer_name = "messages"

        def apply_chat_template(self, messages: Any, add_generation_prompt: bool = True) -> str:
            return json.dumps(messages)

        def chat_template(self, name: Any = None) -> str:
            return "messages"

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            return [answers_to(request.doc, request.doc_id) for request in requests]

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> Any:
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> Any:
            raise NotImplementedError

    found = lm_eval.simple_evaluate(
        model=Recorded(),
        tasks=[task["task"]],
        task_manager=TaskManager(include_path=".", include_defaults=False),
        apply_chat_template=True,
        fewshot_as_multiturn=turns,
        bootstrap_iters=0,
    )
    samples: list[dict[str, Any]] = found["samples"][task["task"]]
    return samples


def messages_of(suite: Suite) -> dict[str, list[dict[str, str]]]:
    """Return what is asked in each case, as messages."""
    found = {}
    for case in suite.cases:
        (turn,) = case.turns
        said = [{"role": "system", "content": case.system}] if case.system is not None else []
        said += [{"role": each.role, "content": each.content} for each in turn.before]
        said.append({"role": "user", "content": turn.user})
        if turn.prefix:
            said.append({"role": "assistant", "content": turn.prefix})
        found[case.id] = said
    return found


@pytest.mark.filterwarnings("ignore")  # lm-eval's and its packages' own
@pytest.mark.parametrize("turns", [False, True], ids=["text", "turns"])
@pytest.mark.parametrize(
    ("task", "filters"),
    [
        (GSM8K, ("strict-match", "flexible-extract")),
        (FIRST_N, ("strict-match",)),
        (SAME_SPLIT, ("flexible-extract",)),
        (SEVERAL, ("short",)),
        (CHOICES, ("none",)),
    ],
    ids=lambda value: value["task"] if isinstance(value, dict) else "",
)
def test_prompts_and_scores_are_those_of_lm_eval(
    task: dict[str, Any], filters: tuple[str, ...], turns: bool
) -> None:
    put({"task.yaml": task})
    samples = evaluated(task, turns)
    put({"samples.jsonl": "".join(json.dumps(row, default=str) + "\n" for row in samples)})

    for name in filters:
        chosen = "" if name == "none" else name
        options = TaskOptions(filter=chosen, turns=turns, samples=Path("samples.jsonl"))
        made = import_lm_eval(Path("task.yaml"), options)
        suite = written(made)
        theirs = [sample for sample in samples if sample["filter"] == name]
        assert len(theirs) == len(suite.cases)

        asked = messages_of(suite)
        for sample in theirs:
            case = f"{task['task']}-{sample['doc_id']}"
            assert asked[case] == json.loads(sample["arguments"][0][0])
        judged = {
            case.id: case.turns[0].checks[0](Answer(text, text), Context()).passed
            for case, text in zip(
                suite.cases, (row["response"] for row in made.answers), strict=True
            )
        }
        right = {
            f"{task['task']}-{sample['doc_id']}": sample["exact_match"] == 1.0 for sample in theirs
        }
        assert judged == right
        assert 0 < sum(right.values()) < len(right)  # answers of both kinds
        count = f"{len(right)} of {len(right)} recorded answers"
        assert made.confirmed == f"The checks judge {count} as lm-eval did."
