"""Takes a model's reasoning out of its answer, once, before any check reads it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import regex

Tag = str | tuple[str, str]

# What Qwen3, DeepSeek-R1 and their likes write. Other tags are a setting: in many suites a
# `<reasoning>` element is part of the answer that was asked for.
DEFAULT_TAGS: tuple[Tag, ...] = ("think",)


def strip_reasoning(raw: str, tags: Sequence[Tag] = DEFAULT_TAGS) -> str:
    """The answer without its reasoning.

    tags: names of elements (`think` for `<think>…</think>`), or pairs of an opening and a closing
    text. Elements may be nested. A closing tag without an opening one ends reasoning that the chat
    template began. Reasoning that is never closed leaves an empty answer. A tag in backticks is
    prose. Text without reasoning comes back unchanged; else white space before the rest goes too.
    """
    if not tags:
        return raw
    kept: list[str] = []
    depth = place = 0
    touched = False
    for match in _pattern(tuple(tags)).finditer(raw):
        if _is_quoted(raw, match.start(), match.end()):
            continue
        touched = True
        if match["open"] is not None:
            kept += [raw[place : match.start()]] if depth == 0 else []
            depth += 1
        elif depth == 0:
            kept.clear()  # the template opened this one: all before it is reasoning
        else:
            depth -= 1
        place = match.end()
    if not touched:
        return raw
    return "" if depth else "".join([*kept, raw[place:]]).lstrip()


@lru_cache(maxsize=64)
def _pattern(tags: tuple[Tag, ...]) -> regex.Pattern[str]:
    pairs = [_pair(tag) for tag in tags]
    opening = "|".join(pair[0] for pair in pairs)
    closing = "|".join(pair[1] for pair in pairs)
    return regex.compile(f"(?P<open>{opening})|(?P<close>{closing})", regex.IGNORECASE)


def _pair(tag: Tag) -> tuple[str, str]:
    if isinstance(tag, tuple):
        return regex.escape(tag[0]), regex.escape(tag[1])
    name = regex.escape(tag.strip("<>/ "))
    return rf"<\s?{name}\s?>", rf"<\s?/\s?{name}\s?>"


def _is_quoted(raw: str, start: int, end: int) -> bool:
    return raw[max(start - 1, 0) : start] == "`" and raw[end : end + 1] == "`"
