"""Languages: codes, names, scripts, and which ones are easily taken for each other."""

from __future__ import annotations

from dataclasses import dataclass

from harness.common import nearest


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its ISO 639-1 code, its English name and the scripts it is written in."""

    code: str
    name: str
    scripts: tuple[str, ...] = ("latin",)


_LATIN = {
    "af": "Afrikaans", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh",
    "da": "Danish", "de": "German", "en": "English", "eo": "Esperanto", "es": "Spanish",
    "et": "Estonian", "eu": "Basque", "fi": "Finnish", "fr": "French", "ga": "Irish",
    "gl": "Galician",
    "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "is": "Icelandic", "it": "Italian",
    "la": "Latin", "lg": "Ganda", "lt": "Lithuanian", "lv": "Latvian", "mi": "Maori",
    "ms": "Malay", "nb": "Norwegian", "nl": "Dutch", "nn": "Nynorsk", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "sk": "Slovak", "sl": "Slovene", "sn": "Shona",
    "so": "Somali", "sq": "Albanian", "st": "Sotho", "sv": "Swedish", "sw": "Swahili",
    "tl": "Tagalog", "tn": "Tswana", "tr": "Turkish", "ts": "Tsonga", "vi": "Vietnamese",
    "xh": "Xhosa", "yo": "Yoruba", "zu": "Zulu",
}  # fmt: skip
_OTHER = {
    "am": ("Amharic", "ethiopic"), "ar": ("Arabic", "arabic"), "be": ("Belarusian", "cyrillic"),
    "bg": ("Bulgarian", "cyrillic"), "bn": ("Bengali", "bengali"), "el": ("Greek", "greek"),
    "fa": ("Persian", "arabic"), "gu": ("Gujarati", "gujarati"), "he": ("Hebrew", "hebrew"),
    "hi": ("Hindi", "devanagari"), "hy": ("Armenian", "armenian"), "ja": ("Japanese", "kana"),
    "ka": ("Georgian", "georgian"), "kk": ("Kazakh", "cyrillic"), "km": ("Khmer", "khmer"),
    "kn": ("Kannada", "kannada"), "ko": ("Korean", "hangul"), "lo": ("Lao", "lao"),
    "mk": ("Macedonian", "cyrillic"), "ml": ("Malayalam", "malayalam"),
    "mn": ("Mongolian", "cyrillic"), "mr": ("Marathi", "devanagari"),
    "my": ("Burmese", "myanmar"), "ne": ("Nepali", "devanagari"),
    "pa": ("Punjabi", "gurmukhi"), "ru": ("Russian", "cyrillic"),
    "si": ("Sinhala", "sinhala"), "ta": ("Tamil", "tamil"), "te": ("Telugu", "telugu"),
    "th": ("Thai", "thai"), "uk": ("Ukrainian", "cyrillic"), "ur": ("Urdu", "arabic"),
    "zh": ("Chinese", "han"),
}  # fmt: skip
LANGUAGES = {
    **{code: Language(code, name) for code, name in _LATIN.items()},
    **{code: Language(code, name, (script,)) for code, (name, script) in _OTHER.items()},
    "ja": Language("ja", "Japanese", ("kana", "han")),
    "ko": Language("ko", "Korean", ("hangul", "han")),
    "sr": Language("sr", "Serbian", ("cyrillic", "latin")),
    "az": Language("az", "Azerbaijani", ("latin", "cyrillic")),
}
# Codes and names that people and tools write for the ones above.
_ALIASES = {
    "no": "nb", "iw": "he", "in": "id", "ji": "yi", "jp": "ja", "cn": "zh", "kr": "ko", "ua": "uk",
    "cz": "cs", "gr": "el", "se": "sv", "dk": "da", "fil": "tl", "cmn": "zh", "mandarin": "zh",
    "bokmal": "nb", "farsi": "fa", "slovenian": "sl", "simplified chinese": "zh",
    "traditional chinese": "zh", "castilian": "es", "flemish": "nl", "filipino": "tl",
}  # fmt: skip

# The languages that instruct models slip into most, by the size of their training data.
COMMON = ("en", "de", "es", "fr", "it", "nl", "pl", "pt", "tr", "vi", "id")
# Other scripts have few languages each: all that are told apart in them, at no cost in accuracy
# among those of Latin script.
ELSEWHERE = (
    "ar", "fa", "ur", "hi", "mr", "ne", "ru", "uk", "be", "bg", "sr", "mk", "kk", "zh", "ja", "ko"
)  # fmt: skip
# Relatives that a reader takes for each other too, from a line or two.
_CLOSE = (
    ("da", "nb", "nn", "sv"), ("cs", "sk"), ("bs", "hr", "sl", "sr"), ("id", "ms"),
    ("es", "pt", "gl", "ca"), ("nl", "af"), ("ru", "uk", "be"), ("bg", "mk", "sr"),
    ("fa", "ur"), ("hi", "mr", "ne"), ("et", "fi"), ("tr", "az"), ("xh", "zu"), ("st", "tn"),
)  # fmt: skip
# More distant ones, which a detector that does not know them takes for each other.
_DISTANT = (
    ("cs", "sk", "pl", "sl"), ("es", "pt", "ca", "it"), ("nl", "af", "de"),
    ("ru", "uk", "be", "bg"), ("fa", "ar", "ur"), ("ro", "it", "fr"), ("lt", "lv"),
    ("kk", "mn", "ru"), ("fr", "ca"), ("la", "it"), ("hu", "fi"), ("ga", "cy"), ("tl", "id"),
    ("sq", "it"), ("eu", "es"),
)  # fmt: skip


def close_relatives(code: str) -> frozenset[str]:
    """Return the languages that a reader may take for this one, without itself."""
    return frozenset(near for family in _CLOSE if code in family for near in family) - {code}


def language_code(name: str) -> str:
    """The ISO 639-1 code for `fr`, `fr-CA`, `FR_fr` or `French`; raises `ValueError`."""
    plain = name.strip().casefold().replace("_", "-")
    base = plain.partition("-")[0]
    by_name = {language.name.casefold(): code for code, language in LANGUAGES.items()}
    for known in (LANGUAGES, _ALIASES, by_name):
        for word in (plain, base):
            if word in known:
                return {**by_name, **_ALIASES}.get(word, word)
    close = nearest(plain, [*LANGUAGES, *by_name]) if len(plain) > 2 else ""
    hint = f"; did you mean {by_name.get(close, close)}?" if close else ""
    raise ValueError(f"language {name!r} is not known, use an ISO 639-1 code like fr{hint}")


def neighbourhood(expected: str) -> tuple[str, ...]:
    """The languages that an answer in `expected` could be taken for, itself included, sorted."""
    near = {code for family in (*_CLOSE, *_DISTANT) if expected in family for code in family}
    return tuple(sorted({*COMMON, *ELSEWHERE, *near, expected}))
