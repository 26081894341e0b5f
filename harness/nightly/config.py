"""`nightly.yaml`: who takes part in a night, what it is compared with, and who is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.config_file import read_config
from harness.gate import Verdict
from harness.settings import VariantSettings

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NightlyVariant(VariantSettings):
    """A variant as under `[tool.harness.variants.NAME]`, with suites of its own if need be."""

    suites: tuple[str, ...] = ()


class Webhook(_Part):
    """Where alerts are posted as JSON. `url_env` names an environment variable with the URL."""

    url: str | None = Field(default=None, pattern=r"^https?://")
    url_env: str | None = None
    timeout: float = Field(default=10.0, gt=0, le=300)
    always: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Webhook:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("exactly one of url and url_env is wanted")
        return self

    def address(self) -> str:
        """The URL; empty where the environment variable is not set or holds no web address."""
        found = self.url or os.environ.get(self.url_env or "", "")
        return found if found.startswith(("http://", "https://")) else ""


class Alerts(_Part):
    """Verdicts that are told: by the exit code, in Markdown, to the webhook."""

    on: tuple[Verdict, ...] = (Verdict.ERROR, Verdict.REGRESSED, Verdict.BELOW_THRESHOLD)
    markdown: Path | None = None
    webhook: Webhook | None = None


class NightlyConfig(_Part):
    """A series of nights. Paths are relative to the project, as everywhere in the settings.

    `baseline` is the variant that the others are compared with, `pinned` a baseline file that all
    are compared with; `keep` is the number of nights whose runs and reports stay.
    """

    name: Name = "nightly"
    model: str | None = None
    baseline: str | None = None
    pinned: Path | None = None
    suites: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    variants: dict[Name, NightlyVariant] = Field(default_factory=dict)
    alerts: Alerts = Alerts()
    keep: int = Field(default=60, ge=2)


def load_config(path: Path) -> NightlyConfig:
    """Read and check the file; raises InputError for all that is wrong with it, with the places."""
    return read_config(path, NightlyConfig)
