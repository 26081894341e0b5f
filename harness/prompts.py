"""Messages to token ids: the only such function, for every engine and for the trainer.

Prompts are rendered by the model's own chat template and go into an engine as token ids, so that
no engine tokenises text again: that is how a second BOS token creeps in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.canonical import digest
from harness.chat import Message, Messages, as_dicts
from harness.errors import InputError, Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Two texts that no template contains, to see where a template puts what it is given.
_SYSTEM, _USER = "\u2402system\u2403", "\u2402user\u2403"


class ChatTokenizer:
    """A model's tokenizer together with its chat template.

    `tokenizer` is the transformers tokenizer itself, for what is not said here.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, path: str) -> None:
        self.tokenizer = tokenizer
        self.path = path
        self._template = _template_of(tokenizer, path)
        self._default_system: str | None = None
        self._default_known = False

    def token_ids(
        self, messages: Messages, *, add_generation_prompt: bool = True
    ) -> tuple[int, ...]:
        """The prompt of these messages, ending where the assistant's answer begins.

        Raises `InputError` where the template refuses the messages (roles that do not alternate, a
        system turn that the model does not know).
        """
        encoded = self._apply(messages, add_generation_prompt, tokenize=True)
        return tuple(int(token) for token in encoded["input_ids"])

    def text(self, messages: Messages, *, add_generation_prompt: bool = True) -> str:
        """The prompt as text, for people to read; engines get `token_ids`."""
        rendered: str = self._apply(messages, add_generation_prompt, tokenize=False)
        return rendered

    def count(self, text: str) -> int:
        """How many tokens a bare text has, without template and special tokens."""
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of generated tokens, without special tokens and otherwise as generated."""
        text = self.tokenizer.decode(
            list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text if isinstance(text, str) else "".join(text)

    @property
    def eos_token_id(self) -> int | None:
        """The token that ends a turn, as the tokenizer says; a model may have more of them."""
        token = self.tokenizer.eos_token_id
        return token if isinstance(token, int) else None

    @property
    def template_hash(self) -> str:
        """16 hexadecimal digits of the chat template's SHA-256."""
        return template_hash(self._template)

    def renders_like(self, template: str) -> bool:
        """Whether another chat template makes the same text of a plain conversation."""
        messages = (Message("system", _SYSTEM), Message("user", _USER))
        try:
            other = self.tokenizer.apply_chat_template(
                as_dicts(messages),
                chat_template=template,
                add_generation_prompt=True,
                tokenize=False,
            )
            return bool(other == self.text(messages))
        except Exception:  # a template is a program: whatever it raises, it is another one
            return False

    @property
    def default_system(self) -> str | None:
        """The system message that the template adds where none is given, or None.

        Qwen2.5's template, for one, tells the model who it is unless a system message does.
        """
        if not self._default_known:
            self._default_system = self._find_default_system()
            self._default_known = True
        return self._default_system

    def _find_default_system(self) -> str | None:
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

    def _apply(self, messages: Messages, add_generation_prompt: bool, *, tokenize: bool) -> Any:
        from jinja2 import TemplateError

        try:
            return self.tokenizer.apply_chat_template(
                as_dicts(messages),
                add_generation_prompt=add_generation_prompt,
                tokenize=tokenize,
                return_dict=tokenize,
            )
        except TemplateError as error:
            raise InputError(_refusal(self.path, messages, error)) from error


def load_tokenizer(
    path: Path | str, *, trust_remote_code: bool = False, chat_template: Path | str | None = None
) -> ChatTokenizer:
    """The tokenizer of a local model directory; nothing is downloaded.

    `chat_template` is a Jinja file that takes the place of the model's own template. Raises
    `InputError` where there is no tokenizer, none with a chat template, or the file is none.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(path), local_files_only=True, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise InputError(_unreadable(str(path), error)) from error
    if chat_template is not None:
        tokenizer.chat_template = read_template(chat_template)
        _check_syntax(tokenizer, str(chat_template))
    return ChatTokenizer(tokenizer, str(chat_template or path))


def read_template(path: Path | str) -> str:
    """The text of a chat template; raises `InputError` where there is none."""
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        missing = isinstance(error, FileNotFoundError)
        message = "there is no such chat template" if missing else f"cannot be read: {error}"
        raise InputError(
            Problem(message, str(file), wanted="a Jinja file, such as chat_template.jinja")
        ) from error
    if not text.strip():
        raise InputError(
            Problem("is an empty chat template", str(file), mend="write one, or leave it out")
        )
    return text


def template_hash(template: str) -> str:
    """16 hexadecimal digits of a chat template's SHA-256."""
    return digest(template, 16)


def _check_syntax(tokenizer: PreTrainedTokenizerBase, path: str) -> None:
    """Raise `InputError` for a template that is no Jinja; what it refuses is found out later."""
    from jinja2 import TemplateError, TemplateSyntaxError

    try:
        tokenizer.apply_chat_template(as_dicts((Message("user", _USER),)), tokenize=False)
    except TemplateSyntaxError as error:
        problem = Problem(f"is no chat template: {error.message}", path, error.lineno)
        raise InputError(problem) from error
    except TemplateError:
        return


def _template_of(tokenizer: PreTrainedTokenizerBase, path: str) -> str:
    template = tokenizer.chat_template
    if isinstance(template, dict):  # several named templates; transformers renders "default"
        template = template.get("default")
    if isinstance(template, str) and template:
        return template
    raise InputError(
        Problem(
            "the tokenizer has no chat template",
            path=path,
            wanted="chat_template.jinja, or chat_template in tokenizer_config.json",
            mend="use the instruct model, or copy its chat_template.jinja into this directory",
        )
    )


def _refusal(path: str, messages: Messages, error: Exception) -> Problem:
    return Problem(
        f"the chat template refuses these messages: {error}",
        path=path,
        found=", ".join(message.role for message in messages),
        mend="give the turns that this model's template knows; many know no system turn",
    )


def _unreadable(path: str, error: Exception) -> Problem:
    return Problem(
        "the tokenizer cannot be loaded",
        path=path,
        found=_first_line(str(error).splitlines()),
        wanted="tokenizer.json and tokenizer_config.json beside the model's weights",
        mend="copy the tokenizer files of the base model into this directory",
    )


def _first_line(lines: Iterable[str]) -> str:
    return next((line.strip()[:200] for line in lines if line.strip()), "")
