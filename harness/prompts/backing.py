"""What a chat tokenizer is made of: transformers' tokenizer, or what was kept of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from harness.chat import Messages, as_dicts

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
