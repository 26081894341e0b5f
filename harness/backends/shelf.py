"""Models, adapters and tokenizers of some variants, each opened and hashed once; no weights."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.backends.adapters import AdapterDir, open_adapter
from harness.backends.base import (
    PLAIN,
    Completion,
    Fingerprint,
    Prompt,
    Rendering,
    Request,
)
from harness.backends.models import ModelDir, open_model
from harness.common import InputError, Messages, Problem, Variant, digest, file_sha256, make_folder
from harness.prompts import ChatTokenizer, load_tokenizer

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
        """Return the hash of each file, by its name without directories."""
        stamps = {}
        for file in files:
            status, place = file.stat(), str(file.resolve())
            stamps[file] = f"{place}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}"
        new = [file for file, stamp in stamps.items() if stamp not in self._known]
        if new:
            with ThreadPoolExecutor(_THREADS) as pool:
                for file, value in zip(new, pool.map(file_sha256, new), strict=True):
                    self._known[stamps[file]] = value
            self._save()
        return {file.name: self._known[stamp] for file, stamp in stamps.items()}

    def _save(self) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            make_folder(self._file.parent)
            with tempfile.NamedTemporaryFile(
                "w",
                dir=self._file.parent,
                prefix=self._file.name,
                delete=False,
                encoding="utf-8",
            ) as stream:
                both = {**_load(self._file), **self._known}  # another process may know more
                json.dump(both, stream, indent=0, sort_keys=True)
            os.replace(stream.name, self._file)


def model_hash(model: ModelDir, hashes: FileHashes) -> str:
    """Hash weights, configuration and tokenizer: 32 hexadecimal digits.

    The same model saved again or moved elsewhere has the same hash.
    """
    tokenizer = [model.path / name for name in _TOKENIZER if (model.path / name).is_file()]
    code = model.path.glob("*.py")  # of models that bring their own, with trust_remote_code
    files = hashes.of([*model.weights, *tokenizer, *code])
    return digest({"config": _content(model.config), "files": files})


def adapter_hash(adapter: AdapterDir, hashes: FileHashes) -> str:
    """Hash an adapter's weights and configuration: 32 hexadecimal digits."""
    return digest({"config": _content(adapter.config), "files": hashes.of([adapter.weights])})


def _content(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in config.items() if name not in _NOT_CONTENT}
    if isinstance(kept.get("target_modules"), list):  # peft saves a set, in any order
        kept["target_modules"] = sorted(kept["target_modules"])
    return kept


def _load(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    pairs = value.items() if isinstance(value, dict) else ()
    return {stamp: text for stamp, text in pairs if isinstance(text, str)}


_SHOWN = 100  # characters of a default system message in a note


class Shelf:
    """What backends that load local models know about their variants before they load any."""

    def __init__(self, cache_dir: Path | None, *, trust_remote_code: bool = False) -> None:
        self._cache_dir, self._trust = cache_dir, trust_remote_code
        self._models: dict[str, ModelDir] = {}
        self._adapters: dict[tuple[str, str], AdapterDir] = {}
        self._tokenizers: dict[tuple[str, str], ChatTokenizer] = {}  # by model and template
        self._hashes = FileHashes(cache_dir)

    def check(self, variants: Iterable[Variant]) -> list[Problem]:
        """Look at every model and adapter; return all that is wrong with them, each once."""
        problems: list[Problem] = []
        for variant in variants:
            try:
                self.model(variant)
                self.adapter(variant)
            except InputError as error:
                problems += [problem for problem in error.problems if problem not in problems]
        return problems

    def model(self, variant: Variant) -> ModelDir:
        """Return the variant's model; raise `InputError`."""
        if variant.model not in self._models:
            self._models[variant.model] = open_model(variant.model)
        return self._models[variant.model]

    def adapter(self, variant: Variant) -> AdapterDir | None:
        """Return the variant's adapter, fit for its model, if it has one; raise `InputError`."""
        if variant.adapter is None:
            return None
        key = (variant.model, variant.adapter)
        if key not in self._adapters:
            self._adapters[key] = open_adapter(variant.adapter, self.model(variant))
        return self._adapters[key]

    def tokenizer(self, variant: Variant) -> ChatTokenizer:
        """Return the tokenizer of the variant's model, with the variant's own template if any."""
        model, template = self.model(variant), variant.chat_template
        key = (model.name, template or "")
        if key not in self._tokenizers:
            self._tokenizers[key] = load_tokenizer(
                model.path,
                trust_remote_code=self._trust,
                chat_template=template,
                cache_dir=self._cache_dir,
            )
        return self._tokenizers[key]

    def eos(self, variant: Variant) -> tuple[int, ...]:
        """Return the tokens that end an answer: the model's and the tokenizer's, sorted."""
        own = self.tokenizer(variant).eos_token_id
        return tuple(sorted({*self.model(variant).eos_token_ids, *([] if own is None else [own])}))

    def prompt(self, messages: Messages, variant: Variant, rendering: Rendering = PLAIN) -> Prompt:
        """Make token ids by the chat template."""
        rendering.demand_free_choice()
        tokenizer = self.tokenizer(variant)
        ids = tokenizer.token_ids(
            messages, tools=rendering.tools, arguments=rendering.template_args
        )
        return Prompt(messages, ids, len(ids), ending=tokenizer.ending(ids))

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Hash the model's and the adapter's files."""
        return Fingerprint(
            model_hash(self.model(variant), self._hashes), self.adapter_hash(variant)
        )

    def adapter_hash(self, variant: Variant) -> str:
        """Hash the adapter alone, without a look at the model; empty without an adapter."""
        adapter = self.adapter(variant)
        return adapter_hash(adapter, self._hashes) if adapter else ""

    @property
    def context_length(self) -> int | None:
        """Return the shortest of the models' contexts, in tokens."""
        lengths = [model.context_length for model in self._models.values()]
        return min((length for length in lengths if length), default=None)

    @property
    def notes(self) -> Iterator[str]:
        """Yield system messages that templates add, and adapters trained with another template."""
        for (name, template), tokenizer in self._tokenizers.items():
            if text := tokenizer.default_system:
                text = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
                where = template or name
                yield f"{where}: without a system message, its chat template adds {text!r}"
        for (model, _), adapter in self._adapters.items():
            own, known = adapter.chat_template, self._tokenizers.get((model, ""))
            if own and known and not known.renders_like(own):
                yield (
                    f"adapter {adapter.path.name}: trained with another chat template "
                    "than its base's"
                )


def sifted(
    requests: Iterable[Request], context: Callable[[Request], int | None]
) -> tuple[list[tuple[Request, Completion]], list[Request]]:
    """Part requests that are not even tried, each with the reason, from all others.

    `context` gives the most tokens of prompt and answer together.
    """
    refused, fitting = [], []
    for request in requests:
        tokens, new, room = request.prompt.tokens, request.sampling.max_new_tokens, context(request)
        if not request.prompt.token_ids:
            refused.append((request, Completion("", "error", error="the prompt has no tokens")))
        elif room is not None and tokens + new > room:
            text = f"{tokens} prompt and {new} answer tokens exceed the context of {room}"
            refused.append((request, Completion("", "error", prompt_tokens=tokens, error=text)))
        else:
            fitting.append(request)
    return refused, fitting
