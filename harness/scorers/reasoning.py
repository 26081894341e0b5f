"""Take a model's reasoning out of its answer, once, before any check reads it.

Each family of models marks its reasoning in its own way. `FAMILIES` has them by name; those of
`DEFAULT_TAGS` are always taken out, unless the configuration says otherwise with `reasoning_tags`:
their marks are special tokens that no answer has for another purpose. Names that are no family are
elements: in many suites a `<reasoning>` element is part of the answer that was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import regex

Tag = str | tuple[str, str]

# Opening and closing mark by family. `harmony` is no pair: see `_harmony`.
FAMILIES: dict[str, tuple[str, str]] = {
    "think": ("<think>", "</think>"),  # Qwen3, DeepSeek-R1, GLM, MiniMax, Hunyuan, Nemotron
    "[THINK]": ("[THINK]", "[/THINK]"),  # Magistral and later models of Mistral
    "harmony": ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
    "kimi": ("◁think▷", "◁/think▷"),  # Kimi-VL-Thinking
    "seed": ("<seed:think>", "</seed:think>"),  # Seed-OSS
    "command": ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A Reasoning
}
DEFAULT_TAGS: tuple[Tag, ...] = tuple(FAMILIES)
# Elements in which other models reason, and which suites ask for too.
_OTHERS = ("thinking", "thought", "thoughts", "reasoning", "reflection", "analysis", "scratchpad")


def strip_reasoning(raw: str, tags: Sequence[Tag] = DEFAULT_TAGS) -> str:
    """Return the answer without its reasoning.

    tags: names of families or of elements (`think` for `<think>…</think>`), or pairs of an opening
    and a closing text. Elements may be nested. A closing tag without an opening one ends reasoning
    that the chat template began. Reasoning that is never closed leaves an empty answer. A tag in
    backticks is prose. Text without reasoning comes back unchanged; else white space before the
    rest goes too.
    """
    if "harmony" in tags and (final := _harmony(raw)) is not None:
        return final
    pairs = tuple(tag for tag in tags if tag != "harmony")
    if not pairs:
        return raw
    kept: list[str] = []
    depth = place = 0
    touched = False
    for match in _pattern(pairs).finditer(raw):
        start, end = match.span()
        if raw[max(start - 1, 0) : start] == "`" == raw[end : end + 1]:
            continue
        touched = True
        if match["open"] is not None:
            kept += [raw[place:start]] if depth == 0 else []
            depth += 1
        elif depth == 0:
            kept.clear()  # the template opened this one: all before it is reasoning
        else:
            depth -= 1
        place = end
    if not touched:
        return raw
    if depth:
        return ""
    return _WRAPPED.sub("", "".join([*kept, raw[place:]])).lstrip()


# Command A sets its answer between marks too.
_WRAPPED = regex.compile(r"<\|(?:START|END)_(?:RESPONSE|TEXT)\|>")


@lru_cache(maxsize=64)
def _pattern(tags: tuple[Tag, ...]) -> regex.Pattern[str]:
    opening, closing = zip(*(_pair(tag) for tag in tags), strict=True)
    return regex.compile(
        f"(?P<open>{'|'.join(opening)})|(?P<close>{'|'.join(closing)})", regex.IGNORECASE
    )


def _pair(tag: Tag) -> tuple[str, str]:
    """Return the patterns of the opening and the closing mark."""
    if isinstance(tag, str) and tag not in FAMILIES:
        tag = tag.strip("<>/ ")
        tag = (f"<{tag}>", f"</{tag}>")
    first, last = FAMILIES[tag] if isinstance(tag, str) else tag
    # Models put spaces into elements: `< think >`.
    spaced = regex.fullmatch(r"<(/?)([\w:.-]+)>", first) and regex.fullmatch(r"</([\w:.-]+)>", last)
    if not spaced:
        return regex.escape(first), regex.escape(last)
    name = regex.escape(first[1:-1])
    return rf"<\s?{name}\s?>", rf"<\s?/\s?{name}\s?>"


_CHANNEL = regex.compile(
    r"(?<!`)<\|channel\|>\s?(?P<name>\w+)[^<\n]{0,200}(?:<\|constrain\|>\w+)?<\|message\|>"
    r"(?P<text>.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    regex.DOTALL,
)
_FLAT = regex.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?=[^\sa-z.,;:!?])")
_FINAL = "assistantfinal"


def _harmony(raw: str) -> str | None:
    """Return what gpt-oss says in its final channel; None where the text has no channels.

    With its special tokens left out, as servers do, the channels' names are run into the text:
    `analysisThe user greets.assistantfinalHello`. Without a final channel the answer is empty.
    """
    if "<|channel|>" in raw and (channels := list(_CHANNEL.finditer(raw))):
        return "".join(c["text"] for c in channels if c["name"] == "final").strip()
    if not _is_flat(raw):
        return None
    return raw.partition(_FINAL)[2].strip()


def _is_flat(raw: str) -> bool:
    """Return whether the names of channels are run into the text; `analysis` is a word too."""
    began = raw.lstrip().startswith(("analysis", "commentary", "assistantanalysis"))
    return began and (_FINAL in raw or bool(_FLAT.match(raw)))


def declared_tags(template: str) -> tuple[Tag, ...]:
    """Return the marks by which a chat template parts the reasoning of earlier answers.

    Templates that drop it split an answer at the closing mark, as in `split('</think>')`. Marks
    that `DEFAULT_TAGS` holds are left out.
    """
    found: list[Tag] = []
    for match in _SPLIT.finditer(template):
        closing = match["close"]
        opening = closing.replace("/", "", 1).replace("END_", "START_", 1)
        pair = (opening, closing)
        if opening in template and pair not in FAMILIES.values() and pair not in found:
            found.append(pair)
    return tuple(found)


_SPLIT = regex.compile(
    r"split\(\s*(['\"])(?P<close>[<\[◁][|/]?[^'\"\s]{0,20}(?:think|thought|reason|reflect)[^'\"\s]{0,20}[>\]▷])\1",
    regex.IGNORECASE,
)


def unread_mark(raw: str, tags: Sequence[Tag] = DEFAULT_TAGS) -> str:
    """Return the mark of reasoning with which an answer begins after `tags` were taken out.

    Empty where there is none: then what is scored has no reasoning that anyone knows of.
    """
    if not _MARKS.search(raw) and not _is_flat(raw):
        return ""
    text = strip_reasoning(raw, tags).lstrip()
    if found := _MARKS.match(text):
        return found[0]
    return "analysis…assistantfinal" if "harmony" not in tags and _is_flat(text) else ""


_MARKS = regex.compile(
    "|".join(
        regex.escape(mark)
        for mark in (*(pair[0] for pair in FAMILIES.values()), *(f"<{name}>" for name in _OTHERS))
    ),
    regex.IGNORECASE,
)
