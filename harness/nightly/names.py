"""What `nightly.yaml` names and is not there: models, adapters, suites, templates, baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.backends import Models, models_of, open_model, read_adapter_config
from harness.common import InputError, Problem
from harness.common.yaml_positions import read_yaml_file
from harness.config import Settings, select_files
from harness.evaluation import NONE, variants_of
from harness.gate import load_baseline
from harness.nightly.config import NightlyConfig
from harness.nightly.night import check_lasting
from harness.prompts import read_template
from harness.suites.problems import Place, Problems

Check = tuple[tuple[str | int, ...], Callable[[], object]]


def check_named(path: Path, config: NightlyConfig, settings: Settings) -> None:
    """Raise InputError for all that leads nowhere, with its line and column; nothing is loaded."""
    checks: list[Check] = []
    if config.model:
        checks.append((("model",), partial(_check_model, settings, config.model)))
    if config.pinned:
        checks.append((("pinned",), partial(load_baseline, settings.path(config.pinned))))
    if config.baseline:
        checks.append((("baseline",), partial(_check_baseline, settings, config)))
    checks += _suites(("suites",), config.suites, settings)
    for place, text in enumerate(config.adapters):
        checks.append((("adapters", place), partial(_check_adapters, settings, text)))
    for name, variant in config.variants.items():
        loc = ("variants", name)
        if variant.model:
            checks.append(((*loc, "model"), partial(_check_model, settings, variant.model)))
        if variant.adapter:
            checks.append(((*loc, "adapter"), partial(_check_directory, settings, variant.adapter)))
        if variant.chat_template:
            template = str(settings.path(variant.chat_template))
            checks.append(((*loc, "chat_template"), partial(read_template, template)))
        checks += _suites((*loc, "suites"), variant.suites, settings)
    document = read_yaml_file(path)
    problems = Problems(document)
    for place_in_file, check in checks:
        try:
            check()
        except InputError as error:
            for problem in error.problems:
                # What is wrong with a directory as a whole belongs to the line that names it.
                if problem.path and not problem.line and not Path(problem.path).is_file():
                    message = f"{problem.path}: {problem.message}"
                    problem = replace(problem, message=message, path="")
                problems.add_at(Place(place_in_file), problem)
    problems.raise_any()


def _suites(loc: tuple[str, ...], names: tuple[str, ...], settings: Settings) -> Iterator[Check]:
    for place, name in enumerate(names):
        yield (*loc, place), partial(select_files, [str(settings.path(name))], settings)


def _check_model(settings: Settings, name: str) -> None:
    if models_of(settings.backend) is Models.DIRECTORIES:
        local = settings.path(name)
        open_model(str(local) if local.exists() else name)


def _check_baseline(settings: Settings, config: NightlyConfig) -> None:
    """Check that it is a variant, an earlier run or a file; other faults have their own place."""
    check_lasting(config.baseline)
    changes = {
        "model": config.model or settings.model,
        "adapter": (*settings.adapter, *config.adapters),
        "variants": {**settings.variants, **config.variants},
        "baseline": config.baseline,
    }
    try:
        variants_of(settings.model_copy(update=changes))
    except InputError as error:
        mine = [p for p in error.problems if "baseline" in f"{p.path} {p.message}"]
        if mine:
            raise InputError(*(replace(p, message=p.message.lstrip("-")) for p in mine)) from None


def _check_adapters(settings: Settings, text: str) -> None:
    """Check one entry of `adapters`: NAME=DIR, DIR or a glob."""
    if settings.backend == "replay":
        return  # its variants are those of the recorded answers
    alone: dict[str, Any] = {
        "adapter": (text,),
        "variant": (),
        "variants": {},
        "reference": (),
        "responses": None,
    }
    found = variants_of(settings.model_copy(update={**alone, "baseline": NONE, "model": "any"}))
    problems: list[Problem] = []
    for adapter in (variant.adapter for variant in found if variant.adapter):
        try:
            _check_directory(settings, adapter)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)


def _check_directory(settings: Settings, adapter: str) -> None:
    if models_of(settings.backend) is Models.DIRECTORIES:
        read_adapter_config(settings.path(adapter))
