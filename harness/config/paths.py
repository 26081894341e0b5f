"""What a relative path is relative to: the file that says it, or the folder it is typed in.

Settings hold paths as the project's configuration would write them, relative to its folder. What
is said elsewhere, in another file or on a command line, is brought into that form here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Form = Literal["input", "output", "model", "adapter", "variant", "baseline"]
Kind = Literal["", "file", "output", "run", "adapter", "model"]


def project_path(folder: Path, text: str | Path, root: Path) -> str:
    """Return the path `text`, typed in `folder`, as the project at `root` writes it.

    Relative to the root where it lies below, absolute elsewhere. An absolute path, and what was
    said in the root itself, stays as it was written.
    """
    here, project, wanted = os.path.abspath(folder), os.path.abspath(root), os.path.expanduser(text)
    if here == project or os.path.isabs(wanted):
        return wanted
    place = Path(os.path.normpath(os.path.join(here, wanted)))
    return str(place.relative_to(project)) if place.is_relative_to(project) else str(place)


@dataclass(frozen=True, slots=True)
class PathValue:
    """An option's value: a path, what it names, and the text around it."""

    head: str
    path: str
    tail: str = ""
    kind: Kind = ""

    def with_path(self, path: str) -> str:
        """Return the value as it is written, with this path in it."""
        return f"{self.head}{path}{self.tail}"


def parse_value(form: Form, text: str) -> PathValue:
    """Find the path in an option of this form; none where a name or something wrong was given.

    `adapter`: NAME=DIR or DIR. `variant`: NAME=adapter:DIR or NAME=model:DIR. `baseline`:
    FILE.json, or the folder of a run, which has a slash, perhaps with :VARIANT.
    """
    if form == "adapter":
        name, equals, target = text.partition("=")
        head, target = (name + equals, target) if equals else ("", text)
        return PathValue(head, target, kind="adapter")
    if form == "variant":
        head, colon, target = text.partition(":")
        kind = head.rpartition("=")[2]
        known: dict[str, Kind] = {"adapter": "adapter", "model": "model"}
        return (
            PathValue(head + colon, target, kind=known[kind])
            if kind in known
            else PathValue(text, "")
        )
    if form == "baseline" and not text.endswith(".json"):
        folder, colon, variant = text.partition(":")
        return (
            PathValue("", folder, colon + variant, "run") if "/" in folder else PathValue(text, "")
        )
    kinds: dict[Form, Kind] = {"output": "output", "model": "model"}
    return PathValue("", text, kind=kinds.get(form, "file"))


@dataclass(frozen=True, slots=True)
class TypedPaths:
    """Paths that were typed in `folder`, or in a file there, for the project at `root`.

    `names`: to the engine, models and adapters are names, unless there is a directory.
    """

    folder: Path
    root: Path
    names: bool = False

    def option(self, form: Form, text: str) -> str:
        """Return an option's value, with its path as the project writes it."""
        value = parse_value(form, text)
        return value.with_path(self.place(value)) if value.path else text

    def place(self, value: PathValue) -> str:
        """Return the path of a value; a model's or adapter's name where it is none.

        A model that is only found from the root is none here: it is said to be missing, and not
        loaded from where nobody named it.
        """
        nameable = value.kind == "model" or (value.kind == "adapter" and self.names)
        here = (self.folder / os.path.expanduser(value.path)).exists()
        in_root = not self.names and (self.root / value.path).exists()
        if nameable and not here and not in_root:
            return value.path
        return project_path(self.folder, value.path, self.root)
