"""The same request in other words, from a teacher: what production asks tomorrow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from harness.results import Observer, Outcome, ignore
from harness.suites import Case, Suite, Turn
from harness.training.sources.teacher import Teacher, ask

ASK = (
    "Rewrite the request below in {count} different ways. Keep its meaning, and keep every name, "
    "number and quoted text as it is. Do not answer the request. Write one version on each line, "
    "and nothing else.\n\n{request}"
)
_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
MOST_TOKENS = 1024


def paraphrases(
    teacher: Teacher,
    suite: Suite,
    cases: Sequence[Case],
    count: int,
    *,
    observer: Observer = ignore,
) -> tuple[Case, ...]:
    """Ask for up to `count` rewordings of each case's request, each a case with the same checks.

    What repeats the request, or a rewording, is left out.
    """
    asked = []
    for case in cases:  # any answer that is not empty will do
        text = ASK.format(count=count, request=case.turns[0].user)
        sampling = case.sampling.model_copy(update={"max_new_tokens": MOST_TOKENS})
        question = replace(case, id=f"{case.id}-reworded", system=None, sampling=sampling)
        asked.append(replace(question, turns=(Turn(text, ()),)))
    if not asked:
        return ()
    report = ask(teacher, suite, asked, observer)
    texts = {
        result.case: result.said[-1]  # what was thought about them is none
        for result in report.results()
        if result.outcome in (Outcome.PASS, Outcome.FAIL)
    }
    return tuple(
        replace(case, id=f"{case.id}-p{at}", turns=(replace(case.turns[0], user=text),))
        for case in cases
        for at, text in enumerate(
            _versions(texts.get(f"{case.id}-reworded", ""), case, count), start=1
        )
    )


def _versions(answer: str, case: Case, count: int) -> list[str]:
    lines = (_MARK.sub("", line).strip() for line in answer.splitlines())
    known = {case.turns[0].user.casefold()}
    found: list[str] = []
    for line in lines:
        if line and line.casefold() not in known:
            known.add(line.casefold())
            found.append(line)
    return found[:count]
