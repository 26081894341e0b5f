"""Checks on the language and the script of an answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import regex
from pydantic import AfterValidator, ConfigDict, Field

from harness.common import JsonValue, nearest
from harness.scorers import scripts
from harness.scorers.arguments import LISTED, ONE_OR_MORE
from harness.scorers.detect import (
    MIN_LETTERS,
    Guess,
    function_words,
    is_chinese,
    judge,
    leading,
    weigh,
    words_of,
)
from harness.scorers.languages import LANGUAGES, language_code
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.unicode_text import LIMIT, prose
from harness.scorers.values import Answer, Context, Finding

Code = Annotated[str, AfterValidator(language_code)]


class LanguageArgs(Args):
    """The language, by ISO 639-1 code or English name.

    `among`: the languages that the answer may be in; English and the expected one always belong to
    it. Left out: any language.
    `min_letters`: with fewer letters, where the script alone decides nothing, the language is
    unknown and the case fails; lower it for suites with short answers.
    `min_share`: how much of the answer must be in that language.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    is_: Code = Field(alias="is")
    among: Annotated[tuple[Code, ...], LISTED, ONE_OR_MORE] = ()
    min_letters: int = Field(MIN_LETTERS, ge=1)
    min_share: float = Field(0.6, gt=0, le=1)

    @property
    def candidates(self) -> tuple[str, ...]:
        """Return the languages to decide among, sorted; none for any."""
        return tuple(sorted({*self.among, self.is_, "en"})) if self.among else ()


@scorer(
    "language",
    version=3,
    shorthand="is",
    example=Example(
        {"is": "fr"},
        passes="La réunion commence demain à neuf heures.",
        fails="The meeting starts tomorrow at nine.",
    ),
)
def language(answer: Answer, context: Context, args: LanguageArgs) -> Finding:
    """The answer is in the given language.

    Sentences count by their letters, headings and list items of a few words by half of them. Code,
    links, quotations and words in brackets have no say; an answer that is one piece of JSON or code
    is read through its strings and comments. A close relative (Malay beside Indonesian) counts
    against the language on clear evidence alone.
    """
    text = prose(answer.text)
    found = languages_of(text.text, args.is_, args.candidates, args.min_letters)
    detail: dict[str, JsonValue] = {"expected": args.is_, "language": found.main.language}
    detail |= {"script": found.main.script}
    detail |= {"confidence": found.main.confidence, "letters": found.main.letters}
    detail |= {"cut": True, "read": LIMIT} if text.cut else {}
    if found.main.language is None:
        return Finding(None, 0.0, f"cannot tell: {found.main.why}", detail)
    share = found.share(args.is_)
    others = list[JsonValue](sorted(code for code in found.weights if code != args.is_))
    detail |= {"share": round(share, 4), "others": others}
    passed = share >= args.min_share
    if passed:
        reason = f"the answer is in {args.is_}" + (f", {share:.0%} of it" if share < 1 else "")
    elif found.main.language == args.is_:
        reason = f"only {share:.0%} of the answer is in {args.is_}"
    else:
        reason = f"the answer is in {found.main.language}, not in {args.is_}"
    return Finding(passed, 1.0 if passed else 0.0, reason, detail)


@dataclass(frozen=True, slots=True)
class Languages:
    """The languages of a text: the main one, and how much is said in each."""

    main: Guess
    weights: Mapping[str, float]

    def share(self, language: str) -> float:
        """Return how much of the text is in this language, in [0, 1]."""
        total = sum(self.weights.values())
        return self.weights.get(language, 0.0) / total if total else 0.0


_BRACKETS = regex.compile(
    r"\([^()\n]{1,200}\)|（[^（）\n]{1,200}）|\[[^\[\]\n]{1,200}\]|【[^】\n]{1,200}】"
)
_SENTENCE = regex.compile(r"(?<=[.!?…][\"'”’)\]*_]{0,3})\s+|(?<=[。！？।؟])")
_ENDS = regex.compile(r"[.!?…。！？।؟:：,，;、]\W{0,4}$")
# A piece of a line shorter than this, in Latin letters, has no language of its own.
_PIECE = 20
# A heading or list item: so many words and no mark at its end.
_HEADING_WORDS = 6
# A line in letters of its own may name things in Latin ones, as long as it has no English prose:
# so much of the line, and so few function words.
_NAMING = 0.15
_PROSE = 3


def languages_of(
    text: str, expected: str, among: tuple[str, ...], min_letters: int = MIN_LETTERS
) -> Languages:
    """Return the languages of a text that should be in `expected`, sentence by sentence."""
    bare = _BRACKETS.sub(" ", text)
    if scripts.letters(bare) * 2 >= scripts.letters(text):
        text = bare
    weights = defaultdict[str, float](float)
    for line in text.splitlines():
        if (size := weigh(scripts.count(line))) < _PIECE:
            continue
        whole = _judge(line, expected, among, 1)
        parts = [part for part in _SENTENCE.split(line) if part]
        if whole.language == expected or len(parts) == 1:
            heading = len(line.split()) <= _HEADING_WORDS and not _ENDS.search(line)
            weights[whole.language or ""] += size / (1 + heading)
            continue
        piece = ""
        for part in parts:
            piece = f"{piece} {part}".strip()
            size = weigh(scripts.count(piece))
            if size >= 2 * _PIECE or (part is parts[-1] and size >= _PIECE):
                weights[_judge(piece, expected, among, 1).language or ""] += size
                piece = ""
    weights.pop("", None)  # of these parts nobody can tell
    if not weights:
        whole = _judge(" ".join(text.split()), expected, among, min_letters)
        return Languages(whole, {whole.language: 1.0} if whole.language else {})
    main = max(weights, key=lambda code: weights[code])
    share, found = weights[main] / sum(weights.values()), scripts.count(text)
    return Languages(Guess(main, leading(found), found.total(), round(share, 3)), weights)


def _judge(text: str, expected: str, among: tuple[str, ...], min_letters: int) -> Guess:
    """Judge a text; names in Latin letters do not turn one in letters of its own."""
    found = scripts.count(text)
    own = {name: found[name] for name in LANGUAGES[expected].scripts if name != "latin"}
    if found and leading(found) == "latin" and weigh(own) >= _NAMING * weigh(found):
        english = sum(word in function_words()["en"] for word in words_of(text))
        if english < _PROSE:
            return Guess(expected, next(iter(own)), found.total(), 0.5)
    if expected == "ja" and found and leading(found) == "han" and not is_chinese(text):
        return Guess("ja", "han", found.total(), 0.5)
    return judge(text, expected, among, min_letters)


_SCRIPT_NAMES = {
    "chinese": ("han",),
    "japanese": ("kana", "han"),
    "korean": ("hangul",),
    "hiragana": ("kana",),
    "katakana": ("kana",),
    "roman": ("latin",),
    "russian": ("cyrillic",),
    "cjk": ("han", "kana", "hangul"),
}


def _script(name: str) -> str:
    plain = name.strip().casefold()
    if plain in scripts.SCRIPTS or plain in _SCRIPT_NAMES:
        return plain
    close = nearest(plain, [*scripts.SCRIPTS, *_SCRIPT_NAMES])
    hint = f"; did you mean {close}?" if close else ""
    raise ValueError(f"script {name!r} is not known{hint}")


class ScriptArgs(Args):
    """The script, or several that the answer may mix (japanese is kana and han).

    `min_share`: the share of the letters that must be in it. Code, links and quotations have no
    say.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    is_: Annotated[
        tuple[Annotated[str, AfterValidator(_script)], ...],
        LISTED,
        ONE_OR_MORE,
        Field(min_length=1),
    ] = Field(alias="is")
    min_share: float = Field(0.9, gt=0, le=1)


@scorer(
    "script",
    version=2,
    shorthand="is",
    example=Example({"is": "cyrillic"}, passes="Добрый день!", fails="Dobryj den!"),
)
def script(answer: Answer, context: Context, args: ScriptArgs) -> Finding:
    """The answer is written in the given script.

    `detail.read` says how many characters were read, where that is not all of them.
    """
    text = prose(answer.text)
    found = scripts.count(text.text)
    wanted = {name for given in args.is_ for name in _SCRIPT_NAMES.get(given, (given,))}
    total = found.total()
    if not total:
        return Finding(None, 0.0, "cannot tell: it has no letters", {"script": None})
    share = sum(found[name] for name in wanted) / total
    main = found.most_common(1)[0][0]
    reason = f"{share:.0%} of the letters are {' or '.join(args.is_)}; most are {main}"
    detail: dict[str, JsonValue] = {"script": main, "share": round(share, 4), "letters": total}
    detail |= {"read": LIMIT} if text.cut else {}
    return Finding(share >= args.min_share, share, reason, detail)
