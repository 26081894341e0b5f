"""Who takes part in a run: variants from settings, each with its role, and the baseline."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.backends import Models, check_name, models_of, recorded_variants
from harness.common import BASE, NAME, InputError, Problem, Variant, VariantRole, nearest
from harness.config import Settings, where_to_set
from harness.evaluation.baseline import StoredVariant, earlier_baseline
from harness.store import RunNotFoundError, RunRemovedError

NONE = "none"


@dataclass(frozen=True)
class Variants:
    """The variants of a run, the baseline first.

    `earlier` is the baseline where it does not answer in this run: it comes from a file or from an
    earlier run, and was read when it was found.
    """

    members: tuple[Variant, ...]
    earlier: StoredVariant | None = None

    def __iter__(self) -> Iterator[Variant]:
        return iter(self.members)

    @property
    def baseline(self) -> str | None:
        """Return the name of the variant of this run that the others are compared against."""
        return next((v.name for v in self if v.role is VariantRole.BASELINE), None)

    @property
    def candidates(self) -> tuple[Variant, ...]:
        """Return those that the gate judges."""
        return tuple(v for v in self if v.role is VariantRole.CANDIDATE)


def variants_of(settings: Settings) -> Variants:
    """Return the variants of a run under these settings; nothing heavy is loaded.

    Those of the backend `replay` are the ones whose answers were recorded. Raises InputError for
    names that are wrong, unknown or given twice, and for a baseline that is none.
    """
    check_name(settings.backend)
    own_answers = models_of(settings.backend) in (Models.DIRECTORIES, Models.NAMES)
    if settings.responses is not None and own_answers:  # it would look like a gate on them
        raise InputError(
            Problem(
                f"--responses names recorded answers, and backend {settings.backend!r} makes its "
                "own",
                hint="add --backend replay, or use `harness score`",
            )
        )
    recorded = settings.backend == "replay"
    if recorded:
        answering = recorded_variants(recorded_answers(settings))
        variants = [Variant(name, model="recorded") for name in answering]
    else:
        variants = _declared(settings)
    _check_names(variants)
    names = [variant.name for variant in variants]
    earlier = None
    if settings.baseline is None:
        baseline = BASE if BASE in names and len(names) > 1 else None
    elif settings.baseline in names:
        baseline = settings.baseline
    else:
        baseline = None
        if settings.baseline != NONE:
            earlier = _earlier(settings, settings.baseline, names)
    for name in settings.reference:
        if name not in names:
            raise InputError(
                Problem(
                    f"--reference {name!r} names no variant of this run",
                    expected="one of " + ", ".join(names),
                    did_you_mean=nearest(name, names),
                )
            )
    with_roles = []
    for variant in variants:
        role = VariantRole.CANDIDATE
        if variant.name == baseline:
            role = VariantRole.BASELINE
        elif variant.name in settings.reference:
            role = VariantRole.REFERENCE
        elif variant.name == BASE and len(variants) > 1 and baseline != BASE and not recorded:
            continue  # base takes part only when it has a part
        with_roles.append(replace(variant, role=role))
    with_roles.sort(key=lambda variant: variant.role is not VariantRole.BASELINE)
    return Variants(tuple(with_roles), earlier)


def recorded_answers(settings: Settings) -> Path:
    """Return the file of recorded answers, which `replay` cannot do without."""
    if settings.responses is None:
        raise InputError(Problem("no recorded answers given", hint="add --responses FILE (JSONL)"))
    return settings.path(settings.responses)


def _declared(settings: Settings) -> list[Variant]:
    """Return the base, then the variants of the command line and those of the configuration."""
    if settings.model is None and models_of(settings.backend) is not Models.NONE:
        configure = where_to_set(settings, 'model = "DIR"')
        raise InputError(Problem("no model given", hint=f"add --model DIR, or {configure}"))
    model = settings.model_path(settings.model or settings.backend)
    found = [Variant(BASE, model)]
    for text in settings.adapter:
        found += _adapters(text, model, settings, "--adapter NAME=DIR")
    for text in settings.variant:
        name, _, rest = text.partition("=")
        kind, _, target = rest.partition(":")
        if kind == "adapter" and target:
            wanted = "--variant NAME=adapter:DIR"
            found += _adapters(f"{name}={target}", model, settings, wanted)
        elif kind == "model" and target:
            found.append(Variant(name, settings.model_path(target)))
        else:
            raise InputError(
                Problem(
                    f"--variant {text!r} is not understood",
                    expected="NAME=adapter:DIR or NAME=model:DIR",
                )
            )
    for name, table in settings.variants.items():
        template = str(settings.path(table.chat_template)) if table.chat_template else None
        found.append(
            Variant(
                name,
                settings.model_path(table.model) if table.model else model,
                _adapter_path(settings, table.adapter) if table.adapter else None,
                table.system,
                table.sampling,
                chat_template=template,
                template_args=table.chat_template_args,
                reasoning_parser=table.reasoning_parser,
                system_role=table.system_role,
            )
        )
    told = settings.chat_template_args
    return [replace(variant, template_defaults=told) for variant in found] if told else found


def _adapter_path(settings: Settings, adapter: str) -> str:
    """Return an adapter's directory, or the name that a server knows it by."""
    if models_of(settings.backend) is Models.NAMES:
        return settings.model_path(adapter)
    return str(settings.path(adapter))


def _adapters(text: str, model: str, settings: Settings, wanted: str) -> list[Variant]:
    """Return one adapter, or one for each directory that a glob finds, named after it."""
    name, equals, target = text.partition("=")
    if not equals:
        name, target = "", text
    if not target or (equals and not name):
        raise InputError(Problem(f"adapter {text!r} is not understood", expected=wanted))
    if not glob.has_magic(target):
        path = _adapter_path(settings, target)
        return [Variant(name or Path(path).name, model, path)]
    pattern = str(settings.path(target))
    found = sorted(p for p in glob.glob(pattern) if Path(p).is_dir())
    if not found:
        raise InputError(Problem(f"no directory matches {pattern!r}"))
    return [Variant(f"{name}-{Path(p).name}" if name else Path(p).name, model, p) for p in found]


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


def _earlier(settings: Settings, wanted: str, names: Sequence[str]) -> StoredVariant:
    """Find a file or an earlier run; what is neither was most likely meant to be a variant."""
    try:
        return earlier_baseline(settings, wanted)
    except RunRemovedError:
        raise
    except RunNotFoundError as error:
        if wanted.endswith(".json") or settings.path(wanted.partition(":")[0]).exists():
            raise
        raise InputError(
            Problem(
                f"--baseline {wanted!r} names no variant of this run, and no earlier run",
                expected=f"one of {', '.join(names)}; a run (`harness runs` lists them); FILE.json",
                did_you_mean=nearest(wanted, names) or error.problems[0].did_you_mean,
            )
        ) from None
