"""A training as a YAML file: all that is wrong with it at once, each with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.errors import InputError, Problem, nearest
from harness.suites.document import Document, read_document
from harness.training.trainer.config import DataFile, LoraSettings, TrainConfig


def load_train_config(path: Path, **given: Any) -> TrainConfig:
    """Read and check the file; `given` settings win over those in it.

    Paths are relative to the working directory. Raises `InputError`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(Problem(f"cannot read it: {reason}", path=str(path))) from None
    document = read_document(str(path), data)
    if not isinstance(document.value, dict):
        raise InputError(Problem("a mapping is wanted", path=str(path), line=1, column=1))
    try:
        return TrainConfig.model_validate({**document.value, **given})
    except ValidationError as error:
        raise InputError(*(_problem(row, document) for row in error.errors())) from None


def _problem(row: ErrorDetails, document: Document) -> Problem:
    loc = tuple(step for step in row["loc"] if step not in ("str", "DataFile", "int", "float"))
    unknown = row["type"] == "extra_forbidden"
    at = document.position(loc, of_key=unknown)
    place: dict[str, Any] = {"path": at.path, "line": at.line, "column": at.column}
    name = ".".join(map(str, loc))
    if unknown:
        known = _keys(loc)
        return Problem(
            f"key {str(loc[-1])!r} is not known here",
            did_you_mean=nearest(str(loc[-1]), known),
            wanted=", ".join(known),
            **place,
        )
    if row["type"] == "missing":
        return Problem(f"{name} is missing", **place)
    message = row["msg"].removeprefix("Value error, ")
    found = "" if isinstance(row["input"], dict) else repr(row["input"])
    return Problem(f"{name} is wrong: {message[:1].lower()}{message[1:]}", found=found, **place)


def _keys(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that are known where an unknown one stands."""
    models: dict[str, type[BaseModel]] = {
        "lora": LoraSettings,
        "data": DataFile,
        "held_out": DataFile,
    }
    model = models.get(str(loc[0]), TrainConfig) if len(loc) > 1 else TrainConfig
    return list(model.model_fields)
