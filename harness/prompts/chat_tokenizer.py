"""Messages to token ids: the only such function, for every engine and for the trainer.

Prompts are rendered by the model's own chat template and go into an engine as token ids, so that
no engine tokenises text again: that is how a second BOS token creeps in.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from harness.chat import Message, Messages
from harness.errors import InputError, Problem
from harness.prompts.backing import Backing, Transformers
from harness.prompts.templates import template_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Two texts that no template contains, to see where a template puts what it is given.
_SYSTEM, _USER = "\u2402system\u2403", "\u2402user\u2403"


class ChatTokenizer:
    """A model's tokenizer together with its chat template.

    `template` takes the place of the model's own; `path` is where the template comes from. Raises
    `InputError` where there is none.
    """

    def __init__(self, backing: Backing, path: str, template: str | None = None) -> None:
        self._backing = backing
        self.path = path
        chosen = template or backing.own_template
        if chosen is None:
            raise InputError(_no_template(path))
        self.template = chosen

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """transformers' own, for the trainer; a tokenizer that was kept has none."""
        assert isinstance(self._backing, Transformers)
        return self._backing.tokenizer

    def token_ids(
        self, messages: Messages, *, add_generation_prompt: bool = True
    ) -> tuple[int, ...]:
        """The prompt of these messages, ending where the assistant's answer begins.

        Raises `InputError` where the template refuses the messages (roles that do not alternate, a
        system turn that the model does not know).
        """
        try:
            ids = self._backing.chat_ids(
                self.template, messages, add_generation_prompt=add_generation_prompt
            )
        except TemplateError as error:
            raise InputError(_refusal(self.path, messages, error)) from error
        return tuple(ids)

    def text(self, messages: Messages, *, add_generation_prompt: bool = True) -> str:
        """The prompt as text, for people to read; engines get `token_ids`."""
        try:
            return self._backing.render(
                self.template, messages, add_generation_prompt=add_generation_prompt
            )
        except TemplateError as error:
            raise InputError(_refusal(self.path, messages, error)) from error

    def count(self, text: str) -> int:
        """How many tokens a bare text has, without template and special tokens."""
        return len(self._backing.encode(text))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of generated tokens, without special tokens and otherwise as generated."""
        return self._backing.decode(token_ids)

    @property
    def eos_token_id(self) -> int | None:
        """The token that ends a turn, as the tokenizer says; a model may have more of them."""
        return self._backing.eos_token_id

    @property
    def template_hash(self) -> str:
        """16 hexadecimal digits of the chat template's SHA-256."""
        return template_hash(self.template)

    def renders_like(self, template: str) -> bool:
        """Whether another chat template makes the same text of a plain conversation."""
        messages = (Message("system", _SYSTEM), Message("user", _USER))
        try:
            other = self._backing.render(template, messages, add_generation_prompt=True)
            return other == self.text(messages)
        except Exception:  # a template is a program: whatever it raises, it is another one
            return False

    @cached_property
    def default_system(self) -> str | None:
        """The system message that the template adds where none is given, or None.

        Qwen2.5's template, for one, tells the model who it is unless a system message does.
        """
        user = Message("user", _USER)
        try:
            given = self.text((Message("system", _SYSTEM), user))
            bare = self.text((user,))
        except InputError:  # a template that knows no system turn adds none
            return None
        before, found, rest = given.partition(_SYSTEM)
        between = rest.partition(_USER)[0]
        start, _, _ = bare.partition(_USER)
        if not found or not between or not start.startswith(before) or not start.endswith(between):
            return None
        return start[len(before) : len(start) - len(between)] or None


def _no_template(path: str) -> Problem:
    return Problem(
        "the tokenizer has no chat template",
        path=path,
        wanted="chat_template.jinja, or chat_template in tokenizer_config.json",
        mend="use the instruct model, or copy its chat_template.jinja into this directory",
    )


def _refusal(path: str, messages: Messages, error: Exception) -> Problem:
    return Problem(
        f"the chat template refuses these messages: {error}",
        path=path,
        found=", ".join(message.role for message in messages),
        mend="give the turns that this model's template knows; many know no system turn",
    )
