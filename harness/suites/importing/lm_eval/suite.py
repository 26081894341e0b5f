"""A task, or the tasks of a group, as one suite, with the answers that lm-eval recorded."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.common import InputError, Problem
from harness.common.reading import first_problems, read_json_lines
from harness.suites.importing.lm_eval.cases import cases_of, sampling_of
from harness.suites.importing.lm_eval.configuration import Task, TaskFiles, TaskOptions, place_of
from harness.suites.importing.source import (
    Imported,
    Notes,
    Wrong,
    confirmed,
    families_of,
    mapping_of,
    name_of,
)


def import_lm_eval(path: Path, options: TaskOptions | None = None) -> Imported:
    """Read a task, or the tasks of a group, as one suite. Raises InputError with lines."""
    options = options or TaskOptions()
    notes = Notes()
    files = TaskFiles(options.root or path.parent, notes)
    if os.path.relpath(path, files.folder).startswith(".."):
        message = "the task is outside of the folder of --root"
        raise InputError(Problem(message, path.as_posix(), found=files.folder.as_posix()))
    listed = list(files.tasks_of(files.load(path)))
    cases: list[dict[str, Any]] = []
    names: list[str] = []
    sampling: list[Mapping[str, Any]] = []
    lost: list[Problem] = []
    for keys in listed:
        name = str((keys["task"].value if "task" in keys else None) or path.stem)
        try:
            task = Task(name, keys, path.parent, options, notes)
            found = cases_of(task)
        except Wrong as wrong:
            problem = wrong.problem if wrong.problem.path else place_of(keys).told(wrong)
            message = problem.message if len(listed) == 1 else f"task {name}: {problem.message}"
            lost.append(replace(problem, message=message))
            notes.count("task", False)
            continue
        names.append(name)
        notes.count("task", True)
        sampling.append(sampling_of(task))
        tag = {"tags": [name_of(name)]} if len(listed) > 1 else {}
        cases += [{**case, **tag} for case in found]
    if not cases:
        none = Problem("the file names no task that makes a case", path.as_posix())
        raise InputError(*first_problems(lost or notes.left_out or [none], path.as_posix()))
    notes.left_out += lost
    chosen = sampling[0]
    if any(each != chosen for each in sampling):
        message = "the tasks stop at different texts: each stops at all of them"
        notes.differs.append(Problem(message, str(path)))
        stops = dict.fromkeys(stop for each in sampling for stop in each.get("stop", ()))
        longest = max(each["max_new_tokens"] for each in sampling)
        chosen = {**chosen, "max_new_tokens": longest, "stop": list(stops)}
    answers: tuple[dict[str, Any], ...] = ()
    agreed = ""
    if options.samples:
        answers, agreed = _recorded(cases, options.samples, options.filter, notes)
    repeats = listed[0]["repeats"].value if "repeats" in listed[0] else None
    return Imported(
        category="imported",
        description=f"Task {', '.join(names[:5])} of lm-evaluation-harness.",
        families=families_of(cases),
        sampling=chosen,
        defaults={"repeats": repeats} if isinstance(repeats, int) and repeats > 1 else {},
        left_out=tuple(notes.left_out),
        differs=tuple(notes.differs),
        decide=tuple(notes.decide),
        carried=notes.carried,
        answers=answers,
        confirmed=agreed,
        origin=f"{path.name}, a task of lm-evaluation-harness",
    )


def _recorded(
    cases: Sequence[Mapping[str, Any]], path: Path, wanted: str, notes: Notes
) -> tuple[tuple[dict[str, Any], ...], str]:
    """Return lm-eval's own answers as recorded ones, and whether the checks agree with its scores.

    `wanted`: the filter whose scores are meant; by default the first in the file. Raises InputError
    for a file that is none of lm-eval's samples.
    """
    checks = {case["id"]: case["checks"][0] for case in cases}
    stems = list(dict.fromkeys(case["id"].rpartition("-")[0] for case in cases))
    found: dict[str, dict[str, Any]] = {}
    scores: dict[tuple[str, str], tuple[str, float]] = {}
    for line in read_json_lines(path, surrogates=True):
        if isinstance(line, Problem):
            raise InputError(line)
        row = mapping_of(line.value)
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
    chosen = wanted or next((name for _, name in scores), "")
    judged = [
        (case, text, score >= 1.0)
        for (case, name), (text, score) in scores.items()
        if name == chosen
    ]
    return tuple(found.values()), confirmed(judged, checks, "lm-eval", notes.differs, path)
