"""The LoRA trainer: trl and peft in a process of their own, with prompts as at inference."""

from harness.training.trainer.checkpoints import checkpoints
from harness.training.trainer.config import LoraSettings, TrainConfig
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
from harness.training.trainer.train import train
from harness.training.trainer.values import TrainedAdapter

__all__ = [
    "Evaluated",
    "Event",
    "History",
    "LoraSettings",
    "Note",
    "Observer",
    "Saved",
    "Started",
    "Stepped",
    "TrainConfig",
    "TrainedAdapter",
    "checkpoints",
    "train",
]
