"""What IFEval's reference asks: Punkt for sentences, NLTK for words, langdetect for languages.

They come with the extra `ifeval`, and are imported when `compat` first needs them. Punkt's English
model, which the reference downloads, is part of a package; langdetect, which draws at random, has
fixed seeds here.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from harness.scorers.languages import language_code

if TYPE_CHECKING:
    from langdetect.detector_factory import DetectorFactory

# Modules that a rule needs, by the instruction's id.
PACKAGES: dict[str, tuple[str, ...]] = {
    "length_constraints:number_sentences": ("punkt",),
    "change_case:capital_word_frequency": ("punkt", "nltk"),
    "change_case:english_capital": ("langdetect",),
    "change_case:english_lowercase": ("langdetect",),
    "language:response_language": ("langdetect",),
}
_DRAWS = 3
_SURE = 0.99


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, as Punkt's English model parts them."""
    import punkt

    return list(punkt.sent_tokenize(text))


def words(text: str) -> list[str]:
    """Return the tokens of a text, as NLTK's `word_tokenize` parts them: signs are tokens too."""
    from nltk.tokenize.destructive import NLTKWordTokenizer

    tokenizer = NLTKWordTokenizer()
    return [token for sentence in sentences(text) for token in tokenizer.tokenize(sentence)]


def language(text: str) -> str | None:
    """Return the language of a text by ISO 639-1 code; None where langdetect finds no letters.

    langdetect draws at random: where its first answer is not sure, the commonest of three counts,
    which is the likeliest answer of the reference.
    """
    from langdetect.lang_detect_exception import LangDetectException

    draws: Counter[str] = Counter()
    for seed in range(_DRAWS):
        detector = _factory().create()
        detector.seed = seed
        detector.append(text)
        try:
            found = detector.get_probabilities()
        except LangDetectException:
            return None
        draws[found[0].lang if found else "unknown"] += 1
        if found and found[0].prob > _SURE:
            break
    code = draws.most_common(1)[0][0]
    try:
        return language_code(code)
    except ValueError:
        return code


@lru_cache(maxsize=1)
def _factory() -> DetectorFactory:
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    return factory
