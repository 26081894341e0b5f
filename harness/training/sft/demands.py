"""What a training needs, checked before anything is loaded; every message says how to fix it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec

from harness.backends import AdapterDir, ModelDir
from harness.common import InputError, Problem, from_home, nearest
from harness.prompts import ChatTokenizer, read_template
from harness.training.rows import check, template_families
from harness.training.sft.config import TrainConfig
from harness.training.values import TrainingRow

MOST_SHOWN = 20
SERVED_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM's max_lora_rank may be
DEFAULT_SERVED_RANK = 16  # vLLM's max_lora_rank where nobody says otherwise
_PACKAGES = {"mlflow": ("mlflow",), "tensorboard": ("tensorboard", "tensorboardX")}
_OUTSIDE = ("embed_tokens", "lm_head", "wte", "wpe")  # matrices that are no linear layers inside


def demand(config: TrainConfig, base: ModelDir) -> None:
    """Raise `InputError` for settings that this model, or this machine, cannot be trained with."""
    problems = [
        *_missing_packages(config),
        *_method_problems(config),
        *_base_problems(config, base),
        *_beginning_problems(config, base),
        *_sharing(config),
    ]
    problems = problems or list(_placement_problems(config))
    if problems:
        raise InputError(*problems)


def demand_template(config: TrainConfig, tokenizer: ChatTokenizer) -> None:
    """Raise `InputError` where another chat template than the model's is asked for."""
    wanted = config.template
    if wanted is None or wanted == "model":
        return
    template = tokenizer.tokenizer.chat_template
    source = template.get("default") if isinstance(template, dict) else template
    own = _families(template_families(str(source)))
    hint = "leave `template` out: rows are plain messages, and the model's own template is put on"
    file = from_home(wanted)
    if not file.is_file():
        raise InputError(
            Problem(
                f"template {wanted!r}: a model is trained with its own chat template, the one that "
                "it is served with, and with no other",
                found=f"the template of {config.model} is {own}",
                hint=hint,
            )
        )
    text = read_template(file)
    if not tokenizer.renders_like(text):
        raise InputError(
            Problem(
                f"is not the chat template of {config.model}: the trained adapter would see other "
                "prompts than in training",
                str(file),
                found=_families(template_families(text)),
                expected=own,
                hint=hint,
            )
        )


def demand_adapter(config: TrainConfig, adapter: AdapterDir) -> None:
    """Raise `InputError` where the training cannot go on from this adapter with these settings."""
    lora = config.lora
    wanted = {
        "r": lora.rank,
        "lora_alpha": lora.scale,
        "use_rslora": lora.rslora,
        "use_dora": lora.dora,
        "target_modules": sorted(lora.targets),
    }
    has = {name: adapter.config.get(name) for name in wanted}
    if isinstance(has["target_modules"], list):
        has["target_modules"] = sorted(has["target_modules"])
    if other := [name for name in wanted if has[name] != wanted[name]]:
        raise InputError(
            Problem(
                "adapter: is of another form than the settings under lora",
                str(adapter.path),
                found=", ".join(f"{name} {has[name]}" for name in other),
                expected=", ".join(f"{name} {wanted[name]}" for name in other),
                hint="say rank, alpha and targets of that adapter under lora",
            )
        )


def demand_rows(rows: Sequence[TrainingRow]) -> None:
    """Raise `InputError` for all rows that are no conversations, or were rendered already."""
    problems: list[Problem] = []
    for row in rows:
        try:
            check(row.messages, row.tools)
        except InputError as error:
            problems += [replace(problem, path=row.source) for problem in error.problems]
    if not rows:
        problems.append(Problem("there are no rows to train on"))
    if problems:
        raise InputError(*shortened(problems))


def shortened(problems: Sequence[Problem]) -> list[Problem]:
    """Return the first problems, and how many more there are."""
    more = len(problems) - MOST_SHOWN
    return [*problems[:MOST_SHOWN], *([Problem(f"and {more} more problems")] if more > 0 else [])]


def served_rank(rank: int) -> int:
    """Return the smallest `max_lora_rank` with which vLLM serves this rank; 0 without one."""
    return next((size for size in SERVED_RANKS if size >= rank), 0)


def unserved(config: TrainConfig) -> Iterator[str]:
    """Yield what vLLM will not load of the adapter that is asked for, or only if it is told to."""
    rank = config.lora.saved.rank
    if config.lora.moves_the_base:
        yield (
            f"lora.init: {config.lora.init} begins with a part of the base, and the adapter is "
            f"saved as plain LoRA of rank {rank}, twice {config.lora.rank}"
        )
    for problem in _never_served(config):
        yield f"{problem.message}; {problem.hint}"
    if (served := served_rank(rank)) > DEFAULT_SERVED_RANK:
        yield f"lora.rank: vLLM needs --max-lora-rank {served} for rank {rank}"


def demand_served(config: TrainConfig) -> None:
    """Raise `InputError` where vLLM is to answer with an adapter that it never loads."""
    if problems := list(_never_served(config)):
        raise InputError(*problems)


def _never_served(config: TrainConfig) -> Iterator[Problem]:
    if config.lora.dora:
        yield Problem(
            "lora.dora: vLLM loads no DoRA adapters",
            hint="the backend hf does, and so does a model that it is merged into (harness merge)",
        )
    rank = config.lora.saved.rank
    if not served_rank(rank):
        yield Problem(
            f"lora.rank: vLLM serves rank {SERVED_RANKS[-1]} at most, and this one has {rank}",
            hint="the backend hf takes it",
        )


def _missing_packages(config: TrainConfig) -> Iterator[Problem]:
    missing = [name for name in ("torch", "trl", "peft", "datasets") if not find_spec(name)]
    if missing:
        yield Problem(
            f"training needs packages that are not installed: {', '.join(missing)}",
            hint="pip install 'lora-regression-harness[train]'",
        )
    if config.qlora and not find_spec("bitsandbytes"):
        yield Problem(
            "qlora: bitsandbytes is not installed",
            hint="pip install 'lora-regression-harness[train,bitsandbytes]'",
        )
    if config.liger and not find_spec("liger_kernel"):
        yield Problem(
            "liger: liger-kernel is not installed",
            hint="pip install 'lora-regression-harness[train,liger]'",
        )
    for tracker in config.report_to:
        names = _PACKAGES.get(tracker, (tracker,))
        if not any(find_spec(name) for name in names):
            yield Problem(f"report_to: {tracker} is not installed", hint=f"pip install {names[0]}")


def _method_problems(config: TrainConfig) -> Iterator[Problem]:
    """Yield what the method of learning does not go together with."""
    if config.packing and config.method != "sft":
        yield Problem(
            f"packing: rows are packed with method: sft alone, not with {config.method}",
            hint="leave packing out",
        )
    if config.qlora and config.method == "grpo":
        yield Problem(
            "qlora: with method: grpo the answers would come from the full weights, and their "
            "rewards would teach those in four bits",
            hint="leave qlora out, or learn from pairs: method: dpo takes qlora",
        )


def _beginning_problems(config: TrainConfig, base: ModelDir) -> Iterator[Problem]:
    """Yield what forbids an adapter that begins as a part of the base."""
    lora, init = config.lora, config.lora.init
    if not lora.moves_the_base:
        return
    others = {
        "qlora": (config.qlora, "its weights are packed in 4 bits"),
        "lora.dora": (lora.dora, "a DoRA adapter cannot be saved as plain LoRA"),
        "adapter": (config.adapter is not None, "the training goes on from another beginning"),
        "shard": (bool(config.shard), "each process holds a part of the base only"),
    }
    for name, (said, why) in others.items():
        if said:
            yield Problem(
                f"lora.init: {init} takes the adapter's beginning out of the base, which does not "
                f"go together with {name}",
                found=why,
                hint=f"leave one of lora.init and {name} out",
            )
    for name, tensor in base.tensors.items():
        module, _, kind = name.rpartition(".")
        target = module.rpartition(".")[2]
        if kind == "weight" and target in lora.targets and min(tensor.shape) < lora.rank:
            yield Problem(
                f"lora.init: {init} begins with {lora.rank} directions of each matrix, and some "
                "have fewer",
                base.name,
                found=f"{target} of {' x '.join(map(str, tensor.shape))}",
                expected=f"rank {min(tensor.shape)} at most",
                hint="lower lora.rank, leave such modules out of lora.targets, or say init: "
                "default",
            )
            return


def _base_problems(config: TrainConfig, base: ModelDir) -> Iterator[Problem]:
    if base.quantisation:
        yield Problem(
            "the base is quantised, and an adapter is trained on the full weights",
            base.name,
            found=base.quantisation,
            hint="name the model that it was made from; with little memory, say qlora: true",
        )
    names = set()  # of matrices inside the layers
    for name, tensor in base.tensors.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and len(tensor.shape) == 2:
            names.add(module.rpartition(".")[2])
    linear = sorted(names - set(_OUTSIDE))
    for target in config.lora.targets:
        if target not in linear:
            yield Problem(
                f"lora.targets: the model has no module {target!r}, and peft would say nothing",
                base.name,
                expected=", ".join(linear),
                did_you_mean=nearest(target, linear),
            )


def _sharing(config: TrainConfig) -> Iterator[Problem]:
    """Yield what several processes cannot share, and what is said of several where there is one."""
    kind, _, number = config.device.partition(":")
    processes = config.processes
    if (config.hosts > 1) != bool(config.main_address):
        said = "main_address: HOST:PORT of the first" if config.hosts > 1 else "hosts: 2 or more"
        yield Problem(
            "hosts and main_address go together, and one of both is said",
            found=f"hosts {config.hosts}, main_address {config.main_address or 'none'}",
            hint=f"say {said}",
        )
    if config.batch_size % processes:
        more = math.ceil(config.batch_size / processes) * processes
        hosts = f" on each of {config.hosts} hosts" if config.hosts > 1 else ""
        yield Problem(
            "gpus: the rows of a step cannot be shared evenly",
            found=f"batch_size {config.batch_size}, gpus {config.gpus}{hosts}",
            hint=f"say batch_size: {more}, or another number of gpus",
        )
    if processes > 1 and number:
        yield Problem(
            f"gpus: {processes} are to train together, and device names one",
            found=f"device {config.device}",
            hint=f"say device: {kind}; CUDA_VISIBLE_DEVICES chooses among GPUs",
        )
    if processes > 1 and config.method != "sft":
        yield Problem(
            f"gpus: several share the rows of a step with method: sft alone, not with "
            f"{config.method}",
            hint="leave gpus and hosts out" if config.hosts > 1 else "leave gpus out",
        )
    if config.shard and processes == 1:
        yield Problem(
            "shard: there is one process, and it needs the whole base",
            hint="say gpus: 2 or more, or leave shard out",
        )
    if config.shard and config.qlora:
        yield Problem(
            "shard: a base in 4 bits is not split among processes",
            hint="leave one of shard and qlora out",
        )


def _placement_problems(config: TrainConfig) -> Iterator[Problem]:
    """Yield what is named must be there; what is chosen is chosen in the training process."""
    from harness.backends.hf.placement import check_named, visible_gpus  # imports torch

    there = visible_gpus()
    if config.processes > 1 and not config.device.startswith("cpu") and config.gpus > there:
        hint = f"say gpus: {there}" if there > 1 else "leave gpus out"
        yield Problem(
            f"gpus: {config.gpus} are asked for, and torch sees {there or 'none'}",
            hint=f"{hint}; with device: cpu, they are processes on the CPU",
        )
    try:
        check_named(config.device, config.dtype)
    except InputError as error:
        for problem in error.problems:
            key = problem.message.partition(" ")[0]
            usual = {"device": "device: auto or device: cpu", "dtype": "dtype: auto"}
            yield replace(problem, hint=f"say {usual[key]}")


def _families(names: Sequence[str]) -> str:
    return " and ".join(names) or "of its own kind"
