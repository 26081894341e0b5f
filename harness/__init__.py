"""Evaluate language models and their LoRA adapters, gate them, and repair what fails."""

__version__ = "0.1.0"
