"""What becomes a prompt besides the messages: tools, and arguments of the chat template.

What a template does not know, or a prompt cannot hold, is found here, before anything is generated.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from harness.backends import PLAIN, Backend, Prompt, Rendering
from harness.common import InputError, Message, Messages, Problem, Variant, plural
from harness.config import Settings, place_of
from harness.evaluation.trial import Trial, messages_of, system_role, system_text
from harness.prompts import ANY, call_family
from harness.suites import Case


def rendering_of(case: Case, variant: Variant) -> Rendering:
    """Return what becomes a prompt of this case besides its messages.

    Of the template's arguments the run's come first, then the suite's, the case's, the variant's.
    """
    arguments = {**variant.template_defaults, **case.template_args, **variant.template_args}
    if not case.tools and not arguments:
        return PLAIN
    return Rendering(case.tools, arguments, case.tool_choice if case.tools else "auto")


def prompt_of(backend: Backend, messages: Messages, variant: Variant, case: Case) -> Prompt:
    """Return the prompt; raise `InputError`, with the case's place, where there can be none.

    Where there is nothing to say but the messages, backends written before there was are asked so.
    """
    rendering = rendering_of(case, variant)
    told = () if rendering == PLAIN else (rendering,)
    try:
        return backend.prompt(messages, variant, *told)
    except InputError as error:
        raise InputError(*(in_case(problem, case) for problem in error.problems)) from error


def in_case(problem: Problem, case: Case) -> Problem:
    """Return the problem of a prompt at the place of its case; the message says whose template."""
    if problem.case:
        return problem
    at = case.position
    message = f"{problem.place}: {problem.message}" if problem.path else problem.message
    return replace(
        problem, message=message, path=at.path, line=at.line, column=at.column, case=case.id
    )


def rendering_notes(trials: Iterable[Trial]) -> tuple[str, ...]:
    """Say, for the scorecard, what suites tell the chat template, and where a system prompt stands.

    What a variant or the run tells it stands beside the variant.
    """
    merged: dict[str, set[str]] = {}
    told: dict[str, set[str]] = {}
    for trial in trials:
        case, variant = trial.case, trial.variant
        if system_text(case, variant) and system_role(case, variant) == "merge":
            merged.setdefault(variant.name, set()).add(case.id)
        for name, value in case.template_args.items():
            said = f"{case.suite}: chat_template_args {name} {json.dumps(value, default=str)}"
            told.setdefault(said, set()).add(case.id)
    merges = (
        f"{name}: the system prompt stands in the first user turn (system_role: merge) of "
        f"{plural(len(cases), 'case')}"
        for name, cases in merged.items()
    )
    return (*merges, *(f"{said} in {plural(len(cases), 'case')}" for said, cases in told.items()))


def check_renderings(
    settings: Settings, trials: Iterable[Trial], haystacks: Mapping[str, str], backend: Backend
) -> None:
    """Raise `InputError` for what prompts cannot hold, before anything is generated.

    That are arguments that a chat template does not know, a choice of tools that nothing can force,
    and beginnings of answers that the engine cannot go on with. Each is tried once for a variant,
    on the first prompt that has it. Arguments of the run and of variants are told with their place
    in the configuration.
    """
    tried: set[tuple[str, str, bool]] = set()
    problems: dict[Problem, None] = {}

    def is_new(variant: Variant, what: str, *, of_case: bool = True) -> bool:
        known = (variant.name, what, of_case) in tried
        tried.add((variant.name, what, of_case))
        return not known

    for trial in trials:
        case, variant = trial.case, trial.variant
        rendering = rendering_of(case, variant)
        for name, value in rendering.template_args.items():
            of_case = name in case.template_args and name not in variant.template_args
            if not is_new(variant, name, of_case=of_case):
                continue
            try:
                messages = messages_of(trial, (), haystacks)
                backend.prompt(messages, variant, Rendering(case.tools, {name: value}))
            except InputError as error:
                own = name in variant.template_args
                said = f"variants.{variant.name}" if own else "the run"
                way = (*(("variants", variant.name) if own else ()), "chat_template_args", name)
                path, line, column = place_of(settings, *way, value=value)
                for problem in error.problems:
                    if of_case:
                        problems[in_case(problem, case)] = None
                        continue
                    message = f"{problem.message} (chat_template_args of {said})"
                    if path:
                        message = f"{problem.place}: {message}" if problem.path else message
                        problem = replace(problem, path=path, line=line, column=column)
                    problems[replace(problem, message=message)] = None
        begun = next((turn.prefix for turn in case.turns if turn.prefix), "")
        forced = rendering.tool_choice
        asked: list[Messages] = []
        if begun and is_new(variant, "a prefix "):  # no argument has a space in its name
            asked.append((Message("user", case.turns[0].user), Message("assistant", begun)))
        if forced != "auto" and is_new(variant, f"choice {forced}"):
            asked.append((Message("user", case.turns[0].user),))
        for messages in asked:
            try:
                prompt_of(backend, messages, variant, case)
            except InputError as error:
                problems |= dict.fromkeys(error.problems)
    if problems:
        raise InputError(*problems)


def families_of(
    chosen: str | None, variants: Iterable[Variant], backend: Backend, cases: Iterable[Case]
) -> dict[str, str]:
    """Return the form in which each variant's answers may write calls, by the variant's name.

    It is the one that is `chosen` in the configuration, else the one that the chat template shows;
    empty for a server that renders prompts itself, as it reads calls as well. Recorded answers are
    read in every form that has marks. Nothing is returned where no case declares tools. Raises
    `InputError` where the template is of no known family, or ignores tools.
    """
    case = next((case for case in cases if case.tools), None)
    if case is None:
        return {}
    found = {}
    for variant in variants:
        probe = (Message("user", case.turns[0].user or "Hi"),)
        prompt_of(backend, probe, variant, case)  # a template that ignores tools is told
        template = backend.chat_template(variant)
        family = chosen
        if family is None and template is not None:
            family = call_family(template)
            if not family:
                place = case.position
                raise InputError(
                    Problem(
                        f"nobody knows how {variant.model} writes calls of tools: its chat "
                        "template is of no known family",
                        place.path,
                        place.line,
                        place.column,
                        case=case.id,
                        hint="name the form: --tool-parser, or tool_parser in the configuration",
                    )
                )
        if family is None:
            family = ANY if backend.environment(variant).addressed else ""
        found[variant.name] = family
    return found


def family_notes(families: Mapping[str, str]) -> tuple[str, ...]:
    """Say, for the scorecard, how calls of tools are read."""
    names: dict[str, list[str]] = {}
    for variant, family in families.items():
        names.setdefault(family, []).append(variant)
    read = {"": "by the server", ANY: "in every form that has marks"}
    return tuple(
        f"calls of tools are read {read.get(family, f'as {family}')}: {', '.join(variants)}"
        for family, variants in names.items()
    )
