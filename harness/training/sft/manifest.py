"""`manifest.json`: all that an adapter was made from, and what came out. No paths of the rows."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness import __version__
from harness.common import InputError, Problem, as_dicts, digest
from harness.training.sft.config import TrainConfig
from harness.training.sft.job import Samples, sources
from harness.training.values import TrainingRow

NAME = "manifest.json"
SCHEMA = 1
_PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "bitsandbytes")


def identity(
    config: TrainConfig,
    weights: str,
    template: str,
    train: Sequence[TrainingRow],
    held_out: Sequence[TrainingRow],
) -> dict[str, str]:
    """Hash each part of what decides about the trained weights; a resumed run needs the same."""
    return {
        "model": weights,
        "template": template,
        "rows": digest([as_dicts(row.messages) for row in train]),
        "held_out": digest([as_dicts(row.messages) for row in held_out]),
        "recipe": digest(config.recipe),
    }


def counts(
    train: Sequence[TrainingRow], held_out: Sequence[TrainingRow], samples: Samples
) -> dict[str, Any]:
    """Return how many rows and tokens of what."""
    answers = sum(label >= 0 for sample in samples.train for label in sample.labels)
    return {
        "rows": len(train),
        "held_out": len(held_out),
        "replay": sum(row.replay for row in train),
        "samples": len(samples.train),
        "tokens": sum(len(sample.ids) for sample in samples.train),
        "answer_tokens": answers,
        "longest": max(len(sample.ids) for sample in samples.train),
        "sources": sources((*train, *held_out)),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python, the harness and the libraries that are installed."""
    found = {"python": platform.python_version(), "harness": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """Return the manifest of a finished adapter, or None where there is none.

    Raise `InputError` for a file that is no manifest.
    """
    file = directory / NAME
    if not file.is_file():
        return None
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        value = None
    if isinstance(value, dict) and value.get("schema") == SCHEMA:
        return value
    raise InputError(
        Problem(
            "is no manifest of this version of the harness",
            str(file),
            expected=f"a JSON object with schema {SCHEMA}",
            hint="train into another directory",
        )
    )


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return names of the parts in which two identities differ."""
    return [name for name in wanted if found.get(name) != wanted[name]]
