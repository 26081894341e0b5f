"""How the reasoning of each variant is told from its answers, and which marks nobody knows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.backends import Backend
from harness.common import NUMBER_DIGITS, InputError, Problem, Variant
from harness.common.reading import parse_json, read_text
from harness.config import Settings
from harness.evaluation.trial import Trial, sampling_of
from harness.results import Result, VariantInfo
from harness.scorers import (
    DEFAULT_TAGS,
    SPECIAL,
    Tag,
    declared_tags,
    limited_marks,
    reads_reasoning,
    reasoning_family,
    unread_mark,
)
from harness.suites import Case

AUTO, NONE = "auto", "none"  # parsers: what the models show, and no parsing at all


def tags_of(settings: Settings, variants: Iterable[Variant | VariantInfo]) -> tuple[Tag, ...]:
    """Return the run's tags: those configured, else the default ones and what the models declare.

    A model declares its marks in its chat template. One that cannot be read declares none: the
    engine says what is wrong with it. Raises `InputError` where two settings say different things.
    """
    tagged, parser = settings.reasoning_tags != DEFAULT_TAGS, settings.reasoning_parser
    if tagged and parser != AUTO:
        raise InputError(
            Problem(
                "reasoning_parser and reasoning_tags both say what reasoning is",
                hint="keep one of them: reasoning_parser for a family, reasoning_tags for marks of "
                "your own",
            )
        )
    if tagged:
        return settings.reasoning_tags
    if parser != AUTO:
        return () if parser == NONE else (parser,)
    found: dict[Tag, None] = dict.fromkeys(DEFAULT_TAGS)
    for variant in variants:
        model = Path(variant.model)
        files = [Path(variant.chat_template)] if variant.chat_template else []
        for file in files or [model / "chat_template.jinja", model / "tokenizer_config.json"]:
            try:
                text = read_text(file)
                if file.suffix == ".json":
                    facts = parse_json(text, str(file), digits=NUMBER_DIGITS)
                    own = facts.get("chat_template", "") if isinstance(facts, dict) else ""
                    text = json.dumps(own, ensure_ascii=False)
            except InputError:
                continue
            found |= dict.fromkeys(declared_tags(text))
    return tuple(found)


def variant_tags(
    settings: Settings, variants: Iterable[Variant | VariantInfo]
) -> dict[str, tuple[Tag, ...]]:
    """Return the tags of each variant by its name: its own parser's, else the run's."""
    every = tuple(variants)
    shared = tags_of(settings, every)
    found = {}
    for variant in every:
        own = variant.reasoning_parser
        if own == AUTO:
            found[variant.name] = tags_of(Settings(), [variant])
        else:
            found[variant.name] = shared if own is None else () if own == NONE else (own,)
    return found


@dataclass(frozen=True, slots=True)
class ReasoningForm:
    """How a variant's reasoning is told from its answers, and what becomes of it.

    tags: the marks that are taken out. family: the one that the chat template shows, or that is
    named in the configuration; empty where nobody says. marked: by special tokens, which answers
    must keep. passed_on: the template reads the reasoning of earlier answers. settled: the variant
    says it itself, whatever cases say.
    """

    tags: tuple[Tag, ...] = DEFAULT_TAGS
    family: str = ""
    marked: bool = False
    passed_on: bool = False
    settled: bool = False

    def in_case(self, case: Case) -> ReasoningForm:
        """Return the form in one case: what a case or its suite says stands before the run's."""
        parser = case.reasoning_parser
        if parser is None or self.settled:
            return self
        if parser == NONE:
            return replace(self, tags=(), passed_on=False)
        return replace(self, tags=DEFAULT_TAGS if parser == AUTO else (parser,))


def reasoning_forms(
    settings: Settings, variants: Iterable[Variant], backend: Backend
) -> dict[str, ReasoningForm]:
    """Return the form of each variant's reasoning by its name.

    The chat template says the family. A server that renders prompts itself gives reasoning apart,
    or nobody knows its form: then all known marks are looked for, as in recorded answers.
    """
    every = tuple(variants)
    found = {}
    for name, tags in variant_tags(settings, every).items():
        variant = next(each for each in every if each.name == name)
        template = backend.chat_template(variant) or ""
        family = reasoning_family(template) if tags else ""
        chosen = variant.reasoning_parser or settings.reasoning_parser
        if chosen not in (AUTO, NONE):
            family = chosen
        marked = bool(template) and family in SPECIAL
        found[name] = ReasoningForm(
            tags,
            family,
            marked,
            passed_on=bool(tags) and reads_reasoning(template),
            settled=variant.reasoning_parser is not None,
        )
    return found


def reasoning_notes(forms: Mapping[str, ReasoningForm]) -> tuple[str, ...]:
    """Say, for the scorecard, how reasoning is read; nothing of models that show no family."""
    names: dict[str, list[str]] = {}
    for variant, form in forms.items():
        if form.family or not form.tags:
            read = f"read as {form.family}" if form.family else "left in the answers"
            names.setdefault(read, []).append(variant)
    return tuple(f"reasoning is {read}: {', '.join(them)}" for read, them in names.items())


def check_limits(trials: Iterable[Trial], backend: Backend) -> None:
    """Raise `InputError` where the engine would not keep to `max_reasoning_tokens`."""
    wrong: dict[tuple[str, str], list[Trial]] = {}  # by suite and what is wrong
    for trial in trials:
        if sampling_of(trial).max_reasoning_tokens is None:
            continue
        message = ""
        template = backend.chat_template(trial.variant)
        if not backend.limits_reasoning:
            message = f"max_reasoning_tokens: {backend.name} has no limit for reasoning"
        elif template is not None and limited_marks(template) is None:
            message = (
                f"max_reasoning_tokens: the chat template of {trial.variant.model} shows no marks "
                "between which reasoning could be ended"
            )
        if message:
            wrong.setdefault((trial.case.suite, message), []).append(trial)
    problems = []
    for (_, message), found in wrong.items():
        first, cases = found[0].case, {trial.case.id for trial in found}
        at, more = first.position, f" and {len(cases) - 1} more" if len(cases) > 1 else ""
        hint = (
            "leave it out; vllm (with --no-warm, where an engine is kept warm) and a vLLM server "
            "have such a limit, other servers often reasoning_effort, in engine_args.body"
        )
        problems.append(
            Problem(message, at.path, at.line, at.column, case=first.id + more, hint=hint)
        )
    if problems:
        raise InputError(*problems)


class ReasoningWatch:
    """Counts answers that reasoning spoils: with a mark that nobody reads, and without an end.

    `tags` are those of each variant by its name.
    """

    def __init__(self, tags: Mapping[str, Sequence[Tag]]) -> None:
        self._tags = tags
        self._found: Counter[tuple[str, str]] = Counter()
        self._unended: Counter[str] = Counter()

    def passing(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield the same results, each counted on its way to whoever reads them."""
        for result in results:
            self._unended[result.variant] += result.unended
            tags = self._tags.get(result.variant, DEFAULT_TAGS)
            for mark in filter(None, (unread_mark(raw, tags) for raw in result.responses)):
                self._found[result.variant, mark] += 1
            yield result

    def warnings(self) -> tuple[str, ...]:
        """Return a warning for each variant and mark, and each variant that came to no end."""
        unended = (
            f"{variant}: thinking never ended in {count} answer{'s' if count > 1 else ''}, which "
            "failed for that; raise max_new_tokens, or set max_reasoning_tokens"
            for variant, count in sorted(self._unended.items())
            if count
        )
        unread = (
            f"{variant}: {count} answer{'s' if count > 1 else ''} began with {mark}, which was "
            "scored as part of the answer; if it is reasoning, name it in reasoning_tags"
            for (variant, mark), count in sorted(self._found.items())
        )
        return (*unread, *unended)
