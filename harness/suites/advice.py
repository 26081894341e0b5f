"""What somebody meant who wrote a key that a suite file has under another name, or elsewhere."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import BaseModel

from harness.errors import nearest
from harness.gate_settings import GateSettings
from harness.sampling import Sampling
from harness.suites.file_models import CaseKeys, DefaultKeys, HaystackKeys, keys_of

# What the same thing is called elsewhere: in other harnesses, chat APIs and data sets.
_NAMES = {
    "user": ("prompt", "input", "question", "query", "instruction", "content", "text"),
    "turns": ("messages", "conversation", "dialogue", "chat"),
    "checks": (
        *("assert", "asserts", "assertions", "expect", "expected", "ideal", "target", "tests"),
        *("reference", "answer", "output", "scorers", "metrics", "criteria"),
    ),
    "cases": ("tests", "examples", "items", "samples", "prompts", "questions"),
    "from_file": ("file", "data", "dataset", "rows", "jsonl", "csv"),
    "path": ("file", "name", "source"),
    "case": ("template", "cases"),
    "haystack": ("needle", "needles", "niah"),
    "id": ("name", "key", "case"),
    "suite": ("name", "id", "title"),
    "vars": ("variables", "params", "parameters", "args"),
    "sampling": ("generation", "generation_config", "sampling_params", "decoding_params"),
    "gate": ("gates", "thresholds", "bars"),
    "max_new_tokens": ("max_tokens", "max_length", "n_predict"),
    "required": ("must_pass", "critical"),
    "tags": ("labels", "marks", "markers"),
    "repeats": ("repeat", "samples", "n", "runs"),
}
_CALLED = [(other, name) for name, others in _NAMES.items() for other in others]
# Parts of a file and what stands in them, the innermost first.
_PARTS: dict[tuple[str, ...], type[BaseModel]] = {
    ("sampling",): Sampling,
    ("gate",): GateSettings,
    ("case",): CaseKeys,
    ("haystack",): HaystackKeys,
    ("defaults",): DefaultKeys,
    ("defaults", "sampling"): Sampling,
}


def meant(key: str, known: Collection[str]) -> str:
    """The known key that `key` was probably meant to be, or an empty text."""
    called = (name for other, name in _CALLED if other == key and name in known)
    return nearest(key, known) or next(called, "")


def stands_in(key: str, known: Collection[str]) -> str:
    """Where this key belongs, one level or two below; empty where that is nowhere."""
    for way, model in _PARTS.items():
        if way[0] in known and key in keys_of(model):
            inner = "{" + f"{key}: ..." + "}"
            for part in reversed(way[1:]):
                inner = "{" + f"{part}: {inner}" + "}"
            return f"it belongs to {way[0]}: `{way[0]}: {inner}`"
    return ""
