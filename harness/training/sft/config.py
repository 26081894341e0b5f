"""What a training is told: one frozen value, from Python or from a YAML file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from harness.common import InputError
from harness.common.yaml_positions import read_yaml_file
from harness.config import TypedPaths, read_config
from harness.suites import not_there
from harness.training.rows import parse_spec

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

# Initialisations of peft that are not taken, and why.
_NO_INITS = {
    "corda": "needs samples of its own, gathered beforehand",
    "eva": "passes over the rows until it has converged, which few rows never let it",
    "loftq": "rounds the base's own weights, and no LoRA on the full ones says the same",
    "lora_ga": "needs gradients of its own, gathered beforehand",
}

INITS = "default, gaussian, orthogonal, pissa, pissa_niter_16 or olora"
_INITS = r"default|gaussian|orthogonal|pissa|pissa_niter_[1-9]\d?|olora"

# Preferences and rewards move a model by so much less than answers to be copied.
GENTLER = 5

Count = Annotated[StrictInt, Field(ge=1)]
Number = StrictFloat  # whole numbers are taken too


def is_address(text: str) -> bool:
    """Return whether a text is HOST:PORT."""
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 65536


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LoraSettings(_Part):
    """The adapter itself. `alpha` is twice the rank unless it is given.

    `targets` are the ends of module names. `rslora` scales by alpha / sqrt(rank) instead of
    alpha / rank, which keeps high ranks from learning slowly (arXiv 2312.03732). `dora` learns the
    length of each column apart from its direction (arXiv 2402.09353). `init` is how the first
    matrix begins: `default` (Kaiming), `gaussian` or `orthogonal`. With `pissa` (exact, or
    `pissa_niter_16` for 16 iterations) and `olora` the adapter begins as a part of the base; it is
    saved as plain LoRA of twice the rank, for the base as it was.
    """

    rank: Count = 16
    alpha: Annotated[Number, Field(gt=0)] | None = None
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = PROJECTIONS
    rslora: StrictBool = False
    dora: StrictBool = False
    init: str = "default"

    @field_validator("init", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        """Refuse peft's other initialisations with the reason."""
        if isinstance(value, str) and (why := _NO_INITS.get(value.lower())):
            raise ValueError(f"{value} {why}; say {INITS}")
        if isinstance(value, str) and not re.fullmatch(_INITS, value):
            raise ValueError(f"{value!r} is not known; say {INITS}")
        return value

    @property
    def scale(self) -> int | float:
        """The alpha that is used."""
        alpha = 2 * self.rank if self.alpha is None else self.alpha
        return int(alpha) if alpha == int(alpha) else alpha

    @property
    def moves_the_base(self) -> bool:
        """Return whether the adapter begins with what is taken out of the base's weights."""
        return self.init.startswith(("pissa", "olora"))

    @property
    def saved(self) -> Self:
        """The form in which the adapter is saved: that of plain LoRA, with the same scaling."""
        if not self.moves_the_base:
            return self
        alpha = self.scale * (math.sqrt(2) if self.rslora else 2)
        return self.model_copy(update={"rank": 2 * self.rank, "alpha": alpha, "init": "default"})


class DpoSettings(_Part):
    """How pairs are learned from: direct preference optimisation (arXiv 2305.18290), its relatives.

    `loss` is trl's name of the loss. `beta`: the higher, the closer to the weights that the
    training begins with. `sft` weighs the loss of the chosen answers by themselves, which keeps
    them likely while the others become unlikely (arXiv 2404.19733). `label_smoothing` is the share
    of pairs that may be the wrong way round, for `robust` and `exo_pair`. `learning_rate`: a
    fifth of the trainer's own unless it is said.
    """

    loss: Literal[
        "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard",
        "aot", "aot_unpaired", "apo_zero", "apo_down", "discopop", "sigmoid_norm",
    ] = "sigmoid"  # fmt: skip
    beta: Annotated[Number, Field(gt=0)] = 0.1
    sft: Annotated[Number, Field(ge=0)] = 0.0
    label_smoothing: Annotated[Number, Field(ge=0, lt=0.5)] = 0.0
    learning_rate: Annotated[Number, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _smoothing_where_it_is_needed(self) -> Self:
        if self.loss == "exo_pair" and not self.label_smoothing:
            raise ValueError("loss exo_pair needs label_smoothing above 0, such as 0.001")
        return self


class GrpoSettings(_Part):
    """How scored answers are learned from: group relative policy optimisation (arXiv 2402.03300).

    `loss` is trl's name of the loss: `grpo` means over each answer, `bnpo` over the tokens of a
    batch, `dr_grpo` over the longest answer (arXiv 2503.20783). `epsilon` bounds how far one update
    moves the odds of a token, upwards by `epsilon_high` where that is said. `beta` weighs the
    distance to the weights that the update begins with. `temperature` is that of the answers.
    `learning_rate`: a fifth of the trainer's
    own unless it is said.
    """

    loss: Literal["grpo", "bnpo", "dr_grpo"] = "grpo"
    epsilon: Annotated[Number, Field(gt=0, lt=1)] = 0.2
    epsilon_high: Annotated[Number, Field(gt=0)] | None = None
    beta: Annotated[Number, Field(ge=0)] = 0.0
    temperature: Annotated[Number, Field(gt=0)] = 1.0
    learning_rate: Annotated[Number, Field(gt=0, le=1)] | None = None


class DataFile(_Part):
    """A file of rows: `count` of them, drawn by the seed, or all.

    `system` is given to rows without a system prompt of their own; `replay` rows keep what the
    model can do. `PATH#COUNT` is short for a path and a count.
    """

    path: Path
    count: Count | None = None
    system: str | None = None
    replay: StrictBool = False


class TrainSettings(_Part):
    """How a LoRA adapter is trained, whatever on; everything has a default.

    `batch_size` counts the rows of one optimiser step; `device_batch_size` of them are computed at
    once, or as many as fit. `gradient_checkpointing` is chosen by the memory that there is, unless
    it is said. `checkpoint_every` counts steps; without it, once an epoch. The held-out rows are
    evaluated at every checkpoint, and training ends after `patience` evaluations that were no
    better than the best one. `model_args` go to `from_pretrained`; `chat_template_args` are
    variables of the chat template, as the adapter will be asked with. `method` is what is learned
    from: answers (`sft`), pairs of answers (`dpo`), or answers with a reward (`grpo`).

    `gpus` train together, one process each, and share the rows of every step; with `device: cpu`
    they are processes on the CPU. `shard` splits the base's weights among them (FSDP2), else each
    has all of them (DDP); unless it is said, where the weights do not fit on one. With several
    `hosts`, each has as many; they meet at `main_address`, HOST:PORT of the first, which the
    others join.
    """

    method: Literal["sft", "dpo", "grpo"] = "sft"
    dpo: DpoSettings = DpoSettings()
    grpo: GrpoSettings = GrpoSettings()
    held_out_share: Annotated[Number, Field(ge=0, le=0.5)] = 0.05
    template: str | None = None
    lora: LoraSettings = LoraSettings()
    qlora: StrictBool = False
    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 2e-4
    epochs: Annotated[Number, Field(gt=0, le=10_000)] = 3
    max_steps: Count | None = None
    batch_size: Count = 16
    device_batch_size: Count | None = None
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Annotated[Number, Field(ge=0, lt=1)] = 0.03
    weight_decay: Annotated[Number, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[Number, Field(gt=0)] = 1.0
    max_length: Count | None = None
    long_rows: Literal["error", "drop"] = "error"
    packing: StrictBool = False
    gradient_checkpointing: StrictBool | None = None
    liger: StrictBool = False
    checkpoint_every: Count | None = None
    keep_checkpoints: Count = 3
    patience: Count | None = 2
    keep: Literal["best", "last"] = "best"
    seed: Annotated[StrictInt, Field(ge=0, lt=2**32)] = 42
    device: str = "auto"
    dtype: str = "auto"
    threads: Count | None = None
    gpus: Count = 1
    hosts: Count = 1
    main_address: str | None = None
    shard: StrictBool | None = None
    report_to: tuple[Literal["mlflow", "tensorboard", "wandb"], ...] = ()
    run_name: str | None = None
    model_args: dict[str, Any] = Field(default_factory=dict)
    chat_template_args: dict[str, Any] = Field(default_factory=dict)

    @property
    def processes(self) -> int:
        """Processes that train together, on all hosts."""
        return self.gpus * self.hosts

    @property
    def share(self) -> int:
        """Rows of one optimiser step for each process."""
        return self.batch_size // self.processes

    def steps(self, sequences: int) -> int:
        """Return optimiser steps in all, for so many sequences in an epoch."""
        return self.max_steps or math.ceil(self.epochs * math.ceil(sequences / self.batch_size))

    @property
    def rate(self) -> float:
        """The learning rate of this method."""
        own = {"dpo": self.dpo.learning_rate, "grpo": self.grpo.learning_rate}
        if self.method == "sft":
            return self.learning_rate
        return own[self.method] or self.learning_rate / GENTLER

    @field_validator("main_address")
    @classmethod
    def _of_a_port(cls, value: str | None) -> str | None:
        """Demand HOST:PORT."""
        if value is not None and not is_address(value):
            raise ValueError("is no HOST:PORT, such as 10.0.0.1:29500")
        return value

    @field_validator("model_args")
    @classmethod
    def _only_others(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Return what is said elsewhere, or is never loosened, stays as it is."""
        if ours := sorted(set(value) & set(_NOT_ARGUMENTS)):
            told = ", ".join(f"{name} ({_NOT_ARGUMENTS[name]})" for name in ours)
            raise ValueError(f"not to be set here: {told}")
        return value


class TrainConfig(TrainSettings):
    """A training of one LoRA adapter; only `model` and `output` have no default.

    `select: suites` takes the checkpoint that does best in `suites`, and lost none of them, instead
    of the one of the lowest held-out loss.
    `data` and `held_out` are files of rows for `harness train`; from Python, rows are handed over
    and both stay empty. `adapter` is one that the training begins with, instead of a new one.
    """

    model: str
    output: Path
    data: tuple[DataFile, ...] = ()
    held_out: tuple[DataFile, ...] = ()
    adapter: Path | None = None
    trust_remote_code: StrictBool = False
    select: Literal["loss", "suites"] = "loss"
    suites: tuple[Path, ...] = ()

    @field_validator("suites", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """Return one path or a list of them as a tuple."""
        return (value,) if isinstance(value, str | Path) else value

    @field_validator("suites", mode="after")
    @classmethod
    def _asked_for(cls, value: tuple[Path, ...], info: ValidationInfo) -> tuple[Path, ...]:
        """Refuse suites that nothing is chosen by."""
        if value and info.data.get("select") != "suites":
            raise ValueError("suites are looked at with select: suites alone, which is not said")
        return value

    @field_validator("data", "held_out", mode="before")
    @classmethod
    def _files(cls, value: Any) -> Any:
        """Return one file or a list, each as a text or with its settings."""
        values = [value] if isinstance(value, str | Path | dict) else value
        if not isinstance(values, list | tuple):
            return values
        files: list[Any] = []
        for item in values:
            try:
                file = parse_spec(item) if isinstance(item, str | Path) else None
            except InputError as error:
                raise ValueError(f"{error.problems[0].message}: {item}") from None
            files.append(item if file is None else {"path": file.path, "count": file.count})
        return files

    @property
    def recipe(self) -> dict[str, Any]:
        """What the trained weights depend on, beside the model and the rows.

        How the work is cut up for the device, where it is written and who is told is no part.
        """
        found = self.model_dump(mode="json", exclude=set(_NOT_RECIPE))
        own = found.pop(self.method, None)  # of the other methods nothing is used
        for name in ("method", "dpo", "grpo"):
            found.pop(name, None)
        if own is not None:
            found |= {"method": self.method, self.method: own}
        for name in ("liger", "chat_template_args"):
            if not found[name]:  # so that adapters from before there was such a setting are known
                del found[name]
        for name, usual in (("dora", False), ("init", "default")):  # as above
            if found["lora"][name] == usual:
                del found["lora"][name]
        return found


# Arguments of from_pretrained that are no matter of `model_args`, and why.
_NOT_ARGUMENTS = {
    "device_map": "say device",
    "dtype": "say dtype",
    "torch_dtype": "say dtype",
    "quantization_config": "say qlora",
    "load_in_4bit": "say qlora",
    "load_in_8bit": "say qlora",
    "trust_remote_code": "a setting of its own",
    "use_safetensors": "no pickle is ever loaded",
    "local_files_only": "nothing is ever downloaded",
    "force_download": "nothing is ever downloaded",
}
_NOT_RECIPE = (
    "model", "output", "data", "held_out", "adapter", "device_batch_size", "gradient_checkpointing",
    "keep_checkpoints", "device", "threads", "gpus", "hosts", "main_address", "shard", "report_to",
    "run_name", "template", "select", "suites",
)  # fmt: skip


def load_train_config(path: Path, **given: Any) -> TrainConfig:
    """Read and check the file; `given` settings win over those in it.

    Paths in the file are relative to it, a given `output` to the working directory. Raises
    `InputError` for all that is wrong.
    """
    config = read_config(path, TrainConfig, **given)
    said = TypedPaths(path.parent, Path())
    changes: dict[str, Any] = {
        "model": said.option("model", config.model),
        "output": Path(said.option("output", str(config.output))),
        "data": tuple(_located(said, file) for file in config.data),
        "held_out": tuple(_located(said, file) for file in config.held_out),
        "suites": tuple(Path(said.option("input", str(path))) for path in config.suites),
        "template": said.option("model", config.template) if config.template else None,
        "adapter": Path(said.option("adapter", str(config.adapter))) if config.adapter else None,
    }
    return config.model_copy(update={**changes, **{key: getattr(config, key) for key in given}})


def _located(said: TypedPaths, file: DataFile) -> DataFile:
    return file.model_copy(update={"path": Path(said.option("input", str(file.path)))})


def said_in_file(option: str) -> str:
    """Return how a training's file says what somebody typed as an option; empty for no setting.

    Settings of a part are found under their own name, and with the part's name before it.
    """
    name = option.lstrip("-").replace("-", "_")
    parts: dict[str, type[BaseModel]] = {
        "": TrainConfig,
        "lora": LoraSettings,
        "dpo": DpoSettings,
        "grpo": GrpoSettings,
    }
    for part, model in parts.items():
        for field in (name, name.removeprefix(f"{part}_")):
            if field in model.model_fields:
                return f"{part}: {{{field}: ...}}" if part else f"{field}: ..."
    return ""


def unused_settings(config: TrainConfig) -> Iterator[str]:
    """Yield the parts that are said, and that another method learns by."""
    for name in ("dpo", "grpo"):
        if name in config.model_fields_set and config.method != name:
            yield f"{name}: is not used: the method is {config.method}"


def demand_files(path: Path, config: TrainConfig) -> None:
    """Raise `InputError` for rows and suites that are not there, each with its place in the file.

    `config` is what the file at `path` says.
    """
    problems = []
    document = read_yaml_file(path)
    for key in ("data", "held_out", "suites"):
        given: Any = document.value.get(key)
        for index, entry in enumerate(getattr(config, key)):
            file = entry.path if isinstance(entry, DataFile) else entry
            if not file.exists():
                at = document.position([key, index] if isinstance(given, list) else [key])
                problem = not_there(file)
                told = {"message": f"{key}: {problem.message}", "path": at.path}
                problems.append(replace(problem, **told, line=at.line, column=at.column))
    if problems:
        raise InputError(*problems)


def placed(path: Path, error: InputError) -> InputError:
    """Return the error with a place for each problem of a setting that the file gives.

    What only the model or the machine refuses is found long after the file was read.
    """
    try:
        document = read_yaml_file(path)
    except InputError:  # changed since it was read: what was found still holds
        return error
    problems = []
    for problem in error.problems:
        found = _SETTING.match(problem.message)
        loc = (found[1] or found[2]).split(".") if found else []
        if loc and isinstance(document.value, dict) and loc[0] in document.value:
            at = document.position(loc)
            problem = replace(problem, path=at.path, line=at.line, column=at.column)
        problems.append(problem)
    return InputError(*sorted(problems, key=lambda problem: (problem.line, problem.column)))


# Messages begin with their setting, but for that of the loaded model, which ends with it.
_SETTING = re.compile(
    r"(?:(adapter|data|device|dtype|grpo|liger|method|lora\.targets|packing|qlora|report_to|template)\b|.*\b(model_args)$)"
)
