"""`manifest.json`: all that an adapter was made from, and what came out. No paths of the rows."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness import __version__
from harness.common import InputError, Problem, digest
from harness.common.reading import read_json
from harness.training.sft.config import TrainConfig
from harness.training.sft.job import Samples, sources
from harness.training.sft.lessons import Lesson, content_of
from harness.training.values import Pair, Rollout, TrainingRow

NAME = "manifest.json"
SCHEMA = 1
_PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "bitsandbytes")


def identity(
    config: TrainConfig,
    weights: str,
    template: str,
    train: Sequence[Lesson],
    held_out: Sequence[Lesson],
    start: str = "",
) -> dict[str, str]:
    """Hash each part of what decides about the trained weights; a resumed run needs the same.

    `start` is the hash of the adapter that the training begins with, if there is one.
    """
    return {
        "model": weights,
        "template": template,
        "rows": digest([content_of(lesson) for lesson in train]),
        "held_out": digest([content_of(lesson) for lesson in held_out]),
        "recipe": digest(config.recipe),
        **({"adapter": start} if start else {}),
    }


def counts(train: Sequence[Lesson], held_out: Sequence[Lesson], samples: Samples) -> dict[str, Any]:
    """Return how many rows (or pairs, or answers with rewards) and tokens of what."""
    lengths = [sum(label >= 0 for label in sample.labels) for sample in samples.train]
    answers = sum(lengths)
    more: dict[str, Any] = {}
    if isinstance(train[0], Pair):
        half = len(lengths) // 2
        more["pairs"] = {
            "chosen_tokens": round(sum(lengths[::2]) / half, 1),
            "rejected_tokens": round(sum(lengths[1::2]) / half, 1),
        }
    if isinstance(train[0], Rollout):
        rewards = [lesson.reward for lesson in train if isinstance(lesson, Rollout)]
        more["rewards"] = {
            "prompts": len({lesson.group for lesson in train}),
            "mean": round(sum(rewards) / len(rewards), 6),
            "lowest": min(rewards),
            "highest": max(rewards),
        }
    return {
        "rows": len(train),
        "held_out": len(held_out),
        "replay": sum(isinstance(row, TrainingRow) and row.replay for row in train),
        **more,
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
        value = read_json(file)
    except InputError:
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
