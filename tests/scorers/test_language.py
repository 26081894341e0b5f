"""The language of an answer, on short lines too, and nobody's guess where nobody can tell."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.scorers import Answer, Context, Finding, parse_check


def score(check: object, text: str) -> Finding:
    """The finding of a check on a text."""
    return parse_check(check)(Answer(text), Context())


# language found, text
FOUND = [
    ("en", "The capital of France is Paris."),
    ("fr", "La capitale de la France est Paris."),
    ("de", "Die Hauptstadt von Frankreich ist Paris."),
    ("es", "La capital de Francia es París."),
    ("it", "La capitale della Francia è Parigi."),
    ("pt", "A capital da França é Paris."),
    ("nl", "De hoofdstad van Frankrijk is Parijs."),
    ("pl", "Stolicą Francji jest Paryż."),
    ("tr", "Fransa'nın başkenti Paris'tir."),
    ("ru", "Столица Франции — Париж."),
    ("uk", "Столицею Франції є місто Париж."),
    ("zh", "法国的首都是巴黎。"),
    ("zh", "是的。"),
    ("ja", "フランスの首都はパリです。"),
    ("ja", "東京です。"),
    ("ko", "프랑스의 수도는 파리입니다."),
    ("ko", "네."),
    ("ar", "عاصمة فرنسا هي باريس."),
    ("hi", "फ्रांस की राजधानी पेरिस है।"),
    ("el", "Παρίσι"),
    ("he", "פריז"),
    ("th", "ปารีส"),
]


@pytest.mark.parametrize(("code", "text"), FOUND)
def test_language_is_found(code: str, text: str) -> None:
    found = score({"language": code}, text)
    assert (found.passed, found.detail["language"]) == (True, code)


@pytest.mark.parametrize(("code", "text"), FOUND)
def test_another_language_is_not_taken_for_it(code: str, text: str) -> None:
    expected = "fr" if code != "fr" else "de"
    found = score({"language": expected}, text)
    assert (found.passed, found.detail["language"]) == (False, code)


@pytest.mark.parametrize("text", ["Paris.", "42", "", "OK", "12345 67890", "```\nprint(1)\n```"])
def test_nobody_can_tell(text: str) -> None:
    found = score({"language": "fr"}, text)
    assert (found.passed, found.detail["language"]) == (None, None)


def test_abstention_says_what_to_do() -> None:
    found = score({"language": "fr"}, "Bonjour !")
    assert found.reason == (
        "cannot tell: 7 letters are too few to tell the language (min_letters: 20)"
    )
    assert score({"language": {"is": "fr", "min_letters": 5}}, "Bonjour !").passed is True


def test_names_and_regions_mean_the_language() -> None:
    for name in ("French", "fr-CA", "FR_fr", "french"):
        assert score({"language": name}, "Je ne sais pas ce que tu veux dire.").passed is True


def test_unknown_languages_are_refused_at_load_time() -> None:
    with pytest.raises(ValidationError, match="use an ISO 639-1 code like fr; did you mean fr?"):
        parse_check({"language": "Frensh"})


def test_code_and_quotations_have_no_say() -> None:
    text = "Die Ausgabe lautet:\n```python\nfor name in names:\n    print(name, 'is here')\n```\n"
    assert score({"language": "de"}, text + "Das ist schon alles.").passed is True
    text = "Der Satz „I would rather be sailing on the sea today“ ist auf Englisch geschrieben."
    assert score({"language": "de"}, text).passed is True
