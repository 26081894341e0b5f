"""The LoRA trainer: trl and peft in a process of their own, with prompts as at inference."""

from harness.training.trainer.checkpoints import checkpoints
from harness.training.trainer.claiming import check_output
from harness.training.trainer.config import DataFile, LoraSettings, TrainConfig, TrainSettings
from harness.training.trainer.config_file import load_train_config, placed
from harness.training.trainer.data import read_data
from harness.training.trainer.events import (
    Evaluated,
    Event,
    Note,
    Observer,
    Saved,
    Started,
    Stepped,
)
from harness.training.trainer.history import History
from harness.training.trainer.prepare import Prepared, prepare
from harness.training.trainer.progress import TrainingProgress
from harness.training.trainer.rehearsal import rehearse
from harness.training.trainer.train import train
from harness.training.trainer.values import TrainedAdapter

__all__ = [
    "DataFile",
    "Evaluated",
    "Event",
    "History",
    "LoraSettings",
    "Note",
    "Observer",
    "Prepared",
    "Saved",
    "Started",
    "Stepped",
    "TrainConfig",
    "TrainSettings",
    "TrainedAdapter",
    "TrainingProgress",
    "check_output",
    "checkpoints",
    "load_train_config",
    "placed",
    "prepare",
    "read_data",
    "rehearse",
    "train",
]
