"""Text metrics against references: BLEU, chrF, ROUGE, BERTScore, similarity of embeddings.

Scores are in [0, 1] where the packages print percent. An empty answer or reference scores 0. Of
several references the best counts (BLEU uses them together, as it is defined).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from harness.common import JsonValue
from harness.scorers import scripts
from harness.scorers.arguments import LISTED, ONE_OR_MORE, needs, wrong
from harness.scorers.embedding import Pooling, pooling_of
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.unicode_text import clipped, nfc, spaced, tokens, visible
from harness.scorers.values import Answer, Context, Finding

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

# chrF and BLEU count n-grams: 20,000 characters take a few hundredths of a second.
_CHARACTERS = 20_000
# ROUGE-L's table grows with the product of the lengths: 1,000 tokens take about half a second.
_TOKENS = 1_000


def _filled(value: object) -> object:
    found = value if isinstance(value, list | tuple) else [value]
    if not any(str(text).strip() for text in found):
        raise wrong("empty_reference", "the reference is empty: everything would score 0")
    return value


References = Annotated[tuple[str, ...], LISTED, BeforeValidator(_filled), ONE_OR_MORE]
Bar = Annotated[float, Field(ge=0, le=1)]


class _MetricArgs(Args):
    """`reference`: a text or several; `min`: the score that passes, from 0 to 1."""

    _needs: ClassVar[tuple[str, ...]] = ()  # the check's name, then the packages that it uses

    reference: References
    min: Bar

    @model_validator(mode="after")
    def _installed(self) -> Self:
        if self._needs:
            needs(*self._needs)
        return self


class BleuArgs(_MetricArgs):
    """`reference`, `min`; `tokenize`: sacrebleu's tokenizer; `auto` takes the one of the script.

    auto: `zh` for Han, `char` for the other scripts without spaces and for Korean, else `13a`.
    """

    _needs = ("bleu", "sacrebleu")

    tokenize: Literal["auto", "13a", "intl", "zh", "char", "none"] = "auto"


class ChrfArgs(_MetricArgs):
    """`reference`, `min`; `word_order`: 0 is chrF, 2 is chrF++."""

    _needs = ("chrf", "sacrebleu")

    word_order: Annotated[int, Field(ge=0, le=2)] = 0


class RougeArgs(_MetricArgs):
    """`reference`, `min`; `variant`, and which of its numbers counts."""

    _needs = ("rouge", "rouge_score")

    variant: Literal["rouge1", "rouge2", "rougeL", "rougeLsum"] = "rougeL"
    measure: Literal["fmeasure", "precision", "recall"] = "fmeasure"


def _clean(text: str, limit: int = _CHARACTERS) -> tuple[str, bool]:
    """NFC without control signs, cut to the limit, and whether it was cut."""
    short = clipped(text, limit)
    return nfc(visible(short.text)).strip(), short.cut


def _finding(name: str, score: float, bar: float, detail: dict[str, JsonValue]) -> Finding:
    """Rounded to 4 places, so that a bar of 0.7 is reached by 0.7 on every machine."""
    value = round(min(1.0, max(0.0, score)), 4)
    reason = f"{name} {value:.3f}, wanted {bar:g}" + (
        " (the text was cut)" if "cut" in detail else ""
    )
    return Finding(value >= bar, value, reason, {"score": value, **detail})


def _scored(
    name: str, answer: Answer, args: _MetricArgs, score: Callable[[str, list[str]], float]
) -> Finding:
    text, cut = _clean(answer.text)
    references = [reference for reference, _ in map(_clean, args.reference) if reference]
    cut = cut or any(len(reference) > _CHARACTERS for reference in args.reference)
    value = score(text, references) if text and references else 0.0
    return _finding(name, value, args.min, {"cut": True} if cut else {})


@scorer(
    "bleu",
    version=1,
    example=Example(
        {"reference": "猫坐在垫子上。", "min": 0.5}, passes="猫坐在垫子上。", fails="今天天气很好。"
    ),
)
def bleu(answer: Answer, context: Context, args: BleuArgs) -> Finding:
    """BLEU of the answer (sacrebleu, effective order) reaches the bar."""

    def score(text: str, references: list[str]) -> float:
        kind = _tokenizer(references[0]) if args.tokenize == "auto" else args.tokenize
        return _share(_bleu(kind), text, references)

    return _scored("BLEU", answer, args, score)


@scorer(
    "chrf",
    version=1,
    example=Example(
        {"reference": "Der Hund schläft.", "min": 0.6},
        passes="Der Hund schlief.",
        fails="The dog is asleep.",
    ),
)
def chrf(answer: Answer, context: Context, args: ChrfArgs) -> Finding:
    """The chrF of the answer (sacrebleu) reaches the bar; it works for every language."""

    def score(text: str, references: list[str]) -> float:
        return _share(_chrf(args.word_order), text, references)

    return _scored("chrF", answer, args, score)


@scorer(
    "rouge",
    version=1,
    example=Example(
        {"reference": "Кошка сидит на окне.", "min": 0.7},
        passes="Кошка сидит на подоконнике, на окне.",
        fails="Собака спит во дворе.",
    ),
)
def rouge(answer: Answer, context: Context, args: RougeArgs) -> Finding:
    """ROUGE of the answer reaches the bar, on tokens of any script."""

    def score(text: str, references: list[str]) -> float:
        found = _rouge(args.variant).score_multi(references, text)[args.variant]
        return float(getattr(found, args.measure))

    return _scored(args.variant, answer, args, score)


def _share(metric: BLEU | CHRF, text: str, references: list[str]) -> float:
    """sacrebleu's percent as a share."""
    return float(metric.sentence_score(text, references).score) / 100


def _tokenizer(reference: str) -> str:
    """sacrebleu's tokenizer for the script: 13a gives 0 for identical Chinese."""
    found = scripts.count(reference)
    if found["kana"] or found["hangul"] * 2 > found.total():
        return "char"
    if found["han"] * 2 > found.total():
        return "zh"
    return "13a" if spaced(reference) else "char"


@lru_cache(maxsize=8)
def _bleu(tokenize: str) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenize, effective_order=True)


@lru_cache(maxsize=4)
def _chrf(word_order: int) -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(word_order=word_order)


class _Tokens:
    """rouge_score's own tokenizer keeps [a-z0-9] alone, and scores identical Russian 0."""

    def tokenize(self, text: str) -> list[str]:
        """At most so many tokens of a text, of any script."""
        return tokens(text)[:_TOKENS]


@lru_cache(maxsize=4)
def _rouge(variant: str) -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([variant], tokenizer=_Tokens())


class _EmbeddingArgs(_MetricArgs):
    """`model`: a model's folder, relative to the suite file.

    Nothing is downloaded.
    """

    model: str
    _folder: Path = PrivateAttr(default=Path())

    @model_validator(mode="after")
    def _resolved(self, info: ValidationInfo) -> Self:
        folder = ((info.context or {}).get("root") or Path()) / self.model
        if not (folder / "config.json").is_file():
            said = f"{self.model!r} is no folder with a model's config.json: none is at {folder}"
            raise wrong("model_folder", said)
        self._folder = folder
        return self

    @property
    def folder(self) -> str:
        """Where the model is."""
        return str(self._folder)


class BertscoreArgs(_EmbeddingArgs):
    """`reference`, `min`, `model`; `layer`: whose states are compared, -1 is the last one.

    `measure`: F1 by default. No idf weights and no rescaling.
    """

    _needs = ("bertscore", "torch", "transformers")

    layer: int = -1
    measure: Literal["f1", "precision", "recall"] = "f1"


class SimilarityArgs(_EmbeddingArgs):
    """`reference`, `min`, `model`: a model that embeds texts.

    Its folder may say how (`1_Pooling/config.json` of sentence-transformers); else its states are
    averaged.
    """

    _needs = ("similarity", "torch", "transformers")
    _pooling: Pooling = PrivateAttr(default=Pooling())

    @model_validator(mode="after")
    def _pooled(self) -> Self:
        try:
            self._pooling = pooling_of(self._folder)
        except (ValueError, TypeError, AttributeError) as error:
            raise wrong(
                "model_pooling", f"the model {self.model!r} cannot be used: {error}"
            ) from error
        return self

    @property
    def pooling(self) -> Pooling:
        """Return how the model's states become one vector."""
        return self._pooling


@scorer(
    "bertscore",
    version=2,
    example=Example(
        {"reference": "The cat sleeps.", "min": 1, "model": "fixtures/model"},
        passes="The cat sleeps.",
        fails="Rain is expected.",
        requires=("fixtures/model",),
    ),
)
def bertscore(answer: Answer, context: Context, args: BertscoreArgs) -> Finding:
    """BERTScore of the answer, with any local model, reaches the bar."""

    def score(text: str, references: list[str]) -> float:
        from harness.scorers.embedding import greedy_match

        pairs = [greedy_match(args.folder, text, reference, args.layer) for reference in references]
        return max(float(getattr(pair, args.measure)) for pair in pairs)

    return _scored("BERTScore", answer, args, score)


@scorer(
    "similarity",
    version=2,
    example=Example(
        {"reference": "The cat sleeps.", "min": 1, "model": "fixtures/model"},
        passes="The cat sleeps.",
        fails="Rain is expected.",
        requires=("fixtures/model",),
    ),
)
def similarity(answer: Answer, context: Context, args: SimilarityArgs) -> Finding:
    """The embedding of the answer is close to the reference's: cosine of pooled states."""

    def score(text: str, references: list[str]) -> float:
        from harness.scorers.embedding import cosine

        return max(cosine(args.folder, text, ref, args.pooling) for ref in references)

    return _scored("similarity", answer, args, score)
