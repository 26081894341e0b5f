"""What `nightly.yaml` names and is not there: models, adapters, suites, templates, baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.backends import Models, models_of
from harness.backends.adapters import read_adapter_config
from harness.backends.models import open_model
from harness.common import InputError, Problem
from harness.common.yaml_positions import read_document
from harness.config import Settings, select_files
from harness.evaluation import NONE, variants_of
from harness.gate import load_baseline
from harness.nightly.config import NightlyConfig, NightlyVariant
from harness.nightly.night import check_lasting
from harness.prompts import read_template
from harness.suites.problems import Place, Problems

Check = tuple[tuple[str | int, ...], Callable[[], object]]


def check_named(path: Path, config: NightlyConfig, settings: Settings) -> None:
    """Raise InputError for all that leads nowhere, with its line and column; nothing is loaded."""
    document = read_document(str(path), path.read_bytes())
    problems = Problems(document)
    for loc, check in _checks(config, settings):
        try:
            check()
        except InputError as error:
            for problem in error.problems:
                problems.add_at(Place(loc), _said_here(problem))
    problems.raise_any()


def _said_here(problem: Problem) -> Problem:
    """What is wrong with a directory as a whole belongs to the line that names it."""
    if not problem.path or problem.line or Path(problem.path).is_file():
        return problem
    return replace(problem, message=f"{problem.path}: {problem.message}", path="")


def _checks(config: NightlyConfig, settings: Settings) -> Iterator[Check]:
    if config.model:
        yield ("model",), partial(_check_model, settings, config.model)
    if config.pinned:
        yield ("pinned",), partial(load_baseline, settings.path(config.pinned))
    if config.baseline:
        yield ("baseline",), partial(_check_baseline, settings, config)
    yield from _suites(("suites",), config.suites, settings)
    for place, text in enumerate(config.adapters):
        yield ("adapters", place), partial(_check_adapters, settings, text)
    for name, variant in config.variants.items():
        yield from _variant(("variants", name), variant, settings)


def _variant(loc: tuple[str, ...], variant: NightlyVariant, settings: Settings) -> Iterator[Check]:
    if variant.model:
        yield (*loc, "model"), partial(_check_model, settings, variant.model)
    if variant.adapter:
        yield (*loc, "adapter"), partial(_check_directory, settings, variant.adapter)
    if variant.chat_template:
        template = str(settings.path(variant.chat_template))
        yield (*loc, "chat_template"), partial(read_template, template)
    yield from _suites((*loc, "suites"), variant.suites, settings)


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
    """One entry of `adapters`: NAME=DIR, DIR or a glob."""
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
