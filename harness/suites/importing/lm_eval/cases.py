"""The rows of a task as cases: prompts, few-shot examples, sampling."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.common import plural, shown
from harness.common.reading import read_text
from harness.common.yaml_positions import Tagged
from harness.suites.data_files import data_rows
from harness.suites.importing.lm_eval.checks import judged
from harness.suites.importing.lm_eval.configuration import Task, place_of
from harness.suites.importing.lm_eval.templates import choices_of, target_of, text_of
from harness.suites.importing.source import Wrong, mapping_of, name_of, named_file, valid
from harness.suites.schema import MAX_CASES

_SEED = 1234  # of lm-eval's draws of few-shot examples
_LOCAL = {"json": ".json", "csv": ".csv", "parquet": ".parquet", "text": ".txt"}
_KINDS: tuple[tuple[str, Callable[[str], float]], ...] = (
    (r"[+-]?\d{1,18}", int),
    (r"[+-]?\d{1,18}(?:\.\d{1,18})?", float),
)

Row = dict[str, Any]


def cases_of(task: Task) -> list[dict[str, Any]]:
    """Return the cases: the prompt of each row, and the check on the answer. Raises Wrong."""
    how = judged(task)
    splits = [task.value(key) for key in ("test_split", "validation_split")]
    split = next((each for each in splits if isinstance(each, str)), None)
    if split is None:
        raise Wrong("the task has no test_split and no validation_split")
    docs = _rows(task, split)
    if len(docs) > MAX_CASES:
        raise Wrong(f"more than {MAX_CASES:,} rows")
    shots = _shots(task, docs, split)
    docs = docs[: task.options.limit] if task.options.limit else docs
    delimiter = task.value("target_delimiter", " ")
    made = []
    for number, doc in enumerate(docs):
        try:
            examples = [_example(task, each) for each in next(shots)]
            question = str(text_of(task.value("doc_to_text"), doc, "doc_to_text"))
            choices = choices_of(task.value("doc_to_choice"), doc)
            wanted = target_of(task.value("doc_to_target"), doc, choices)
            if choices is not None and isinstance(wanted, int):
                if not -len(choices) <= wanted < len(choices):
                    raise Wrong(f"doc_to_target {wanted} is none of {len(choices)} choices")
                wanted = choices[wanted]
            prefix = text_of(task.value("gen_prefix", ""), doc, "gen_prefix")
            said = text_of(task.value("description", ""), doc, "description")
        except Wrong as wrong:
            at = place_of(task.keys).told(wrong)
            placed = Wrong(at.message)
            placed.problem = replace(at, message=f"row {number + 1}: {at.message}")
            raise placed from None
        case: dict[str, Any] = {"id": f"{name_of(task.name)}-{number}"}
        if said:
            case["system"] = str(said)
        if task.options.turns and examples:
            case["examples"] = [{"user": q, "assistant": a} for q, a, _ in examples]
            case["user"] = question
        else:
            before = [f"{q}{delimiter}{a}{after}" for q, a, after in examples]
            case["user"] = "".join([*before, question])
        if prefix:
            case["prefix"] = str(prefix)
        references = wanted if isinstance(wanted, list | tuple) else [wanted]
        case["checks"] = [valid(how.check([str(each) for each in references]))]
        made.append(case)
    if not task.options.turns and task.value("num_fewshot", 0) and made:
        task.note("examples stand in one text with the question, as lm-eval's "
                  "--apply_chat_template has it; with --turns they are turns")  # fmt: skip
    task.note("the prompt goes through the model's chat template, as under "
              "--apply_chat_template; without it lm-eval sends plain text")  # fmt: skip
    return made


def _rows(task: Task, split: str) -> list[Row]:
    """Return the rows of a split. Raises Wrong and InputError."""
    data = task.options.data
    if split in data:
        return _rows_of(data[split])
    if split in ("train", "validation") and data:
        message = f"the rows of the split {split!r} are needed for examples"
        given = f"--data {', '.join(data)}"
        raise Wrong(message, found=given, hint=f"give them: --data {split}=FILE")
    path, settings = task.value("dataset_path"), mapping_of(task.value("dataset_kwargs"))
    files = settings.get("data_files")
    if not isinstance(path, str) or path not in _LOCAL or files is None:
        named = f"{path} {task.value('dataset_name', '')}".strip()
        message = f"the rows stand on a server: {shown(named)}, split {split!r}"
        hint = f"save them as JSONL or Parquet, and give the file: --data {split}=FILE"
        raise Wrong(message, hint=hint)
    if not isinstance(files, Mapping):
        files = {"train": files}  # as the package `datasets` calls the one split
    if split not in files:
        raise Wrong(f"no data file is the split {split!r}", found=", ".join(map(str, files)))
    if settings.get("field"):
        raise Wrong("dataset_kwargs: field: rows inside a larger JSON value are not read")
    found: list[Row] = []
    listed = files[split] if isinstance(files[split], list) else [files[split]]
    for named in listed:
        if not isinstance(named, str) or "://" in named:
            raise Wrong(f"a data file is one of this folder, not {shown(named)}")
        at = task.at("dataset_kwargs")
        found += _rows_of(named_file(task.folder, at, named, "data file", "the task"))
    return found


def _rows_of(path: Path) -> list[Row]:
    """Return the rows of a data file as the package `datasets` reads them. Raises InputError."""
    if path.suffix == ".txt":
        return [{"text": line} for line in read_text(path).splitlines()]
    rows = [row.values for row in data_rows(path, "rows of a task")]
    if path.suffix == ".csv" and rows:
        for column in rows[0]:  # it is of numbers where all of its cells are
            for pattern, number in _KINDS:
                if all(re.fullmatch(pattern, row[column]) for row in rows):
                    for row in rows:
                        row[column] = number(row[column])
                    break
    return rows


# -- few-shot examples -----------------------------------------------------------------------------


def _example(task: Task, doc: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return a few-shot example: question, answer, and what stands after it. Raises Wrong."""
    own = task.of_examples
    for key in ("doc_to_text", "doc_to_target", "doc_to_choice", "process_docs", "samples"):
        if isinstance(own.get(key), Tagged):
            raise Wrong(f"fewshot_config: {key}: !function {own[key].text} is a program")

    def said(key: str, default: Any = None) -> Any:
        return own[key] if own.get(key) is not None else task.value(key, default)

    question = str(text_of(said("doc_to_text"), doc, "doc_to_text"))
    choices = choices_of(said("doc_to_choice"), doc)
    answer = target_of(said("doc_to_target"), doc, choices)
    if choices is not None and isinstance(answer, int):
        answer = choices[answer]
    answer = answer[0] if isinstance(answer, list | tuple) and answer else answer
    if prefix := text_of(said("gen_prefix", ""), doc, "gen_prefix"):
        joint = "" if str(prefix)[-1:].isspace() or str(answer)[:1].isspace() else " "
        answer = f"{prefix}{joint}{answer}"
    return question, str(answer), str(said("fewshot_delimiter", "\n\n"))


def _shots(task: Task, docs: Sequence[Row], split: str) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Return the examples of each row, in order. Raises Wrong."""
    own = task.of_examples
    number = task.value("num_fewshot", 0) if task.options.shots is None else task.options.shots
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise Wrong("num_fewshot is no whole number", found=shown(number))
    sampler = own.get("sampler", "default")
    if number and sampler not in ("default", "first_n"):
        name = sampler.text if isinstance(sampler, Tagged) else sampler
        raise Wrong(f"the sampler {shown(name)} is not known", hint="known: default, first_n")
    source = own.get("split") or task.value("fewshot_split")
    pool: Sequence[Mapping[str, Any]] = ()
    if number and source is None and own.get("samples") is not None:
        if not isinstance(own["samples"], list):
            raise Wrong("fewshot_config: samples is no list of rows, but a program")
        pool = own["samples"]
    elif number:
        names = [source, *(task.value(key) for key in ("training_split", "validation_split"))]
        chosen = next((each for each in names if isinstance(each, str)), split)
        pool = docs if chosen == split else _rows(task, chosen)
    if indices := own.get("fewshot_indices"):
        try:
            pool = [pool[index] for index in indices]
        except (IndexError, TypeError):
            raise Wrong("fewshot_indices names rows that are not there") from None
    same = source is not None and source == task.value("test_split")
    if number + same > len(pool) and number:
        raise Wrong(f"{number} examples are wanted, and there are {plural(len(pool), 'row')}")

    def drawn() -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield what lm-eval draws: of one stream of random numbers for all rows, in order.

        Where examples come from the `same` rows, a row is no example of itself.
        """
        draw = random.Random(_SEED)
        for doc in docs:
            if not number:
                yield ()
                continue
            if sampler == "first_n":
                yield [each for each in pool if not same or each != doc][:number]
                continue
            found = draw.sample(list(pool), number + same)
            kept = [each for each in found if not same or each != doc][:number]
            if len(kept) < number:  # the pool has the row more than once
                kept = draw.sample([each for each in pool if each != doc], number)
            yield kept

    return drawn()


def sampling_of(task: Task) -> dict[str, Any]:
    """Return how answers are drawn; what has no counterpart is noted."""
    given = dict(mapping_of(task.value("generation_kwargs")))
    until = given.pop("until", None)
    until = [task.value("fewshot_delimiter", "\n\n")] if until is None else until
    stops = [stop for stop in (until if isinstance(until, list) else [until]) if stop]
    greedy = given.pop("do_sample", False) is not True
    made: dict[str, Any] = {
        "temperature": 0 if greedy else float(given.get("temperature", 1.0) or 0),
        "max_new_tokens": next(
            (given.pop(key) for key in ("max_gen_toks", "max_new_tokens", "max_tokens")
             if isinstance(given.get(key), int)), 256
        ),
    }  # fmt: skip
    given.pop("temperature", None)
    for key in ("top_p", "top_k", "repetition_penalty"):
        if isinstance(found := given.pop(key, None), int | float) and not greedy:
            made[key] = found
    if stops:
        made["stop"] = [str(stop) for stop in stops]
    at = task.at("generation_kwargs")
    for key in given:
        task.notes.left_out.append(at.problem(f"generation_kwargs: {key} has no counterpart"))
    return made
