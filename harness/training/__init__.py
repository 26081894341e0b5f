"""Repair: training rows, the contamination guard, the LoRA trainer, the loop that closes."""

from harness.training.values import TrainingRow

__all__ = ["TrainingRow"]
