"""The LoRA trainer: trl and peft in a process of their own, with prompts as at inference."""

from harness.training.sft.checkpoints import History, checkpoints, publish
from harness.training.sft.config import (
    DataFile,
    DpoSettings,
    LoraSettings,
    TrainConfig,
    TrainSettings,
    demand_files,
    is_address,
    load_train_config,
    placed,
    said_in_file,
    unused_settings,
)
from harness.training.sft.demands import (
    DEFAULT_SERVED_RANK,
    SERVED_RANKS,
    demand_served,
    served_rank,
    unserved,
)
from harness.training.sft.finishing import choose
from harness.training.sft.job import (
    Evaluated,
    Event,
    Observer,
    Saved,
    Started,
    Stepped,
    TrainedAdapter,
    TrainingNote,
)
from harness.training.sft.lessons import Lesson, conversations
from harness.training.sft.prepare import Prepared, prepare, read_data
from harness.training.sft.progress import TrainingProgress, draw
from harness.training.sft.train import check_output, join_training, rehearse, train

__all__ = [
    "DEFAULT_SERVED_RANK",
    "SERVED_RANKS",
    "DataFile",
    "DpoSettings",
    "Evaluated",
    "Event",
    "History",
    "Lesson",
    "LoraSettings",
    "Observer",
    "Prepared",
    "Saved",
    "Started",
    "Stepped",
    "TrainConfig",
    "TrainSettings",
    "TrainedAdapter",
    "TrainingNote",
    "TrainingProgress",
    "check_output",
    "checkpoints",
    "choose",
    "conversations",
    "demand_files",
    "demand_served",
    "draw",
    "is_address",
    "join_training",
    "load_train_config",
    "placed",
    "prepare",
    "publish",
    "read_data",
    "rehearse",
    "said_in_file",
    "served_rank",
    "train",
    "unserved",
    "unused_settings",
]
