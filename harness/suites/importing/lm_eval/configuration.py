"""Files of tasks: what they include, which tasks a group has, and the keys of each with places."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.common import InputError, Problem, nearest, shown
from harness.common.reading import read_text
from harness.common.yaml_positions import Tagged
from harness.suites.importing.source import Located, Notes, Wrong, mapping_of, named_file, read_yaml

_FUNCTION = "!function"
_MAX_TASKS = 2000  # files in which the tasks of a group are looked for
_PROGRAMS = (
    *("custom_dataset", "doc_to_text", "doc_to_target", "doc_to_choice", "process_results"),
    *("process_docs", "description", "gen_prefix"),
)
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


Keys = Mapping[str, Located]  # of a task, with the place of each


def place_of(keys: Keys) -> Located:
    """Return where a task stands: its name, or its first key."""
    return keys.get("task") or next(iter(keys.values()))


@dataclass(frozen=True)
class Task:
    """One task: its keys, the folder of its file, and where to note what there is to say of it."""

    name: str
    keys: Keys
    folder: Path
    options: TaskOptions
    notes: Notes

    def __post_init__(self) -> None:
        """Raise Wrong for a task that is a program or compares likelihoods; note unknown keys."""
        kind = self.value("output_type", "generate_until")
        if kind != "generate_until":
            message = f"output_type {kind}: it compares the likelihoods of given answers"
            raise Wrong(message, hint="this harness judges what a model writes")
        for key in _PROGRAMS:
            program = self.value(key)
            if not isinstance(program, Tagged):
                continue
            if key == "process_docs" and self.options.data:
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
        for key, at in self.keys.items():
            if key not in _NAMING:
                close = nearest(key, _NAMING)
                message = f"the key {shown(key)} is not known"
                self.notes.left_out.append(at.problem(message, did_you_mean=close))

    def value(self, key: str, default: Any = None) -> Any:
        """Return the value of a key; the default also where it is null."""
        at = self.keys.get(key)
        return default if at is None or at.value is None else at.value

    def at(self, key: str) -> Located:
        """Return where a key stands, or the task."""
        return self.keys.get(key) or place_of(self.keys)

    def note(self, message: str) -> None:
        """Note what is judged otherwise here."""
        self.notes.differs.append(place_of(self.keys).problem(message))

    @property
    def of_examples(self) -> Mapping[str, Any]:
        """Return what the task says of its few-shot examples."""
        return mapping_of(self.value("fewshot_config"))


class TaskFiles:
    """Files of tasks in one folder. What is not found there is noted."""

    def __init__(self, folder: Path, notes: Notes) -> None:
        self.folder, self._notes = folder, notes
        self._named: dict[str, Path] | None = None

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

    def tasks_of(self, keys: Keys, depth: int = 0) -> Iterator[Keys]:
        """Yield the tasks that keys stand for: themselves, or the members of a group."""
        inner = keys.get("task")
        if depth > 10:
            raise InputError(Problem("groups nest deeper than 10 levels", str(self.folder)))
        if inner is None or not isinstance(inner.value, list):
            yield keys
            return
        shared = {
            key: at
            for key, at in keys.items()
            if key not in ("task", "tag") and not key.startswith(("aggregate", "group"))
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
                self._notes.left_out.append(at.problem(message, did_you_mean=close, hint=hint))
                self._notes.count("task", False)
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
