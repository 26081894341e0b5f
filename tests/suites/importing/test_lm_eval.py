"""Tasks of lm-evaluation-harness become suites; `test_lm_eval_peers.py` runs the package beside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.suites.importing import Imported, TaskOptions, import_lm_eval
from tests.suites.importing.projects import checks_of, lines, put, told, written

TASK: dict[str, Any] = {
    "task": "sums",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "rows.jsonl", "train": "more.jsonl"}},
    "output_type": "generate_until",
    "test_split": "test",
    "fewshot_split": "train",
    "doc_to_text": "Q: {{ q }}\nA:",
    "doc_to_target": "{{ a }}",
    "generation_kwargs": {"until": ["Q:", ""], "max_gen_toks": 32, "do_sample": False},
    "metric_list": [{"metric": "exact_match", "regexes_to_ignore": [","], "ignore_case": True}],
    "filter_list": [
        {
            "name": "strict",
            "filter": [
                {"function": "regex", "regex_pattern": "#### ([0-9,]+)"},
                {"function": "take_first"},
            ],
        },
        {
            "name": "loose",
            "filter": [
                {"function": "lowercase"},
                {"function": "regex", "regex_pattern": "[0-9]+", "group_select": -1},
                {"function": "remove_whitespace"},
            ],
        },
    ],
}
ROWS = [{"q": "1 + 1?", "a": 2, "l": ["2", "two"]}, {"q": "2 + 2?", "a": 4, "l": ["4"]}]
MORE = [{"q": f"{n} + 0?", "a": n, "l": [str(n)]} for n in range(9)]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put({"rows.jsonl": _lines(ROWS), "more.jsonl": _lines(MORE)})


def _lines(rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def imported(task: Any, **options: Any) -> Imported:
    put({"task.yaml": task})
    return import_lm_eval(Path("task.yaml"), TaskOptions(**options))


def test_a_task_becomes_a_suite() -> None:
    made = imported(TASK)
    suite = written(made)

    assert [case.turns[0].user for case in suite.cases] == ["Q: 1 + 1?\nA:", "Q: 2 + 2?\nA:"]
    assert checks_of(suite)["sums-0"] == [
        {
            "normalized_match": {
                "references": ["2"],
                "filters": [{"regex": "#### ([0-9,]+)"}],
                "ignore": ["case"],
                "remove": [","],
            }
        }
    ]
    sampling = suite.cases[0].sampling
    assert (sampling.temperature, sampling.max_new_tokens, sampling.stop) == (0, 32, ("Q:",))
    assert made.carried == {"task": (1, 1)}
    assert lines(made) == ["task.yaml:1:576: filter loose: one decides a case; --filter loose"]


def test_the_filter_is_chosen_by_name() -> None:
    suite = written(imported(TASK, filter="loose"))
    (check,) = checks_of(suite)["sums-1"]
    assert check["normalized_match"]["filters"] == [
        "lower",
        {"regex": "[0-9]+", "pick": -1},
        "strip",
    ]


def test_examples_stand_before_the_question_or_are_turns() -> None:
    task = {
        **TASK,
        "num_fewshot": 2,
        "fewshot_config": {"sampler": "first_n"},
        "description": "Go.",
    }
    suite = written(imported(task))
    assert suite.cases[1].system == "Go."
    assert suite.cases[1].turns[0].user == ("Q: 0 + 0?\nA: 0\n\nQ: 1 + 0?\nA: 1\n\nQ: 2 + 2?\nA:")

    (turn,) = written(imported(task, turns=True)).cases[1].turns
    assert [each.content for each in turn.before] == ["Q: 0 + 0?\nA:", "0", "Q: 1 + 0?\nA:", "1"]
    assert turn.user == "Q: 2 + 2?\nA:"
    assert written(imported(task, shots=0)).cases[1].turns[0].user == "Q: 2 + 2?\nA:"


def test_samples_in_the_file_serve_as_examples_and_several_answers_are_right() -> None:
    task = {
        **TASK,
        "num_fewshot": 1,
        "fewshot_config": {"sampler": "first_n", "samples": [{"q": "?", "a": "!", "l": ["!"]}]},
        "fewshot_split": None,
        "doc_to_target": "l",
        "gen_prefix": "So",
    }
    case = written(imported(task, limit=1)).cases[0]
    assert case.turns[0].user == "Q: ?\nA: So !\n\nQ: 1 + 1?\nA:"
    assert case.turns[0].prefix == "So"
    assert case.turns[0].checks[0].as_json()["normalized_match"]["references"] == ["2", "two"]  # type: ignore[index,call-overload]  # a mapping


def test_rows_are_read_from_every_format_and_from_the_command_line() -> None:
    put({"rows.csv": "q,a\nx,1\ny,2.50\n", "rows.json": [{"q": "z", "a": True}]})
    for name, wanted in (("rows.csv", ["1.0", "2.5"]), ("rows.json", ["True"])):
        task = {**TASK, "dataset_path": "openai/gsm8k", "dataset_kwargs": None, "filter_list": None}
        suite = written(imported(task, data={"test": Path(name)}))
        found = [
            checks[0]["normalized_match"]["references"] for checks in checks_of(suite).values()
        ]
        assert found == [[each] for each in wanted]


def test_a_file_that_is_included_gives_what_the_task_does_not_say() -> None:
    base = {key: value for key, value in TASK.items() if key not in ("task", "doc_to_text")}
    put({"base.yaml": base, "_more": {"include": "base.yaml", "doc_to_text": "{{q}}"}})
    suite = written(imported({"include": "_more", "task": "short"}))
    assert [case.id for case in suite.cases] == ["short-0", "short-1"]
    assert suite.cases[0].turns[0].user == "1 + 1?"


def test_a_group_becomes_one_suite_with_a_tag_for_each_task() -> None:
    put(
        {
            "a.yaml": TASK,
            "b.yaml": {**TASK, "task": "others", "num_fewshot": 1},
            "c.yaml": {**TASK, "task": "likely", "output_type": "multiple_choice"},
        }
    )
    group = {
        "group": "all",
        "task": ["sums", {"task": "others", "num_fewshot": 0}, "likely", "gone"],
    }
    made = imported(group)
    suite = written(made)
    assert [(case.id, case.tags) for case in suite.cases] == [
        ("sums-0", ("sums",)),
        ("sums-1", ("sums",)),
        ("others-0", ("others",)),
        ("others-1", ("others",)),
    ]
    assert made.carried == {"task": (2, 4)}
    said = lines(made)
    assert any("no task in this folder is called 'gone'" in line for line in said)
    assert any("task likely: output_type multiple_choice: it compares" in line for line in said)


def test_what_lm_eval_wrote_is_judged_again() -> None:
    samples = [
        {"doc_id": 0, "resps": [["#### 2"]], "filter": "strict", "exact_match": 1.0},
        {"doc_id": 1, "resps": [["#### 5"]], "filter": "strict", "exact_match": 0.0},
        {"doc_id": 0, "resps": [["#### 2"]], "filter": "loose", "exact_match": 1.0},
    ]
    put({"samples.jsonl": _lines(samples)})
    made = imported(TASK, samples=Path("samples.jsonl"))
    assert made.confirmed == "The checks judge 2 of 2 recorded answers as lm-eval did."
    assert [row["response"] for row in made.answers] == ["#### 2", "#### 5"]

    samples[1]["exact_match"] = 1.0
    put({"samples.jsonl": _lines(samples)})
    made = imported(TASK, samples=Path("samples.jsonl"))
    assert made.confirmed == "The checks judge 1 of 2 recorded answers as lm-eval did."
    assert "sums-1: right for lm-eval; here: '5' not: is '4'" in str(made.differs)


def test_a_score_without_a_bar_is_for_a_person_to_decide() -> None:
    made = imported({**TASK, "metric_list": [{"metric": "wer"}, {"metric": "chrf"}]})
    (check,) = checks_of(written(made))["sums-0"]
    assert check == {"chrf": {"reference": ["2"], "min": 0.3}}
    assert "metric chrf: a score without a bar there" in lines(made, "A person must decide")[0]
    assert "metric wer: this harness has no such metric" in lines(made)[-1]


FUNCTION = {key: json.dumps(value) for key, value in TASK.items()}
# What makes a task one that cannot be carried over.
REFUSED: tuple[tuple[str, str, str], ...] = (
    ("doc_to_text", "!function utils.text", "doc_to_text: !function utils.text"),
    ("process_docs", "!function utils.docs", "give them with --data"),
    ("process_results", "!function utils.score", "process_results: !function utils.score"),
    ("output_type", "loglikelihood", "it compares the likelihoods of given answers"),
    ("output_type", "multiple_choice", "this harness judges what a model writes"),
    ("dataset_path", "openai/gsm8k", "the rows stand on a server: 'openai/gsm8k', split 'test'"),
    ("dataset_kwargs", '{data_files: {train: "x"}}', "no data file is the split 'test'"),
    ("dataset_kwargs", '{data_files: {test: "gone.jsonl"}}', "'gone.jsonl' does not exist"),
    ("dataset_kwargs", '{data_files: {test: "../x.jsonl"}}', "is outside of the task's folder"),
    ("dataset_kwargs", '{data_files: {test: "https://x.y/z"}}', "is one of this folder"),
    ("doc_to_text", '"{{ qq }}"', "row 1: doc_to_text: the row has no 'qq'\n"),
    ("doc_to_text", '"{{ q | shout }}"', "No filter named 'shout'"),
    ("doc_to_text", '"{% for a in range(9999) %}{{ q * 9999 }}{% endfor %}"',
     "the template does too much"),
    ("doc_to_target", "5.5", "doc_to_target is no template"),
    ("num_fewshot", "99", "99 examples are wanted, and there are 9 rows"),
    ("num_fewshot", "-1", "num_fewshot is no whole number"),
    ("filter_list", "[{name: a, filter: [{function: majority_vote}]}]", "no filter of the"),
    ("metric_list", "[{metric: !function utils.agg}]", "no metric of the task can be carried over"),
    ("test_split", "null", "the task has no test_split and no validation_split"),
    ("use_prompt", "promptsource:x", "use_prompt: cases are texts"),
    ("include", "gone.yaml", "the included file 'gone.yaml' does not exist"),
    ("include", "../up.yaml", "name a folder that holds both: --root FOLDER"),
    ("include", "task.yaml", "the files include each other"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "message"), REFUSED, ids=[r[0] + r[2][:30] for r in REFUSED]
)
def test_a_task_that_cannot_be_carried_over_is_told_why(key: str, value: str, message: str) -> None:
    text = "".join(f"{name}: {said}\n" for name, said in {**FUNCTION, key: value}.items())
    assert message in told(lambda: imported(text))


def test_other_mistakes_are_told() -> None:
    assert "task.yaml:1:1: not valid YAML" not in told(lambda: imported("[1]"))
    assert "a task is a mapping" in told(lambda: imported("[1]"))
    assert "has no filter 'lose'" in told(lambda: imported(TASK, filter="lose"))
    assert "did you mean: loose" in told(lambda: imported(TASK, filter="lose"))
    put({"s.jsonl": '{"a": 1}\n'})
    assert "no line of lm-eval's samples" in told(lambda: imported(TASK, samples=Path("s.jsonl")))
    put({"more.csv": "q,a\n1,2,3\n"})
    assert "more.csv:2: wrong number of cells" in told(
        lambda: imported({**TASK, "dataset_kwargs": {"data_files": {"test": "more.csv"}}})
    )
    made = imported({**TASK, "doc_to_txt": "x", "generation_kwargs": {"num_beams": 4}})
    assert any("the key 'doc_to_txt' is not known; did you mean doc_to_text?" in line
               for line in lines(made))  # fmt: skip
    assert any("generation_kwargs: num_beams has no counterpart" in line for line in lines(made))


def test_rows_that_a_program_would_have_made_can_be_given() -> None:
    text = "".join(f"{name}: {said}\n" for name, said in FUNCTION.items())
    made = imported(
        f"{text}process_docs: !function utils.docs\n", data={"test": Path("rows.jsonl")}
    )
    assert len(written(made).cases) == 2
    assert (
        "process_docs: utils.docs is not run"
        in lines(made, "Carried over, and judged otherwise")[0]
    )


@pytest.mark.parametrize(
    "template",
    [
        "{{ ('a' * 100000) | regex_replace('a', 'b' * 100000) }}",
        "{{ ('a' * 30000) | regex_replace('(a+)', '\\\\1' * 30000) }}",
        "{% for i in range(99) %}{{ ('a' * 40 ~ '!') | regex_replace('^(a|aa)+$', '') }}"
        "{% endfor %}",
    ],
    ids=["large", "references", "slow, again and again"],
)
def test_replacing_by_patterns_is_bounded(template: str) -> None:
    message = told(lambda: imported({**TASK, "doc_to_text": template}))

    assert "doc_to_text: the template cannot be filled in: " in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metric_list", [{"metric": ["exact_match"]}]),
        ("filter_list", [{"name": "x", "filter": [{"function": ["regex"]}]}]),
        ("dataset_path", ["json"]),
    ],
)
def test_a_list_where_a_name_belongs_is_told(key: str, value: Any) -> None:
    assert told(lambda: imported({**TASK, key: value})).startswith("task.yaml:")


def test_a_group_of_no_tasks_is_told() -> None:
    message = told(lambda: imported({**TASK, "task": []}))

    assert message == "task.yaml: the file names no task that makes a case"
