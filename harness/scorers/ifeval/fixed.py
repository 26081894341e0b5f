"""The instructions as their readers understand them: the reference's defects repaired.

Each rule's docstring names what the reference gets wrong.
"""

from __future__ import annotations

from functools import lru_cache

import regex

from harness.common import listed, shown
from harness.scorers import language
from harness.scorers.counting import count_words, has_text
from harness.scorers.detect import judge
from harness.scorers.ifeval import arguments as given
from harness.scorers.ifeval.arguments import Ruling, at_least, exactly, related, wanted
from harness.scorers.ifeval.compat import OPTIONS
from harness.scorers.json_text import NotJsonError, parse
from harness.scorers.markdown import count_bullets, fences
from harness.scorers.sentences import count_sentences
from harness.scorers.unicode_text import find, folded, nfc, occurrences
from harness.scorers.values import Answer, Context


def existence(text: str, args: given.Keywords) -> Ruling:
    """Whole words, taken literally. Reference: "art" is found in "start"; C++ is a pattern."""
    plain = folded(text)
    missing = [word for word in args.keywords if not _has(plain, word)]
    return Ruling(not missing, f"missing: {listed(missing)}" if missing else "all keywords found")


def _has(folded_text: str, word: str) -> bool:
    return find(folded(word.strip()), folded_text, whole_word=True) >= 0


def frequency(text: str, args: given.KeywordFrequency) -> Ruling:
    """Whole words. Reference: "warm reward toward" has "war" three times."""
    places = occurrences(folded(args.keyword.strip()), folded(text), whole_word=True)
    return related(sum(1 for _ in places), args.relation, args.frequency, "occurrences")


def forbidden_words(text: str, args: given.ForbiddenWords) -> Ruling:
    """Whole words in all scripts. Reference: a word inside a Chinese sentence is not seen."""
    plain = folded(text)
    hits = [word for word in args.forbidden_words if _has(plain, word)]
    return Ruling(not hits, f"found: {listed(hits)}" if hits else "no forbidden word")


def letter_frequency(text: str, args: given.LetterFrequency) -> Ruling:
    """The character given. Reference: "#" is replaced by a random letter."""
    count = folded(text).count(folded(args.letter))
    return related(count, args.let_relation, args.let_frequency, f"times {args.letter!r}")


def response_language(text: str, args: given.ResponseLanguage) -> Ruling:
    """As the check `language` has it. Reference: random, and "12345" is in every language."""
    found = language.language(Answer(text), Context(), _language(args.language))
    return Ruling(found.passed, found.reason)


@lru_cache(maxsize=128)
def _language(code: str) -> language.LanguageArgs:
    return language.LanguageArgs.model_validate({"is": code})


def number_sentences(text: str, args: given.NumberSentences) -> Ruling:
    """Offline, in many languages. Reference: downloads a model, English only."""
    return related(count_sentences(text), args.relation, args.num_sentences, "sentences")


_DIVIDER = regex.compile(r"(?<!\S)\*[ \t]?\*[ \t]?\*(?!\S)")


def number_paragraphs(text: str, args: given.NumberParagraphs) -> Ruling:
    """`***` by itself divides. Reference: ***bold italic*** divides too."""
    parts = [part.strip() for part in _DIVIDER.split(text)]
    if any(not part for part in parts[1:-1]):
        return Ruling(False, "an empty paragraph")
    return exactly(sum(map(bool, parts)), args.num_paragraphs, "paragraphs")


def number_words(text: str, args: given.NumberWords) -> Ruling:
    """Reference: "你好世界 don't" has 3 words; here 5."""
    return related(count_words(text), args.relation, args.num_words, "words")


_BLANK = regex.compile(r"\r?\n[^\S\n]*+\r?\n\s*")
_MARKS = " \t\n#>*_~`\"'“”„«»‘’([-–—•"


def nth_paragraph_first_word(text: str, args: given.NthParagraph) -> Ruling:
    """Blank parts do not count. Reference: they shift the paragraphs behind them."""
    parts = [part for part in _BLANK.split(text.strip()) if part.strip()]
    if args.nth_paragraph > len(parts):
        return Ruling(False, f"{len(parts)} paragraphs, no paragraph {args.nth_paragraph}")
    start = folded(parts[args.nth_paragraph - 1].lstrip(_MARKS)[:200])
    word = folded(args.first_word.strip())
    holds = find(word, start[: len(word) + 2], whole_word=True) == 0
    reason = f"{len(parts)} paragraphs, the paragraph begins {shown(start[:30])}"
    return Ruling(holds and len(parts) == args.num_paragraphs, reason)


# No links, references or check boxes; something to read inside.
_PLACEHOLDER = regex.compile(r"(?<![\]\\])\[(?![ xX]?\])(?!\^)([^\[\]\n]++)\](?![(\[:])")
_LETTER = regex.compile(r"\p{L}")


def number_placeholders(text: str, args: given.NumberPlaceholders) -> Ruling:
    """With a letter inside. Reference: Markdown links and [1] are placeholders."""
    count = sum(1 for part in _PLACEHOLDER.findall(text) if _LETTER.search(part))
    return at_least(count, args.num_placeholders, "placeholders")


def postscript(text: str, args: given.Postscript) -> Ruling:
    """At the beginning of a line. Reference: anywhere."""
    marker = args.postscript_marker.strip()
    pieces = [regex.escape(part) for part in marker.rstrip(".").split(".")]
    pattern = r"^[\s*_>#(-]*+" + r"\.?\s?".join(pieces) + r"(?![\p{L}\p{N}])"
    hit = regex.search(pattern, text, regex.MULTILINE | regex.IGNORECASE)
    return wanted(hit is not None, f"a postscript {marker}")


def number_bullet_lists(text: str, args: given.NumberBullets) -> Ruling:
    """`-`, `*`, `+` and `•`. Reference: a rule (`---`) is a bullet, `+` is none."""
    return exactly(count_bullets(text), args.num_bullets, "bullets")


def constrained_response(text: str, args: given.NoArgs) -> Ruling:
    """A sentence of its own, and only one. Reference: "I would not say My answer is yes."."""
    plain = nfc(text)
    found = [option for option in OPTIONS if _stands_alone(option, plain)]
    return wanted(len(found) == 1, "one of the options", plain)


def _stands_alone(option: str, text: str) -> bool:
    """Whether an option begins the text, a line or a sentence."""
    pattern = r"(?:^|[.!?:…。！？]\s)[\s*_\"'“‘>#`-]*+" + regex.escape(option)
    return regex.search(pattern, text, regex.MULTILINE) is not None


_DOUBLE = regex.compile(r"\*\*(?=[^\s*])[^*\n]*+(?<=[^\s*])\*\*")
_SINGLE = regex.compile(r"(?<!\*)\*(?=[^\s*])[^*\n]*+(?<=[^\s*])\*(?!\*)")


def number_highlighted_sections(text: str, args: given.NumberHighlights) -> Ruling:
    """*x* or **x**. Reference: two list items on one line, or 2 * 3 * 4, are a highlight."""
    rest, count = _DOUBLE.subn(" ", text)
    return at_least(count + len(_SINGLE.findall(rest)), args.num_highlights, "highlighted parts")


def multiple_sections(text: str, args: given.Sections) -> Ruling:
    """Headings with different numbers. Reference: "see Section 1 again" is a section."""
    name = regex.escape(args.section_spliter.strip())
    pattern = rf"^[\s#*_>-]*+{name}\s?(\d++)"
    numbers = set(regex.findall(pattern, text, regex.MULTILINE | regex.IGNORECASE))
    return at_least(len(numbers), args.num_sections, "sections")


def json_format(text: str, args: given.NoArgs) -> Ruling:
    """One object or array, strictly, perhaps in a fence. Reference: 123 and NaN are JSON.

    The instruction says that the entire output is JSON: prose beside it fails.
    """
    stripped, code = text.strip(), text
    blocks = fences(stripped)
    if len(blocks) == 1 and (blocks[0].first, blocks[0].last) == (0, stripped.count("\n")):
        code = blocks[0].code
    try:
        value = parse(code)
    except NotJsonError as error:
        return Ruling(False, f"not JSON: {error}")
    return wanted(isinstance(value, dict | list), "a JSON object or array", code)


_TITLE = regex.compile(r"<<([^<>\n]++)>>")


def title(text: str, args: given.NoArgs) -> Ruling:
    """Something to read between << and >>. Reference: <<.>> is a title."""
    return wanted(any(has_text(part) for part in _TITLE.findall(text)), "a title in << >>")


_SIX = regex.compile(r"(?<![*\\])(?:\*{6}|(?:\\\*){6})(?!\*)")


def two_responses(text: str, args: given.NoArgs) -> Ruling:
    """Six asterisks, no more. Reference: twelve are two dividers with nothing between."""
    parts = [part.strip() for part in _SIX.split(text)]
    filled = [part for part in parts if has_text(part)]
    different = len(filled) == 2 and folded(filled[0]) != folded(filled[1])
    holds = different and all(has_text(part) for part in parts[1:-1])
    return wanted(holds, "two different responses")


_SPACE = regex.compile(r"\s+")


def repeat_prompt(text: str, args: given.RepeatPrompt) -> Ruling:
    """Word for word; white space and quotes do not count. Reference: a line break does."""
    said, prompt = (_SPACE.sub(" ", folded(t)).strip(_MARKS) for t in (text, args.prompt_to_repeat))
    return wanted(bool(prompt) and said.startswith(prompt), "the prompt first", said[:60])


_CLOSERS = " \t\r\n*_~`\"'“”„«»‘’」』)"


def end_checker(text: str, args: given.EndPhrase) -> Ruling:
    """Marks behind the phrase do not count. Reference: `**` behind it fails."""
    said = _SPACE.sub(" ", folded(text)).rstrip(_CLOSERS)
    phrase = _SPACE.sub(" ", folded(args.end_phrase)).strip().rstrip(_CLOSERS)
    start = len(said) - len(phrase)
    before = said[start - 1 : start] if start > 0 else ""
    holds = said.endswith(phrase) and not (
        _LETTER.match(before) and regex.match(r"[\p{Latin}\p{Cyrillic}\p{Greek}]", phrase)
    )
    return wanted(holds, "the end phrase", said[-60:])


_QUOTES = ('""', "“”", "„“", "„”", "””", "«»", "»«", "「」", "『』", "〝〞", "＂＂")


def quotation(text: str, args: given.NoArgs) -> Ruling:
    """Double quotes of any language around all. Reference: curly ones fail."""
    plain = text.strip()
    holds = len(plain) > 2 and plain[0] + plain[-1] in _QUOTES and has_text(plain[1:-1])
    return wanted(holds, "in double quotes")


_TOKEN = regex.compile(r"[\p{L}\p{M}\p{N}]++(?:['’.&/-][\p{L}\p{M}\p{N}]++)*+")
_UPPER = regex.compile(r"[\p{Lu}\p{Lt}]")
_LOWER = regex.compile(r"\p{Ll}")


def capital_word_frequency(text: str, args: given.CapitalFrequency) -> Ruling:
    """Words of two signs or more with capitals and no small letters.

    Reference: DON'T is two, and "I" and "A" are words in capitals. A reader who is asked for few
    words in capitals means NASA and STOP; every English text has an I.
    """
    words = (match[0] for match in _TOKEN.finditer(text) if len(match[0]) > 1)
    count = sum(1 for word in words if _UPPER.search(word) and not _LOWER.search(word))
    return related(count, args.capital_relation, args.capital_frequency, "words in capitals")


def english_capital(text: str, args: given.NoArgs) -> Ruling:
    """English, as far as can be told. Reference: capitals are often taken for German."""
    if _LOWER.search(text) or not _UPPER.search(text):
        return wanted(False, "in capital letters")
    return _english(text)


def english_lowercase(text: str, args: given.NoArgs) -> Ruling:
    """English, as far as can be told."""
    if _UPPER.search(text) or not _LOWER.search(text):
        return wanted(False, "in small letters")
    return _english(text)


_FOREIGN = regex.compile(r"(?!\p{Latin})\p{L}")


def _english(text: str) -> Ruling:
    """Not known to be in another language: letters of another script, or words of one."""
    if foreign := _FOREIGN.search(text):
        return Ruling(False, f"{foreign[0]!r} is no English letter")
    found = judge(text.lower(), "en").language
    return Ruling(found in ("en", None), f"language {found or 'too short to tell'}, wanted en")


_COMMA = regex.compile("[,，、､﹐﹑،⹁߸᠂꓾꘍]")


def no_comma(text: str, args: given.NoArgs) -> Ruling:
    """No comma of any script. Reference: the full-width comma passes."""
    hit = _COMMA.search(text)
    around = text[max(hit.start() - 20, 0) : hit.end() + 10] if hit else ""
    return wanted(hit is None, "without comma", around)
