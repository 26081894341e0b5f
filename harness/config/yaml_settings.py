"""A user's YAML file as settings: all that is wrong with it at once, each with its place."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.common import InputError, Problem, first_of
from harness.common.reading import MAX_SETTINGS, MOST_BESIDE

M = TypeVar("M", bound=BaseModel)


def read_config(path: Path, model: type[M], **given: Any) -> M:
    """Read the file as this model; `given` settings win over those in it. Raises InputError."""
    from harness.common.yaml_positions import read_yaml_file  # `harness --help` needs no YAML
    from harness.suites import SUFFIXES
    from harness.suites.problems import Place, Problems

    hint = ""
    if not path.exists() and path.parent.is_dir():
        there = islice(path.parent.iterdir(), MOST_BESIDE)
        others = sorted(each.as_posix() for each in there if each.suffix in SUFFIXES)
        hint = f"YAML files there: {first_of(others)}" if others else ""
    document = read_yaml_file(path, limit=MAX_SETTINGS, hint=hint)
    if not isinstance(document.value, dict):
        raise InputError(Problem("a mapping is wanted", path=str(path), line=1, column=1))
    try:
        return model.model_validate({**document.value, **given})
    except ValidationError as error:
        problems = Problems(document)
        problems.add_invalid(Place(), error, model)
        problems.raise_any()
        raise
