"""The language of an answer, on short lines too, and nobody's guess where nobody can tell."""

from __future__ import annotations

import unicodedata

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
    ("mr", "फ्रान्सची राजधानी पॅरिस आहे."),
    ("ne", "फ्रान्सको राजधानी पेरिस हो।"),
    ("ne", "नेपाल एक सुन्दर देश हो र यहाँ धेरै हिमालहरू छन्।"),
    ("hi", "नेपाल एक सुंदर देश है और यहाँ बहुत से पहाड़ हैं।"),
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
        "cannot tell: 7 letters are too few to tell the language (min_letters: 12)"
    )
    assert score({"language": {"is": "fr", "min_letters": 5}}, "Bonjour !").passed is True


def test_names_and_regions_mean_the_language() -> None:
    for name in ("French", "fr-CA", "FR_fr", "french"):
        assert score({"language": name}, "Je ne sais pas ce que tu veux dire.").passed is True


def test_unknown_languages_are_refused_at_load_time() -> None:
    with pytest.raises(ValidationError, match=r"an ISO 639-1 code like fr; did you mean fr\?"):
        parse_check({"language": "Frensh"})


def test_code_and_quotations_have_no_say() -> None:
    text = "Die Ausgabe lautet:\n```python\nfor name in names:\n    print(name, 'is here')\n```\n"
    assert score({"language": "de"}, text + "Das ist schon alles.").passed is True
    text = "Der Satz „I would rather be sailing on the sea today“ ist auf Englisch geschrieben."
    assert score({"language": "de"}, text).passed is True


def test_lines_in_another_language_count() -> None:
    text = (
        "Die Stadt liegt am Fluss und hat viele Brücken.\n"
        "The city lies on the river and has many bridges.\n"
        "It is known for its music and its long nights."
    )
    found = score({"language": "de"}, text)
    assert (found.passed, found.detail["others"]) == (False, ["en"])


def test_a_foreign_title_does_not_turn_the_answer() -> None:
    text = "The Great Gatsby\nDer Roman spielt im Sommer 1922 und erzählt von einem reichen Mann."
    assert score({"language": "de"}, text).passed is True


def test_a_rare_language_that_is_asked_for_has_no_handicap() -> None:
    assert score({"language": "bg"}, "Столицата на Франция е град Париж.").passed is True
    assert (
        score({"language": "ca"}, "La capital de França és París, i és molt bonica.").passed is True
    )


def test_nepali_and_its_neighbours_are_not_taken_for_each_other() -> None:
    nepali = "मलाई यो किताब मन पर्छ, तर मसँग पढ्ने समय छैन।"
    for code in ("hi", "mr"):
        assert score({"language": code}, nepali).passed is False
    assert score({"language": "ne"}, "मुझे यह किताब पसंद है, पर पढ़ने का समय नहीं है।").passed is False
    assert score({"language": "ne"}, "मला हे पुस्तक आवडते, पण वाचायला वेळ नाही.").passed is False


@pytest.mark.parametrize("mode", ["fixed", "compat"])
def test_ifeval_knows_nepali(mode: str) -> None:
    check = {"ifeval": {"id": "language:response_language", "mode": mode, "language": "ne"}}
    assert score(check, "काठमाडौं नेपालको राजधानी हो र यहाँ धेरै मन्दिरहरू छन्।").passed is True
    assert score(check, "काठमांडू नेपाल की राजधानी है और यहाँ बहुत से मंदिर हैं।").passed is False


# script, text, holds
SCRIPTS = [
    ("latin", "Guten Tag", True),
    ("latin", "Добрый день", False),
    ("cyrillic", "Добрый день, iPhone", False),
    ("japanese", "東京タワーは高いです。", True),
    ("han", "東京タワーは高いです。", False),
    ("hangul", "안녕하세요", True),
    ("devanagari", "नमस्ते", True),
    ("arabic", "مرحبا", True),
    ("greek", "Καλημέρα", True),
    ("hebrew", "שלום", True),
    ("thai", "สวัสดี", True),
    (["cyrillic", "latin"], "Это Wi-Fi", True),
]


@pytest.mark.parametrize(("name", "text", "holds"), SCRIPTS)
def test_script(name: object, text: str, holds: bool) -> None:
    assert score({"script": name}, text).passed is holds


def test_script_of_nothing_is_unknown() -> None:
    assert score({"script": "latin"}, "123 !").passed is None


def test_unknown_scripts_are_refused_at_load_time() -> None:
    with pytest.raises(ValidationError, match="script 'cyrilic' is not known; did you mean cyr"):
        parse_check({"script": "cyrilic"})


def test_relatives_count_on_clear_evidence_alone() -> None:
    malay = (
        "Kerajaan Malaysia telah mengumumkan bahawa semua pekerja mesti memakai pelitup muka kerana"
        " wabak ini. Mereka boleh mendapatkannya di klinik berhampiran."
    )
    assert score({"language": "id"}, malay).passed is False
    for code in ("id", "ms"):
        assert score({"language": code}, "Nama saya Siti dan saya tinggal di sini.").passed is True
    for code in ("hr", "bs", "sr"):
        found = score({"language": code}, "Sastanak počinje sutra ujutro u devet sati.")
        assert found.passed is True, found


def test_short_headings_count_little() -> None:
    text = "# Summary\n\n{}\n\n- Start: nine o'clock\n- Place: Madrid\n- Who: everybody here"
    spanish = "La reunión empieza mañana a las nueve y tengo muchas ganas de verte."
    assert score({"language": "es"}, text.format(spanish)).passed is True
    assert score({"language": "es"}, text.format("")).passed is False


def test_the_languages_that_come_into_question_may_be_listed() -> None:
    catalan = "La capital de França és París, i és una ciutat molt bonica."
    assert score({"language": "es"}, catalan).detail["language"] == "ca"
    found = score({"language": {"is": "es", "among": ["fr"]}}, catalan)
    assert found.detail["language"] in ("es", "fr", None)


def test_data_and_code_are_read_through_what_people_read_in_them() -> None:
    rows = '[{"role": "client", "text": "Die Sitzung beginnt morgen um neun Uhr, sagt er."}]'
    for text in (rows, f"```json\n{rows}\n```", f"answer = {rows}", rows[:-6]):
        assert score({"language": "de"}, text).passed is True, text
        assert score({"language": "en"}, text).passed is False, text
    code = "```c\n/* Gibt die Summe der beiden Zahlen zurück. */\nint add(int a, int b);\n```"
    assert score({"language": "de"}, code).passed is True


@pytest.mark.parametrize("sign", ["/*", '"', "'", "<!--", '"""', '{"', "\\", "# "])
def test_data_without_an_end_costs_little(sign: str) -> None:
    for text in (sign * 40_000, '{"a": ' + sign * 40_000, "```python\n" + sign * 40_000):
        assert score({"language": "en"}, text).score in (0, 1)


def test_decomposed_letters_are_composed() -> None:
    text = unicodedata.normalize("NFD", "Tự do và an toàn cá nhân.")
    assert score({"language": "vi"}, text).passed is True
    assert score({"no_code_switching": "vi"}, text).passed is True
