"""Checks on the form of an answer: words, sentences, lines, paragraphs, bullets, case, length."""

from __future__ import annotations

from typing import Literal

import regex

from harness.common import shown
from harness.scorers.arguments import Bounds
from harness.scorers.counting import count_words, filled_lines, lines
from harness.scorers.markdown import count_bullets, paragraphs
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.sentences import count_sentences
from harness.scorers.values import Answer, Context, Finding, verdict


@scorer(
    "words",
    version=2,
    shorthand="exactly",
    example=Example({"max": 3}, "I don't know.", "I do not know."),
)
def words(answer: Answer, context: Context, args: Bounds) -> Finding:
    """The answer has that many words.

    "don't", "well-known" and an address are one word; Han characters and kana count one each.
    Characters that are not to be seen, such as a soft hyphen, part no words.
    """
    return args.judge(count_words(answer.text), "word")


@scorer(
    "sentences",
    version=3,
    shorthand="exactly",
    example=Example({"exactly": 2}, "Dr. Weber paid 3.50. Thanks!", "Dr. Weber paid 3.50."),
)
def sentences(answer: Answer, context: Context, args: Bounds) -> Finding:
    """The answer has that many sentences.

    Abbreviations, initials, ordinals and decimals end none. Headings, code and an emoji at the end
    are none; a list item is one.
    """
    return args.judge(count_sentences(answer.text), "sentence")


class LinesArgs(Bounds):
    """`blank`: whether blank lines count."""

    blank: bool = False


@scorer(
    "lines",
    version=1,
    shorthand="exactly",
    example=Example({"exactly": 2}, "one\n\ntwo", "one, two"),
)
def count_lines(answer: Answer, context: Context, args: LinesArgs) -> Finding:
    """The answer has that many lines; blank ones do not count."""
    found = lines(answer.text.strip("\r\n")) if args.blank else filled_lines(answer.text)
    return args.judge(len(found), "line")


@scorer(
    "paragraphs",
    version=2,
    shorthand="exactly",
    example=Example({"exactly": 2}, "One.\n\nTwo.", "One.\nTwo."),
)
def count_paragraphs(answer: Answer, context: Context, args: Bounds) -> Finding:
    """The answer has that many paragraphs: blocks between blank lines.

    Headings and rules (`---`) are none; a code block is one, blank lines inside or not, and so is a
    list item with what is indented below it.
    """
    return args.judge(len(paragraphs(answer.text)), "paragraph")


class BulletsArgs(Bounds):
    """`numbered`: items like `1.` count too. `nested`: indented items count too."""

    numbered: bool = False
    nested: bool = True


@scorer(
    "bullets",
    version=2,
    shorthand="exactly",
    example=Example({"exactly": 2}, "- one\n- two", "- one\n---\ntwo"),
)
def bullets(answer: Answer, context: Context, args: BulletsArgs) -> Finding:
    """The answer has that many list items, marked by `-`, `*`, `+`, `•`, `・` or their like.

    Rules (`---`) and lines in code blocks are none.
    """
    count = count_bullets(answer.text, numbered=args.numbered, nested=args.nested)
    return args.judge(count, "bullet")


_UPPER = regex.compile(r"[\p{Lu}\p{Lt}]")
_LOWER = regex.compile(r"\p{Ll}")


class CaseArgs(Args):
    """No arguments."""


@scorer("lowercase", version=1, example=Example(None, "all small: straße", "Not all small"))
def lowercase(answer: Answer, context: Context, args: CaseArgs) -> Finding:
    """The answer has no upper-case letter; cannot tell where no letter has case."""
    return _case(answer.text, wanted=_LOWER, unwanted=_UPPER, name="lower")


@scorer("uppercase", version=1, example=Example(None, "ALL LARGE: ÉTÉ", "NOT ALL LARGE: été"))
def uppercase(answer: Answer, context: Context, args: CaseArgs) -> Finding:
    """The answer has no lower-case letter; cannot tell where no letter has case."""
    return _case(answer.text, wanted=_UPPER, unwanted=_LOWER, name="upper")


def _case(
    text: str, wanted: regex.Pattern[str], unwanted: regex.Pattern[str], name: str
) -> Finding:
    bad = unwanted.search(text)
    if bad:
        around = text[max(bad.start() - 10, 0) : bad.start() + 20]
        return verdict(False, f"{shown(bad[0])} is not {name} case, in {shown(around)}")
    if not wanted.search(text):
        return verdict(None, "cannot tell: no letter of the answer has case")
    return verdict(True, f"all letters are {name} case")


class LengthArgs(Bounds):
    """`unit`: characters as readers see them (an emoji or é is one), or bytes in UTF-8."""

    unit: Literal["characters", "bytes"] = "characters"


_FLAG = regex.compile("[\U0001f1e6-\U0001f1ff]{2}")


@scorer("length", version=1, example=Example({"max": 5}, "naïve", "not naïve"))
def length(answer: Answer, context: Context, args: LengthArgs) -> Finding:
    """The answer, without white space around it, is that long."""
    text = answer.text.strip()
    if args.unit == "bytes":
        count = len(text.encode("utf-8", "surrogatepass"))
    else:
        # A flag is a pair of letters, and `\\X` looks back to the first of a run to find the pairs:
        # 40,000 of them took 7 s. One letter instead of each pair counts the same.
        plain = _FLAG.sub("x", text)
        count = (
            len(text) if text.isascii() and "\r\n" not in text else len(regex.findall(r"\X", plain))
        )
    return args.judge(count, args.unit.removesuffix("s"))
