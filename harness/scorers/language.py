"""Checks on the language of an answer: which one, in which script, and whether it is one only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import regex
from pydantic import AfterValidator, ConfigDict, Field

from harness.common import JsonValue, nearest, shown
from harness.scorers import scripts
from harness.scorers.arguments import LISTED, ONE_OR_MORE
from harness.scorers.detect import MIN_LETTERS, detect, function_words, mixture, words_of
from harness.scorers.languages import LANGUAGES, language_code, neighbourhood
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.unicode_text import LIMIT, clipped, prose
from harness.scorers.values import Answer, Context, Finding

_BRACKETS = regex.compile(
    r"\([^()\n]{1,200}\)|（[^（）\n]{1,200}）|\[[^\[\]\n]{1,200}\]|【[^】\n]{1,200}】"
)
_SENTENCE = regex.compile(r"(?<=[.!?…])\s+|(?<=[。！？।؟])|\n+")
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}_]+(?:['’.&/-][\p{L}\p{M}\p{N}_]+)*")
_PIECE = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}\p{Thai}\p{M}]+"
    r"|[^\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}\p{Thai}]+"
)
_LATIN = regex.compile(r"\p{Latin}+")
# Signs and units that every language writes in Latin or Greek letters.
_UNITS = frozenset({
    "kwh", "khz", "mhz", "ghz", "mph", "rpm", "dpi", "min", "max", "sin", "cos", "tan", "log",
    "http", "https", "www", "com", "org", "net", "html", "css", "json", "xml", "pdf", "png", "jpg",
    "wifi", "email", "etc", "app", "web", "online",
})  # fmt: skip
# A sentence shorter than this, or one that the detector is less sure of, may be a row of names.
_SENTENCE_LETTERS = 25
_SURE = 0.8
# So many function words of another language among so many words in a row are a switch.
_HITS = 3
_WINDOW = 6


@dataclass(frozen=True, slots=True)
class Switches:
    """The foreign words and sentences of a text, and how many words it has."""

    words: tuple[str, ...]
    sentences: tuple[tuple[str, str], ...]
    total: int

    @property
    def share(self) -> float:
        """Foreign words, those of foreign sentences included, in all words."""
        inside = sum(len(_words(text)) for _, text in self.sentences)
        return min(1.0, (len(self.words) + inside) / self.total) if self.total else 0.0


def switches(text: str, main: str, among: tuple[str, ...], known: frozenset[str]) -> Switches:
    """What of the text is not in `main`; `known` are words that may be used, in lower case."""
    bare = _BRACKETS.sub(" ", text)
    words: list[str] = []
    sentences: list[tuple[str, str]] = []
    for sentence in _SENTENCE.split(bare):
        said = _words(sentence or "")
        other = _foreign_sentence(sentence or "", main, among) if said else None
        if other:
            sentences.append((other, sentence.strip()))
            continue
        words.extend(word for word in said if _foreign_word(word, main, known))
        words.extend(_runs(said, main, known))
    return Switches(tuple(words), tuple(sentences), len(_words(bare)))


def _words(text: str) -> list[str]:
    """Words between spaces or signs; a run of another script is a word of its own."""
    return [piece for word in _WORD.findall(text) for piece in _pieces(word)]


def _pieces(word: str) -> Iterator[str]:
    """Scripts without spaces glue words together: 使用good的 is three."""
    yield from (word,) if word.isascii() else _PIECE.findall(word)


def _own_scripts(main: str) -> frozenset[str]:
    """The scripts that a text in this language is written in today."""
    return frozenset({"hangul"} if main == "ko" else LANGUAGES[main].scripts)


def _foreign_word(word: str, main: str, known: frozenset[str]) -> bool:
    own = _own_scripts(main)
    used = scripts.of_word(word) - {"other"}
    if not used or used <= own or word.lower() in known:
        return False
    if used == {"latin"} or (used - own == {"latin"} and not used & {"cyrillic", "greek"}):
        return _plain_word(word)
    if used == {"greek"}:
        return len(word) > 1  # α and π are signs
    return True


def _plain_word(word: str) -> bool:
    """Whether a word in Latin letters is no name, abbreviation, unit or sign."""
    latin = "".join(_LATIN.findall(word))
    return latin.islower() and latin == word and len(latin) >= 3 and latin not in _UNITS


def _foreign_sentence(sentence: str, main: str, among: tuple[str, ...]) -> str | None:
    """The language of a sentence that is surely in another one of the same script, or None."""
    found = detect(sentence, among, _SENTENCE_LETTERS)
    same_script = found.script in _own_scripts(main)
    sure = found.confidence >= _SURE and found.letters >= _SENTENCE_LETTERS
    return found.language if found.language != main and sure and same_script else None


def _runs(said: list[str], main: str, known: frozenset[str]) -> Iterator[str]:
    """English inside a sentence of another language in Latin script."""
    if main == "en" or "latin" not in LANGUAGES[main].scripts:
        return
    english, own = function_words()["en"], function_words().get(main, frozenset())
    lower = [word.lower() for word in said]
    end = 0
    for at in range(len(said)):
        window = lower[at : at + _WINDOW]
        hits = [n for n, word in enumerate(window) if word in english and word not in own | known]
        mine = sum(word in own for word in window)
        if at < end or len(hits) < _HITS or len(hits) <= mine:
            continue
        end = at + _WINDOW
        if not _title(said[at + hits[0] : at + hits[-1] + 2], english):
            yield from (window[n] for n in hits)


def _title(words: list[str], function: frozenset[str]) -> bool:
    """Whether all words with a meaning are capitalised, as in a name: The Lord of the Rings."""
    content = [word for word in words if word.lower() not in function]
    return bool(content) and words[0][:1].isupper() and all(w[:1].isupper() for w in content)


Code = Annotated[str, AfterValidator(language_code)]


class LanguageArgs(Args):
    """The language, by ISO 639-1 code or English name.

    `among`: the languages that the answer may be in; English and the expected one always belong to
    it. Left out: the languages that models slip into most, and the relatives of the expected one.
    `min_letters`: with fewer letters, where the script alone decides nothing, the language is
    unknown and the case fails; lower it for suites with short answers.
    `min_share`: the share of the letters that must stand in lines of that language.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    is_: Code = Field(alias="is")
    among: Annotated[tuple[Code, ...], LISTED, ONE_OR_MORE] = ()
    min_letters: int = Field(MIN_LETTERS, ge=1)
    min_share: float = Field(0.8, gt=0, le=1)

    @property
    def candidates(self) -> tuple[str, ...]:
        """The languages to decide among, sorted."""
        if not self.among:
            return neighbourhood(self.is_)
        return tuple(sorted({*self.among, self.is_, "en"}))


@scorer(
    "language",
    version=2,
    shorthand="is",
    example=Example(
        {"is": "fr"},
        passes="La réunion commence demain à neuf heures.",
        fails="The meeting starts tomorrow at nine.",
    ),
)
def language(answer: Answer, context: Context, args: LanguageArgs) -> Finding:
    """The answer is in the given language."""
    text = prose(answer.text)
    found = mixture(text.text, args.candidates, args.min_letters)
    main = found.main
    detail: dict[str, JsonValue] = {"expected": args.is_, "language": main.language}
    detail |= {"script": main.script}
    detail |= {"confidence": main.confidence, "letters": main.letters}
    detail |= {"cut": True, "read": LIMIT} if text.cut else {}
    if main.language is None:
        return Finding(None, 0.0, f"cannot tell: {main.why}", detail)
    share = found.share(args.is_)
    detail |= {"share": round(share, 4), "others": found.others(args.is_)}
    passed = main.language == args.is_ and share >= args.min_share
    return Finding(passed, 1.0 if passed else 0.0, _reason(main.language, share, args.is_), detail)


def _reason(found: str, share: float, expected: str) -> str:
    if found != expected:
        return f"the answer is in {found}, not in {expected}"
    return f"the answer is in {found}" + (f", {share:.0%} of it" if share < 1 else "")


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
    version=1,
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


class NoCodeSwitchingArgs(Args):
    """`is`: the main language; left out, it is that of most of the answer.

    `among`: the languages that sentences may be in, besides English (see `language`). `allow`:
    foreign words that are no switch. `max_share`: the share of foreign words that is tolerated.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    is_: Code | None = Field(None, alias="is")
    among: Annotated[tuple[Code, ...], LISTED, ONE_OR_MORE] = ()
    allow: Annotated[tuple[str, ...], LISTED, ONE_OR_MORE] = ()
    max_share: float = Field(0.0, ge=0, lt=1)
    min_letters: int = Field(MIN_LETTERS, ge=1)


@scorer(
    "no_code_switching",
    version=2,
    shorthand="is",
    example=Example(
        {"is": "zh"},
        passes="这个方案很好，可以使用 Python 3 来实现。",
        fails="这个方案很 good，可以 implement 一下。",
    ),
)
def no_code_switching(answer: Answer, context: Context, args: NoCodeSwitchingArgs) -> Finding:
    """The answer stays in one language; names, code, quotations and words of the user are fine.

    `detail.read` says how many characters of prose were read, where that is not all of them.
    """
    text = prose(answer.text)
    among = _among(args)
    main = args.is_ or detect(text.text, among, args.min_letters).language
    if main is None or not scripts.letters(text.text):
        return Finding(None, 0.0, "cannot tell: no main language is found", {"language": main})
    short = clipped(text.text, _MIXING_LIMIT)
    found = switches(short.text, main, among, _known(context, args.allow))
    share = found.share
    passed = share <= args.max_share
    places = [*found.words[:3], *(said for _, said in found.sentences[:2])]
    shows = ", ".join(shown(place, 40) for place in places)
    reason = f"foreign to {main}: {shows}" if places else f"all of it is in {main}"
    words = list[JsonValue](word[:100] for word in found.words[:20])
    lines = list[JsonValue](code for code, _ in found.sentences[:20])
    detail: dict[str, JsonValue] = {"language": main, "words": words, "sentences": lines}
    detail |= {"share": round(share, 4)}
    detail |= {"read": len(short.text)} if short.cut or text.cut else {}
    return Finding(passed, 1 - share, reason, detail)


# Word by word, this costs about a second for a million letters.
_MIXING_LIMIT = 40_000


def _among(args: NoCodeSwitchingArgs) -> tuple[str, ...]:
    if args.among:
        return tuple(sorted({*args.among, "en", *([args.is_] if args.is_ else [])}))
    return neighbourhood(args.is_ or "en")


def _known(context: Context, allow: tuple[str, ...]) -> frozenset[str]:
    """Words of the conversation and those that the suite allows, in lower case."""
    said = " ".join([*(m.content[:20_000] for m in context.messages if m.role != "assistant")])
    return frozenset(words_of(said)) | {word for item in allow for word in words_of(item)}
