"""A model's directory: found, checked and described without loading any weights."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from harness.common import InputError, Problem, from_home, listed, shown
from harness.common.reading import decoded, fitting, parse_json, read_object

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
        """Read its numbers, as they are stored."""
        with self.file.open("rb") as stream:
            stream.seek(self.start)
            return stream.read(self.end - self.start)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One tensor in the header of a safetensors file."""

    dtype: str
    shape: tuple[Annotated[int, Field(ge=0)], ...]
    data_offsets: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


# Of the kinds that are a whole number of bytes wide; others are not reckoned with.
_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1}


def read_tensors(*files: Path) -> dict[str, Tensor]:
    """Return all tensors of these files by name; raise `InputError` for a file that is none."""
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            with file.open("rb") as stream:
                head = stream.read(8)
                length = int.from_bytes(head, "little")
                if len(head) < 8 or length > HEADER_LIMIT:
                    raise ValueError("no header")
                text = decoded(str(file), stream.read(length))
            header = parse_json(text, str(file))
            if isinstance(header, dict):
                header.pop("__metadata__", None)
            size = file.stat().st_size
            for name, entry in fitting(dict[str, _Entry], header, str(file)).items():
                start, end = (8 + length + offset for offset in entry.data_offsets)
                width = _BYTES.get(entry.dtype)
                if not start <= end <= size:
                    raise ValueError("cut off")
                if width and math.prod(entry.shape) * width != end - start:
                    raise ValueError("shape and bytes do not fit together")
                tensors[name] = Tensor(file, entry.dtype, entry.shape, start, end)
        except (ValueError, InputError) as error:
            with file.open("rb") as stream:
                pointer = stream.read(11) == b"version htt"
            what = "is a Git LFS pointer, not the weights"
            hint = "run `git lfs pull` there"
            if not pointer:
                what = "is no complete safetensors file"
                hint = "copy the file again: it is broken"
            raise InputError(Problem(what, str(file), hint=hint)) from error
        except OSError as error:
            raise InputError(Problem(f"cannot be read: {error.strerror}", str(file))) from error
    return tensors


PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")
# Names under which configurations keep the longest context, in the order transformers prefers.
_CONTEXT = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length")


@dataclass(frozen=True)
class ModelDir:
    """A causal model on disk: its configuration and the safetensors files with its weights."""

    name: str
    path: Path
    config: Mapping[str, Any]
    weights: tuple[Path, ...]

    @property
    def context_length(self) -> int | None:
        """Return the most tokens that the model takes, as its configuration says."""
        for source in (_text_config(self.config), self.config):
            for name in _CONTEXT:
                if isinstance(source.get(name), int):
                    return int(source[name])
        return None

    @property
    def quantisation(self) -> str:
        """Name how the weights are stored, such as `awq` or `gptq`; empty for plain numbers."""
        settings = self.config.get("quantization_config")
        return str(settings.get("quant_method", "unknown")) if isinstance(settings, dict) else ""

    @cached_property
    def eos_token_ids(self) -> tuple[int, ...]:
        """Return the tokens that end an answer by the model's two configurations, sorted.

        Only these are read from `generation_config.json`: no sampling setting is.
        """
        file = self.path / "generation_config.json"
        generation = read_object(file) if file.is_file() else {}
        found: set[int] = set()
        for source in (self.config, _text_config(self.config), generation):
            told = source.get("eos_token_id")
            ids = told if isinstance(told, list) else [told]
            found.update(token for token in ids if isinstance(token, int))
        return tuple(sorted(found))

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """Return every tensor of the model by its name in the files."""
        return read_tensors(*self.weights)


def open_model(name: str) -> ModelDir:
    """Open the model in a directory, or under a hub name in the local cache; download nothing.

    Raises `InputError` for a directory that is no model, for pickled weights and for files missing.
    """
    path = from_home(name)
    if HUB_NAME.fullmatch(name) and not path.exists():
        path = _cached_snapshot(name)
    if not os.path.isdir(path):
        message = "there is no such model"
        if os.path.exists(path):
            message = "is a file, not a model's directory"
        hint = "give the directory with config.json and *.safetensors"
        raise InputError(Problem(message, name, hint=hint))
    config_file = path / "config.json"
    if config_file.is_file():
        return ModelDir(name, path, read_object(config_file), _weight_files(path))
    if (path / "adapter_config.json").is_file():
        raise InputError(
            Problem(
                "is an adapter, not a model",
                str(path),
                expected="a directory with config.json and *.safetensors",
                hint=f"give the base as --model and this as --adapter NAME={path}",
            )
        )
    raise InputError(
        Problem(
            "is no model: config.json is missing",
            str(path),
            found=_listing(path),
            hint="give the directory that save_pretrained wrote",
        )
    )


def pickles_in(path: Path) -> list[str]:
    """Return names of files that would have to be unpickled; `training_args.bin` is no weights."""
    return sorted(
        file.name
        for file in path.iterdir()
        if file.suffix in PICKLES and file.name != "training_args.bin"
    )


def refuse_pickles(path: Path, pickles: Iterable[str]) -> Problem:
    """Return the problem of weights that only come pickled."""
    return Problem(
        "holds pickled weights, and unpickling a file can run any code in it",
        str(path),
        found=", ".join(pickles),
        expected="safetensors files",
        hint="load it where you trust it and save it with save_pretrained (safetensors)",
    )


def _cached_snapshot(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise InputError(
            Problem(
                f"model {name!r} is neither a directory nor in the local cache of Hugging Face",
                hint=f"download it first: hf download {name} (the harness never downloads)",
            )
        ) from error


def _listing(path: Path) -> str:
    names = sorted(file.name for file in path.iterdir())
    shown = ", ".join(names[:5]) or "an empty directory"
    return f"{shown}, ..." if len(names) > 5 else shown


@dataclass(frozen=True, slots=True)
class _Index:
    """Which file holds each tensor of a model."""

    weight_map: Mapping[str, str] = field(default_factory=dict)


def _weight_files(path: Path) -> tuple[Path, ...]:
    """Return the safetensors files, those of the index where there is one."""
    index = path / "model.safetensors.index.json"
    if index.is_file():
        weight_map = fitting(_Index, read_object(index), str(index)).weight_map
        names = sorted(set(weight_map.values()))
        if outside := [name for name in names if Path(name).name != name]:
            problem = Problem("names a file outside of its directory", str(index))
            raise InputError(replace(problem, found=shown(outside[0])))
        missing = [name for name in names if not os.path.isfile(path / name)]
        if missing or not names:
            raise InputError(
                Problem(
                    f"names {len(missing)} of {len(names)} weight files that are not there",
                    str(index),
                    found=f"missing: {listed(missing, 3) or 'weight_map is empty'}",
                    hint="copy the missing files: the download was cut off",
                )
            )
        return tuple(path / name for name in names)
    files = tuple(sorted(path.glob("*.safetensors")))
    if not files and (pickles := pickles_in(path)):
        raise InputError(refuse_pickles(path, pickles))
    if not files:
        raise InputError(
            Problem(
                "has no weights: there is no *.safetensors file",
                str(path),
                found=_listing(path),
                hint="copy the model's weights into this directory",
            )
        )
    return files


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config
