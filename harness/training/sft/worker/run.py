"""One attempt at a training: a trainer of trl on samples that are tokenised already."""

from __future__ import annotations

import os
import sys
from math import prod
from typing import Any

import torch
from peft import LoraConfig
from torch import nn
from transformers import AutoConfig

from harness.backends import ModelDir, open_model
from harness.backends.hf.placement import Placement, place, use_threads
from harness.common import InputError, MachineryError, Problem
from harness.prompts import ChatTokenizer, load_tokenizer
from harness.training.sft.checkpoints import WEIGHTS, read_history, step_of
from harness.training.sft.config import TrainConfig
from harness.training.sft.encoding import prove
from harness.training.sft.job import (
    Event,
    Footing,
    Observer,
    Samples,
    Started,
    TrainingJob,
    TrainingNote,
    read_samples,
)
from harness.training.sft.memory import Load, estimated_footing, remember, usual_footing
from harness.training.sft.worker.beginnings import begin_in_the_base, begin_with
from harness.training.sft.worker.borders import demand_packing, logits_of, seen_by_others
from harness.training.sft.worker.failures import first_line, out_of_memory
from harness.training.sft.worker.kernels import (
    FusedLora,
    Kernels,
    be_deterministic,
    choose_kernels,
    collate_varlen,
    fuse_norms,
    torch_varlen,
    use_liger,
    use_varlen,
)
from harness.training.sft.worker.sharing import World, sharded_loading
from harness.training.sft.worker.trainer import AdapterTraining, Watch, exhausted

FOUR_BITS = 0.56  # bytes of a number in four bits, with its share of the scales


def run(job: TrainingJob, send: Observer) -> None:
    """Train until the last step; every checkpoint is on the disk when this returns.

    A rehearsal ends before the first step. Raise `InputError` for what only shows once the model is
    loaded.
    """
    config = job.config
    world = World.here()
    placement = place(world.device(config.device), config.dtype)
    use_threads(world.threads(config.threads))
    world.join(placement.device)
    if world.rank:  # what all would tell, the first tells; each says what broke it by its exit code
        send = _silent
    samples = read_samples(job.samples)
    job, kernels = on_device(job, samples, placement, send)
    tokenizer = load_tokenizer(
        job.base,
        trust_remote_code=config.trust_remote_code,
        arguments=config.chat_template_args,
    )
    try:
        trainer = new_trainer(job, samples, tokenizer, placement, kernels, send)
    except (TypeError, ValueError, ImportError) as error:
        if not config.model_args or out_of_memory(error):
            raise
        raise InputError(
            Problem(
                "the model does not load with these model_args",
                found=f"{type(error).__name__}: {first_line(error)}",
                hint="give what from_pretrained of transformers takes, or leave model_args out",
            )
        ) from error
    if config.packing:
        demand_packing(trainer, samples.train)
    for reason in placement.reasons:
        send(TrainingNote(reason))
    proven = prove_samples(trainer, samples, tokenizer)
    if job.rehearsal:
        return
    footing, model = footing_of(job), trainer.model
    parameters: Any = model.parameters() if model is not None else ()
    send(
        Started(
            pid=os.getpid(),
            device=str(placement.device),
            dtype=placement.dtype_name,
            samples=len(samples.train),
            held_out=len(samples.held_out),
            proven=proven,
            step=step_of(job.resume) if job.resume else 0,
            steps=trainer.steps,
            device_batch=footing.device_batch,
            accumulation=config.share // footing.device_batch,
            checkpointing=footing.checkpointing,
            trained_parameters=sum(p.numel() for p in parameters if p.requires_grad),
            processes=world.size,
            sharded=footing.sharded,
        )
    )
    if job.resume:
        losses = [loss for _, loss in read_history(job.resume).held_out]
        if step_of(job.resume) >= trainer.steps or exhausted(losses, config.patience):
            return  # it was over at this checkpoint already
    trainer.train(resume_from_checkpoint=str(job.resume) if job.resume else None)


def _silent(event: Event) -> None:
    """Tell nothing."""


def on_device(
    job: TrainingJob, samples: Samples, placement: Placement, send: Observer
) -> tuple[TrainingJob, Kernels]:
    """Choose what the device computes with, and how much at once; both are said and remembered."""
    config = job.config
    model = AutoConfig.from_pretrained(
        job.base, trust_remote_code=config.trust_remote_code, local_files_only=True
    )
    kernels = choose_kernels(config, placement, model)
    footing = job.footing
    if footing is None and placement.device.type == "cuda":
        free = World.here().least(torch.cuda.mem_get_info(placement.device)[0], placement.device)
        load = model_load(config, placement, kernels, model, open_model(str(job.base)), samples)
        footing, said = estimated_footing(config, load, free)
        send(TrainingNote(said))
    footing = footing or usual_footing(config)
    if World.here().rank == 0:
        remember(config, job.work, footing)
    if kernels.padding and placement.device.type == "cuda":
        send(TrainingNote(f"rows are padded: {kernels.padding}"))
    be_deterministic(placement, strict=footing.strict)
    return job.model_copy(update={"footing": footing}), kernels


def model_load(
    config: TrainConfig,
    placement: Placement,
    kernels: Kernels,
    model: Any,
    files: ModelDir,
    samples: Samples,
) -> Load:
    """Return what memory depends on; `model` is transformers' configuration of the model."""
    text = model.get_text_config()
    size = placement.dtype.itemsize
    weights, outside, trained = 0.0, 0.0, 0
    for name, tensor in files.tensors.items():
        module, _, kind = name.rpartition(".")
        target = kind == "weight" and module.rpartition(".")[2] in config.lora.targets
        packed = config.qlora and len(tensor.shape) == 2 and ".layers." in name
        weights += prod(tensor.shape) * (FOUR_BITS if packed else size)
        outside += 0 if ".layers." in name else prod(tensor.shape) * size
        trained += config.lora.rank * sum(tensor.shape) if target else 0
    lengths = [len(sample.ids) for sample in samples.train]
    if config.method == "dpo":  # both halves of a pair are computed at once
        lengths = [2 * max(pair) for pair in zip(lengths[::2], lengths[1::2], strict=True)]
    experts = getattr(text, "moe_intermediate_size", 0) * getattr(text, "num_experts_per_tok", 0)
    return Load(
        weights=weights,
        trained=trained,
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        inner=max(experts, getattr(text, "intermediate_size", 4 * text.hidden_size)),
        bytes_a_number=size,
        lengths=lengths,
        padded=bool(kernels.padding),
        fused=kernels.fused,
        lean=kernels.liger,
        outside=outside,
    )


def new_trainer(
    job: TrainingJob,
    samples: Samples,
    tokenizer: ChatTokenizer,
    placement: Placement,
    kernels: Kernels,
    send: Observer,
    model: Any = None,
) -> AdapterTraining:
    """Return the trainer before its first step; for measurements `model` stands in for the base."""
    config = job.config
    usual = config.lora.init == "default" or config.lora.moves_the_base  # moved once it is there
    begin: Any = True if usual else config.lora.init
    lora = LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.scale,  # type: ignore[arg-type]  # peft divides it, whole or not
        lora_dropout=config.lora.dropout,
        target_modules=list(config.lora.targets),
        use_rslora=config.lora.rslora,
        use_dora=config.lora.dora,
        init_lora_weights=begin,
        bias="none",
        task_type="CAUSAL_LM",
    )
    kind = trainer_of(config.method)
    train, held_out = kind.datasets(samples)
    trainer = kind(
        job,
        send,
        model=model if model is not None else str(job.base),
        args=kind.arguments(config, samples, trl_arguments(job, placement, kernels)),
        train_dataset=train,
        eval_dataset=held_out,
        processing_class=tokenizer.tokenizer,
        quantization_config=four_bits(placement.dtype) if config.qlora and model is None else None,
        peft_config=lora,
    )
    if config.qlora and trainer.model is not None:
        send(TrainingNote(settle(trainer.model)))
    if config.adapter is not None:
        begin_with(trainer.model, config.adapter / WEIGHTS)
    if config.lora.moves_the_base:
        writes = World.here().rank == 0
        init = config.lora.init
        trainer.begun = begin_in_the_base(trainer.model, init, job.work, writes=writes)
    install(kernels, trainer, placement, samples, send)
    trainer.remember_start()
    every = config.checkpoint_every or trainer.steps_per_epoch
    trainer.add_callback(Watch(send, every, config.patience, evaluates=held_out is not None))
    return trainer


def trainer_of(method: str) -> type[AdapterTraining]:
    """Return the trainer of a method; trl's others are not imported."""
    if method == "dpo":
        from harness.training.sft.worker.pairs import PairTrainer

        return PairTrainer
    if method == "grpo":
        # trl would import vLLM, with which nobody generates in this process: a third of its start.
        sys.modules.setdefault("vllm", None)  # type: ignore[arg-type]  # says that it is not there
        from harness.training.sft.worker.rewards import RewardTrainer

        return RewardTrainer
    from harness.training.sft.worker.answers import AnswerTrainer

    return AnswerTrainer


def install(
    kernels: Kernels,
    trainer: Any,
    placement: Placement,
    samples: Samples,
    send: Observer,
) -> None:
    """Put the chosen kernels into the loaded model; say so where rows must be padded after all."""
    base = trainer.model.get_base_model()
    if kernels.liger:
        use_liger(base)
    elif kernels.fused and not footing_of(trainer.job).sharded:  # it keeps the weights of norms
        fuse_norms(base)
    if kernels.fused:
        trainer.fused = FusedLora(trainer.model, placement.dtype)
    elif placement.device.type == "cuda":
        for module in base.modules():
            if hasattr(module, "cast_input_dtype_enabled"):
                module.cast_input_dtype_enabled = False  # autocast casts where it is needed
    if kernels.padding:
        return
    usual = base.config._attn_implementation, trainer.data_collator
    shortest = sorted(samples.train, key=lambda sample: len(sample.ids))[:2]
    alone = logits_of(trainer, shortest[-1:])
    use_varlen(base, torch_varlen())
    trainer.data_collator = collate_varlen
    if found := seen_by_others(trainer, shortest, alone):
        base.set_attn_implementation(usual[0])
        trainer.data_collator = usual[1]
        send(
            TrainingNote(
                f"rows are padded: in one sequence they are not computed as alone ({found})"
            )
        )


def trl_arguments(job: TrainingJob, placement: Placement, kernels: Kernels) -> dict[str, Any]:
    """Spell for trl what all methods share.

    What is due when is decided by `Watch`: every strategy is off.
    """
    config, footing = job.config, footing_of(job)
    cpu, world = placement.device.type == "cpu", World.here()
    # trl alone would load in float32, all over the devices.
    loading = {
        "dtype": placement.dtype_name,
        "device_map": {"": str(placement.device)} if placement.device.type == "cuda" else None,
        "local_files_only": True,
        "use_safetensors": True,
        **config.model_args,
    }
    if footing.sharded:
        del loading["device_map"]
        loading |= sharded_loading(world)
    return {
        "output_dir": str(job.work / "trl"),
        "model_init_kwargs": loading,
        "trust_remote_code": config.trust_remote_code,
        "per_device_train_batch_size": footing.device_batch,
        "per_device_eval_batch_size": footing.device_batch,
        "gradient_accumulation_steps": config.share // footing.device_batch,
        "ddp_backend": None if world.size == 1 else "gloo" if cpu else "nccl",
        "ddp_find_unused_parameters": False,
        "ddp_broadcast_buffers": False,
        "gradient_checkpointing": footing.checkpointing,
        "learning_rate": config.rate,
        "lr_scheduler_type": config.schedule,
        "warmup_steps": config.warmup,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "bf16": placement.dtype is torch.bfloat16 and not kernels.fused,  # these need no autocast
        "fp16": placement.dtype is torch.float16,
        "use_cpu": cpu,
        "dataloader_pin_memory": not cpu,
        "seed": config.seed,
        "eval_strategy": "no",
        "save_strategy": "no",
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,  # it would put the last loss in place of a NaN
        "disable_tqdm": True,
        "report_to": list(config.report_to) or "none",
        "run_name": config.run_name or config.output.name,
    }


def footing_of(job: TrainingJob) -> Footing:
    """Return what is computed at once, also for a job that no device was asked about."""
    return job.footing or usual_footing(job.config)


def prove_samples(trainer: AdapterTraining, samples: Samples, tokenizer: ChatTokenizer) -> int:
    """Prove that what trl trains on, packed or not, is what inference sees; count the answers."""
    known = {(sample.ids, sample.labels) for sample in samples.train}
    found = set(trainer.as_trained())
    if known != found:
        raise MachineryError(
            Problem(
                "trl changed the samples before the first step",
                found=f"{len(found & known)} of {len(known)} are as they were",
                hint="train without packing",
            )
        )
    return prove((*samples.train, *samples.held_out), samples.rows, tokenizer)


def four_bits(dtype: torch.dtype) -> Any:
    """Say how the base is loaded: 4-bit NormalFloat, quantised twice, computed in `dtype`."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]  # as transformers has it
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def settle(model: nn.Module) -> str:
    """Make the model fit to be trained; say how much of the base is in 4 bits.

    The adapter is put into float32, as without QLoRA: trl has put it into bfloat16, in which small
    steps are lost to rounding, and which GPUs that train in float16 do not scale. On a CPU,
    bitsandbytes would pack the base anew, and less exactly, for the first evaluation. Raise
    `MachineryError` where nothing was quantised.
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
