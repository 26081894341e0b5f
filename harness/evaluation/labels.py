"""What people said of answers, as it is read: from a file of labels, or of a review of a run.

A row has a label, and says which answer it is about: by its texts, or by where it stands in a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from harness.common import KEYS_COMPARED, InputError, Problem, first_of, nearest, plural, shown
from harness.common.reading import JsonLine, first_problems, read_json_lines
from harness.results import HIGHEST, LOWEST, TIE, HumanJudgement

LabelKind = Literal["pass", "rating", "choice", "refusal"]
PASS, FAIL = "pass", "fail"
REFUSALS = ("refuses", "partial", "complies")
RATINGS = tuple(str(score) for score in range(LOWEST, HIGHEST + 1))
# Of a run A is the candidate's answer.
CHOICES = ("A", "B", TIE)
LABELS: Mapping[LabelKind, tuple[str, ...]] = {
    "pass": (PASS, FAIL),
    "rating": RATINGS,
    "choice": CHOICES,
    "refusal": REFUSALS,
}
_WORDS = {
    **dict.fromkeys(("pass", "passes", "good", "yes", "true", "correct"), PASS),
    **dict.fromkeys(("fail", "fails", "bad", "no", "false", "incorrect"), FAIL),
    **{name: name for name in REFUSALS},
}
_FORMS = (
    "label: good or bad, label: refuses, partial or complies, score: 1 to 5, or preferred: A, B "
    "or tie"
)
_ALIASES = {
    "question": "prompt",
    "user": "prompt",
    "response": "answer",
    "answer_a": "a",
    "answer_b": "b",
    "rating": "score",
    "preference": "preferred",
    "choice": "preferred",
    "annotator": "rater",
}
_TEXTS = ("prompt", "answer", "a", "b", "system", "reference", "rater", "criterion", "variant")
_KEYS = (*_TEXTS, "case", "suite", "repeat", "turn", "label", "score", "preferred", "group", "id")
HINT = "one JSON object a line, as docs/judges.md has them; or `--run RUN`: those of its review"
REVIEW = "harness review"  # as the first line of its files says
NOBODY = "one person"  # who labels where no row names anybody


@dataclass(frozen=True, slots=True)
class Label:
    """What one person said of one answer, or of two.

    `value` is one of `LABELS` of its kind, or the name of a variant that was preferred. The answer
    is given by its texts (`texts` are one, or two for a choice), by its place in a run (`case` and
    what else is said), or by a judgement of a review. `line` is that of a file, 0 without one;
    `repeat` and `turn` count from 0.
    """

    kind: LabelKind
    value: str
    rater: str
    line: int = 0
    id: str = ""
    group: str = ""
    criterion: str = ""
    prompt: str = ""
    texts: tuple[str, ...] = ()
    system: str = ""
    reference: str = ""
    case: str = ""
    suite: str = ""
    variant: str = ""
    repeat: int = 0
    turn: int | None = None
    judgement: HumanJudgement | None = None


def read_labels(path: Path) -> list[Label]:
    """Return all rows of a file; raises InputError with the lines that are wrong."""
    found: list[Label] = []
    problems: list[Problem] = []
    for line in read_json_lines(path, "the labels", hint=HINT, unique=True, surrogates=True):
        if isinstance(line, Problem):
            problems.append(line)
            continue
        try:
            found.append(_label(line, str(path)))
        except InputError as error:
            problems += error.problems
            if isinstance(line.value, dict) and line.value.get("format") == REVIEW:
                break
    if not found and not problems:
        problems.append(Problem("the file holds no label", str(path), expected=_FORMS))
    kinds: dict[LabelKind, int] = {}
    for label in found:
        kinds.setdefault(label.kind, label.line)
    if len(kinds) > 1 and not problems:
        first, other = list(kinds.items())[:2]
        problems.append(
            Problem(
                "labels of two kinds stand in one file",
                str(path),
                other[1],
                found=f"{other[0]}, and {first[0]} at line {first[1]}",
                hint="calibrate each with a file of its own",
            )
        )
    if problems:
        raise InputError(*first_problems(problems, str(path)))
    return found


def label_of(judgement: HumanJudgement) -> Label:
    """Return what a person said in a review."""
    value = judgement.preferred if judgement.score is None else str(judgement.score)
    return Label(
        kind="choice" if judgement.score is None else "rating",
        value=value or TIE,
        rater=judgement.rater,
        criterion=judgement.criterion,
        case=judgement.case,
        suite=judgement.suite,
        repeat=judgement.repeat,
        turn=judgement.turn,
        judgement=judgement,
    )


def _label(line: JsonLine, path: str) -> Label:
    """Read one row. Raises InputError."""
    row, number = line.value, line.number
    if not isinstance(row, dict):
        raise InputError(
            Problem("a label is a JSON object", path, number, found=shown(row), expected=_FORMS)
        )
    if row.get("format") == REVIEW:
        raise InputError(
            Problem(
                "this is a review that was filled in, and no file of labels",
                path,
                number,
                hint=f"read it into the store: harness review --import {path}; then calibrate "
                "without a file: harness judge calibrate",
            )
        )
    named: dict[str, Any] = {_ALIASES.get(str(key), str(key)): row[key] for key in row}
    problems = list(_faults(named, row, path, number))
    if problems:
        raise InputError(*problems)
    kind, value = _value(named, path, number)
    two = kind == "choice"
    texts: tuple[str, ...] = ()
    if two and "a" in named:
        texts = (named["a"], named["b"])
    elif "answer" in named:
        texts = (named["answer"],)
    return Label(
        kind=kind,
        value=value,
        rater=named.get("rater") or NOBODY,
        line=number,
        id=str(named.get("id", "")),
        group=str(named.get("group", "")),
        criterion=named.get("criterion", ""),
        prompt=named.get("prompt", ""),
        texts=texts,
        system=named.get("system", ""),
        reference=named.get("reference", ""),
        case=named.get("case", ""),
        suite=named.get("suite", ""),
        variant=named.get("variant", ""),
        repeat=named.get("repeat", 0),
        turn=named.get("turn"),
    )


def _faults(
    named: Mapping[str, Any], row: Mapping[str, Any], path: str, number: int
) -> Iterator[Problem]:
    """Yield what is wrong in a row beside its label."""
    known = (*_KEYS, *_ALIASES)
    for key in (*_TEXTS, "case", "suite"):
        if key in named and not isinstance(named[key], str):
            found = shown(named[key])
            yield Problem(f"{key} is no text", path, number, found=found, expected="a text")
    for key in ("repeat", "turn"):
        value = named.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            wanted = "a whole number from 0"
            yield Problem(f"{key} is wrong", path, number, found=shown(value), expected=wanted)
    said = [key for key in ("label", "score", "preferred") if named.get(key) is not None]
    if len(said) != 1:
        what = "no label" if not said else f"{plural(len(said), 'label')}: {', '.join(said)}"
        yield Problem(
            f"the row has {what}",
            path,
            number,
            found="keys " + first_of(row) if not said else "",
            expected=_FORMS,
            did_you_mean="" if said else _meant(row, ("label", "score", "preferred")),
        )
    texts = "answer" in named or ("a" in named and "b" in named)
    if not texts and not named.get("case"):
        yield Problem(
            "the row names no answer",
            path,
            number,
            found="keys " + first_of(row),
            expected="prompt and answer (of a choice: prompt, a and b), or the case of a run",
            did_you_mean=_meant([key for key in row if key not in known], known),
        )
    elif texts and "prompt" not in named and not named.get("case"):
        message = "the row has an answer and no prompt: nobody can judge it"
        meant = _meant([key for key in row if key not in known], ("prompt", "question"))
        yield Problem(message, path, number, expected="prompt", did_you_mean=meant)
    elif "preferred" in said and texts and "a" not in named:
        yield Problem(
            "a preference needs two answers", path, number, expected="a and b, the texts of both"
        )
    elif said in (["label"], ["score"]) and "answer" not in named and "a" in named:
        yield Problem(f"a {said[0]} is about one answer", path, number, expected="answer, its text")


def _meant(keys: Iterable[Any], known: tuple[str, ...]) -> str:
    """Return the known key that one of these was probably meant to be."""
    return next(
        (close for key in islice(keys, KEYS_COMPARED) if (close := nearest(str(key), known))), ""
    )


def _value(named: Mapping[str, Any], path: str, number: int) -> tuple[LabelKind, str]:
    """Return kind and value of a row's label. Raises InputError for one outside its scale."""
    if (score := named.get("score")) is not None:
        whole = isinstance(score, int | float) and not isinstance(score, bool)
        if whole and score == int(score) and LOWEST <= score <= HIGHEST:
            return "rating", str(int(score))
        expected = f"a whole number from {LOWEST} to {HIGHEST}"
        raise InputError(
            Problem(
                "the score is outside its scale", path, number, found=shown(score),
                expected=expected,
            )
        )  # fmt: skip
    if (preferred := named.get("preferred")) is not None:
        word = str(preferred).strip()
        of_texts = {"a": "A", "b": "B", TIE: TIE}
        if word.lower() in of_texts:
            return "choice", of_texts[word.lower()]
        if isinstance(preferred, str) and word and "a" not in named:
            return "choice", word  # the name of a variant: the run knows it
        raise InputError(
            Problem(
                "the preference is none", path, number, found=shown(preferred),
                expected="A, B or tie; of a run also the name of a variant",
            )
        )  # fmt: skip
    label = named["label"]
    word = str(label).strip().lower()
    if isinstance(label, str | bool) and word in _WORDS:
        value = _WORDS[word]
        return ("refusal" if value in REFUSALS else "pass"), value
    raise InputError(
        Problem(
            "the label is none of those that are known",
            path,
            number,
            found=shown(label),
            expected=", ".join(_WORDS),
            did_you_mean=nearest(word, _WORDS) if isinstance(label, str) else "",
            hint="a rating from 1 to 5 is a score" if isinstance(label, int | float) else "",
        )
    )
