"""Tests of the losses of a training, their picture and the model card."""

from __future__ import annotations

from xml.etree import ElementTree

from harness.training.sft import History, served_rank
from harness.training.sft.checkpoints import history_of
from harness.training.sft.finishing import model_card
from harness.training.sft.progress import draw
from tests.training.sft.conftest import Run

LOG = [
    {"step": 1, "loss": 3.0, "learning_rate": 0.1},
    {"step": 2, "loss": 2.0},
    {"step": 2, "eval_loss": 2.5, "eval_runtime": 1.0},
    {"step": 4, "eval_loss": 2.5},
    {"step": 4, "train_runtime": 10.0},
]


def test_losses_come_from_the_log() -> None:
    history = history_of(LOG)

    assert history == History(((1, 3.0), (2, 2.0)), ((2, 2.5), (4, 2.5)))
    assert history.best == 2


def test_without_held_out_rows_none_is_best() -> None:
    assert History(((1, 1.0),), ()).best is None


def test_the_curve_is_a_picture_with_both_losses() -> None:
    picture = ElementTree.fromstring(draw(history_of(LOG)))

    kinds = [line.get("class") for line in picture.iter("{http://www.w3.org/2000/svg}polyline")]
    assert kinds == ["train", "smooth", "held"]


def test_a_training_without_steps_has_a_picture_too() -> None:
    assert "no step was taken" in draw(History((), ()))


def test_one_step_alone_is_drawn() -> None:
    ElementTree.fromstring(draw(History(((1, 2.0),), ())))


def test_the_card_says_what_hubs_and_people_want(run: Run) -> None:
    card = model_card(run.adapter.manifest)

    assert card.startswith(f'---\nbase_model: "{run.config.model}"\nlibrary_name: peft\n')
    assert "| rows | 32, 7 of them replay; 8 held out |" in card
    assert "| LoRA | rank 4, alpha 8; q_proj, " in card
    assert "--max-lora-rank 8 " in card


def test_the_rank_that_vllm_is_told() -> None:
    assert [served_rank(rank) for rank in (1, 4, 16, 17, 512, 600)] == [1, 8, 16, 32, 512, 0]
