"""Tokenizers as transformers built them, kept on disk: the next run need not import it.

transformers takes seconds to import, and builds many tokenizers anew: `tokenizer.json` alone is
not what it tokenises with. So what it has built is kept, by the content of the model's files and
the versions that built it, and is used only where it gave the same tokens for odd conversations.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Unpack

from harness.common import JsonValue, Message, Messages, as_dicts, digest, file_sha256, make_folder
from harness.common.reading import MAX_BYTES
from harness.prompts.templates import Asked, continues, render, today

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Made(Protocol[T_co]):
    def __call__(self, *, written: bool) -> T_co:
        """Render; `written`: arguments of calls as JSON text."""


def in_either_form(messages: Messages, make: _Made[T]) -> T:
    """Render with arguments of calls as objects; as texts where the template wants those.

    DeepSeek's templates add them to a text, which an object refuses; most others write objects as
    JSON, and would quote a text once more.
    """
    try:
        return make(written=False)
    except TypeError:
        if not any(message.tool_calls for message in messages):
            raise
        return make(written=True)


def rows_of(template: str, messages: Messages, *, written: bool) -> list[dict[str, Any]]:
    """Return messages as this template reads them: gpt-oss has another name for reasoning.

    Beside a call it takes either a text or the reasoning, and refuses both.
    """
    rows = as_dicts(messages, written=written)
    if "reasoning_content" not in template and ".thinking" in template:
        for row in rows:
            reasoning = row.pop("reasoning_content", "")
            if reasoning and not (row.get("tool_calls") and row["content"]):
                row["thinking"] = reasoning
    return rows


class Backing(Protocol):
    """Text to tokens and back, and messages to both by a chat template.

    `render` and `chat` raise jinja2's `TemplateError`, and whatever a template raises.
    `own_template` is the model's, if it has one.
    """

    own_template: str | None
    eos_token_id: int | None

    def render(self, template: str, messages: Messages, **asked: Unpack[Asked]) -> str:
        """Return the messages as text."""

    def chat(
        self, template: str, messages: Messages, **asked: Unpack[Asked]
    ) -> tuple[str, list[int]]:
        """Return that text with its tokens, and no others."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a bare text, without special tokens around it."""

    def decode(self, token_ids: Sequence[int], *, special: bool = False) -> str:
        """Return the text of tokens; `special`: with special tokens, else without."""


class Transformers:
    """transformers' own tokenizer.

    Templates are rendered here, where their work is bounded, unless its class renders in a way of
    its own (Mistral's, without any template).
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        from transformers import PreTrainedTokenizerBase

        self.tokenizer = tokenizer
        template: Any = tokenizer.chat_template
        # Of several named templates, transformers renders "default".
        found = template.get("default") if isinstance(template, dict) else template
        self.own_template = found if isinstance(found, str) and found else None
        token = tokenizer.eos_token_id
        self.eos_token_id = token if isinstance(token, int) else None
        plain: Any = PreTrainedTokenizerBase.apply_chat_template
        self._renders_itself = type(tokenizer).apply_chat_template is not plain

    def render(self, template: str, messages: Messages, **asked: Unpack[Asked]) -> str:
        """See `Backing`."""
        if self._renders_itself:
            return str(self._applied(template, messages, tokenize=False, **asked))
        return rendered(template, messages, self.tokenizer.special_tokens_map, **asked)

    def chat(
        self, template: str, messages: Messages, **asked: Unpack[Asked]
    ) -> tuple[str, list[int]]:
        """See `Backing`."""
        text = self.render(template, messages, **asked)
        if self._renders_itself:
            made = self._applied(template, messages, tokenize=True, **asked)
        else:
            made = self.tokenizer(text, add_special_tokens=False)
        return text, [int(token) for token in made["input_ids"]]

    def _applied(
        self, template: str, messages: Messages, *, tokenize: bool, **asked: Unpack[Asked]
    ) -> Any:
        generates = asked.get("add_generation_prompt", True)
        last = bool(messages) and continues(messages[-1].role, generates)
        return in_either_form(
            messages,
            lambda *, written: self.tokenizer.apply_chat_template(
                rows_of(template, messages, written=written),
                tools=[dict(tool) for tool in asked.get("tools", ())] or None,
                chat_template=template,
                add_generation_prompt=generates and not last,
                continue_final_message=last,
                **{"strftime_now": today, **asked.get("arguments", {})},
                tokenize=tokenize,
                return_dict=tokenize,
            ),
        )

    def encode(self, text: str) -> list[int]:
        """See `Backing`."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def decode(self, token_ids: Sequence[int], *, special: bool = False) -> str:
        """See `Backing`."""
        text = self.tokenizer.decode(
            list(token_ids), skip_special_tokens=not special, clean_up_tokenization_spaces=False
        )
        return text if isinstance(text, str) else "".join(text)


def rendered(
    template: str, messages: Messages, special: Mapping[str, Any], **asked: Unpack[Asked]
) -> str:
    """Return the messages as text, by the renderer of this project."""
    return in_either_form(
        messages,
        lambda *, written: render(
            template, rows_of(template, messages, written=written), special, **asked
        ),
    )


FOLDER = "tokenizers"
_FORMAT = 1
_TOKENS, _FACTS = "tokenizer.json", "chat.json"
_MOST = 8  # tokenizers that stay; one of a large vocabulary takes 10 MB
# Any other file beside them may have a say in how a model's text is tokenised.
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx")
# What `Kept` does itself: of a class with ways of its own, nothing is kept.
_REPLACED = frozenset({"__call__", "_decode", "_encode_plus", "decode", "encode"})
_REPLACED |= {"apply_chat_template", "get_chat_template", "special_tokens_map"}
_CONVERSATIONS: tuple[Messages, ...] = (
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

    def render(self, template: str, messages: Messages, **asked: Unpack[Asked]) -> str:
        """See `Backing`."""
        return rendered(template, messages, self._special, **asked)

    def chat(
        self, template: str, messages: Messages, **asked: Unpack[Asked]
    ) -> tuple[str, list[int]]:
        """See `Backing`."""
        text = self.render(template, messages, **asked)
        return text, self.encode(text)

    def encode(self, text: str) -> list[int]:
        """See `Backing`."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, token_ids: Sequence[int], *, special: bool = False) -> str:
        """See `Backing`."""
        return self._tokenizer.decode(list(token_ids), skip_special_tokens=not special)


def place(model: Path, cache_dir: Path) -> Path | None:
    """Return where a model's tokenizer is kept; None for what is no folder of ours to read."""
    try:
        built = [version("transformers"), version("tokenizers")]
        files: dict[str, JsonValue] = {}
        for folder in (model, model / "additional_chat_templates"):
            for file in sorted(folder.iterdir()) if folder.is_dir() else ():
                if not file.is_file() or file.suffix in _WEIGHTS:
                    continue
                state = file.stat()
                large = state.st_size > MAX_BYTES  # it is no part of a tokenizer that is read
                made = f"{state.st_size} {state.st_mtime_ns}" if large else file_sha256(file)
                files[file.relative_to(model).as_posix()] = made
    except (OSError, PackageNotFoundError):
        return None
    # transformers looks at the path, too, for models that it knows by name.
    key = digest([_FORMAT, *built, str(model), files])
    return cache_dir / FOLDER / key if files else None


def recall(folder: Path) -> Kept | None:
    """Return the tokenizer that is kept there; None where there is none that can be read."""
    try:
        kept = Kept(folder)
    except Exception:  # tokenizers raises bare `Exception` for a file that it cannot read
        return None
    with suppress(OSError):
        os.utime(folder)
    return kept


def keep(source: Transformers, folder: Path) -> None:
    """Keep a tokenizer for the next run, if what is kept does the same; never fails.

    Nothing is kept of a class with ways of its own. Those that were not used for longest go.
    """
    from transformers import PreTrainedTokenizerFast

    tokenizer = source.tokenizer
    kind = type(tokenizer)
    if not issubclass(kind, PreTrainedTokenizerFast) or tokenizer.split_special_tokens:
        return
    if any(getattr(kind, n) is not getattr(PreTrainedTokenizerFast, n) for n in _REPLACED):
        return
    with suppress(Exception):  # a disk that is full, parts that cannot be written: built anew then
        make_folder(folder.parent)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as name:
            fresh = Path(name, "tokenizer")
            fresh.mkdir()
            facts = {
                "template": source.own_template,
                "eos_token_id": source.eos_token_id,
                "special_tokens": tokenizer.special_tokens_map,
            }
            (fresh / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
            parts = source.tokenizer.backend_tokenizer.to_str()
            (fresh / _TOKENS).write_text(parts, encoding="utf-8")
            kept = recall(fresh)
            if kept is not None and all(
                _seen(kept, messages) == _seen(source, messages) for messages in _CONVERSATIONS
            ):
                shutil.rmtree(folder, ignore_errors=True)  # what could not be read
                fresh.rename(folder)
        found = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[_MOST:]:
            shutil.rmtree(path, ignore_errors=True)


def _seen(backing: Backing, messages: Messages) -> tuple[str | list[int], list[int], str]:
    """Return what a tokenizer makes of messages: by its template, if it takes them, and without."""
    words = "\n".join(message.content for message in messages)
    ids = backing.encode(words)
    try:
        template = backing.own_template or ""
        chat: str | list[int] = backing.chat(template, messages, add_generation_prompt=True)[1]
    except Exception as error:  # a template is a program, and may refuse as it likes
        chat = f"{type(error).__name__}: {error}"
    return chat, ids, backing.decode(ids)
