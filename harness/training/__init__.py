"""Repair: training rows, the contamination guard, the LoRA trainer, the loop that closes."""

from harness.training.values import LabelledAnswer, Pair, Rollout, TrainingRow

__all__ = ["LabelledAnswer", "Pair", "Rollout", "TrainingRow"]
