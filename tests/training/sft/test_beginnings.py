"""Adapters that begin as a part of the base, and are saved as plain LoRA for the base as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from harness.backends import open_adapter, open_model
from harness.common import InputError
from harness.training import TrainingRow
from harness.training.sft import (
    Event,
    LoraSettings,
    Saved,
    TrainConfig,
    TrainedAdapter,
    TrainingNote,
    prepare,
    train,
    unserved,
)
from harness.training.sft.worker.beginnings import difference
from tests.backends.tiny import save_adapter
from tests.training.sft.made import config_for, pets

RANK = 4


def config_of(model: Path, output: Path, init: str) -> TrainConfig:
    lora = LoraSettings(rank=RANK, dropout=0.1, init=init)
    return config_for(model, output, lora=lora, learning_rate=2e-3)


def stop_when_saved(event: Event) -> None:
    """End the training after its first checkpoint."""
    if isinstance(event, Saved):
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def pissa(
    tiny: Path, rows: tuple[TrainingRow, ...], tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainedAdapter, tuple[Event, ...]]:
    """A training that was interrupted after a checkpoint, and went on."""
    config = config_of(tiny, tmp_path_factory.mktemp("pissa") / "out", "pissa")
    with pytest.raises(KeyboardInterrupt):
        train(config, rows, observer=stop_when_saved)
    events: list[Event] = []
    return train(config, rows, observer=events.append), tuple(events)


def held_out_loss(model: Path, adapter: Path, rows: tuple[TrainingRow, ...]) -> float:
    """The mean loss of the answers' tokens, on the base as it is, with the adapter as it is."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(str(model), dtype=torch.float32)
    served = PeftModel.from_pretrained(base, str(adapter)).eval()
    loss, tokens = 0.0, 0
    for sample in prepare(config_of(model, Path("out"), "pissa"), rows).samples.held_out:
        labels = torch.tensor([sample.labels])
        with torch.no_grad():
            found = served(input_ids=torch.tensor([sample.ids])).logits[0, :-1]
        loss += float(torch.nn.functional.cross_entropy(found, labels[0, 1:], reduction="sum"))
        tokens += int((labels[0, 1:] >= 0).sum())
    return loss / tokens


def test_what_is_saved_answers_on_the_base_as_the_trained_model_did(
    pissa: tuple[TrainedAdapter, tuple[Event, ...]], tiny: Path, rows: tuple[TrainingRow, ...]
) -> None:
    adapter = pissa[0]
    told = dict(adapter.history.held_out)

    assert told[10] < told[4]
    for path, step in zip(adapter.checkpoints, (8, 10), strict=True):
        assert held_out_loss(tiny, path, rows) == pytest.approx(told[step], rel=1e-5)
    assert held_out_loss(tiny, adapter.path, rows) == pytest.approx(told[10], rel=1e-5)


def test_it_is_plain_lora_of_twice_the_rank_which_vllm_loads(
    pissa: tuple[TrainedAdapter, tuple[Event, ...]], tiny: Path
) -> None:
    for path in (pissa[0].path, *pissa[0].checkpoints):
        opened = open_adapter(str(path), open_model(str(tiny)))
        assert (opened.rank, opened.unserved) == (2 * RANK, ())
        assert opened.config["lora_alpha"] / opened.rank == 2
        assert opened.config["init_lora_weights"] is True
    names = {file.name for file in pissa[0].path.rglob("*.safetensors")}
    assert names == {"adapter_model.safetensors"}
    card = (pissa[0].path / "README.md").read_text(encoding="utf-8")
    assert "--max-lora-rank 8" in card
    assert "rank 8, alpha 16, begun as pissa of rank 4;" in card


def test_that_the_rank_doubles_is_said_before_training(
    pissa: tuple[TrainedAdapter, tuple[Event, ...]], tmp_path: Path
) -> None:
    told = [event.text for event in pissa[1] if isinstance(event, TrainingNote)]
    config = config_of(tmp_path, tmp_path, "olora")
    large = config.model_copy(update={"lora": LoraSettings(rank=300, init="olora")})

    assert any(text.endswith("saved as plain LoRA of rank 8, twice 4") for text in told)
    assert [text.partition(",")[0] for text in unserved(large)] == [
        "lora.init: olora begins with a part of the base",
        "lora.rank: vLLM serves rank 512 at most",
    ]


@pytest.mark.full
@pytest.mark.parametrize("init", ["pissa", "pissa_niter_4", "olora"])
def test_interrupted_it_ends_with_the_same_bytes(
    init: str, tiny: Path, rows: tuple[TrainingRow, ...], tmp_path: Path
) -> None:
    straight = train(config_of(tiny, tmp_path / "straight", init), rows)
    config = config_of(tiny, tmp_path / "broken", init)
    with pytest.raises(KeyboardInterrupt):
        train(config, rows, observer=stop_when_saved)
    broken = train(config, rows)

    name = "adapter_model.safetensors"
    assert (broken.path / name).read_bytes() == (straight.path / name).read_bytes()
    assert held_out_loss(tiny, straight.path, rows) == pytest.approx(
        dict(straight.history.held_out)[10], rel=1e-5
    )


@pytest.mark.parametrize(("outputs", "inputs"), [(40, 24), (5, 24), (24, 5)])
def test_the_difference_of_two_products_is_one_product_and_nothing_cancels_out(
    outputs: int, inputs: int
) -> None:
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(3, inputs, generator=draw), torch.randn(outputs, 3, generator=draw)
    moved = [t + 1e-4 * torch.randn(t.shape, generator=draw) for t in (a, b)]
    names = ("q_proj.lora_A.weight", "q_proj.lora_B.weight")

    found = difference(dict(zip(names, moved, strict=True)), dict(zip(names, (a, b), strict=True)))

    assert found[names[0]].shape == (6, inputs)
    assert found[names[1]].shape == (outputs, 6)
    wanted = moved[1].double() @ moved[0].double() - b.double() @ a.double()
    rounded = found[names[1]].bfloat16().double() @ found[names[0]].bfloat16().double()
    # In 16 bits what is left is that small too; of the two products it would be lost.
    assert float((rounded - wanted).norm() / wanted.norm()) < 0.02


REFUSED = (
    (
        {"qlora": True},
        "lora.init: pissa takes the adapter's beginning out of the base, which does not go "
        "together with qlora\n"
        "  found: its weights are packed in 4 bits\n"
        "  hint: leave one of lora.init and qlora out",
    ),
    (
        {"lora": LoraSettings(init="olora", dora=True)},
        "lora.init: olora takes the adapter's beginning out of the base, which does not go "
        "together with lora.dora\n"
        "  found: a DoRA adapter cannot be saved as plain LoRA\n"
        "  hint: leave one of lora.init and lora.dora out",
    ),
    (
        {"adapter": Path("start")},
        "lora.init: pissa takes the adapter's beginning out of the base, which does not go "
        "together with adapter\n"
        "  found: the training goes on from another beginning\n"
        "  hint: leave one of lora.init and adapter out",
    ),
    (
        {"shard": True, "gpus": 2},
        "lora.init: pissa takes the adapter's beginning out of the base, which does not go "
        "together with shard\n"
        "  found: each process holds a part of the base only\n"
        "  hint: leave one of lora.init and shard out",
    ),
    (
        {"lora": LoraSettings(init="pissa", rank=64)},
        "lora.init: pissa begins with 64 directions of each matrix, and some have fewer\n"
        "  found: down_proj of 32 x 64\n"
        "  expected: rank 32 at most\n"
        "  hint: lower lora.rank, leave such modules out of lora.targets, or say init: default",
    ),
)


@pytest.mark.parametrize(("changes", "said"), REFUSED)
def test_what_forbids_such_a_beginning_is_said_before_training(
    changes: dict[str, object], said: str, tiny: Path, tmp_path: Path
) -> None:
    settings = {"lora": LoraSettings(rank=RANK, init="pissa"), **changes}
    if "adapter" in changes:
        settings["adapter"] = save_adapter(tmp_path / "start", tiny, seed=1)
    with pytest.raises(InputError) as caught:
        prepare(config_for(tiny, Path("out"), **settings), pets(12))

    texts = [str(problem).removeprefix(f"{tiny}: ") for problem in caught.value.problems]
    assert said in texts


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ("loftq", "loftq rounds the base's own weights"),
        ("eva", "eva passes over the rows until"),
        ("pisa", "'pisa' is not known; say default, gaussian, orthogonal, pissa"),
        ("pissa_niter_0", "'pissa_niter_0' is not known"),
    ],
)
def test_other_beginnings_are_refused_with_the_reason(init: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LoraSettings.model_validate({"init": init})


def test_the_form_that_is_saved_has_the_same_scaling() -> None:
    plain = LoraSettings(rank=8, alpha=12.0, init="pissa").saved
    stable = LoraSettings(rank=8, rslora=True, init="olora").saved

    assert (plain.rank, plain.scale, plain.init) == (16, 24, "default")
    assert stable.scale / stable.rank**0.5 == pytest.approx(16 / 8**0.5)
    assert LoraSettings(rank=8).saved == LoraSettings(rank=8)


def test_nothing_but_plain_factors_is_in_the_file(
    pissa: tuple[TrainedAdapter, tuple[Event, ...]],
) -> None:
    tensors = load_file(pissa[0].path / "adapter_model.safetensors")
    manifest = json.loads((pissa[0].path / "manifest.json").read_text(encoding="utf-8"))

    assert all(".lora_A." in name or ".lora_B." in name for name in tensors)
    assert manifest["settings"]["lora"]["init"] == "pissa"
