"""A training as a YAML file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.config_file import read_config
from harness.errors import InputError, Problem
from harness.relative_paths import Said
from harness.suites.document import Document, read_document
from harness.training.trainer.config import DataFile, TrainConfig


def load_train_config(path: Path, **given: Any) -> TrainConfig:
    """Read and check the file; `given` settings win over those in it.

    Paths in the file are relative to it, a given `output` to the working directory. Raises
    `InputError` for all that is wrong.
    """
    config = read_config(path, TrainConfig, **given)
    said = Said(path.parent, Path())
    changes: dict[str, Any] = {
        "model": said.option("model", config.model),
        "output": Path(said.option("output", str(config.output))),
        "data": tuple(_located(said, file) for file in config.data),
        "held_out": tuple(_located(said, file) for file in config.held_out),
        "template": said.option("model", config.template) if config.template else None,
    }
    return config.model_copy(update={**changes, **{key: getattr(config, key) for key in given}})


def _located(said: Said, file: DataFile) -> DataFile:
    return file.model_copy(update={"path": Path(said.option("input", str(file.path)))})


def placed(path: Path, error: InputError) -> InputError:
    """The error with a place for each problem of a setting that the file gives.

    What only the model or the machine refuses is found long after the file was read.
    """
    try:
        document = read_document(str(path), path.read_bytes())
    except (OSError, InputError):  # changed since it was read: what was found still holds
        return error
    problems = [_placed(document, problem) for problem in error.problems]
    return InputError(*sorted(problems, key=lambda problem: (problem.line, problem.column)))


# Messages begin with their setting, but for that of the loaded model, which ends with it.
_SETTING = re.compile(
    r"(?:(device|dtype|lora\.targets|packing|qlora|report_to|template)\b|.*\b(model_args)$)"
)


def _placed(document: Document, problem: Problem) -> Problem:
    found = _SETTING.match(problem.message)
    loc = (found[1] or found[2]).split(".") if found else []
    if not loc or not isinstance(document.value, dict) or loc[0] not in document.value:
        return problem
    at = document.position(loc)
    return replace(problem, path=at.path, line=at.line, column=at.column)
