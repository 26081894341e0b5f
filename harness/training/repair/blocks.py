"""The `fix:` blocks of suites, held against the world: files, teachers, the trainer's settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from harness.common import FixSettings, InputError, Problem, nearest
from harness.common.yaml_positions import read_yaml_file
from harness.config import Settings
from harness.suites import Suite
from harness.suites.problems import Place, Problems
from harness.suites.rows import find_data
from harness.training.sft import TrainSettings
from harness.training.sources import pool_file, unknown_teacher

# What a block must not say about the training, and who says it.
OURS = {
    "model": "the run's base is trained",
    "output": "the loop keeps its own",
    "data": "rows come from pools, generate and teacher",
    "held_out": "see held_out_share",
    "select": "it stands under fix: itself",
    "suites": "those of the run are looked at",
    "method": "say fix: {method: ...}",
    "adapter": "a method goes on from what the one before it came to",
    "trust_remote_code": "an option of the command line: a suite may come from somebody else",
}
Report = Callable[[Problems], None]


def check_blocks(settings: Settings, suites: Iterable[Suite]) -> None:
    """Raise InputError for all that is wrong in the blocks of these suites, with its places."""
    found = [problem for suite in suites for problem in _problems(settings, suite)]
    if found:
        raise InputError(*found)


def block_warnings(suite: Suite) -> Iterator[str]:
    """Yield what cannot go well with a block, and is no mistake in it."""
    fix = suite.fix
    if fix is not None and not (fix.pools or fix.pairs.pools or fix.generate or suite.retired):
        yield "fix: names no pools and no generate: nothing but --bad-cases would teach anything"
    if fix is not None and fix.method != "auto":
        yield from unused_parts(suite, (fix.method,))


def unused_parts(suite: Suite, methods: Collection[str]) -> Iterator[str]:
    """Yield the parts of a block that none of these methods learns from, each with its line."""
    for key, method in (("pairs", "dpo"), ("rewards", "grpo")):
        if suite.fix is not None and key in suite.fix.model_fields_set and method not in methods:
            line = read_yaml_file(Path(suite.path)).position(("fix", key)).line
            yield (
                f"fix: {key} (line {line}) is not used by {' or '.join(dict.fromkeys(methods))}; "
                f"method: {method} learns from it"
            )


def _problems(settings: Settings, suite: Suite) -> tuple[Problem, ...]:
    if suite.fix is None:
        return ()
    reports = [*_files(settings, suite, suite.fix), *_training(suite.fix)]
    asked = suite.fix.teacher
    if asked and (problem := unknown_teacher(settings, asked.name)):
        reports.append(partial(_add, Place(("fix", "teacher", "name")), problem))
    if suite.fix.method == "grpo" and not (suite.fix.generate or suite.retired):
        problem = Problem(
            "method: grpo has no prompts to learn from",
            expected="generate, beside it: prompts that no case has",
            hint="say generate: {seeds: 2} or {rows: {FILE: OTHER FILE}}; or method: dpo, with "
            "pairs",
        )
        reports.append(partial(_add, Place(("fix", "method")), problem))
    if not reports:
        return ()
    problems = Problems(read_yaml_file(Path(suite.path)))
    for report in reports:
        report(problems)
    try:
        problems.raise_any()
    except InputError as error:
        return error.problems
    return ()


def _files(settings: Settings, suite: Suite, fix: FixSettings) -> Iterator[Report]:
    """Yield pools, and the files whose rows take the place of others."""
    for loc, names in (
        (("fix", "pools"), fix.pools),
        (("fix", "replay", "pools"), fix.replay.pools),
        (("fix", "pairs", "pools"), fix.pairs.pools),
    ):
        for index, name in enumerate(names):
            try:
                file = pool_file(settings, suite, name).path
                problem = None if file.is_file() else _missing(f"pool {name!r}", file)
            except InputError as error:
                problem = error.problems[0]
            if problem:
                yield partial(_add, Place((*loc, index)), problem)
    for entry, name in (fix.generate.rows if fix.generate else {}).items():
        place, folder = Place(("fix", "generate", "rows", entry)), Path(suite.path).parent
        try:
            other = find_data(folder, name)
        except InputError as error:
            yield partial(_add, place, error.problems[0])
            continue
        if other.resolve() == (folder / entry).resolve():
            problem = Problem(
                f"{name!r} has the cases themselves, and what is learned must not gate",
                expected="another file of such rows",
                hint="rows: {FILE: OTHER FILE} makes prompts that no case has",
            )
            yield partial(_add, place, problem)


def _missing(what: str, path: Path) -> Problem:
    if path.is_dir():
        return Problem(f"{what} is a folder", expected="a file of rows")
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, beside)
    return Problem(f"{what} does not exist", found=path.as_posix(), did_you_mean=close)


def _training(fix: FixSettings) -> Iterator[Report]:
    """Check settings of the trainer: those that the loop says itself, and those that are wrong."""
    for key, why in OURS.items():
        if key in fix.train:
            message = f"{key!r} is not said under fix: train: {why}"
            place = Place(("fix", "train", key))
            yield partial(Problems.add_key, place=place, message=message, hint="leave it out")
    try:
        TrainSettings.model_validate({k: v for k, v in fix.train.items() if k not in OURS})
    except ValidationError as error:
        place = Place(("fix", "train"))
        yield partial(Problems.add_invalid, place=place, error=error, model=TrainSettings)


def _add(place: Place, problem: Problem, problems: Problems) -> None:
    parts = ("found", "expected", "did_you_mean", "hint")
    problems.add(place, problem.message, **{name: getattr(problem, name) for name in parts})
