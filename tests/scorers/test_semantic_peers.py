"""`bertscore` and `similarity` with real weights, beside the reference implementations.

Part of `make test-peers`: bert-score, sentence-transformers and a small real model as a package
holds it (all-MiniLM-L6-v2), in an environment of their own. The model knows English well and some
of the languages beside it; the values must be the reference's in any language.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from harness.scorers import Answer, Context, Finding, parse_check

pytestmark = pytest.mark.peers

# An answer, the reference, and whether they say the same.
PAIRS = [
    ("A cat is sleeping on the couch.", "The cat sleeps on the sofa.", True),
    ("The stock market fell sharply.", "Rain is expected tomorrow.", False),
    ("Eine Katze liegt schlafend auf der Couch.", "Die Katze schläft auf dem Sofa.", True),
    ("Morgen wird es regnen.", "Die Katze schläft auf dem Sofa.", False),
    ("Le chat est en train de dormir.", "Le chat dort.", True),
    ("Il pleuvra demain sur Paris.", "Le chat dort.", False),
    ("El gato duerme en el sofá.", "El gato está durmiendo en el sofá.", True),
    ("Кот спит на диване.", "Кошка спит.", True),
    ("猫正在沙发上睡觉。", "猫在睡觉。", True),
    ("word " * 400, "The cat sleeps on the sofa.", False),  # longer than the model reads
    ("cat", "cat", True),
]
NEAR = 1e-4


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the model, and with one that pools the first token alone."""
    root = tmp_path_factory.mktemp("suite")
    package = import_module("all_minilm_l6_v2")
    with zipfile.ZipFile(package.get_model_zip_path()) as packed:
        packed.extractall(root / "mean")
    shutil.copytree(root / "mean", root / "cls")
    config = root / "cls" / "1_Pooling" / "config.json"
    pooling = json.loads(config.read_text("utf-8"))
    pooling |= {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    config.write_text(json.dumps(pooling), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def bert_scorer(suite: Path) -> Any:
    """Return bert-score's own scorer: the last layer, without idf and rescaling."""
    scorer = import_module("bert_score").BERTScorer
    return scorer(model_type=str(suite / "mean"), num_layers=6, device="cpu", batch_size=1)


@lru_cache(maxsize=2)
def embedder(folder: Path) -> Any:
    """Return the model of a folder as sentence-transformers reads it."""
    return import_module("sentence_transformers").SentenceTransformer(str(folder), device="cpu")


def score(root: Path, name: str, text: str, reference: str, **more: object) -> Finding:
    """Return the finding of a check with the small model."""
    args = {"reference": reference, "min": 0.6, "model": "mean", **more}
    return parse_check({name: args}, root=root)(Answer(text), Context())


@pytest.mark.parametrize(("text", "reference", "same"), PAIRS)
def test_bertscore_is_the_reference_s(
    suite: Path, bert_scorer: Any, text: str, reference: str, same: bool
) -> None:
    precision, recall, f1 = (float(part[0]) for part in bert_scorer.score([text], [reference]))
    for measure, value in (("precision", precision), ("recall", recall), ("f1", f1)):
        found = score(suite, "bertscore", text, reference, measure=measure)
        assert found.score == pytest.approx(max(value, 0), abs=NEAR), measure
    assert score(suite, "bertscore", text, reference).passed is same


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize(("text", "reference", "same"), PAIRS)
def test_similarity_is_the_reference_s(
    suite: Path, text: str, reference: str, same: bool, pooling: str
) -> None:
    said, wanted = embedder(suite / pooling).encode([text, reference])
    cosine = float(said @ wanted / (said @ said) ** 0.5 / (wanted @ wanted) ** 0.5)
    found = score(suite, "similarity", text, reference, model=pooling)
    assert found.score == pytest.approx(max(cosine, 0), abs=NEAR)
    if pooling == "mean":
        assert found.passed is same


def test_a_layer_may_be_chosen(suite: Path) -> None:
    scorer = import_module("bert_score").BERTScorer
    third = scorer(model_type=str(suite / "mean"), num_layers=3, device="cpu", batch_size=1)
    text, reference, _ = PAIRS[0]
    value = float(third.score([text], [reference])[2][0])
    assert score(suite, "bertscore", text, reference, layer=3).score == pytest.approx(
        value, abs=NEAR
    )
