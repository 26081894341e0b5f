"""`nightly.yaml`: who takes part in a night, what it is compared with, and who is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.backends import Models, models_of
from harness.config import Form, PathValue, Settings, TypedPaths, VariantSettings, read_config
from harness.results import Verdict

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
    """A series of nights. Paths are as in the settings: relative to the project.

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


def load_config(path: Path, settings: Settings | None = None) -> NightlyConfig:
    """Read and check the file; raises InputError for all that is wrong with it, with the places.

    Paths in the file are relative to it; those of the value are relative to the project of these
    settings, and as they were written without them.
    """
    config = read_config(path, NightlyConfig)
    if settings is None:
        return config
    names = models_of(settings.backend) is Models.NAMES
    return config.model_copy(update=_located(config, TypedPaths(path.parent, settings.root, names)))


def _located(config: NightlyConfig, said: TypedPaths) -> dict[str, Any]:
    """The fields that hold paths, as the project says them."""
    markdown = _path(said, config.alerts.markdown)
    return {
        "model": _option(said, "model", config.model),
        "baseline": _option(said, "baseline", config.baseline),
        "pinned": _path(said, config.pinned),
        "suites": _paths(said, config.suites),
        "adapters": tuple(said.option("adapter", adapter) for adapter in config.adapters),
        "variants": {name: _variant(said, each) for name, each in config.variants.items()},
        "alerts": config.alerts.model_copy(update={"markdown": markdown}),
    }


def _variant(said: TypedPaths, variant: NightlyVariant) -> NightlyVariant:
    changes = {
        "model": _option(said, "model", variant.model),
        "adapter": variant.adapter and said.place(PathValue("", variant.adapter, kind="adapter")),
        "chat_template": _option(said, "input", variant.chat_template),
        "suites": _paths(said, variant.suites),
    }
    return variant.model_copy(update=changes)


def _option(said: TypedPaths, form: Form, text: str | None) -> str | None:
    return said.option(form, text) if text else text


def _paths(said: TypedPaths, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(said.option("input", text) for text in texts)


def _path(said: TypedPaths, path: Path | None) -> Path | None:
    return Path(said.option("output", str(path))) if path else None
