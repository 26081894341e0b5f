"""Cleaning of training rows: nothing is dropped without a line in the report."""

from harness.training.cleaning.clean import clean, print_cleaning
from harness.training.cleaning.values import (
    Cleaned,
    CleaningReport,
    CleaningSettings,
    CountTokens,
    Dropped,
    Noticed,
    Reason,
)

__all__ = [
    "Cleaned",
    "CleaningReport",
    "CleaningSettings",
    "CountTokens",
    "Dropped",
    "Noticed",
    "Reason",
    "clean",
    "print_cleaning",
]
