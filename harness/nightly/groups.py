"""Variants that share their suites answer in one run; the baseline is in every run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.nightly.config import NightlyConfig, NightlyVariant
from harness.selection import load_selected
from harness.settings import Settings, VariantSettings
from harness.suites import Suite


@dataclass(frozen=True)
class Group:
    """One run of a night: its settings and its suites. `name` says whose suites they are."""

    name: str
    settings: Settings
    suites: tuple[Suite, ...]

    @property
    def described(self) -> list[Any]:
        """What a resumed night must share; cases may have changed, answers are found by content."""
        chosen = self.settings.model_dump(mode="json", include={"model", "adapter", "baseline"})
        variants = {n: v.model_dump(mode="json") for n, v in self.settings.variants.items()}
        return [self.name, chosen, variants, [suite.path for suite in self.suites]]


def groups_of(settings: Settings, config: NightlyConfig) -> tuple[Group, ...]:
    """The runs of a night; raises InputError for suites that are wrong."""
    by_suites: dict[tuple[str, ...], dict[str, NightlyVariant]] = {config.suites: {}}
    for name, variant in config.variants.items():
        by_suites.setdefault(variant.suites or config.suites, {})[name] = variant
    if not by_suites[config.suites] and not config.adapters and len(by_suites) > 1:
        del by_suites[config.suites]  # every variant has suites of its own
    return tuple(
        _group(settings, config, suites, variants) for suites, variants in by_suites.items()
    )


def _group(
    settings: Settings,
    config: NightlyConfig,
    suites: tuple[str, ...],
    variants: dict[str, NightlyVariant],
) -> Group:
    shared = suites == config.suites
    known = {name: _plain(variant) for name, variant in variants.items()}
    if config.baseline in config.variants:
        known.setdefault(str(config.baseline), _plain(config.variants[str(config.baseline)]))
    changes: dict[str, Any] = {
        "variants": {**settings.variants, **known} if shared else known,
        "adapter": (*settings.adapter, *config.adapters) if shared else (),
        "variant": settings.variant if shared else (),
        "model": config.model or settings.model,
        "baseline": config.baseline or settings.baseline,
    }
    named = [str(settings.path(suite)) for suite in suites]
    chosen = settings.model_copy(update=changes)
    name = " + ".join(suites) if suites else "configured suites"
    return Group(name, chosen, load_selected(named, chosen))


def _plain(variant: NightlyVariant) -> VariantSettings:
    return VariantSettings.model_validate(variant.model_dump(exclude={"suites"}))
