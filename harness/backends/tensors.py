"""What a safetensors file holds, read from its header alone: no torch, no weights in memory.

Format: https://huggingface.co/docs/safetensors: eight bytes with the header's length (little
endian), a JSON object `name -> {dtype, shape, data_offsets}`, then the bytes of all tensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InputError, Problem

HEADER_LIMIT = 100_000_000  # the format's own limit on a header, in bytes


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file; `start` and `end` are places in the file, in bytes."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    def read(self) -> bytes:
        """Its numbers, as they are stored."""
        with self.file.open("rb") as stream:
            stream.seek(self.start)
            return stream.read(self.end - self.start)


def read_tensors(*files: Path) -> dict[str, Tensor]:
    """All tensors of these files by name; raises `InputError` for a file that is none."""
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors.update(_tensors_of(file))
    return tensors


def _tensors_of(file: Path) -> dict[str, Tensor]:
    try:
        with file.open("rb") as stream:
            head = stream.read(8)
            length = int.from_bytes(head, "little")
            if len(head) < 8 or length > HEADER_LIMIT:
                raise ValueError("no header")
            header = json.loads(stream.read(length))
        return {name: _tensor(file, entry, 8 + length) for name, entry in _entries(header)}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(_broken(file)) from error
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror}", str(file))) from error


def _entries(header: Any) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(header, dict):
        raise ValueError("no object")
    return [(name, entry) for name, entry in header.items() if name != "__metadata__"]


def _tensor(file: Path, entry: Mapping[str, Any], offset: int) -> Tensor:
    start, end = entry["data_offsets"]
    if offset + end > file.stat().st_size:
        raise ValueError("cut off")
    shape = tuple(int(size) for size in entry["shape"])
    return Tensor(file, entry["dtype"], shape, offset + start, offset + end)


def _broken(file: Path) -> Problem:
    with file.open("rb") as stream:
        pointer = stream.read(11) == b"version htt"
    if pointer:
        return Problem(
            "is a Git LFS pointer, not the weights", str(file), mend="run `git lfs pull` there"
        )
    return Problem(
        "is no complete safetensors file", str(file), mend="copy the file again: it is broken"
    )
