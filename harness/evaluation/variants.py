"""Who takes part in a run: variants from settings, each with its role."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.backends import Models, models_of
from harness.common import BASE, NAME, InputError, Problem, Variant, VariantRole, nearest
from harness.config import Settings, VariantSettings, where_to_set
from harness.evaluation.baseline import Side, earlier_baseline

NONE = "none"


def lineup(settings: Settings, recorded: Sequence[str] | None = None) -> tuple[Variant, ...]:
    """The variants of a run, the baseline first.

    `recorded` names the variants of recorded answers, which then are the run's. Raises InputError
    for names that are wrong, unknown or given twice.
    """
    variants = _recorded(recorded) if recorded is not None else _declared(settings)
    _check_names(variants)
    baseline = _baseline(settings, variants)
    references = _references(settings, variants)
    cast = [replace(v, role=_role(v.name, baseline, references)) for v in variants]
    if baseline != BASE and BASE not in references and len(cast) > 1 and recorded is None:
        cast = [v for v in cast if v.name != BASE]  # base takes part only when it has a part
    return tuple(sorted(cast, key=lambda v: v.role is not VariantRole.BASELINE))


def baseline_name(variants: Iterable[Variant]) -> str | None:
    """The name of the variant that the others are compared against."""
    return next((v.name for v in variants if v.role is VariantRole.BASELINE), None)


def earlier_side(settings: Settings, variants: Iterable[Variant]) -> Side | None:
    """The file or the earlier run that `--baseline` names, if it names no variant of this run."""
    given = settings.baseline
    if given is None or given == NONE or given in [v.name for v in variants]:
        return None
    return earlier_baseline(settings, given)


def _recorded(names: Sequence[str]) -> list[Variant]:
    return [Variant(name, model="recorded") for name in names]


def _declared(settings: Settings) -> list[Variant]:
    model = _model(settings)
    found = [Variant(BASE, model)]
    for text in settings.adapter:
        found += _adapters(text, model, settings, "--adapter NAME=DIR")
    for text in settings.variant:
        found += _variant(text, model, settings)
    for name, table in settings.variants.items():
        found.append(_configured(name, table, model, settings))
    return found


def _configured(name: str, table: VariantSettings, model: str, settings: Settings) -> Variant:
    """The variant of one table `[variants.NAME]`."""
    return Variant(
        name,
        settings.model_path(table.model) if table.model else model,
        _served(settings, table.adapter) if table.adapter else None,
        table.system,
        table.sampling,
        chat_template=str(settings.path(table.chat_template)) if table.chat_template else None,
    )


def _model(settings: Settings) -> str:
    needed = models_of(settings.backend) is not Models.NONE
    if settings.model is None and needed:
        configure = where_to_set(settings, 'model = "DIR"')
        raise InputError(Problem("no model given", hint=f"add --model DIR, or {configure}"))
    return settings.model_path(settings.model or settings.backend)


def _served(settings: Settings, adapter: str) -> str:
    """An adapter's directory, or the name that a server knows it by."""
    if models_of(settings.backend) is Models.NAMES:
        return settings.model_path(adapter)
    return str(settings.path(adapter))


def _variant(text: str, model: str, settings: Settings) -> list[Variant]:
    name, _, rest = text.partition("=")
    kind, _, target = rest.partition(":")
    if kind == "adapter" and target:
        return _adapters(f"{name}={target}", model, settings, "--variant NAME=adapter:DIR")
    if kind == "model" and target:
        return [Variant(name, settings.model_path(target))]
    raise InputError(
        Problem(
            f"--variant {text!r} is not understood",
            expected="NAME=adapter:DIR or NAME=model:DIR",
        )
    )


def _adapters(text: str, model: str, settings: Settings, wanted: str) -> list[Variant]:
    """One adapter, or one for each directory that a glob finds, named after it."""
    name, equals, target = text.partition("=")
    if not equals:
        name, target = "", text
    if not target or (equals and not name):
        raise InputError(Problem(f"adapter {text!r} is not understood", expected=wanted))
    if glob.has_magic(target):
        return _globbed(name, target, model, settings)
    path = _served(settings, target)
    return [Variant(name or Path(path).name, model, path)]


def _globbed(prefix: str, pattern: str, model: str, settings: Settings) -> list[Variant]:
    found = sorted(p for p in glob.glob(str(settings.path(pattern))) if Path(p).is_dir())
    if not found:
        raise InputError(Problem(f"no directory matches {str(settings.path(pattern))!r}"))
    names = [f"{prefix}-{Path(p).name}" if prefix else Path(p).name for p in found]
    return [Variant(name, model, path) for name, path in zip(names, found, strict=True)]


def _check_names(variants: Sequence[Variant]) -> None:
    problems = [
        Problem(
            f"variant name {v.name!r} is not allowed", expected="letters, digits, '_', '.', '-'"
        )
        for v in variants
        if not NAME.fullmatch(v.name)
    ]
    twice = [name for name, count in Counter(v.name for v in variants).items() if count > 1]
    for name in twice:
        sources = ", ".join(v.adapter or v.model for v in variants if v.name == name)
        problems.append(
            Problem(
                f"two variants are called {name!r}",
                found=sources,
                hint="base is --model itself: give the other a name of its own"
                if name == BASE
                else "give each a name of its own: --adapter NAME=DIR",
            )
        )
    if problems:
        raise InputError(*problems)


def _baseline(settings: Settings, variants: Sequence[Variant]) -> str | None:
    names = [v.name for v in variants]
    wanted = settings.baseline
    if wanted is None:
        return BASE if BASE in names and len(names) > 1 else None
    if wanted in names:
        return wanted
    if wanted != NONE:
        _check_earlier(settings, wanted, names)
    return None


def _check_earlier(settings: Settings, wanted: str, names: Sequence[str]) -> None:
    """A file or an earlier run; what is neither was most likely meant to be a variant."""
    if wanted.endswith(".json") or settings.path(wanted.partition(":")[0]).exists():
        earlier_baseline(settings, wanted)
        return
    try:
        earlier_baseline(settings, wanted)
    except InputError as error:
        if not error.problems[0].message.startswith(("no run is called", "there is no store")):
            raise
        raise InputError(
            Problem(
                f"--baseline {wanted!r} names no variant of this run, and no earlier run",
                expected=f"one of {', '.join(names)}; a run (`harness runs` lists them); FILE.json",
                did_you_mean=nearest(wanted, names) or error.problems[0].did_you_mean,
            )
        ) from None


def _references(settings: Settings, variants: Sequence[Variant]) -> frozenset[str]:
    for name in settings.reference:
        _known(name, [v.name for v in variants], "--reference")
    return frozenset(settings.reference)


def _known(name: str, names: Sequence[str], option: str) -> None:
    if name not in names:
        raise InputError(
            Problem(
                f"{option} {name!r} names no variant of this run",
                expected="one of " + ", ".join(names),
                did_you_mean=nearest(name, names),
            )
        )


def _role(name: str, baseline: str | None, references: frozenset[str]) -> VariantRole:
    if name == baseline:
        return VariantRole.BASELINE
    return VariantRole.REFERENCE if name in references else VariantRole.CANDIDATE
