"""Tasks of lm-evaluation-harness that generate text, as suites.

A task is a YAML file with templates over the rows of a data set; prompts, few-shot examples and
filters are made as version 0.4.13 makes them under its option `--apply_chat_template`, so that the
same answers have the same exact match. What is a program there (`!function`) is refused by name.
"""

from __future__ import annotations

import ast
import os
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import regex
from jinja2 import Template, pass_context
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import Context, Undefined

from harness.common import InputError, Problem, nearest, plural, shown
from harness.common.bounded_jinja import BUDGET, READING_METHODS, TEXT_METHODS, RenderBudget
from harness.common.patterns import compile_pattern
from harness.common.reading import first_problems, read_json_lines, read_text
from harness.common.yaml_positions import Tagged
from harness.suites.data_files import data_rows
from harness.suites.importing.source import (
    Imported,
    Located,
    Wrong,
    confirmed,
    families_of,
    name_of,
    named_file,
    read_yaml,
    valid,
)
from harness.suites.sandbox import MAX_WORK, MissingNameError, Sandbox, kind
from harness.suites.schema import MAX_CASES

_FUNCTION = "!function"
_MAX_TASKS = 2000  # files in which the tasks of a group are looked for
_SEED = 1234  # of lm-eval's draws of few-shot examples
_LOCAL = {"json": ".json", "csv": ".csv", "parquet": ".parquet", "text": ".txt"}
_PROGRAMS = (
    *("custom_dataset", "doc_to_text", "doc_to_target", "doc_to_choice", "process_results"),
    *("process_docs", "description", "gen_prefix"),
)
_FILTERS = {"remove_whitespace": "strip", "lowercase": "lower", "uppercase": "upper"}
_OPTIONS = ("ignore_case", "ignore_punctuation", "ignore_numbers")
_METRICS = ("exact_match", "bleu", "chrf")
_BAR = 0.3  # of metrics that have a score, and no bar, there
# Keys that say how lm-eval names, groups or downloads a task.
_NAMING = {
    *("task", "task_alias", "tag", "group", "group_alias", "metadata", "include", "class"),
    *("should_decontaminate", "doc_to_decontamination_query", "aggregate_metric_list"),
    *("dataset_path", "dataset_name", "dataset_kwargs", "training_split", "validation_split"),
    *("test_split", "fewshot_split", "output_type", "metric_list", "generation_kwargs", "repeats"),
    *("filter_list", "num_fewshot", "fewshot_config", "fewshot_delimiter", "target_delimiter"),
    *("use_prompt", "unsafe_code", "doc_to_image", "doc_to_audio", "task_list", *_PROGRAMS),
}


@dataclass(frozen=True)
class TaskOptions:
    """What the user chose.

    `data`: a file for a split (`test`, `train`) whose rows stand elsewhere. `filter` and `metric`:
    by which of several a case is judged; by default the first that can be carried over. `shots`:
    how many examples, `turns`: as turns of a conversation and not as one text. `limit`: so many
    rows, the first. `samples`: what lm-eval wrote with `--log_samples`: its answers are recorded.
    `root`: the folder that all files of the task stand in; by default its own.
    """

    data: Mapping[str, Path] = field(default_factory=dict)
    filter: str = ""
    metric: str = ""
    shots: int | None = None
    turns: bool = False
    limit: int | None = None
    samples: Path | None = None
    root: Path | None = None


def import_lm_eval(path: Path, options: TaskOptions | None = None) -> Imported:
    """Read a task, or the tasks of a group, as one suite. Raises InputError with lines."""
    options = options or TaskOptions()
    reader = _Tasks(options.root or path.parent, options)
    if os.path.relpath(path, reader.folder).startswith(".."):
        message = "the task is outside of the folder of --root"
        raise InputError(Problem(message, path.as_posix(), found=reader.folder.as_posix()))
    top = reader.load(path)
    tasks = list(reader.tasks_of(top))
    cases: list[dict[str, Any]] = []
    names: list[str] = []
    sampling: list[Mapping[str, Any]] = []
    lost: list[Problem] = []
    for keys in tasks:
        name = str(_plain(keys.get("task")) or path.stem)
        try:
            task = _Task(name, keys, path.parent, options, reader)
            found = task.cases()
        except Wrong as wrong:
            problem = wrong.problem if wrong.problem.path else _place_of(keys).told(wrong)
            message = problem.message if len(tasks) == 1 else f"task {name}: {problem.message}"
            lost.append(replace(problem, message=message))
            reader.count(False)
            continue
        names.append(name)
        reader.count(True)
        sampling.append(task.sampling())
        tag = {"tags": [name_of(name)]} if len(tasks) > 1 else {}
        cases += [{**case, **tag} for case in found]
    if not cases:
        none = Problem("the file names no task that makes a case", path.as_posix())
        raise InputError(*first_problems(lost or reader.left_out or [none], path.as_posix()))
    reader.left_out += lost
    chosen = sampling[0]
    if any(each != chosen for each in sampling):
        chosen = {**chosen, "max_new_tokens": max(each["max_new_tokens"] for each in sampling)}
        stops = dict.fromkeys(stop for each in sampling for stop in each.get("stop", ()))
        reader.differs.append(
            Problem("the tasks stop at different texts: each stops at all of them", str(path))
        )
        chosen["stop"] = list(stops)
    answers, said = _recorded(cases, options.samples, reader) if options.samples else ((), "")
    repeats = _plain(tasks[0].get("repeats"))
    return Imported(
        category="imported",
        description=f"Task {', '.join(names[:5])} of lm-evaluation-harness.",
        families=families_of(cases),
        sampling=chosen,
        defaults={"repeats": repeats} if isinstance(repeats, int) and repeats > 1 else {},
        left_out=tuple(reader.left_out),
        differs=tuple(reader.differs),
        decide=tuple(reader.decide),
        carried={"task": (reader.counted[0], reader.counted[1])},
        answers=answers,
        confirmed=said,
        origin=f"{path.name}, a task of lm-evaluation-harness",
    )


def _place_of(task: Mapping[str, Located]) -> Located:
    """Return where a task stands: its name, or its first key."""
    return task.get("task") or next(iter(task.values()))


def _plain(at: Located | None) -> Any:
    return at.value if at is not None else None


class _Tasks:
    """Files of tasks in one folder, and what is told of them."""

    def __init__(self, folder: Path, options: TaskOptions) -> None:
        self.folder, self.options = folder, options
        self.left_out: list[Problem] = []
        self.differs: list[Problem] = []
        self.decide: list[Problem] = []
        self.counted = [0, 0]
        self._named: dict[str, Path] | None = None

    def count(self, carried: bool) -> None:
        """Count a task."""
        self.counted[0] += carried
        self.counted[1] += 1

    def load(self, path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Located]:
        """Return the keys of a file over those that it includes. Raises InputError."""
        file = read_yaml(path, tags=(_FUNCTION,))
        if not isinstance(file.value, Mapping):
            message = "a task is a mapping: task, dataset_path, doc_to_text, ..."
            raise InputError(Problem(message, path.as_posix(), found=shown(file.value)))
        if path.resolve() in seen:
            raise InputError(file.get("include").problem("the files include each other"))
        found: dict[str, Located] = {}
        include = file.get("include")
        for at in include.each() if include.value is not None else ():
            try:
                if not isinstance(at.value, str):
                    raise Wrong("include names a file", found=shown(at.value))
                named = os.path.relpath(os.path.normpath(path.parent / at.value), self.folder)
                if named.startswith(".."):
                    message = f"the included file {shown(at.value)} is outside of the task's folder"
                    raise Wrong(message, hint="name a folder that holds both: --root FOLDER")
                inner = named_file(self.folder, at, named, "the included file", "the task")
            except Wrong as wrong:
                raise InputError(at.told(wrong)) from None
            found |= self.load(inner, (*seen, path.resolve()))
        return found | {key: file[key] for key in file.value if key != "include"}

    def tasks_of(self, keys: Mapping[str, Located], depth: int = 0) -> Iterator[dict[str, Located]]:
        """Yield the tasks that keys stand for: themselves, or the members of a group."""
        inner = keys.get("task")
        if depth > 10:
            raise InputError(Problem("groups nest deeper than 10 levels", str(self.folder)))
        if inner is None or not isinstance(inner.value, list):
            yield dict(keys)
            return
        shared = {key: at for key, at in keys.items() if key not in ("task", "group", "tag")}
        shared = {
            key: at for key, at in shared.items() if not key.startswith(("aggregate", "group"))
        }
        for at in inner.each():
            name = at.value if isinstance(at.value, str) else at.get("task").value
            if isinstance(at.value, Mapping) and ("group" in at.value or isinstance(name, list)):
                yield from self.tasks_of({key: at[key] for key in at.value}, depth + 1)
                continue
            own = {key: at[key] for key in at.value} if isinstance(at.value, Mapping) else {}
            file = self._file_of(name) if isinstance(name, str) else None
            if file is None and "dataset_path" not in own:
                close = nearest(str(name), self._named or ())
                message = f"no task in this folder is called {shown(name)}"
                hint = "import the folder that holds the group and its tasks"
                self.left_out.append(at.problem(message, did_you_mean=close, hint=hint))
                self.count(False)
                continue
            base = self.load(file) if file else {}
            yield from self.tasks_of(base | shared | own, depth + 1)

    def _file_of(self, name: str) -> Path | None:
        """Return the file in the folder that declares a task or group of this name."""
        if self._named is None:
            self._named = {}
            for number, path in enumerate(sorted(self.folder.rglob("*.yaml"))):
                if number >= _MAX_TASKS:
                    break
                text = read_text(path)
                named = re.compile(r"^\{?\"?(?:task|group)\"?:[ \t]*[\"']?([\w.+-]+)", re.MULTILINE)
                for found in named.finditer(text):
                    self._named.setdefault(found[1], path)
        return self._named.get(name)


class _Task:
    """One task with its rows."""

    def __init__(
        self,
        name: str,
        keys: Mapping[str, Located],
        folder: Path,
        options: TaskOptions,
        notes: _Tasks,
    ) -> None:
        self.name, self.keys, self.folder, self.options, self.notes = (
            name, keys, folder, options, notes,
        )  # fmt: skip
        kind = self.value("output_type", "generate_until")
        if kind != "generate_until":
            message = f"output_type {kind}: it compares the likelihoods of given answers"
            raise Wrong(message, hint="this harness judges what a model writes")
        for key in _PROGRAMS:
            program = self.value(key)
            if not isinstance(program, Tagged):
                continue
            if key == "process_docs" and options.data:
                self.note(f"process_docs: {program.text} is not run: the rows of --data are taken "
                          "as it leaves them")  # fmt: skip
                continue
            hint = "it is a program, and no program of a foreign file is run"
            if key == "process_docs":
                hint += "; write the rows that it makes to a file, and give them with --data"
            raise Wrong(f"{key}: !function {program.text}", hint=hint)
        for key in ("doc_to_image", "doc_to_audio", "use_prompt"):
            if self.value(key) is not None:
                raise Wrong(f"{key}: cases are texts, made by templates of the file")
        if self.value("doc_to_text") is None or self.value("doc_to_target") is None:
            raise Wrong("the task has no doc_to_text or no doc_to_target")
        for key, at in keys.items():
            if key not in _NAMING:
                close = nearest(key, _NAMING)
                message = f"the key {shown(key)} is not known"
                notes.left_out.append(at.problem(message, did_you_mean=close))

    def value(self, key: str, default: Any = None) -> Any:
        """Return the value of a key."""
        found = _plain(self.keys.get(key))
        return default if found is None else found

    def at(self, key: str) -> Located:
        """Return where a key stands, or the task."""
        return self.keys.get(key) or _place_of(self.keys)

    def note(self, message: str) -> None:
        """Note what is judged otherwise."""
        self.notes.differs.append(_place_of(self.keys).problem(message))

    # -- rows ----------------------------------------------------------------------------------

    def rows(self, split: str) -> list[dict[str, Any]]:
        """Return the rows of a split. Raises Wrong and InputError."""
        chosen = self.options.data.get(split)
        if chosen is None and split in ("train", "validation") and self.options.data:
            known = ", ".join(self.options.data)
            message = f"the rows of the split {split!r} are needed for examples"
            raise Wrong(message, found=f"--data {known}", hint=f"give them: --data {split}=FILE")
        if chosen is not None:
            return _rows_of(chosen)
        path, kwargs = self.value("dataset_path"), self.value("dataset_kwargs", {})
        files = kwargs.get("data_files") if isinstance(kwargs, Mapping) else None
        if not isinstance(path, str) or path not in _LOCAL or files is None:
            named = f"{path} {self.value('dataset_name', '')}".strip()
            message = f"the rows stand on a server: {shown(named)}, split {split!r}"
            hint = f"save them as JSONL or Parquet, and give the file: --data {split}=FILE"
            raise Wrong(message, hint=hint)
        if isinstance(files, Mapping):
            if split not in files:
                message = f"no data file is the split {split!r}"
                raise Wrong(message, found=", ".join(map(str, files)))
            files = files[split]
        elif split != "train":  # as the package `datasets` calls the one split
            raise Wrong(f"no data file is the split {split!r}", found="train")
        if kwargs.get("field"):
            raise Wrong("dataset_kwargs: field: rows inside a larger JSON value are not read")
        found: list[dict[str, Any]] = []
        for named in files if isinstance(files, list) else [files]:
            if not isinstance(named, str) or "://" in named:
                raise Wrong(f"a data file is one of this folder, not {shown(named)}")
            file = named_file(
                self.folder, self.at("dataset_kwargs"), named, "data file", "the task"
            )
            found += _rows_of(file)
        return found

    # -- prompts -------------------------------------------------------------------------------

    def text(self, template: Any, doc: Mapping[str, Any], what: str) -> Any:
        """Return what a template, or the name of a column, stands for in a row. Raises Wrong."""
        if isinstance(template, str) and template in doc:
            return doc[template]
        if isinstance(template, int | list):
            return template
        if not isinstance(template, str):
            raise Wrong(f"{what} is no template", found=shown(template))
        return rendered(template, doc, what)

    def target(self, doc: Mapping[str, Any], template: Any, choices: Any) -> Any:
        """Return the answer that is wanted: a text, several, or a number. Raises Wrong."""
        found = self.text(template, doc, "doc_to_target")
        if isinstance(found, str) and found.isdigit() and choices is not None:
            return int(found[:9])
        if isinstance(found, str) and found[:1] == "[" and found[-1:] == "]" and len(found) > 1:
            try:
                # a literal of Python, as a template writes a list; nothing is evaluated
                return ast.literal_eval(found) if len(found) < 100_000 else found
            except (SyntaxError, ValueError, MemoryError, RecursionError):
                return found
        return found

    def choices(self, doc: Mapping[str, Any], template: Any) -> list[Any] | None:
        """Return the choices of a row, where the task has them. Raises Wrong."""
        if template is None:
            return None
        if isinstance(template, Mapping):
            return list(template.values())
        found = (
            template if isinstance(template, list) else self.text(template, doc, "doc_to_choice")
        )
        if isinstance(found, str):
            try:
                found = ast.literal_eval(found) if len(found) < 100_000 else None
            except (SyntaxError, ValueError, MemoryError, RecursionError):
                found = None
        if not isinstance(found, list | tuple):
            raise Wrong("doc_to_choice makes no list", found=shown(found))
        return list(found)

    def cases(self) -> list[dict[str, Any]]:
        """Return the cases: the prompt of each row, and the check on the answer. Raises Wrong."""
        check = self.check()
        splits = [self.value(key) for key in ("test_split", "validation_split")]
        split = next((each for each in splits if isinstance(each, str)), None)
        if split is None:
            raise Wrong("the task has no test_split and no validation_split")
        docs = self.rows(split)
        if len(docs) > MAX_CASES:
            raise Wrong(f"more than {MAX_CASES:,} rows")
        shots = self.shots(docs, split)
        docs = docs[: self.options.limit] if self.options.limit else docs
        delimiters = [self.value(key, default) for key, default in
                      (("target_delimiter", " "), ("fewshot_delimiter", "\n\n"))]  # fmt: skip
        made = []
        for number, doc in enumerate(docs):
            try:
                examples = [self.example(each) for each in next(shots)]
                question = str(self.text(self.value("doc_to_text"), doc, "doc_to_text"))
                choices = self.choices(doc, self.value("doc_to_choice"))
                wanted = self.target(doc, self.value("doc_to_target"), choices)
                if choices is not None and isinstance(wanted, int):
                    if not -len(choices) <= wanted < len(choices):
                        raise Wrong(f"doc_to_target {wanted} is none of {len(choices)} choices")
                    wanted = choices[wanted]
                prefix = self.text(self.value("gen_prefix", ""), doc, "gen_prefix")
                said = self.text(self.value("description", ""), doc, "description")
            except Wrong as wrong:
                at = _place_of(self.keys).told(wrong)
                raise _placed(replace(at, message=f"row {number + 1}: {at.message}")) from None
            case: dict[str, Any] = {"id": f"{name_of(self.name)}-{number}"}
            if said:
                case["system"] = str(said)
            if self.options.turns and examples:
                case["examples"] = [{"user": q, "assistant": a} for q, a, _ in examples]
                case["user"] = question
            else:
                before = [f"{q}{delimiters[0]}{a}{more}" for q, a, more in examples]
                case["user"] = "".join([*before, question])
            if prefix:
                case["prefix"] = str(prefix)
            references = [str(each) for each in wanted] if isinstance(wanted, list | tuple) else [
                str(wanted)
            ]  # fmt: skip
            case["checks"] = [valid(check.of(references))]
            made.append(case)
        if not self.options.turns and self.value("num_fewshot", 0) and made:
            self.note("examples stand in one text with the question, as lm-eval's "
                      "--apply_chat_template has it; with --turns they are turns")  # fmt: skip
        self.note("the prompt goes through the model's chat template, as under "
                  "--apply_chat_template; without it lm-eval sends plain text")  # fmt: skip
        return made

    def example(self, doc: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return a few-shot example: question, answer, and what stands after it. Raises Wrong."""
        own = self.value("fewshot_config", {})
        own = own if isinstance(own, Mapping) else {}
        for key in ("doc_to_text", "doc_to_target", "doc_to_choice", "process_docs", "samples"):
            if isinstance(own.get(key), Tagged):
                raise Wrong(f"fewshot_config: {key}: !function {own[key].text} is a program")

        def said(key: str, default: Any = None) -> Any:
            return own[key] if own.get(key) is not None else self.value(key, default)

        question = str(self.text(said("doc_to_text"), doc, "doc_to_text"))
        choices = self.choices(doc, said("doc_to_choice"))
        answer = self.target(doc, said("doc_to_target"), choices)
        if choices is not None and isinstance(answer, int):
            answer = choices[answer]
        answer = answer[0] if isinstance(answer, list | tuple) and answer else answer
        if prefix := self.text(said("gen_prefix", ""), doc, "gen_prefix"):
            joint = "" if str(prefix)[-1:].isspace() or str(answer)[:1].isspace() else " "
            answer = f"{prefix}{joint}{answer}"
        return question, str(answer), str(said("fewshot_delimiter", "\n\n"))

    def shots(
        self, docs: Sequence[dict[str, Any]], split: str
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the examples of each row, in order, without end. Raises Wrong."""
        own = self.value("fewshot_config", {})
        own = own if isinstance(own, Mapping) else {}
        number = (
            self.options.shots if self.options.shots is not None else self.value("num_fewshot", 0)
        )
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise Wrong("num_fewshot is no whole number", found=shown(number))
        sampler = own.get("sampler", "default")
        if number and sampler not in ("default", "first_n"):
            name = sampler.text if isinstance(sampler, Tagged) else sampler
            raise Wrong(f"the sampler {shown(name)} is not known", hint="known: default, first_n")
        source = own.get("split") or self.value("fewshot_split")
        pool: Sequence[Mapping[str, Any]] = ()
        if number and source is None and own.get("samples") is not None:
            if not isinstance(own["samples"], list):
                raise Wrong("fewshot_config: samples is no list of rows, but a program")
            pool = own["samples"]
        elif number:
            names = [source, *(self.value(key) for key in ("training_split", "validation_split"))]
            chosen = next((each for each in names if isinstance(each, str)), split)
            pool = docs if chosen == split else self.rows(chosen)
        if indices := own.get("fewshot_indices"):
            try:
                pool = [pool[index] for index in indices]
            except (IndexError, TypeError):
                raise Wrong("fewshot_indices names rows that are not there") from None
        same = source is not None and source == self.value("test_split")
        if number + same > len(pool) and number:
            raise Wrong(f"{number} examples are wanted, and there are {plural(len(pool), 'row')}")
        return self._drawn(docs, pool, number, first=sampler == "first_n", same=same)

    def _drawn(
        self,
        docs: Sequence[dict[str, Any]],
        pool: Sequence[Mapping[str, Any]],
        number: int,
        *,
        first: bool,
        same: bool,
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the examples of each row; where they come from the `same` rows, it is none itself.

        The draws are those of lm-eval: one stream of random numbers for all rows, in order.
        """
        draw = random.Random(_SEED)
        for doc in docs:
            if not number:
                yield ()
                continue
            if first:
                yield [each for each in pool if not same or each != doc][:number]
                continue
            drawn = draw.sample(list(pool), number + same)
            kept = [each for each in drawn if not same or each != doc][:number]
            if len(kept) < number:  # the pool has the row more than once
                kept = draw.sample([each for each in pool if each != doc], number)
            yield kept

    # -- how an answer is judged ---------------------------------------------------------------

    def check(self) -> _Judged:
        """Return how an answer is judged: by one filter and one metric. Raises Wrong."""
        filters = self._filters()
        metrics = self.keys.get("metric_list")
        listed = list(metrics.each()) if metrics is not None else []
        chosen: tuple[str, Mapping[str, Any]] | None = None
        for at in listed:
            name = at.get("metric").value
            if isinstance(name, Tagged):
                self.notes.left_out.append(
                    at.problem(f"metric: !function {name.text} is a program")
                )
                continue
            if str(name) not in _METRICS or (self.options.metric and name != self.options.metric):
                hint = "one metric decides a case: choose it with --metric"
                known = str(name) in _METRICS
                close = "" if known else nearest(str(name), _METRICS)
                message = f"metric {name}" + ("" if known else ": this harness has no such metric")
                self.notes.left_out.append(
                    at.problem(message, did_you_mean=close, hint=hint if known else "")
                )
                continue
            if chosen is not None:
                hint = f"--metric {name}"
                self.notes.left_out.append(
                    at.problem(f"metric {name}: one decides a case", hint=hint)
                )
                continue
            chosen = (name, at.value)
            known_options = {
                "metric",
                "aggregation",
                "higher_is_better",
                "hf_evaluate",
                "multi_line",
            }
            for key in at.value.keys() - known_options - {*_OPTIONS, "regexes_to_ignore"}:
                message = f"metric {name}: the option {key!r} is not known"
                self.notes.left_out.append(at[key].problem(message))
        if chosen is None:
            if listed:
                raise Wrong("no metric of the task can be carried over")
            chosen = ("exact_match", {})  # lm-eval's own default for generate_until
        name, given = chosen
        if name != "exact_match":
            self.notes.decide.append(
                _place_of(self.keys).problem(
                    f"metric {name}: a score without a bar there; the bar {_BAR} is a guess",
                    hint="set `min`, or compare by scores: `gate: {on: score}`",
                )
            )
            self.note(
                f"metric {name}: the mean of single answers, where lm-eval has one of them all"
            )
            return _Judged(name, {}, ())
        ignore = [option.removeprefix("ignore_") for option in _OPTIONS if given.get(option)]
        remove = given.get("regexes_to_ignore") or []
        if not isinstance(remove, list) or not all(isinstance(each, str) for each in remove):
            raise Wrong("regexes_to_ignore is no list of patterns", found=shown(remove))
        options: dict[str, Any] = {"ignore": ignore} if ignore else {}
        if remove:
            options["remove"] = remove
        return _Judged(name, options, filters)

    def _filters(self) -> tuple[Any, ...]:
        """Return the steps of the filter that counts; the others are noted. Raises Wrong."""
        listed = self.keys.get("filter_list")
        if listed is None or listed.value is None:
            return ()
        chosen: tuple[Any, ...] | None = None
        names = [str(at.get("name").value) for at in listed.each()]
        wanted = self.options.filter
        if wanted and wanted not in names:
            close = nearest(wanted, names)
            raise Wrong(
                f"the task has no filter {wanted!r}", found=", ".join(names), did_you_mean=close
            )
        for at, name in zip(listed.each(), names, strict=True):
            if wanted and name != wanted:
                message = f"filter {name}: one decides a case"
                self.notes.left_out.append(at.problem(message, hint=f"--filter {name}"))
                continue
            try:
                steps = tuple(_steps(at.get("filter")))
            except Wrong as wrong:
                if wanted:
                    raise
                problem = at.told(wrong)
                self.notes.left_out.append(
                    replace(problem, message=f"filter {name}: {problem.message}")
                )
                continue
            if chosen is None:
                chosen = steps
            else:
                message = f"filter {name}: one decides a case"
                self.notes.left_out.append(at.problem(message, hint=f"--filter {name}"))
        if chosen is None:
            raise Wrong("no filter of the task can be carried over")
        return chosen

    def sampling(self) -> dict[str, Any]:
        """Return how answers are drawn; what has no counterpart is noted."""
        given = self.value("generation_kwargs", {})
        given = dict(given) if isinstance(given, Mapping) else {}
        until = given.pop("until", None)
        until = [self.value("fewshot_delimiter", "\n\n")] if until is None else until
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
        for key in given:
            self.notes.left_out.append(
                self.at("generation_kwargs").problem(f"generation_kwargs: {key} has no counterpart")
            )
        return made


@dataclass(frozen=True)
class _Judged:
    """How the answers of a task are judged, whatever the reference is."""

    metric: str
    options: Mapping[str, Any]
    filters: tuple[Any, ...]

    def of(self, references: list[str]) -> dict[str, Any]:
        """Return the check for the references of a row."""
        one = references[0] if len(references) == 1 else references
        if self.metric != "exact_match":
            return {self.metric: {"reference": one, "min": _BAR}}
        steps = {"filters": list(self.filters)} if self.filters else {}
        return {"normalized_match": {"references": one, **steps, **self.options}}


def _steps(at: Located) -> Iterator[Any]:
    """Yield the steps of a filter. Raises Wrong."""
    for each in at.each():
        name = each.get("function").value
        if name == "take_first":
            continue
        if isinstance(name, str) and name in _FILTERS:
            yield _FILTERS[name]
        elif name == "regex":
            pattern = each.get("regex_pattern", r"#### (\-?[0-9\.\,]+)").value
            step = {"regex": pattern}
            if pick := each.get("group_select", 0).value:
                step["pick"] = pick
            fallback = each.get("fallback", "[invalid]").value
            if fallback != "[invalid]":
                step["fallback"] = fallback
            yield step
        else:
            said = f"!function {name.text}" if isinstance(name, Tagged) else name
            reason = {
                "majority_vote": "several answers are one here: `gate: {on: pass@3}`",
                "take_first_k": "several answers are one here: `gate: {on: pass@3}`",
            }.get(str(name), "it has no counterpart")
            close = nearest(str(name), ("regex", "take_first", *_FILTERS))
            raise Wrong(f"the step {said}: {reason}", did_you_mean="" if close == name else close)


# -- rows ------------------------------------------------------------------------------------------


def _rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a data file as the package `datasets` reads them. Raises InputError."""
    if path.suffix == ".txt":
        return [{"text": line} for line in read_text(path).splitlines()]
    rows = [row.values for row in data_rows(path, "rows of a task")]
    return _typed(rows) if path.suffix == ".csv" else rows


def _typed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of CSV with numbers where a whole column holds them, as `datasets` reads it."""
    for column in rows[0] if rows else ():
        cells = [row[column] for row in rows]
        if all(re.fullmatch(r"[+-]?\d{1,18}", cell) for cell in cells):
            for row in rows:
                row[column] = int(row[column])
        elif all(re.fullmatch(r"[+-]?\d{1,18}(?:\.\d{1,18})?", cell) for cell in cells):
            for row in rows:
                row[column] = float(row[column])
    return rows


def _recorded(
    cases: Sequence[Mapping[str, Any]], path: Path, notes: _Tasks
) -> tuple[tuple[dict[str, Any], ...], str]:
    """Return lm-eval's own answers as recorded ones, and whether the checks agree with its scores.

    Raises InputError for a file that is none of lm-eval's samples.
    """
    checks = {case["id"]: case["checks"][0] for case in cases}
    stems = {case["id"].rpartition("-")[0] for case in cases}
    found: dict[str, dict[str, Any]] = {}
    scores: dict[tuple[str, str], tuple[str, float]] = {}
    for line in read_json_lines(path, surrogates=True):
        if isinstance(line, Problem):
            raise InputError(line)
        row = line.value if isinstance(line.value, Mapping) else {}
        number, answers = row.get("doc_id"), row.get("resps")
        try:
            text = answers[0][0]  # type: ignore[index]  # what it is not, is told below
            if not isinstance(text, str) or not isinstance(number, int):
                raise TypeError
        except (TypeError, LookupError):
            message = "this is no line of lm-eval's samples"
            expected = "doc_id, resps and filter, as --log_samples writes them"
            keys = ", ".join(row)[:200]
            raise InputError(
                Problem(message, path.as_posix(), line.number, found=keys, expected=expected)
            ) from None
        for stem in stems:
            if (case := f"{stem}-{number}") in checks:
                found[case] = {"case": case, "response": text}
                if isinstance(score := row.get("exact_match"), int | float):
                    scores[case, str(row.get("filter", ""))] = (text, float(score))
    if not found:
        message = "no line belongs to a case of this task"
        raise InputError(Problem(message, path.as_posix()))
    names = list(dict.fromkeys(name for _, name in scores))
    chosen = notes.options.filter or (names[0] if names else "")
    judged = [
        (case, text, score >= 1.0)
        for (case, name), (text, score) in scores.items()
        if name == chosen
    ]
    return tuple(found.values()), confirmed(judged, checks, "lm-eval", notes.differs, path)


# -- templates -------------------------------------------------------------------------------------


@pass_context
def _as_python(context: Context, value: Any) -> str:
    """Return how Jinja writes a value by itself: `True`, `None`, a list as Python shows it."""
    context.parent[BUDGET].weigh(value)
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    if callable(value):
        raise TemplateRuntimeError(f"{kind(value)} has no text")
    return str(value)


@pass_context
def _regex_replace(
    context: Context, text: Any, pattern: str, made: str = "", count: int = 0
) -> str:
    """`re.sub`, within a bound."""
    budget: RenderBudget = context.parent[BUDGET]
    budget.weigh([text, pattern])
    text, made = str(text), str(made)

    def one(match: regex.Match[str]) -> str:
        budget.spend(len(made) + made.count("\\") * len(text))  # before it is made
        return match.expand(made)

    began = time.perf_counter()
    try:
        left = max(budget.seconds, 1e-3)
        found = compile_pattern(str(pattern)).sub(one, text, count=count, timeout=left)
    except (regex.error, TimeoutError, MemoryError, IndexError) as error:
        raise TemplateRuntimeError(f"regex_replace: {str(error) or 'it takes too long'}") from None
    finally:
        budget.seconds -= time.perf_counter() - began
    budget.weigh(found)
    return found


class _Templates(Sandbox):
    """Templates of tasks: values are written as Jinja itself writes them."""

    methods: ClassVar = {
        **READING_METHODS,
        str: TEXT_METHODS | {"replace", "join", "zfill"},
    }

    def __init__(self) -> None:
        super().__init__()
        self.finalize = _as_python
        self.filters["regex_replace"] = _regex_replace


_JINJA = _Templates()
_COMPILED: dict[str, Template] = {}


def rendered(template: str, doc: Mapping[str, Any], what: str) -> str:
    """Return a template filled in with a row. Raises Wrong."""
    try:
        if template not in _COMPILED:
            if len(_COMPILED) > 1000:
                _COMPILED.clear()
            code = _JINJA.compile(_JINJA.read(template))
            _COMPILED[template] = Template.from_code(_JINJA, code, _JINJA.make_globals(None))
        made = _COMPILED[template]
        context = made.new_context({**doc, BUDGET: RenderBudget(MAX_WORK)})
        text = "".join(made.root_render_func(context))
        text.encode()
        return text
    except MissingNameError as error:
        close = nearest(str(error.name), map(str, doc))
        known = ", ".join(map(str, doc))[:300]
        message = f"{what}: the row has no {error.name!r}"
        raise Wrong(message, found=known, did_you_mean=close) from None
    except Exception as error:  # a template is a program of others: what it raises is its fault
        said = getattr(error, "message", None) or str(error) or type(error).__name__
        raise Wrong(f"{what}: the template cannot be filled in: {said}") from None


def _placed(problem: Problem) -> Wrong:
    """Return what is wrong at a place that is known already."""
    wrong = Wrong(problem.message)
    wrong.problem = problem
    return wrong
