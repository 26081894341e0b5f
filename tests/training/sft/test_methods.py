"""Trainings on pairs and on answers with rewards, of a tiny model in real processes."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from harness.common import InputError, Message
from harness.training import Pair, Rollout, TrainingRow
from harness.training.sft import (
    DpoSettings,
    Event,
    LoraSettings,
    Stepped,
    TrainConfig,
    TrainedAdapter,
    prepare,
    read_data,
    train,
)
from harness.training.sft.job import TrainingJob, write_samples
from harness.training.sft.worker.run import run
from tests.backends.tiny import save_adapter
from tests.training.sft.made import ANIMALS, config_for, pets

GROUP = 4  # answers to each prompt


def pairs(count: int) -> tuple[Pair, ...]:
    """Pairs that prefer an animal to doubts about it."""
    return tuple(
        Pair(
            (Message("user", f"Animal {number}?"),),
            f"It is the {ANIMALS[number % 5]}.",
            f"Perhaps the {ANIMALS[(number + 1) % 5]}?",
            f"pairs.jsonl:{number + 1}",
        )
        for number in range(count)
    )


def rollouts(count: int) -> tuple[Rollout, ...]:
    """Answers of which one in four is right."""
    return tuple(
        Rollout(
            (Message("user", f"Animal {number // GROUP}?"),),
            f"It is the {ANIMALS[number % GROUP]}.",
            reward=float(number % GROUP == 0),
            advantage=1.5 if number % GROUP == 0 else -0.5,
            source=f"answers.jsonl:{number + 1}",
            group=str(number // GROUP),
        )
        for number in range(count)
    )


@pytest.fixture(scope="module")
def preferring(
    tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainedAdapter, tuple[Event, ...]]:
    events: list[Event] = []
    config = config_for(tiny, tmp_path_factory.mktemp("pairs") / "out", method="dpo")
    return train(config, pairs(40), observer=events.append), tuple(events)


@pytest.mark.full  # the repairs by pairs and by rewards train in `make test`
def test_pairs_are_told_apart_by_what_was_learned(
    preferring: tuple[TrainedAdapter, tuple[Event, ...]],
) -> None:
    adapter, events = preferring
    losses = [event.loss for event in events if isinstance(event, Stepped)]
    told = adapter.manifest["metrics"]["preferences"]

    assert losses[0] == pytest.approx(0.693147, abs=1e-5)  # nothing is preferred yet: log 2
    assert losses[-1] < losses[0]
    assert told["held_out_accuracy"] > 0.5
    assert told["held_out_margin"] > 0


@pytest.mark.full  # the repairs by pairs and by rewards train in `make test`
def test_the_manifest_counts_pairs_and_the_lengths_of_their_halves(
    preferring: tuple[TrainedAdapter, tuple[Event, ...]],
) -> None:
    data = preferring[0].manifest["data"]

    assert (data["rows"], data["held_out"], data["samples"]) == (32, 8, 64)
    assert data["pairs"]["chosen_tokens"] < data["pairs"]["rejected_tokens"]


LOSSES = get_args(DpoSettings.model_fields["loss"].annotation)


@pytest.mark.full  # a minute; in this process, which has imported everything after the first
@pytest.mark.filterwarnings("ignore")  # as in a process of its own
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_of_trl_learns_from_pairs(loss: str, tiny: Path, tmp_path: Path) -> None:
    smooth = 0.001 if loss == "exo_pair" else 0.0
    config = config_for(
        tiny,
        tmp_path / "out",
        method="dpo",
        dpo={"loss": loss, "label_smoothing": smooth},
        held_out_share=0,
        max_steps=6,
    )
    prepared = prepare(config, pairs(16))
    samples = tmp_path / "samples.jsonl"
    write_samples(samples, prepared.samples)
    events: list[Event] = []
    job = TrainingJob(config=config, base=prepared.base.path, samples=samples, work=tmp_path)
    run(job, events.append)
    losses = [event.loss for event in events if isinstance(event, Stepped)]

    assert len(losses) == 6
    assert losses[-1] < losses[0]


@pytest.mark.full
def test_pairs_are_learned_by_an_adapter_that_begins_in_the_base(
    tiny: Path, tmp_path: Path
) -> None:
    lora = LoraSettings(rank=4, init="pissa")
    config = config_for(tiny, tmp_path / "out", method="dpo", lora=lora, learning_rate=2e-3)
    events: list[Event] = []
    adapter = train(config, pairs(40), observer=events.append)
    losses = [event.loss for event in events if isinstance(event, Stepped)]

    assert losses[0] == pytest.approx(0.693147, abs=1e-5)  # compared with the base itself
    assert adapter.manifest["metrics"]["preferences"]["held_out_margin"] > 0


def test_the_losses_are_those_of_trl() -> None:
    from trl.trainer.dpo_trainer import DPOTrainer

    computed = set(re.findall(r'loss_type == "(\w+)"', inspect.getsource(DPOTrainer)))

    assert set(LOSSES) == computed - {"sft"}  # which is `dpo: {sft: ...}`


@pytest.fixture(scope="module")
def rewarded(
    tiny: Path,
    preferring: tuple[TrainedAdapter, tuple[Event, ...]],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[TrainedAdapter, tuple[Event, ...]]:
    """Goes on from the adapter that prefers."""
    events: list[Event] = []
    output = tmp_path_factory.mktemp("rewards") / "out"
    config = config_for(tiny, output, method="grpo", adapter=preferring[0].path, max_steps=2)
    return train(config, rollouts(16), observer=events.append), tuple(events)


@pytest.mark.full  # the repairs by pairs and by rewards train in `make test`
def test_answers_with_rewards_are_learned_from_another_adapter(
    rewarded: tuple[TrainedAdapter, tuple[Event, ...]],
    preferring: tuple[TrainedAdapter, tuple[Event, ...]],
) -> None:
    manifest = rewarded[0].manifest

    assert manifest["data"]["rewards"] == {"prompts": 4, "mean": 0.25, "lowest": 0, "highest": 1}
    assert manifest["identity"]["adapter"]
    assert "adapter" not in preferring[0].manifest["identity"]


def test_an_adapter_of_another_form_is_no_beginning(tiny: Path, tmp_path: Path) -> None:
    start = save_adapter(tmp_path / "start", tiny, seed=1)
    lora = LoraSettings(rank=8, targets=("q_proj", "v_proj", "gate_proj", "down_proj"))
    with pytest.raises(InputError) as caught:
        prepare(config_for(tiny, tmp_path / "out", adapter=start, lora=lora), pets(12))

    assert str(caught.value) == (
        f"{start}: adapter: is of another form than the settings under lora\n"
        "  found: r 4, lora_alpha 8\n"
        "  expected: r 8, lora_alpha 16\n"
        "  hint: say rank, alpha and targets of that adapter under lora"
    )


def refused(
    model: Path,
    rows: tuple[Pair, ...] | tuple[Rollout, ...] | tuple[TrainingRow, ...],
    **said: object,
) -> str:
    with pytest.raises(InputError) as caught:
        prepare(config_for(model, Path("out"), **said), rows)
    return str(caught.value)


def test_a_pair_of_equal_answers(tiny: Path) -> None:
    same = replace(pairs(1)[0], rejected="It is the cat. ")

    assert refused(tiny, (*pairs(12), same), method="dpo") == (
        "pairs.jsonl:1: the chosen answer and the rejected one are the same\n"
        "  found: It is the cat.\n"
        "  hint: take the row out, or give it an answer that is worse"
    )


def test_a_reward_that_is_constant(tiny: Path) -> None:
    same = tuple(replace(answer, reward=1.0, advantage=0.0) for answer in rollouts(8))

    assert refused(tiny, same, method="grpo") == (
        "answers.jsonl:1: the reward is constant: no answer is better than another to the same "
        "prompt\n"
        "  found: 8 answers\n"
        "  hint: raise the temperature or the number of answers, or let checks grade them"
    )


def test_rows_without_a_rejected_answer_are_no_pairs(tiny: Path) -> None:
    assert refused(tiny, pets(12), method="dpo") == (
        "pets.jsonl:1: method: dpo learns from pairs, and these are rows\n"
        "  hint: answers without a rejected one are trained with method: sft"
    )


def test_pairs_are_no_rows(tiny: Path) -> None:
    assert refused(tiny, pairs(12)) == (
        "pairs.jsonl:1: method: sft learns from rows, and these are pairs\n"
        "  hint: rows with `chosen` and `rejected` are pairs: train them with method: dpo"
    )


def test_rewards_of_full_weights_do_not_teach_those_in_four_bits(tiny: Path) -> None:
    told = refused(tiny, rollouts(16), method="grpo", qlora=True)

    assert told.splitlines()[-1] == (
        "  hint: leave qlora out, or learn from pairs: method: dpo takes qlora"
    )


def test_pairs_are_not_packed(tiny: Path) -> None:
    assert refused(tiny, pairs(12), method="dpo", packing=True) == (
        "packing: rows are packed with method: sft alone, not with dpo\n  hint: leave packing out"
    )


def test_a_loss_that_needs_smoothing_says_so() -> None:
    with pytest.raises(ValidationError, match="exo_pair needs label_smoothing above 0"):
        TrainConfig.model_validate({"model": "m", "output": "o", "dpo": {"loss": "exo_pair"}})


def test_settings_of_other_methods_are_no_part_of_a_recipe() -> None:
    plain = TrainConfig(model="m", output=Path("o"))
    other = TrainConfig.model_validate(
        {"model": "m", "output": "o", "dpo": {"beta": 0.5}, "grpo": {"epsilon": 0.1}}
    )

    assert plain.recipe == other.recipe
    assert not {"method", "dpo", "grpo", "adapter"} & set(plain.recipe)
    assert other.model_copy(update={"method": "dpo"}).recipe["dpo"]["beta"] == 0.5


# -- files -----------------------------------------------------------------------------------------


def data_of(folder: Path, method: str, *rows: dict[str, object]) -> tuple[object, ...]:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = TrainConfig.model_validate(
        {"model": "m", "output": "o", "method": method, "data": [str(folder / "rows.jsonl")]}
    )
    return read_data(config)[0]


def test_files_of_pairs_and_of_rated_answers_are_read_for_dpo(tmp_path: Path) -> None:
    found = data_of(
        tmp_path,
        "dpo",
        {"prompt": "Hi?", "chosen": "Hello.", "rejected": "What."},
        {"prompt": "Bye?", "completion": "Goodbye.", "label": True},
        {"prompt": "Bye?", "completion": "Go away.", "label": False},
    )

    assert [(pair.chosen, pair.rejected) for pair in found if isinstance(pair, Pair)] == [
        ("Hello.", "What."),
        ("Goodbye.", "Go away."),
    ]


def test_rated_answers_of_which_none_is_bad_are_no_pairs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pair of a good and a bad answer is to be had"):
        data_of(tmp_path, "dpo", {"prompt": "Bye?", "completion": "Goodbye.", "label": True})


def test_files_have_no_rewards(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        data_of(tmp_path, "grpo", {"prompt": "Hi?", "completion": "Hello."})

    assert str(caught.value) == (
        "method: grpo learns from a suite's checks as rewards, and files of rows have none\n"
        "  hint: harness fix --method grpo learns from a failing suite (docs/repair.md)"
    )
