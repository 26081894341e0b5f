"""BERTScore and similarity with a real, tiny model: empty and long texts are safe."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.scorers import Answer, Context, Finding, parse_check

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with random weights and a character vocabulary, in its own folder."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    root = tmp_path_factory.mktemp("suite")
    letters = "abcdefghijklmnopqrstuvwxyz猫犬."
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{x}" for x in letters)]
    (root / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(root / "model")  # type: ignore[no-untyped-call]
    BertTokenizer(vocab={word: n for n, word in enumerate(words)}).save_pretrained(root / "model")
    return root


def score(folder: Path, name: str, text: str, reference: str = "the cat sleeps.") -> Finding:
    """The finding of a check with the tiny model."""
    check = {name: {"reference": reference, "min": 0.999, "model": "model"}}
    return parse_check(check, root=folder)(Answer(text), Context())


@pytest.mark.parametrize("name", ["bertscore", "similarity"])
def test_the_same_text_scores_one(folder: Path, name: str) -> None:
    assert score(folder, name, "the cat sleeps.").score == pytest.approx(1, abs=1e-3)
    assert score(folder, name, "rain").score < 0.999


@pytest.mark.parametrize("name", ["bertscore", "similarity"])
def test_empty_and_long_text_is_safe(folder: Path, name: str) -> None:
    assert score(folder, name, "  ").score == 0
    assert 0 <= score(folder, name, "cat " * 100_000).score <= 1
    assert 0 <= score(folder, name, "\ud800\x00\x1b[0m").score <= 1


def test_pooling_that_is_not_computed_is_refused_when_the_suite_is_loaded(
    folder: Path, tmp_path: Path
) -> None:
    check = {"similarity": {"reference": "a", "min": 0.5, "model": "model"}}
    shutil.copytree(folder / "model", tmp_path / "model")
    pooling = tmp_path / "model" / "1_Pooling"
    pooling.mkdir()
    (pooling / "config.json").write_text(
        '{"pooling_mode_weightedmean_tokens": true, "pooling_mode": "weightedmean"}', "utf-8"
    )
    with pytest.raises(ValidationError, match="its pooling is weightedmean: use mean, cls, max"):
        parse_check(check, root=tmp_path)
    (pooling / "config.json").write_text('{"pooling_mode_cls_token": true}', "utf-8")
    assert parse_check(check, root=tmp_path)(Answer("a"), Context()).score == pytest.approx(1)
    (tmp_path / "model" / "modules.json").write_text(
        '[{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]', "utf-8"
    )
    with pytest.raises(ValidationError, match=r"its modules.json has Dense, which is not computed"):
        parse_check(check, root=tmp_path)
