"""Content hashes of models and adapters; each file is read once, not once per run."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness.backends.adapter_dir import AdapterDir
from harness.backends.model_dir import ModelDir
from harness.canonical import digest

CACHE_NAME = "hashes.json"
# Files that turn text into tokens and back; the chat template is part of the environment.
_TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json")
# Entries that change when a model is saved or copied elsewhere, and that change no answer.
_NOT_CONTENT = {"_name_or_path", "transformers_version", "base_model_name_or_path", "revision"}
_NOT_CONTENT |= {"inference_mode", "peft_version"}
_THREADS = 4  # hashing releases the interpreter's lock; more only fight for the disk


class FileHashes:
    """SHA-256 of files, remembered by path, size, time of change and inode.

    With a `directory` the hashes outlive the process, in `hashes.json` there. A broken or
    unwritable file costs time, never a wrong hash.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._file = directory / CACHE_NAME if directory else None
        self._known: dict[str, str] = _load(self._file)

    def of(self, files: Iterable[Path]) -> dict[str, str]:
        """The hash of each file, by its name without directories."""
        stamps = {file: _stamp(file) for file in files}
        new = [file for file, stamp in stamps.items() if stamp not in self._known]
        if new:
            with ThreadPoolExecutor(_THREADS) as pool:
                for file, value in zip(new, pool.map(_sha256, new), strict=True):
                    self._known[stamps[file]] = value
            _save(self._file, self._known)
        return {file.name: self._known[stamp] for file, stamp in stamps.items()}


def model_hash(model: ModelDir, hashes: FileHashes) -> str:
    """Of weights, configuration and tokenizer: 32 hexadecimal digits.

    The same model saved again or moved elsewhere has the same hash.
    """
    tokenizer = [model.path / name for name in _TOKENIZER if (model.path / name).is_file()]
    code = model.path.glob("*.py")  # of models that bring their own, with trust_remote_code
    files = hashes.of([*model.weights, *tokenizer, *code])
    return digest({"config": _content(model.config), "files": files})


def adapter_hash(adapter: AdapterDir, hashes: FileHashes) -> str:
    """Of an adapter's weights and configuration: 32 hexadecimal digits."""
    return digest({"config": _content(adapter.config), "files": hashes.of([adapter.weights])})


def _content(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in config.items() if name not in _NOT_CONTENT}
    if isinstance(kept.get("target_modules"), list):  # peft saves a set, in any order
        kept["target_modules"] = sorted(kept["target_modules"])
    return kept


def _stamp(file: Path) -> str:
    status = file.stat()
    place = str(file.resolve())
    return f"{place}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}"


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _load(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    pairs = value.items() if isinstance(value, dict) else ()
    return {stamp: text for stamp, text in pairs if isinstance(text, str)}


def _save(file: Path | None, known: Mapping[str, str]) -> None:
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=file.parent, prefix=file.name, delete=False, encoding="utf-8"
        ) as stream:
            json.dump({**_load(file), **known}, stream, indent=0, sort_keys=True)
        os.replace(stream.name, file)
    except OSError:
        return
