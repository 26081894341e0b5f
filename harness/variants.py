"""What is tested: a base model, perhaps with an adapter and overrides, and its role in a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harness.sampling import Sampling

NAME = re.compile(r"[A-Za-z0-9_.-]+")
BASE = "base"


class VariantRole(StrEnum):
    """Baseline: compared against, never red. Candidate: gated. Reference: reported only."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Variant:
    """A model as it would run in production.

    `model` is a directory or a name that the engine understands; `adapter` a directory in
    peft's format; `system` and `sampling` override what the suites say, where they are set, and
    `chat_template`, a Jinja file, what the model says.
    """

    name: str
    model: str
    adapter: str | None = None
    system: str | None = None
    sampling: Sampling | None = None
    role: VariantRole = VariantRole.CANDIDATE
    chat_template: str | None = None
