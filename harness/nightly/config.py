"""`nightly.yaml`: who takes part in a night, what it is compared with, and who is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.backends import Models, models_of
from harness.config import (
    ExportTarget,
    Form,
    PathValue,
    Settings,
    TypedPaths,
    VariantSettings,
    read_config,
)
from harness.results import Verdict

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NightlyVariant(VariantSettings):
    """A variant as under `[tool.harness.variants.NAME]`, with suites of its own if need be."""

    suites: tuple[str, ...] = ()


class Webhook(_Part):
    """Where alerts are posted as JSON. `url_env` names an environment variable with the URL.

    `timeout` is that of the whole reply, in seconds. `link_local` allows addresses such as
    169.254.169.254, where clouds keep a machine's credentials.
    """

    url: str | None = Field(default=None, pattern=r"^https?://")
    url_env: str | None = None
    timeout: float = Field(default=10.0, gt=0, le=300)
    always: bool = False
    link_local: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Webhook:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("exactly one of url and url_env is wanted")
        return self

    def address(self) -> str:
        """Return the URL; empty where the environment variable holds no web address."""
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
    are compared with; `keep` is the number of nights whose runs and reports stay. `export` names
    what the night's runs are exported to, in place of `after` of the project's settings.
    """

    name: Name = "nightly"
    model: str | None = None
    baseline: str | None = None
    pinned: Path | None = None
    suites: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    variants: dict[Name, NightlyVariant] = Field(default_factory=dict)
    alerts: Alerts = Alerts()
    export: tuple[ExportTarget, ...] | None = None
    keep: int = Field(default=60, ge=2)

    @field_validator("name")
    @classmethod
    def _no_way_up(cls, name: str) -> str:
        if set(name) == {"."}:
            raise ValueError("it names a folder: letters or digits are wanted, not dots alone")
        return name


def load_config(path: Path, settings: Settings | None = None) -> NightlyConfig:
    """Read and check the file; raises InputError for all that is wrong with it, with the places.

    Paths in the file are relative to it; those of the value are relative to the project of these
    settings, and as they were written without them.
    """
    config = read_config(path, NightlyConfig)
    if settings is None:
        return config
    paths = TypedPaths(path.parent, settings.root, models_of(settings.backend) is Models.NAMES)

    def located(form: Form, text: str | None) -> str | None:
        return paths.option(form, text) if text else text

    def all_located(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(paths.option("input", text) for text in texts)

    def output(file: Path | None) -> Path | None:
        return Path(paths.option("output", str(file))) if file else None

    variants = {}
    for name, variant in config.variants.items():
        adapter = variant.adapter
        changes = {
            "model": located("model", variant.model),
            "adapter": adapter and paths.place(PathValue("", adapter, kind="adapter")),
            "chat_template": located("input", variant.chat_template),
            "suites": all_located(variant.suites),
        }
        variants[name] = variant.model_copy(update=changes)
    markdown = output(config.alerts.markdown)
    return config.model_copy(
        update={
            "model": located("model", config.model),
            "baseline": located("baseline", config.baseline),
            "pinned": output(config.pinned),
            "suites": all_located(config.suites),
            "adapters": tuple(paths.option("adapter", adapter) for adapter in config.adapters),
            "variants": variants,
            "alerts": config.alerts.model_copy(update={"markdown": markdown}),
        }
    )
