"""Options as they were typed: their paths are relative to the folder that one is in."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.backends import Models, models_of
from harness.errors import InputError, Problem, nearest
from harness.relative_paths import Kind, Said, Value, parse_value
from harness.settings import Flag, Settings, flags, load_settings

_WHAT: Mapping[Kind, str] = {
    "file": "file",
    "run": "file or folder",
    "adapter": "directory",
    "model": "directory",
}
_MEND: Mapping[Kind, str] = {
    "adapter": "give the directory with adapter_config.json and adapter_model.safetensors",
    "model": "give the directory with config.json and *.safetensors",
}


def load_typed(root: Path, given: Mapping[str, Any], here: Path) -> Settings:
    """Settings of the project at `root` with options on top that were typed in the folder `here`.

    Raises InputError for what is wrong in the configuration or in the options, and for all paths
    on the command line that lead nowhere.
    """
    settings = load_settings(root, given)
    models = models_of(settings.backend)
    said = Said(here, root, models is Models.NAMES)
    changes: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, flag, values in _typed(settings, given):
        problems += _missing(said, models, flag, values)
        located = tuple(said.option(flag.holds, value) for value in values if flag.holds)
        changes[name] = located if flag.repeat else located[0]
    if problems:
        raise InputError(*problems)
    return Settings.model_validate({**dict(settings), **changes})


def _typed(
    settings: Settings, given: Mapping[str, Any]
) -> Iterator[tuple[str, Flag, tuple[str, ...]]]:
    """The options with paths that were given, and their values."""
    for name, flag, _ in flags():
        if name in given and flag.holds:
            value = getattr(settings, name)
            yield name, flag, value if flag.repeat else (str(value),)


def _missing(said: Said, models: Models, flag: Flag, values: tuple[str, ...]) -> Iterator[Problem]:
    for text in values:
        value = parse_value(flag.holds, text) if flag.holds else Value(text, "")
        if value.path and _must_be_there(said, models, value):
            place = os.path.abspath(said.folder / os.path.expanduser(value.path))
            if not os.path.exists(place):
                yield _nothing_at(place, said, f"{flag.name} {text}", value)


def _must_be_there(said: Said, models: Models, value: Value) -> bool:
    """Whether nothing but a path can be meant, and one that is read."""
    if value.kind == "adapter":
        return models is Models.DIRECTORIES and not glob.has_magic(value.path)
    if value.kind == "model":
        return said.place(value) != value.path
    return value.kind in ("file", "run")


def _nothing_at(place: str, said: Said, typed: str, value: Value) -> Problem:
    """What was typed, where it was looked for, and what is meant if it is seen."""
    meant = _from_root(said, value.path) or _beside(place, value.path)
    return Problem(
        f"{typed}: there is no such {_WHAT[value.kind]}",
        found=f"nothing at {place}",
        did_you_mean=value.with_path(meant) if meant else "",
        mend="" if meant else _MEND.get(value.kind, ""),
    )


def _from_root(said: Said, path: str) -> str:
    """The same file as it is typed here, where it is there from the root of the project."""
    other = os.path.abspath(said.root / path)
    return os.path.relpath(other, said.folder) if os.path.exists(other) else ""


def _beside(place: str, path: str) -> str:
    """What stands beside the place that leads nowhere, with its ending and nearly its name."""
    folder, name = os.path.split(place)
    around = os.listdir(folder) if os.path.isdir(folder) else []
    ending = os.path.splitext(name)[1]
    close = nearest(name, [other for other in around if os.path.splitext(other)[1] == ending])
    return os.path.join(os.path.dirname(path), close) if close else ""
