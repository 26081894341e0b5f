"""Foreign words and sentences in an answer, and what the conversation lets it say."""

from __future__ import annotations

import pytest

from harness.common import Message
from harness.scorers import Answer, Context, Finding, parse_check


def score(check: object, text: str, user: str = "") -> Finding:
    """Return the finding of a check on the answer to a user."""
    return parse_check(check)(Answer(text), Context((Message("user", user),)))


# main language, text, holds
SWITCHING = [
    ("zh", "这个方案很好，可以使用 Python 3 和 GPU 来实现。", True),
    ("zh", "机器学习（machine learning）是人工智能的一个分支。", True),
    ("zh", "这个方案很 good，我们可以用它。", False),
    ("zh", "这个方案很好。However, we should think about the costs.", False),
    ("zh", "这个とても好。", False),
    ("de", "Das ist eine gute Idee, und wir sollten sie morgen besprechen.", True),
    ("de", "Das ist 非常 gut, und wir sollten es morgen tun.", False),
    ("de", "Ich denke, that this is the best Lösung für uns alle.", False),
    ("de", "Wir sahen gestern The Lord of the Rings im Kino und waren begeistert.", True),
    ("de", "Der Winkel α beträgt 30 Grad, und π ist etwa 3,14.", True),
    (
        "de",
        "Das Wetter ist schön heute. The weather will be even better tomorrow, they say.",
        False,
    ),
    ("de", "Die Firma heißt „Deutsche Bahn“ und der Chef ist Владимир Петров.", False),
    ("ru", "Это хорошая идея, и Microsoft её поддержит в Windows 11.", True),
    ("ru", "Это хорошая idea, и мы её обсудим завтра.", False),
    ("ru", "Это очень приvет, скажу я вам.", False),
    ("ko", "이것은 좋은 생각입니다. 내일 이야기합시다.", True),
    ("ko", "이것은 非常 좋은 생각입니다.", False),
    ("ja", "これは良い考えです。明日話しましょう。", True),
    ("ja", "これは very 良い考えです。", False),
    ("ar", "هذه فكرة جيدة ويمكننا استخدام Python لتنفيذها.", True),
    ("ar", "هذه فكرة really جيدة.", False),
    ("en", "It is a good idea, and we should discuss it tomorrow.", True),
    ("en", "It is a good idea. Nous devrions en parler demain avec toute l'équipe.", False),
    ("fr", "C'est une bonne idée, et nous devrions en parler demain.", True),
]


@pytest.mark.parametrize(("main", "text", "holds"), SWITCHING)
def test_no_code_switching(main: str, text: str, holds: bool) -> None:
    found = score({"no_code_switching": main}, text)
    assert found.passed is holds, found


def test_words_of_the_user_and_of_the_suite_are_no_switch() -> None:
    text = "Слово idea значит мысль."
    user = Context((Message("user", "Что значит слово idea?"),))
    check = parse_check({"no_code_switching": "ru"})
    assert check(Answer(text), user).passed is True
    assert score({"no_code_switching": {"is": "ru", "allow": "idea"}}, text).passed is True
    assert score({"no_code_switching": "ru"}, text).passed is False


def test_some_switching_may_be_tolerated() -> None:
    text = "Это хорошая idea, и мы её обсудим завтра утром."
    found = score({"no_code_switching": {"is": "ru", "max_share": 0.2}}, text)
    assert (found.passed, found.detail["words"]) == (True, ["idea"])


def test_the_main_language_may_be_left_out() -> None:
    assert score("no_code_switching", "Das ist eine gute Idee für morgen.").passed is True
    assert score("no_code_switching", "42").passed is None


# main language, what the user asked, answer, holds
ASKED = [
    ("en", "What is the Japanese word for cat?", "The Japanese word for cat is 猫.", True),
    ("en", "What is a cat?", "A cat is a 猫.", False),
    (
        "de",
        "Wie sagt man „Ich liebe dich“ auf Japanisch?",
        "Man sagt 愛してる oder 大好きだよ.",
        True,
    ),
    ("es", "¿Cómo se dice buenos días en inglés?", "Se dice good morning.", True),
    ("es", "¿Qué tipo de verbos son run y walk?", "Los verbos run y walk son regulares.", True),
    (
        "de",
        "Was bedeutet „The early bird catches the worm“?",
        "The early bird catches the worm bedeutet, dass Fleiß belohnt wird.",
        True,
    ),
    ("fr", "Comment dit-on « un café » en anglais ?", "I would like a coffee, please.", True),
    (
        "ja",
        "「駅はどこですか」は英語で何と言いますか。",
        "Where is the station? と言います。",
        True,
    ),
    ("zh", "你好吗用英语怎么说？", "可以说 how are you doing today。", True),
    ("es", "Traduce al inglés: la casa es roja.", "Traducción: The house is red.", True),
    (
        "de",
        "Wie heißt „Das Wetter ist schön“ auf Englisch?",
        "Auf Englisch heißt das: The weather is nice.",
        True,
    ),
    (
        "en",
        "Translate into German: I would like a coffee, please.",
        "Ich hätte gern einen Kaffee, bitte.",
        True,
    ),
    ("es", "Respóndeme, please: what is new?", "Claro, con gusto. Hope this helps!", False),
]


@pytest.mark.parametrize(("main", "user", "text", "holds"), ASKED)
def test_words_that_the_user_asked_about_are_no_switch(
    main: str, user: str, text: str, holds: bool
) -> None:
    found = score({"no_code_switching": main}, text, user)
    assert found.passed is holds, found


@pytest.mark.parametrize("sign", ["(", "「", "*", "`", "'", "_", '{"a": "'])
def test_marks_without_an_end_cost_little(sign: str) -> None:
    assert score({"no_code_switching": "en"}, sign * 30_000 + " and so on").score in (0, 1)
