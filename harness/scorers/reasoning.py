"""Part what a model wrote into its reasoning and its answer, once, before any check reads it.

Each family of models marks its reasoning in its own way. `FAMILIES` has them by name; those of
`DEFAULT_TAGS` are always taken out, unless the configuration says otherwise with `reasoning_tags`:
their marks are special tokens that no answer has for another purpose. Names that are no family are
elements: in many suites a `<reasoning>` element is part of the answer that was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import regex

Tag = str | tuple[str, str]
# What a user may name: what the chat template shows, no parsing at all, or a family.
ReasoningParser = Literal["auto", "none", "think", "[THINK]", "harmony", "kimi", "seed", "command"]

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
# Families whose marks are special tokens: an answer without those has lost them.
SPECIAL = frozenset(("[THINK]", "command", "harmony"))
# Elements in which other models reason, and which suites ask for too.
_OTHERS = ("thinking", "thought", "thoughts", "reasoning", "reflection", "analysis", "scratchpad")


@dataclass(frozen=True, slots=True)
class SplitAnswer:
    """What a model wrote, in two: what it says, and the reasoning before it.

    `ended` is False where reasoning was begun and never ended; then nothing is said.
    """

    text: str
    reasoning: str = ""
    ended: bool = True


def strip_reasoning(raw: str, tags: Sequence[Tag] = DEFAULT_TAGS) -> str:
    """Return the answer without its reasoning; see `split_reasoning`."""
    return split_reasoning(raw, tags).text


def split_reasoning(raw: str, tags: Sequence[Tag] = DEFAULT_TAGS) -> SplitAnswer:
    """Part an answer from its reasoning.

    tags: names of families or of elements (`think` for `<think>…</think>`), or pairs of an opening
    and a closing text. Elements may be nested. A closing tag without an opening one ends reasoning
    that the chat template began. Reasoning that is never closed leaves an empty answer. A tag in
    backticks is prose. Text without reasoning comes back unchanged; else white space before the
    rest goes too.
    """
    marks = _marks(tuple(tags))
    if marks.harmony and (channels := _harmony(raw)) is not None:
        return channels
    if not marks.may_be_in(raw):
        return SplitAnswer(raw)
    said: list[str] = []
    thought: list[str] = []
    depth = place = 0
    touched = False
    for match in marks.pattern().finditer(raw):
        start, end = match.span()
        if raw[max(start - 1, 0) : start] == "`" == raw[end : end + 1]:
            continue
        touched = True
        (thought if depth else said).append(raw[place:start])
        if match["open"] is not None:
            depth += 1
        elif depth == 0:  # the template opened this one: all before it is reasoning
            thought, said = [*thought, "".join(said)], []
        else:
            depth -= 1
        place = end
    if not touched:
        return SplitAnswer(raw)
    (thought if depth else said).append(raw[place:])
    reasoning = "\n\n".join(filter(None, (part.strip() for part in thought)))
    if depth:
        return SplitAnswer("", reasoning, ended=False)
    return SplitAnswer(_WRAPPED.sub("", "".join(said)).lstrip(), reasoning)


# Command A sets its answer between marks too.
_WRAPPED = regex.compile(r"<\|(?:START|END)_(?:RESPONSE|TEXT)\|>")


class _Marks:
    """What some tags are looked for by, made once: an answer is read several times."""

    def __init__(self, tags: tuple[Tag, ...]) -> None:
        self.harmony = "harmony" in tags
        self._tags = tuple(tag for tag in tags if tag != "harmony")
        pairs = [FAMILIES.get(t, (f"<{t}>",) * 2) if isinstance(t, str) else t for t in self._tags]
        marks = {mark.lower() for pair in pairs for mark in pair}
        # Every mark has one of the cores in it, and begins with one of the signs: most answers have
        # none of these few, and are not looked through for the others.
        self._cores = tuple({mark.strip("<>/ ") for mark in marks})
        self._signs = tuple({mark[:1] for mark in marks})
        self._has_cased = any(sign.upper() != sign for sign in self._signs)
        self._pattern: regex.Pattern[str] | None = None

    def may_be_in(self, text: str) -> bool:
        """Return False where a text has none of the marks for certain."""
        if not self._has_cased and not any(map(text.__contains__, self._signs)):
            return False
        lowered = text.lower()
        return any(core in lowered for core in self._cores)

    def pattern(self) -> regex.Pattern[str]:
        """Return the pattern of all marks, with the groups `open` and `close`; of one at least."""
        if self._pattern is None:
            opening, closing = zip(*(_pair(tag) for tag in self._tags), strict=True)
            self._pattern = regex.compile(
                f"(?P<open>{'|'.join(opening)})|(?P<close>{'|'.join(closing)})", regex.IGNORECASE
            )
        return self._pattern


_marks = lru_cache(maxsize=64)(_Marks)


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
    r"(?<!`)<\|channel\|>\s?(?P<name>\w+)(?P<to>[^<\n]{0,200})(?:<\|constrain\|>\w+)?<\|message\|>"
    r"(?P<text>.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    regex.DOTALL,
)
_FLAT = regex.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?=[^\sa-z.,;:!?])")
_FLAT_NAME = regex.compile(r"\s*(?:assistant)?(?:analysis|commentary)")
_FINAL = "assistantfinal"


def _harmony(raw: str) -> SplitAnswer | None:
    """Part the final channel of gpt-oss from the others; None where the text has no channels.

    With its special tokens left out, as servers do, the channels' names are run into the text:
    `analysisThe user greets.assistantfinalHello`. Without a final channel the answer is empty, and
    reasoning has not ended unless a tool is called. Calls are no reasoning.
    """
    if "<|channel|>" in raw and (channels := list(_CHANNEL.finditer(raw))):
        said = [c["text"] for c in channels if c["name"] == "final"]
        rest = [c for c in channels if c["name"] != "final"]
        thought = [c["text"].strip() for c in rest if "to=" not in c["to"]]
        return SplitAnswer(
            "".join(said).strip(),
            "\n\n".join(filter(None, thought)),
            ended=bool(said) or len(thought) < len(rest),
        )
    if not _is_flat(raw):
        return None
    before, found, final = raw.partition(_FINAL)
    reasoning = _FLAT_NAME.sub("", before, count=1).strip()
    return SplitAnswer(final.strip(), reasoning, ended=bool(found) or "commentary to=" in raw)


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


def reasoning_family(template: str) -> str:
    """Return the family whose marks a chat template shows; empty where it shows none.

    Of a template that parts answers at marks of its own, the opening one is the name.
    """
    for name, marks in FAMILIES.items():
        if any(mark in template for mark in marks):
            return name
    own = declared_tags(template)
    return own[0][0] if own else ""


def limited_marks(template: str) -> tuple[str, str] | None:
    """Return the marks between which a model with this chat template reasons, and may be ended.

    None where nobody knows them, and for gpt-oss, whose channels are more than a pair of marks.
    """
    family = reasoning_family(template)
    if family in FAMILIES:
        return None if family == "harmony" else FAMILIES[family]
    own = declared_tags(template)
    return own[0] if own and isinstance(own[0], tuple) else None


def reads_reasoning(template: str) -> bool:
    """Return whether a chat template reads the reasoning of earlier answers beside their text."""
    return "reasoning_content" in template or ".thinking" in template


def opened_by(ending: str, tags: Sequence[Tag] = DEFAULT_TAGS) -> str:
    """Return the end of a prompt from the mark with which it opens the answer's reasoning.

    `ending`: the last characters of the prompt, in which the mark is whole. Empty where the answer
    begins outside of reasoning.
    """
    harmony = FAMILIES["harmony"][0]
    if "harmony" in tags and ending.rstrip().endswith(harmony):
        return harmony
    marks, last = _marks(tuple(tags)), None
    for match in marks.pattern().finditer(ending) if marks.may_be_in(ending) else ():
        last = match
    if last is None or last["open"] is None or ending[last.end() :].strip():
        return ""
    return ending[last.start() :]


def unread_mark(raw: str, tags: Sequence[Tag] = DEFAULT_TAGS) -> str:
    """Return the mark of reasoning with which an answer begins after `tags` were taken out.

    Empty where there is none: then what is scored has no reasoning that anyone knows of.
    """
    is_marked = any(map(raw.__contains__, _SIGNS)) and _MARKS.search(raw)
    if not is_marked and not _is_flat(raw):
        return ""
    text = strip_reasoning(raw, tags).lstrip()
    if found := _MARKS.match(text):
        return found[0]
    return "analysis…assistantfinal" if "harmony" not in tags and _is_flat(text) else ""


_KNOWN = (*(pair[0] for pair in FAMILIES.values()), *(f"<{name}>" for name in _OTHERS))
_SIGNS = tuple({mark[0] for mark in _KNOWN})  # most answers have none of them
_MARKS = regex.compile("|".join(map(regex.escape, _KNOWN)), regex.IGNORECASE)
