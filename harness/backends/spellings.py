"""What devices and number formats are called elsewhere, for "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import nearest

_ELSEWHERE = {
    "gpu": "cuda",
    "nvidia": "cuda",
    "metal": "mps",
    "half": "float16",
    "fp16": "float16",
    "f16": "float16",
    "float": "float32",
    "fp32": "float32",
    "f32": "float32",
    "bf16": "bfloat16",
}


def meant(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant: by another name, or by a slip; empty for none."""
    names = tuple(known)
    other = _ELSEWHERE.get(word.lower(), "")
    return other if other in names else nearest(word, names)
