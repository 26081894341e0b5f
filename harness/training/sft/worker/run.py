"""One attempt at a training: trl's SFTTrainer on samples that are tokenised already."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from torch import nn
from trl.trainer.sft_config import SFTConfig

from harness.backends.hf.placement import Placement, place, use_threads
from harness.common import InputError, MachineryError, Problem
from harness.prompts import ChatTokenizer, load_tokenizer
from harness.training.sft.checkpoints import read_history, step_of
from harness.training.sft.config import LoraSettings
from harness.training.sft.encoding import Sample, prove
from harness.training.sft.job import Job, Note, Observer, Samples, Started, read_samples
from harness.training.sft.worker.failures import first_line, out_of_memory
from harness.training.sft.worker.trainer import AdapterTrainer, Watch, exhausted


def four_bits(dtype: torch.dtype) -> Any:
    """How the base is loaded: 4-bit NormalFloat, quantised twice, computed in `dtype`."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]  # as transformers has it
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def settle(model: nn.Module) -> str:
    """Make the model fit to be trained; says how much of the base is in 4 bits.

    The adapter is put into float32, as without QLoRA: trl has put it into bfloat16, in which small
    steps are lost to rounding, and which GPUs that train in float16 do not scale. On a CPU,
    bitsandbytes would pack the base anew, and less exactly, for the first evaluation. Raises
    MachineryError where nothing was quantised.
    """
    from bitsandbytes.nn import Linear4bit

    matrices = [module for module in model.modules() if isinstance(module, Linear4bit)]
    if not matrices:
        raise MachineryError(Problem("qlora: no matrix of the base is in 4 bits"))
    for matrix in matrices:
        matrix.support_avx512bf16_for_cpu = False
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return f"qlora: {len(matrices)} matrices of the base are in 4 bits"


MOST = 0.1  # of the change that a row without a border would see; rounding alone is far below


def demand_packing(trainer: Any, samples: Sequence[Sample]) -> None:
    """Raises `InputError` where a packed row is answered otherwise than the same row alone."""
    if len(samples) < 2:
        return
    first, second = sorted(samples, key=lambda sample: len(sample.ids))[-2:]
    trainer.model.eval()
    alone = _logits(trainer, [second])[-len(second.ids) :]
    packed = _logits(trainer, [first, second])[-len(second.ids) :]
    mixed = _plain(trainer, first.ids + second.ids)[-len(second.ids) :]
    trainer.model.train()
    found, borderless = _difference(packed, alone), _difference(mixed, alone)
    if found > MOST * borderless:
        raise InputError(
            Problem(
                "packing: rows in one sequence see each other with this model and this attention",
                trainer.job.config.model,
                found=f"logits change by {found:.2g}; without any border by {borderless:.2g}",
                hint="leave packing out, or try model_args: {attn_implementation: "
                "flash_attention_2}",
            )
        )


def _logits(trainer: Any, samples: Sequence[Sample]) -> Any:
    """Logits of samples packed as in training."""
    row = {
        "input_ids": [token for sample in samples for token in sample.ids],
        "labels": [label for sample in samples for label in sample.labels],
        "seq_lengths": [len(sample.ids) for sample in samples],
    }
    inputs = trainer._prepare_inputs(trainer.data_collator([row]))
    return _computed(trainer, {name: value for name, value in inputs.items() if name != "labels"})


def _plain(trainer: Any, ids: Sequence[int]) -> Any:
    return _computed(trainer, {"input_ids": torch.tensor([ids], device=trainer.model.device)})


def _computed(trainer: Any, inputs: dict[str, Any]) -> Any:
    with torch.no_grad(), trainer.compute_loss_context_manager():
        return trainer.model(**inputs, use_cache=False).logits[0].float()


def _difference(one: Any, other: Any) -> float:
    return float((one - other).abs().max())


COLUMNS = ("input_ids", "labels")
PACKED = 2048  # tokens of a packed sequence; each row in it has positions of its own


def run(job: Job, send: Observer) -> None:
    """Train until the last step; every checkpoint is on the disk when this returns.

    Raises InputError for what only shows once the model is loaded. A rehearsal ends there.
    """
    config = job.config
    placement = place(config.device.partition(":")[0], config.dtype)  # the only GPU is number 0
    use_threads(config.threads)
    be_deterministic(placement)
    samples = read_samples(job.samples)
    tokenizer = load_tokenizer(job.base, trust_remote_code=config.trust_remote_code)
    trainer = _loaded(job, samples, tokenizer, placement, send)
    if config.packing:
        demand_packing(trainer, samples.train)
    for reason in placement.reasons:
        send(Note(reason))
    proven = _prove(trainer, samples, tokenizer)
    if job.rehearsal:
        return
    send(_started(job, samples, placement, trainer, proven))
    if job.resume and _ended(job.resume, trainer.steps, config.patience):
        return
    trainer.train(resume_from_checkpoint=str(job.resume) if job.resume else None)


def _loaded(
    job: Job, samples: Samples, tokenizer: ChatTokenizer, placement: Placement, send: Observer
) -> AdapterTrainer:
    """The trainer; arguments that the model does not take are a mistake of the user's."""
    try:
        return new_trainer(job, samples, tokenizer, placement, send)
    except (TypeError, ValueError, ImportError) as error:
        if not job.config.model_args or out_of_memory(error):
            raise
        raise InputError(
            Problem(
                "the model does not load with these model_args",
                found=f"{type(error).__name__}: {first_line(error)}",
                hint="give what from_pretrained of transformers takes, or leave model_args out",
            )
        ) from error


def new_trainer(
    job: Job,
    samples: Samples,
    tokenizer: ChatTokenizer,
    placement: Placement,
    send: Observer,
    model: Any = None,
) -> AdapterTrainer:
    """The trainer before its first step; `model` stands in for the job's base, for measurements."""
    config = job.config
    held_out = sorted(samples.held_out, key=lambda sample: len(sample.ids))
    trainer = AdapterTrainer(
        job,
        send,
        model=model if model is not None else str(job.base),
        args=_arguments(job, placement, samples),
        train_dataset=dataset(samples.train),
        eval_dataset=dataset(held_out) if held_out else None,
        processing_class=tokenizer.tokenizer,
        quantization_config=four_bits(placement.dtype) if config.qlora else None,
        peft_config=_lora(config.lora),
    )
    if config.qlora and trainer.model is not None:
        send(Note(settle(trainer.model)))
    every = config.checkpoint_every or trainer.steps_per_epoch
    trainer.add_callback(Watch(send, every, config.patience, evaluates=bool(held_out)))
    return trainer


def _ended(checkpoint: Path, steps: int, patience: int | None) -> bool:
    """Whether the training was over at this checkpoint already."""
    losses = [loss for _, loss in read_history(checkpoint).held_out]
    return step_of(checkpoint) >= steps or exhausted(losses, patience)


def dataset(samples: Sequence[Sample]) -> Dataset:
    """Samples as trl takes rows that are tokenised already."""
    ids, labels = [list(s.ids) for s in samples], [list(s.labels) for s in samples]
    return Dataset.from_dict(dict(zip(COLUMNS, (ids, labels), strict=True)))


def _arguments(job: Job, placement: Placement, samples: Samples) -> SFTConfig:
    """Ours, spelt for trl. What is due when is decided by `Watch`, so every strategy is off."""
    config = job.config
    cpu = placement.device.type == "cpu"
    return SFTConfig(
        output_dir=str(job.work / "trl"),
        model_init_kwargs=_loading(job, placement),
        trust_remote_code=config.trust_remote_code,
        per_device_train_batch_size=job.device_batch,
        per_device_eval_batch_size=job.device_batch,
        gradient_accumulation_steps=job.accumulation,
        gradient_checkpointing=job.checkpointing,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule,
        warmup_steps=config.warmup,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        max_length=max([*_lengths(samples), PACKED if config.packing else 0]),
        packing=config.packing,
        eval_packing=False,
        dataset_kwargs=None if config.packing else {"skip_prepare_dataset": True},
        bf16=placement.dtype is torch.bfloat16,
        fp16=placement.dtype is torch.float16,
        use_cpu=cpu,
        dataloader_pin_memory=not cpu,
        seed=config.seed,
        eval_strategy="no",
        save_strategy="no",
        logging_strategy="no",
        logging_nan_inf_filter=False,  # it would put the last loss in place of a NaN
        disable_tqdm=True,
        report_to=list(config.report_to) or "none",
        run_name=config.run_name or config.output.name,
    )


def _lengths(samples: Samples) -> list[int]:
    return [len(sample.ids) for sample in (*samples.train, *samples.held_out)]


def _loading(job: Job, placement: Placement) -> dict[str, Any]:
    """Arguments of `from_pretrained`; trl alone would load in float32, all over the devices."""
    device = None if placement.device.type in ("cpu", "mps") else {"": str(placement.device)}
    return {
        "dtype": placement.dtype_name,
        "device_map": device,
        "local_files_only": True,
        "use_safetensors": True,
        **job.config.model_args,
    }


def _lora(settings: LoraSettings) -> LoraConfig:
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.scale,  # type: ignore[arg-type]  # peft divides it, whole or not
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets),
        use_rslora=settings.rslora,
        bias="none",
        task_type="CAUSAL_LM",
    )


def be_deterministic(placement: Placement) -> None:
    """The same data, seed and machine give the same weights, on a GPU as well."""
    if placement.device.type == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", message=".*deterministic.*")


def _prove(trainer: AdapterTrainer, samples: Samples, tokenizer: ChatTokenizer) -> int:
    """That what trl is about to train on is what inference sees; returns the answers proven."""
    known = {(sample.ids, sample.labels) for sample in samples.train}
    found = set(_sequences(trainer.sequences))
    if known != found:
        raise MachineryError(
            Problem(
                "trl changed the samples before the first step",
                found=f"{len(found & known)} of {len(known)} are as they were",
                hint="train without packing",
            )
        )
    return prove((*samples.train, *samples.held_out), samples.rows, tokenizer)


def _sequences(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Ids and labels of every sample in a dataset, packed or not."""
    for row in rows:
        at = 0
        for length in row.get("seq_lengths") or [len(row["input_ids"])]:
            yield tuple(tuple(row[name][at : at + length]) for name in COLUMNS)
            at += length


def _started(
    job: Job, samples: Samples, placement: Placement, trainer: AdapterTrainer, proven: int
) -> Started:
    model: Any = trainer.model
    return Started(
        pid=os.getpid(),
        device=str(placement.device),
        dtype=placement.dtype_name,
        samples=len(samples.train),
        held_out=len(samples.held_out),
        proven=proven,
        step=step_of(job.resume) if job.resume else 0,
        steps=trainer.steps,
        device_batch=job.device_batch,
        accumulation=job.accumulation,
        checkpointing=job.checkpointing,
        trained_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
    )
