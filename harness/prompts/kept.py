"""Tokenizers as transformers built them, kept on disk: the next run need not import it.

transformers takes seconds to import, and builds many tokenizers anew: `tokenizer.json` alone is
not what it tokenises with. So what it has built is kept, by the content of the model's files and
the versions that built it, and is used only where it gave the same tokens for some odd talks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.common import Message, Messages, as_dicts, digest
from harness.prompts.templates import render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Backing(Protocol):
    """Text to tokens and back, and messages to both by a chat template.

    `render` and `chat_ids` raise jinja2's `TemplateError`. `own_template` is the model's, if it
    has one.
    """

    own_template: str | None
    eos_token_id: int | None

    def render(self, template: str, messages: Messages, *, add_generation_prompt: bool) -> str:
        """The messages as text."""

    def chat_ids(
        self, template: str, messages: Messages, *, add_generation_prompt: bool
    ) -> list[int]:
        """The tokens of that text, and no others."""

    def encode(self, text: str) -> list[int]:
        """The tokens of a bare text, without special tokens around it."""

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, without special tokens and otherwise as it is."""


class Transformers:
    """transformers' own tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.own_template = _default_of(tokenizer.chat_template)
        token = tokenizer.eos_token_id
        self.eos_token_id = token if isinstance(token, int) else None

    def render(self, template: str, messages: Messages, *, add_generation_prompt: bool) -> str:
        """See `Backing`."""
        rendered: Any = self.tokenizer.apply_chat_template(
            as_dicts(messages),
            chat_template=template,
            add_generation_prompt=add_generation_prompt,
            tokenize=False,
        )
        return str(rendered)

    def chat_ids(
        self, template: str, messages: Messages, *, add_generation_prompt: bool
    ) -> list[int]:
        """See `Backing`."""
        encoded: Any = self.tokenizer.apply_chat_template(
            as_dicts(messages),
            chat_template=template,
            add_generation_prompt=add_generation_prompt,
            tokenize=True,
            return_dict=True,
        )
        return [int(token) for token in encoded["input_ids"]]

    def encode(self, text: str) -> list[int]:
        """See `Backing`."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """See `Backing`."""
        text = self.tokenizer.decode(
            list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text if isinstance(text, str) else "".join(text)


def _default_of(template: Any) -> str | None:
    """Of several named templates, transformers renders "default"."""
    found = template.get("default") if isinstance(template, dict) else template
    return found if isinstance(found, str) and found else None


FOLDER = "tokenizers"
_FORMAT = 1
_TOKENS, _FACTS = "tokenizer.json", "chat.json"
_MOST = 8  # tokenizers that stay; one of a large vocabulary takes 10 MB
# Any other file beside them may have a say in how a model's text is tokenised.
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx")
# What `Kept` does itself: of a class with ways of its own, nothing is kept.
_REPLACED = frozenset({"__call__", "_decode", "_encode_plus", "decode", "encode"})
_REPLACED |= {"apply_chat_template", "get_chat_template", "special_tokens_map"}
_TALKS: tuple[Messages, ...] = (
    (Message("user", "Hi there"),),
    (Message("system", ""), Message("user", " two  spaces\r\n\tand <|im_end|> </s> [INST]\n ")),
    (Message("user", "e\u0301 ﬁ 東京 🙂\u200d 1234567 don't"), Message("assistant", "\n\nJa. ")),
    (Message("user", "a"), Message("assistant", "b"), Message("user", "")),
)


class Kept:
    """What was kept of a tokenizer, in a folder; raises for a folder that holds none."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        self.own_template: str | None = facts["template"]
        self.eos_token_id: int | None = facts["eos_token_id"]
        self._special: dict[str, str] = facts["special_tokens"]
        self._tokenizer = Tokenizer.from_str((folder / _TOKENS).read_text(encoding="utf-8"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def render(self, template: str, messages: Messages, *, add_generation_prompt: bool) -> str:
        """See `Backing`."""
        talk = as_dicts(messages)
        return render(template, talk, self._special, add_generation_prompt=add_generation_prompt)

    def chat_ids(
        self, template: str, messages: Messages, *, add_generation_prompt: bool
    ) -> list[int]:
        """See `Backing`."""
        return self.encode(
            self.render(template, messages, add_generation_prompt=add_generation_prompt)
        )

    def encode(self, text: str) -> list[int]:
        """See `Backing`."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """See `Backing`."""
        return self._tokenizer.decode(list(token_ids), skip_special_tokens=True)


def place(model: Path, cache_dir: Path) -> Path | None:
    """Where a model's tokenizer is kept; None for what is no folder of ours to read."""
    try:
        built = [version("transformers"), version("tokenizers")]
        files = {name: _hash(model / name) for name in sorted(_names(model))}
    except (OSError, PackageNotFoundError):
        return None
    # transformers looks at the path, too, for models that it knows by name.
    key = digest([_FORMAT, *built, str(model), files])
    return cache_dir / FOLDER / key if files else None


def recall(folder: Path) -> Kept | None:
    """The tokenizer that is kept there; None where there is none that can be read."""
    try:
        kept = Kept(folder)
    except Exception:  # tokenizers raises bare `Exception` for a file that it cannot read
        return None
    with suppress(OSError):
        os.utime(folder)
    return kept


def keep(source: Transformers, folder: Path) -> None:
    """Keep a tokenizer for the next run, if what is kept does the same; never fails."""
    if not _is_plain(source):
        return
    with suppress(Exception):  # a disk that is full, parts that cannot be written: built anew then
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as name:
            fresh = Path(name, "tokenizer")
            _write(source, fresh)
            kept = recall(fresh)
            if kept is not None and _alike(kept, source):
                shutil.rmtree(folder, ignore_errors=True)  # what could not be read
                fresh.rename(folder)
        _make_room(folder.parent)


def _is_plain(source: Transformers) -> bool:
    from transformers import PreTrainedTokenizerFast

    kind = type(source.tokenizer)
    if not issubclass(kind, PreTrainedTokenizerFast) or source.tokenizer.split_special_tokens:
        return False
    return all(getattr(kind, n) is getattr(PreTrainedTokenizerFast, n) for n in _REPLACED)


def _write(source: Transformers, folder: Path) -> None:
    tokenizer = source.tokenizer
    facts = {
        "template": source.own_template,
        "eos_token_id": source.eos_token_id,
        "special_tokens": tokenizer.special_tokens_map,
    }
    folder.mkdir()
    (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
    (folder / _TOKENS).write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")


def _alike(one: Backing, other: Backing) -> bool:
    return all(_seen(one, talk) == _seen(other, talk) for talk in _TALKS)


def _seen(backing: Backing, talk: Messages) -> tuple[str | list[int], list[int], str]:
    """What a tokenizer makes of a talk: with its template, if it takes it, and without."""
    words = "\n".join(message.content for message in talk)
    ids = backing.encode(words)
    try:
        template = backing.own_template or ""
        chat: str | list[int] = backing.chat_ids(template, talk, add_generation_prompt=True)
    except Exception as error:  # a template is a program, and may refuse as it likes
        chat = f"{type(error).__name__}: {error}"
    return chat, ids, backing.decode(ids)


def _make_room(folder: Path) -> None:
    """Remove those that were not used for longest."""
    found = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[_MOST:]:
        shutil.rmtree(path, ignore_errors=True)


def _names(model: Path) -> Iterator[str]:
    for folder in (model, model / "additional_chat_templates"):
        for file in folder.iterdir() if folder.is_dir() else ():
            if file.is_file() and file.suffix not in _WEIGHTS:
                yield file.relative_to(model).as_posix()


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
