"""What every check finds in the same few thousand answers, as one digest for each check.

    python -m tests.scorers.recorded_findings

writes `data/findings.txt`: name, version, digest. The test beside it holds today's checks to that
file, on any machine and any Python: a check that finds something else needs another version, or
stored scores would be compared with scores of another kind.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from harness.common import digest
from harness.scorers import Answer, Context, all_scorers, get, parse_check

HERE = Path(__file__).parent
RECORDED = HERE / "data" / "findings.txt"
TEXTS = (
    "The cat sits on the mat. It weighs 3.50 kg, Dr. Weber said, and it's well-fed!",
    "Die Katze sitzt auf der Matte. Sie wiegt 3,5 kg; z. B. frisst sie gern. „Ja“, sagt er.",
    "Le chat est assis sur le tapis. Il pèse 3,5 kg. N’est-ce pas ?",
    "El gato está sentado en la alfombra. ¿Cuánto pesa? ¡Pesa 3,5 kg!",
    "Кошка сидит на коврике. Она весит 3,5 кг. Так сказал доктор Вебер.",
    "猫坐在垫子上。它重3.5公斤。韦伯医生说：“它吃得很好。”",
    "猫がマットの上に座っています。体重は3.5キロです。よく食べます。",
    "고양이가 매트 위에 앉아 있다. 무게는 3.5kg이다. 잘 먹는다.",
    "القطة تجلس على السجادة. وزنها ٣٫٥ كغ. هل هذا صحيح؟",
    "बिल्ली चटाई पर बैठी है। उसका वज़न ३.५ किलो है।",
    "แมวนั่งบนเสื่อ มันหนัก 3.5 กิโลกรัม",
    "İstanbul'da KEDİ minderin üstünde oturuyor; 1.234,5 gram.",
    "- one\n- two\n\n# Head\n\n1. **bold** `code` [link](https://a.io)\n\n| a | b |\n|---|---|",
    '```json\n{"a": 1.50, "b": [1e3, -0, "\\u00e9", "\\ud83d\\ude00"], "c": null}\n```',
    '{"total": 19.99, "number": 12345678901234567890, "text": "naïve \\"x\\"", "t": 1e-7}',
    "\u200be\u0301\ufb01 \U0001f469\u200d\U0001f467 ﬀ Ⅻ ½ ǅ ß ẞ \x07\x1b[0m\ud800 \u2028end",
)
CHECKS: tuple[Any, ...] = (
    *({name: {"exactly": 3}} for name in ("words", "sentences", "lines", "paragraphs", "bullets")),
    *({"length": {"max": 40, "unit": unit}} for unit in ("characters", "bytes")),
    *("lowercase", "uppercase", "no_markdown", "json", "no_code_switching", "refuses", "complies"),
    *({"language": {"is": code}} for code in ("en", "de", "ru", "zh", "ar")),
    *({"script": {"is": name}} for name in ("latin", "han", "cyrillic")),
    {"contains": {"text": "KATZE", "ignore_case": True}},
    {"contains": {"text": "fi", "whole_word": True}},
    {
        "normalized_match": {
            "references": ["3.50 kg", "matte", "b"],
            "filters": [{"regex": r"([\d.,]+) ?k?g|\w+te\b", "pick": -1}, "strip"],
            "ignore": ["case", "punctuation", "articles", "spaces"],
            "where": "either",
        }
    },
    {"regex": r"\p{Lu}\w+ \w+"},
    {"numeric": 3.5},
    {"json": {"extract": True}},
    {"json_value": {"path": "$.total", "equals": 19.99}},
    {"no_repetition": {"n": 2}},
)


def metric_checks() -> Iterator[Any]:
    """Every text metric against references in several scripts."""
    for reference in TEXTS[:11]:
        for words in (reference, reference[: len(reference) // 2]):
            yield from ({name: {"reference": words, "min": 0.5}} for name in ("bleu", "chrf"))
            yield {"chrf": {"reference": words, "min": 0.5, "word_order": 2}}
            for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
                yield {"rouge": {"reference": words, "min": 0.5, "variant": kind}}


def asked() -> Iterator[tuple[Any, Answer, Context]]:
    """All checks with the answers that they are held to: golden tables, examples, texts."""
    for path in sorted((HERE / "golden").glob("*.yaml")):
        for row in yaml.safe_load(path.read_text("utf-8")):
            answers = [a for key in ("passes", "fails", "unknown") for a in row.get(key, [])]
            yield from ((row["check"], Answer(answer), Context()) for answer in answers)
    for scorer in all_scorers():
        example = scorer.example
        if example is not None and not (example.requires or example.modules):
            check = {scorer.name: example.args}
            yield from (
                (check, Answer(a), example.context) for a in (example.passes, example.fails)
            )
    for check in (*CHECKS, *metric_checks()):
        yield from ((check, Answer(text), Context()) for text in TEXTS)
    for line in (HERE / "data" / "refusals.jsonl").read_text("utf-8").splitlines():
        yield "refuses", Answer(json.loads(line)["text"]), Context()


def found() -> dict[str, tuple[int, str]]:
    """Version and digest of all findings, by the name of the check."""
    findings: defaultdict[str, list[Any]] = defaultdict(list)
    for raw, answer, context in asked():
        check = parse_check(raw)
        one = check(answer, context)
        findings[check.name].append([one.passed, one.score, one.reason, dict(one.detail)])
    return {name: (get(name).version, digest(rows, 16)) for name, rows in sorted(findings.items())}


def recorded() -> dict[str, tuple[int, str]]:
    """What the file holds."""
    rows = (line.split() for line in RECORDED.read_text("utf-8").splitlines())
    return {name: (int(version), held) for name, version, held in rows}


if __name__ == "__main__":
    lines = [f"{name} {version} {held}\n" for name, (version, held) in found().items()]
    RECORDED.write_text("".join(lines), encoding="utf-8")
    print(f"{len(lines)} checks: {RECORDED}")
