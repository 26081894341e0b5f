"""Text metrics: every script, empty and long texts, and the extra that is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.scorers import Answer, Context, Finding, parse_check
from harness.scorers.arguments import needs

ROOT = Path(__file__).parents[2]
SAME = [
    "The cat sits on the mat.",
    "Die Katze sitzt auf der Matte.",
    "Кошка сидит на коврике.",
    "猫坐在垫子上。",
    "猫がマットの上に座っています。",
    "고양이가 매트 위에 앉아 있다.",
    "القطة تجلس على السجادة.",
    "बिल्ली चटाई पर बैठी है।",
    "แมวนั่งบนเสื่อ",
]
METRICS = ["bleu", "chrf", "rouge"]


def score(check: object, text: str) -> Finding:
    """The finding of a check on a text."""
    return parse_check(check)(Answer(text), Context())


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("text", SAME)
def test_identical_text_scores_one_in_every_script(metric: str, text: str) -> None:
    assert score({metric: {"reference": text, "min": 1}}, text).score == 1.0


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("text", SAME)
def test_other_text_scores_low(metric: str, text: str) -> None:
    assert score({metric: {"reference": text, "min": 0.5}}, "Zzyzx qwrt plk 7!").score < 0.2


@pytest.mark.parametrize("metric", METRICS)
def test_empty_text_scores_zero(metric: str) -> None:
    found = score({metric: {"reference": "a b c", "min": 0}}, " ")
    assert (found.score, found.passed) == (0.0, True)


@pytest.mark.parametrize("metric", METRICS)
def test_an_empty_reference_is_refused_at_load_time(metric: str) -> None:
    with pytest.raises(ValidationError, match="the reference is empty"):
        parse_check({metric: {"reference": " ", "min": 0.5}})


@pytest.mark.parametrize("metric", METRICS)
def test_the_best_reference_counts(metric: str) -> None:
    references = ["the dog barks at night", "the cat sleeps all day"]
    check = {metric: {"reference": references, "min": 0.99}}
    assert score(check, "the cat sleeps all day").passed is True


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("text", ["a " * 500_000, "猫" * 300_000, "\ud800\x00\x1b[0m" * 1000])
def test_long_and_hostile_text_is_bounded(metric: str, text: str) -> None:
    found = score({metric: {"reference": "a b c d", "min": 0.5}}, text)
    assert 0 <= found.score <= 1


def test_a_cut_text_is_marked() -> None:
    found = score({"chrf": {"reference": "a b", "min": 0.5}}, "a b " * 10_000)
    assert found.detail["cut"] is True
    assert found.reason.endswith("(the text was cut)")


def test_known_values() -> None:
    """ROUGE by hand (5 of 6 words, 3 of 5 pairs); BLEU as sacrebleu prints it (37.99)."""
    reference, text = "the cat is on the mat", "the cat sat on the mat"
    assert score({"rouge": {"reference": reference, "min": 0}}, text).score == 0.8333
    check = {"rouge": {"reference": reference, "min": 0, "variant": "rouge2"}}
    assert score(check, text).score == 0.6
    assert score({"bleu": {"reference": reference, "min": 0}}, text).score == 0.3799


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(ValueError) as caught:
        needs("x", "not_there_at_all")
    assert str(caught.value) == (
        "check 'x' needs not_there_at_all: install it with `pip install -e '.[not_there_at_all]'`"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=rf"`pip install -e '{ROOT}\[not_there_at_all\]'`"):
        needs("x", "not_there_at_all")


def test_a_model_that_is_not_beside_the_suite_file_is_refused_at_load_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")  # without it, that is said first
    (tmp_path / "here").mkdir()
    (tmp_path / "here/config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)  # which is not where the suite file says it is
    suite = tmp_path / "suites"
    said = f"'here' is no folder with a model's config.json: none is at {suite}/here"
    with pytest.raises(ValidationError, match=re.escape(said)):
        parse_check({"similarity": {"reference": "a", "min": 0.5, "model": "here"}}, suite)
