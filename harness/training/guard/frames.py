"""What everyone uses and no case owns: the wording of templates and haystacks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import yaml

from harness.suites import HaystackSpec, Suite
from harness.suites.haystack import INTRO, Haystack, Task, expand

# Between these marks of Jinja stands what changes from case to case.
_CHANGES = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def template_texts(suite: Suite) -> tuple[str, ...]:
    """The fixed parts of the templates that a suite makes its families of cases from.

    A suite that was not read from a file has none.
    """
    try:
        text = Path(suite.path).read_text(encoding="utf-8")
        raw = yaml.safe_load(text) if "from_file" in text else None
    except (OSError, ValueError, yaml.YAMLError):
        return ()
    families = raw.get("from_file") if isinstance(raw, Mapping) else None
    found = (text for family in families or () for text in _texts(family))
    return tuple(part for text in found if "{" in text for part in _CHANGES.split(text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)


def said_by(haystack: Haystack) -> tuple[str, ...]:
    """What a haystack says besides its filler: the question and the facts, each a text."""
    return (haystack.question, *haystack.needles, *haystack.distractors)


@lru_cache(maxsize=1)
def haystack_frames() -> tuple[frozenset[str], ...]:
    """Two haystacks of every task that share nothing but the wording, each as its texts."""
    return tuple(
        frozenset({INTRO, *said_by(haystack)})
        for task in get_args(Task)
        for haystack in expand(HaystackSpec(id=f"frame-{task}", task=task, lengths=(64,), seeds=2))
    )


def joined(texts: Iterable[str]) -> str:
    """Several texts as one, for shingles across their borders."""
    return "\n".join(texts)
