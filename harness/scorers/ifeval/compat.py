"""The reference's rules, its defects included, for numbers that can be compared with others'.

Sentences, words in capital letters and languages are found by what the reference uses (extra
`ifeval`). One thing cannot be the same: in the place of a letter that is none (`#`) the reference
puts a random letter; here it is counted as it stands.
"""

from __future__ import annotations

import json

import regex

from harness.common import NESTING, listed
from harness.common.patterns import compile_pattern
from harness.scorers.ifeval import arguments as given
from harness.scorers.ifeval import reference
from harness.scorers.ifeval.arguments import Ruling, at_least, exactly, related, wanted
from harness.scorers.patterns import Budget


def _found(pattern: str, text: str, flags: int = regex.IGNORECASE) -> int:
    """How often a pattern matches; one that does not compile is taken as text."""
    try:
        engine = compile_pattern(pattern, int(flags))
    except regex.error:
        engine = compile_pattern(regex.escape(pattern), int(flags))
    return Budget().count(engine, text)


def existence(text: str, args: given.Keywords) -> Ruling:
    """Each keyword, as a pattern, anywhere, inside of words too."""
    missing = [word for word in args.keywords if not _found(word, text)]
    return Ruling(not missing, f"missing: {listed(missing)}" if missing else "all keywords found")


def frequency(text: str, args: given.KeywordFrequency) -> Ruling:
    """The keyword, as a pattern, inside of words too."""
    return related(_found(args.keyword, text), args.relation, args.frequency, "occurrences")


def forbidden_words(text: str, args: given.ForbiddenWords) -> Ruling:
    """No word, as a pattern between word boundaries."""
    hits = [word for word in args.forbidden_words if _found(rf"\b{word}\b", text)]
    return Ruling(not hits, f"found: {listed(hits)}" if hits else "no forbidden word")


def letter_frequency(text: str, args: given.LetterFrequency) -> Ruling:
    """The letter in either case."""
    count = text.lower().count(args.letter.lower())
    return related(count, args.let_relation, args.let_frequency, f"times {args.letter!r}")


def response_language(text: str, args: given.ResponseLanguage) -> Ruling:
    """A text whose language nobody can tell follows the instruction."""
    return _speaks(text, args.language)


def _speaks(text: str, code: str) -> Ruling:
    found = reference.language(text)
    return Ruling(found in (None, code), f"language {found}, wanted {code}")


def number_sentences(text: str, args: given.NumberSentences) -> Ruling:
    """The number of sentences."""
    return related(len(reference.sentences(text)), args.relation, args.num_sentences, "sentences")


_DIVIDER = regex.compile(r"\s?\*\*\*\s?")


def number_paragraphs(text: str, args: given.NumberParagraphs) -> Ruling:
    """Split at `***`, even inside a line; blank parts only at the ends."""
    parts = [part.strip() for part in _DIVIDER.split(text)]
    if any(not part for part in parts[1:-1]):
        return Ruling(False, "an empty paragraph")
    return exactly(sum(map(bool, parts)), args.num_paragraphs, "paragraphs")


def number_words(text: str, args: given.NumberWords) -> Ruling:
    """Runs of word characters: "don't" is two, a Chinese sentence is one."""
    count = len(regex.findall(r"\w+", text))
    return related(count, args.relation, args.num_words, "words")


def nth_paragraph_first_word(text: str, args: given.NthParagraph) -> Ruling:
    """Parts between two line breaks; blank ones do not count but keep their place."""
    parts = text.split("\n\n")
    count = sum(1 for part in parts if part.strip())
    if args.nth_paragraph > count or not parts[args.nth_paragraph - 1].split():
        return Ruling(False, f"no paragraph {args.nth_paragraph}")
    word = parts[args.nth_paragraph - 1].split()[0].lstrip("'").lstrip('"')
    first = regex.split(r"[.,?!'\"]", word)[0].lower()
    holds = count == args.num_paragraphs and first == args.first_word.lower()
    return Ruling(holds, f"{count} paragraphs, word {first[:40]!r}")


def number_placeholders(text: str, args: given.NumberPlaceholders) -> Ruling:
    """Anything between square brackets."""
    count = len(regex.findall(r"\[[^\]\n]*+\]", text))
    return at_least(count, args.num_placeholders, "placeholders")


def postscript(text: str, args: given.Postscript) -> Ruling:
    """The marker anywhere, in either case."""
    marker = args.postscript_marker
    known = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    pattern = known.get(marker, marker.lower())
    return wanted(bool(_found(pattern, text.lower())), f"a postscript {marker}")


def number_bullet_lists(text: str, args: given.NumberBullets) -> Ruling:
    """Lines that begin with `-`, or with one `*`; rules (`---`) are among them."""
    stars = regex.findall(r"^\s*+\*[^*\n].*$", text, regex.MULTILINE)
    dashes = regex.findall(r"^\s*+-.*$", text, regex.MULTILINE)
    return exactly(len(stars) + len(dashes), args.num_bullets, "bullets")


OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def constrained_response(text: str, args: given.NoArgs) -> Ruling:
    """One of the options, anywhere."""
    return wanted(any(option in text for option in OPTIONS), "one of the options")


def number_highlighted_sections(text: str, args: given.NumberHighlights) -> Ruling:
    """Parts between one or two asterisks on one line."""
    single = regex.findall(r"\*[^\n*]*+\*", text)
    double = regex.findall(r"\*\*[^\n*]*+\*\*", text)
    count = sum(1 for part in [*single, *double] if part.strip("*").strip())
    return at_least(count, args.num_highlights, "highlighted parts")


def multiple_sections(text: str, args: given.Sections) -> Ruling:
    """The word before any number, anywhere."""
    pattern = rf"\s?{args.section_spliter.strip()}\s?\d+\s?"
    return at_least(_found(pattern, text, 0), args.num_sections, "sections")


def json_format(text: str, args: given.NoArgs) -> Ruling:
    """What Python's `json` reads, without one fence around it."""
    code = text.strip()
    for mark in ("```json", "```Json", "```JSON", "```"):
        code = code.removeprefix(mark)
    code = code.removesuffix("```").strip()
    if code.count("[") + code.count("{") > 50 * NESTING:
        return wanted(False, "JSON")
    try:
        json.loads(code, parse_int=len)
    except (ValueError, RecursionError):
        return wanted(False, "JSON", code)
    return wanted(True, "JSON")


def title(text: str, args: given.NoArgs) -> Ruling:
    """Something between << and >> on one line."""
    found = regex.findall(r"<<[^\n]++(?<=>>)|<<[^\n]+?>>", text)
    return wanted(any(part.strip("<>").strip() for part in found), "a title in << >>")


def two_responses(text: str, args: given.NoArgs) -> Ruling:
    """Split at six asterisks; blank parts only at the ends."""
    parts = [part.strip() for part in text.split("******")]
    if any(not part for part in parts[1:-1]):
        return Ruling(False, "an empty response")
    filled = [part for part in parts if part]
    return wanted(len(filled) == 2 and filled[0] != filled[1], "two different responses")


def repeat_prompt(text: str, args: given.RepeatPrompt) -> Ruling:
    """The answer begins with the prompt, in either case."""
    holds = text.strip().lower().startswith(args.prompt_to_repeat.strip().lower())
    return wanted(holds, "the prompt first", text.strip()[:60])


def end_checker(text: str, args: given.EndPhrase) -> Ruling:
    """The answer ends with the phrase, in either case; straight quotes around it do not count."""
    plain = text.strip().strip('"').lower()
    return wanted(plain.endswith(args.end_phrase.strip().lower()), "the end phrase", plain[-60:])


def quotation(text: str, args: given.NoArgs) -> Ruling:
    """Straight double quotes around all."""
    plain = text.strip()
    holds = len(plain) > 1 and plain[0] == plain[-1] == '"'
    return wanted(holds, "in double quotes")


def capital_word_frequency(text: str, args: given.CapitalFrequency) -> Ruling:
    """Words without small letters; "I" and "A" are among them."""
    count = sum(1 for word in reference.words(text) if word.isupper())
    return related(count, args.capital_relation, args.capital_frequency, "words in capitals")


def english_capital(text: str, args: given.NoArgs) -> Ruling:
    """No small letter, and not known to be in another language than English."""
    return _speaks(text, "en") if text.isupper() else wanted(False, "in capital letters")


def english_lowercase(text: str, args: given.NoArgs) -> Ruling:
    """No capital letter, and not known to be in another language than English."""
    return _speaks(text, "en") if text.islower() else wanted(False, "in small letters")


def no_comma(text: str, args: given.NoArgs) -> Ruling:
    """No `,`."""
    return wanted("," not in text, "without comma")
