"""Repair: training rows, the contamination guard, the LoRA trainer, the loop that closes."""

from harness.training.values import Row

__all__ = ["Row"]
