"""Learn the weights of `refuses` and `complies`, and say how well they agree with people.

    python -m bench.train_refusal LABELS [--rows bench/refusal_rows.jsonl] [--write]

LABELS is a JSONL file of answers that people labelled: `prompt`, `response` and `label` (refuses,
partial or complies), the answers of one model after those of another. The shipped weights come from
609 answers to prompts of XSTest (Röttger et al., 2024, CC BY 4.0,
https://github.com/paul-rottger/xstest: its model completions with their final labels), which are
not in this repository. The rows of `--rows` and those of the tests' table are our own.

Without --write it prints cross-validation: by prompt (ten folds), and on unseen styles and prompts
at once (a model's answers and a fifth of the prompts are left out together). Our own rows are
always learned from and never counted. Nothing is chosen by a fold's test rows: the features are a
fixed list, all of which a ridge weighs, and which words count is chosen in each fold. With --write
it learns from all rows and writes harness/scorers/refusal/weights.json; the same rows give the same
file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array, hstack

from harness.scorers.refusal import features, marks, read, words

_HERE = Path(__file__).parent
_TABLE = _HERE.parent / "tests/scorers/data/refusals.jsonl"
_WEIGHTS = _HERE.parent / "harness/scorers/refusal/weights.json"
_LABELS = ("complies", "partial", "refuses")
_ATTRIBUTION = (
    "Learned by bench/train_refusal.py from 609 model answers to prompts of XSTest (Röttger et al.,"
    " 2024, https://github.com/paul-rottger/xstest, CC BY 4.0), labelled by its authors, and from"
    " rows of our own. The weights are changed material in the sense of that licence."
)
# A word or pair of words counts when so many answers have it, at this scale beside the features.
_SEEN = 3
_SCALE = 3.0


@dataclass(frozen=True)
class Row:
    """An answer with its label, what the model sees of it, and where it comes from.

    `style` is the number of the model that wrote it, or -1 for rows that are never counted; `own`
    weighs it beside the labelled answers.
    """

    prompt: str
    label: int
    language: str
    style: int
    own: float
    found: dict[str, float]
    words: frozenset[str]


def load(path: Path, own: float = 0.0) -> list[Row]:
    """Read rows; a prompt that comes again begins another model's answers."""
    rows: list[Row] = []
    style, seen = 0, set[str]()
    for line in path.read_text("utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        prompt = row.get("prompt", row.get("user", ""))
        text = row.get("response", row.get("text", ""))
        label = row.get("label", "complies" if row.get("complies") else "refuses")
        if not own and prompt in seen:
            style, seen = style + 1, set()
        seen.add(prompt)
        reading = read(text, prompt)
        found = features(reading) | marks(reading)
        language = row.get("language", "en")
        place = -1 if own else style
        rows.append(Row(prompt, _LABELS.index(label), language, place, own, found, words(reading)))
    return rows


@dataclass(frozen=True)
class Fitted:
    """A linear model with the columns that it was learned on."""

    bias: float
    features: dict[str, float]
    words: dict[str, float]

    def __call__(self, rows: Sequence[Row]) -> np.ndarray[Any, Any]:
        """Return the probability for each row."""
        matrix = _matrix(rows, list(self.features), list(self.words))
        weights = np.array([*self.features.values(), *self.words.values()])
        chances: np.ndarray[Any, Any] = 1 / (1 + np.exp(-(matrix @ weights + self.bias)))
        return chances


def _matrix(rows: Sequence[Row], names: list[str], vocabulary: list[str]) -> csr_array:
    dense = csr_array(np.array([[row.found[name] for name in names] for row in rows]))
    place = {word: column for column, word in enumerate(vocabulary)}
    known = [sorted(place[word] for word in row.words if word in place) for row in rows]
    data = np.concatenate([np.full(len(k), 1 / np.sqrt(1 + len(k))) for k in known])
    ends = np.cumsum([0, *(len(k) for k in known)])
    columns = np.concatenate([np.array(k, dtype=int) for k in known])
    said = csr_array((data, columns, ends), shape=(len(rows), len(vocabulary)))
    return csr_array(hstack([dense, said]))


def fit(
    rows: Sequence[Row],
    truth: Sequence[bool],
    weights: Sequence[float],
    names: list[str],
    vocabulary: list[str],
    strength: float,
) -> Fitted:
    """Return the logistic regression with a ridge, words at `_SCALE` beside the features."""
    scale = np.array([1.0] * len(names) + [_SCALE] * len(vocabulary))
    matrix = _matrix(rows, names, vocabulary) * scale
    matrix = csr_array(matrix)
    sign = np.where(np.array(truth), 1.0, -1.0)
    weigh = np.array(weights)

    def loss(at: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
        margin = sign * (matrix @ at[1:] + at[0])
        slope = -strength * weigh * sign / (1 + np.exp(np.clip(margin, -500, 500)))
        value = 0.5 * at[1:] @ at[1:] + strength * weigh @ np.logaddexp(0, -margin)
        return float(value), np.concatenate([[slope.sum()], matrix.T @ slope + at[1:]])

    start = np.zeros(1 + len(scale))
    options = {"maxiter": 5_000, "ftol": 1e-14, "gtol": 1e-9}
    at = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    learned = [float(value) for value in np.round(at[1:] * scale, 3)]
    by_word = zip(vocabulary, learned[len(names) :], strict=True)
    return Fitted(
        round(float(at[0]), 3),
        dict(zip(names, learned, strict=False)),
        {word: weight for word, weight in by_word if weight},
    )


@dataclass(frozen=True)
class Pair:
    """`denies`: not simply complying; `helps`: if so, beside help."""

    denies: Fitted
    helps: Fitted

    def labels(self, rows: Sequence[Row]) -> np.ndarray[Any, Any]:
        """Return the probabilities of the three labels, a row each."""
        denies, helps = self.denies(rows), self.helps(rows)
        return np.stack([1 - denies, denies * helps, denies * (1 - helps)], axis=1)


def learn_english(rows: Sequence[Row]) -> Pair:
    """Return the model of English: all features, marks and words."""
    rows = [row for row in rows if row.language == "en"]
    names = list(rows[0].found)
    seen = Counter(word for row in rows for word in row.words)
    vocabulary = sorted(word for word, number in seen.items() if number >= _SEEN)
    denies = fit(
        rows,
        [row.label > 0 for row in rows],
        [row.own or 1 for row in rows],
        names,
        vocabulary,
        0.5,
    )
    return Pair(denies, _learn_helps(rows, names))


def learn_any(rows: Sequence[Row]) -> Pair:
    """Return the model of the other languages: what can be seen in all of them.

    English answers teach it too, at less weight: there are more of them.
    """
    names = list(features(read("")))
    weigh = [1.0 if row.language != "en" else 0.5 if row.own else 0.3 for row in rows]
    denies = fit(rows, [row.label > 0 for row in rows], weigh, names, [], 1.0)
    return Pair(denies, _learn_helps(rows, names))


def _learn_helps(rows: Sequence[Row], names: list[str]) -> Fitted:
    denying = [row for row in rows if row.label > 0]
    # Our own rows hold more partial ones than models write.
    weigh = [row.own / 2 or 1 for row in denying]
    return fit(denying, [row.label == 1 for row in denying], weigh, names, [], 0.3)


def _fold(prompt: str, folds: int) -> int:
    return int(hashlib.sha256(prompt.encode()).hexdigest(), 16) % folds


def by_prompt(rows: Sequence[Row]) -> Iterator[tuple[list[Row], list[Row]]]:
    """Yield ten folds: what is learned from, and other prompts that are tested."""
    for fold in range(10):
        test = [row for row in rows if not row.own and _fold(row.prompt, 10) == fold]
        yield [row for row in rows if row.own or _fold(row.prompt, 10) != fold], test


def by_style(rows: Sequence[Row]) -> Iterator[tuple[list[Row], list[Row]]]:
    """Yield folds whose test rows are of a model and of prompts that were not learned from."""
    for style in sorted({row.style for row in rows if not row.own}):
        for fold in range(5):
            test = [r for r in rows if r.style == style and _fold(r.prompt, 5) == fold]
            train = [r for r in rows if r.own or (r.style != style and _fold(r.prompt, 5) != fold)]
            yield train, test


def by_language(rows: Sequence[Row]) -> Iterator[tuple[list[Row], list[Row]]]:
    """Yield a fold for each language but English: our own rows in it, learned from the others."""
    for language in sorted({row.language for row in rows} - {"en"}):
        test = [row for row in rows if row.language == language]
        yield [row for row in rows if row.language != language], test


def report(title: str, chances: np.ndarray[Any, Any], rows: Sequence[Row]) -> None:
    """Print the shares that agree, the confusion table, and what abstaining would gain."""
    truth = np.array([row.label for row in rows])
    said = np.where(chances[:, 0] >= 0.5, 0, np.where(chances[:, 1] > chances[:, 2], 1, 2))
    right = (said > 0) == (truth > 0)
    print(f"\n{title}: {len(rows)} answers")
    print(f"  binary {right.mean():.3f}, three labels {(said == truth).mean():.3f}")
    for style in sorted({row.style for row in rows}):
        of = np.array([row.style == style for row in rows])
        print(f"    style {style}: {right[of].mean():.3f} of {of.sum()}")
    print("  people \\ said   " + "  ".join(f"{name:>8}" for name in _LABELS))
    for row, name in enumerate(_LABELS):
        counts = [int(((truth == row) & (said == column)).sum()) for column in range(3)]
        print(f"    {name:<12}  " + "  ".join(f"{number:>8}" for number in counts))
    sure = np.maximum(chances[:, 0], 1 - chances[:, 0])
    for certain in (0.6, 0.7, 0.8, 0.9):
        kept = sure >= certain
        print(
            f"  certain {certain}: {kept.mean():.3f} decided, {right[kept].mean():.3f} of it right"
        )
    edges = np.linspace(0, 1, 6)
    denied = 1 - chances[:, 0]
    parts = []
    for low, high in pairwise(edges):
        within = (denied >= low) & (denied < high if high < 1 else denied <= high)
        if within.any():
            parts.append(
                f"{denied[within].mean():.2f}: {(truth[within] > 0).mean():.2f} ({within.sum()})"
            )
    print("  said to deny: do (answers)  " + ", ".join(parts))


def main(arguments: Sequence[str] | None = None) -> None:
    """Cross-validate, or learn and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path, metavar="LABELS")
    parser.add_argument("--rows", type=Path, default=_HERE / "refusal_rows.jsonl")
    parser.add_argument("--write", action="store_true", help="learn from all rows and write")
    options = parser.parse_args(arguments)
    rows = [*load(options.labels), *load(options.rows, own=0.8), *load(_TABLE, own=0.8)]
    if options.write:
        pairs = {"en": learn_english(rows), "any": learn_any(rows)}
        models = {
            name: {"denies": vars(pair.denies), "helps": vars(pair.helps)}
            for name, pair in pairs.items()
        }
        text = json.dumps({"about": _ATTRIBUTION, "models": models}, ensure_ascii=False, indent=0)
        _WEIGHTS.write_text(text + "\n", "utf-8")
        print(f"{_WEIGHTS}: {_WEIGHTS.stat().st_size:,} bytes")
        return
    for title, folds, learn in (
        ("By prompt", by_prompt, learn_english),
        ("Unseen style and unseen prompts", by_style, learn_english),
        ("Unseen language (our own rows)", by_language, learn_any),
    ):
        parts = [(learn(train).labels(test), test) for train, test in folds(rows) if test]
        report(title, np.vstack([p for p, _ in parts]), [r for _, test in parts for r in test])


if __name__ == "__main__":
    main()
