"""Messages to token ids: the only such function, for every engine and for the trainer.

Prompts are rendered by the model's own chat template and go into an engine as token ids, so that
no engine tokenises text again: that is how a second BOS token creeps in.
"""

from __future__ import annotations

import itertools
import json
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, TemplateSyntaxError

from harness.common import (
    NUMBER_DIGITS,
    RESERVED_ARGS,
    InputError,
    Message,
    Messages,
    Problem,
    nearest,
    shown,
    visible,
)
from harness.common.bounded_jinja import LimitError
from harness.common.reading import parse_json, read_text
from harness.prompts.kept import NO_ARGUMENTS, Backing, Transformers, keep, place, recall
from harness.prompts.templates import WORK, read_template, template_hash, template_variables

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Two texts that no template contains, to see where a template puts what it is given.
_SYSTEM, _USER = "\u2402system\u2403", "\u2402user\u2403"

# Conversations, tools and values that show whether a template knows an argument.
_PROBES: tuple[Messages, ...] = (
    (Message("user", "u"),),
    (Message("system", "s"), Message("user", "u")),
    (Message("user", "u"), Message("assistant", "<think>\nr\n</think>\n\na"), Message("user", "v")),
)
_PROBE_TOOLS: Sequence[Mapping[str, Any]] = (
    {
        "type": "function",
        "function": {
            "name": "f",
            "description": "d",
            "parameters": {"type": "object", "properties": {}},
        },
    },
)
_PROBE_VALUES: tuple[Any, ...] = (True, False, "high", "low", 1, ["a"])
_PROBE_WORK = WORK // 20  # there are 42 of them
_MERGE = (
    "say system_role: merge (in a suite's defaults, a case, or a variant), and the system prompt "
    "goes before the first user turn: many templates know no system turn"
)
_SHOWN = 300  # characters of what a template says
ENDING_TOKENS = 40  # the longest mark of reasoning has 30 bytes


class ChatTokenizer:
    """A model's tokenizer together with its chat template.

    `template` takes the place of the model's own; `path` is where the template comes from.
    `arguments` are told it in every prompt. Raises `InputError` where there is none.
    """

    def __init__(
        self,
        backing: Backing,
        path: str,
        template: str | None = None,
        arguments: Mapping[str, Any] = NO_ARGUMENTS,
    ) -> None:
        self._backing = backing
        self.path = path
        self._arguments = arguments
        chosen = template or backing.own_template
        if chosen is None:
            raise InputError(
                Problem(
                    "the tokenizer has no chat template",
                    path=path,
                    expected="chat_template.jinja, or chat_template in tokenizer_config.json",
                    hint="use the instruct model, or copy its chat_template.jinja into this "
                    "directory",
                )
            )
        self.template = chosen
        self._shows_tools = False
        self._known_arguments: set[str] = set()

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Return transformers' own, for the trainer; a tokenizer that was kept has none."""
        assert isinstance(self._backing, Transformers)
        return self._backing.tokenizer

    def token_ids(
        self,
        messages: Messages,
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] = (),
        arguments: Mapping[str, Any] = NO_ARGUMENTS,
    ) -> tuple[int, ...]:
        """Return the prompt of these messages, ending where the assistant's answer begins.

        Where the last message is the assistant's, it is the beginning of the answer, to go on with.
        Raises `InputError` where the template refuses the messages (roles that do not alternate, a
        system turn that the model does not know) or breaks, where it leaves the content of one out,
        and where it shows no tools to the model or knows nothing of one of the `arguments`, its
        variables.
        """
        arguments = {**self._arguments, **arguments}
        for name in sorted(RESERVED_ARGS & arguments.keys()):
            raise InputError(self._unknown(name))
        if tools and not self._shows_tools:
            if self.text(messages, tools=tools) == self.text(messages):
                raise InputError(
                    Problem(
                        "the chat template ignores tools: the model would never see them",
                        path=self.path,
                        hint="use a model whose chat template takes tools, or give one: "
                        "chat_template in the variant",
                    )
                )
            self._shows_tools = True
        try:
            text, ids = self._backing.chat(
                self.template,
                messages,
                add_generation_prompt=add_generation_prompt,
                tools=tools,
                arguments=arguments,
            )
        except Exception as error:  # a template is a program: it may raise anything
            raise InputError(self._refusal(messages, error)) from error
        for name in arguments.keys() - self._known_arguments:
            self._demand_known(name)
        self._demand_all(messages, text)
        return tuple(ids)

    def text(
        self,
        messages: Messages,
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] = (),
        arguments: Mapping[str, Any] = NO_ARGUMENTS,
        work: int = WORK,
    ) -> str:
        """Return the prompt as text, for people to read; engines get `token_ids`."""
        try:
            return self._backing.render(
                self.template,
                messages,
                add_generation_prompt=add_generation_prompt,
                tools=tools,
                arguments={**self._arguments, **arguments},
                work=work,
            )
        except Exception as error:  # a template is a program: it may raise anything
            raise InputError(self._refusal(messages, error)) from error

    def _refusal(self, messages: Messages, error: Exception) -> Problem:
        # What a template says itself stands alone; what broke in it has the name of its kind.
        own = isinstance(error, TemplateError)
        said = " ".join((str(error) if own else f"{type(error).__name__}: {error}").split())
        said = said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."
        hint = "give the turns that this model's template knows"
        if isinstance(error, LimitError):
            hint = "what a chat template may do is bounded: use the one that the model came with"
        elif type(error) is not TemplateError:  # which `raise_exception` raises
            hint = (
                "the template itself is broken: use the one that the model came with, or give "
                "another: chat_template in the variant"
            )
        elif messages and messages[0].role == "system":
            with suppress(Exception):  # without the system's turn it may be refused as well
                self._backing.render(self.template, messages[1:], arguments=self._arguments)
                hint = _MERGE
        return Problem(
            f"the chat template refuses these messages: {said}",
            path=self.path,
            found=", ".join(message.role for message in messages),
            hint=hint,
        )

    def _demand_known(self, name: str) -> None:
        """Raise `InputError` for an argument that changes no prompt, whatever its value."""
        if re.search(rf"\b{re.escape(name)}\b", self.template):
            for messages, tools in itertools.product(_PROBES, ((), _PROBE_TOOLS)):
                seen = [self._probe(messages, tools, {})]
                seen += [self._probe(messages, tools, {name: value}) for value in _PROBE_VALUES]
                if any(text != seen[0] for text in seen):
                    self._known_arguments.add(name)
                    return
        raise InputError(self._unknown(name))

    def _unknown(self, name: str) -> Problem:
        words = sorted(template_variables(self.template) - RESERVED_ARGS)
        return Problem(
            f"the chat template knows no argument {name!r}",
            path=self.path,
            did_you_mean=nearest(name, words),
            hint="chat_template_args holds variables of the model's own template, such as "
            "enable_thinking",
        )

    def _probe(
        self, messages: Messages, tools: Sequence[Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> str | None:
        """Return what the template makes of these; None where it breaks."""
        try:
            return self.text(messages, tools=tools, arguments=arguments, work=_PROBE_WORK)
        except InputError:
            return None

    def _demand_all(self, messages: Messages, text: str) -> None:
        """Raise `InputError` unless the content of every message stands in the prompt's `text`.

        Space around it may go, and it may be written as JSON. What becomes of earlier answers is
        the template's own affair: many rewrite them, to leave reasoning out.
        """
        for number, message in enumerate(messages, start=1):
            wanted = message.content.strip()
            if message.role == "assistant" or wanted in text:
                continue
            if any(json.dumps(wanted, ensure_ascii=plain)[1:-1] in text for plain in (True, False)):
                continue
            raise InputError(
                Problem(
                    f"the chat template leaves out message {number}, of role {message.role}",
                    path=self.path,
                    found=f"no {shown(wanted)} in the prompt",
                    hint=_MERGE
                    if message.role == "system"
                    else "use a template that takes texts as content (some take only lists of "
                    "parts): chat_template in the variant",
                )
            )

    def count(self, text: str) -> int:
        """Return how many tokens a bare text has, without template and special tokens."""
        return len(self._backing.encode(text))

    def decode(self, token_ids: Sequence[int], *, special: bool = False) -> str:
        """Return the text of generated tokens, without special tokens unless they are wanted."""
        return self._backing.decode(token_ids, special=special)

    def ending(self, token_ids: Sequence[int]) -> str:
        """Return the end of a prompt as text: where it opens the answer's reasoning, say."""
        return self._backing.decode(token_ids[-ENDING_TOKENS:], special=True)

    @property
    def eos_token_id(self) -> int | None:
        """Return the token that ends a turn by the tokenizer; a model may have more of them."""
        return self._backing.eos_token_id

    @property
    def template_hash(self) -> str:
        """Return 16 hexadecimal digits of the chat template's SHA-256."""
        return template_hash(self.template)

    def renders_like(self, template: str) -> bool:
        """Return whether another chat template makes the same text of a plain conversation."""
        messages = (Message("system", _SYSTEM), Message("user", _USER))
        try:
            other = self._backing.render(template, messages, add_generation_prompt=True)
            return other == self.text(messages)
        except Exception:  # a template is a program: whatever it raises, it is another one
            return False

    @cached_property
    def default_system(self) -> str | None:
        """Return the system message that the template adds where none is given, or None.

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


# What transformers reads of a tokenizer without bounds of its own.
TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "chat_template.json", "processor_config.json"),
)
# Those whose settings the library `tokenizers` prints, as they are, where it does not know them.
_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json")
_COPY = "copy the tokenizer files of the base model into this directory"


def load_tokenizer(
    path: Path | str,
    *,
    trust_remote_code: bool = False,
    chat_template: Path | str | None = None,
    cache_dir: Path | None = None,
    arguments: Mapping[str, Any] = NO_ARGUMENTS,
) -> ChatTokenizer:
    """Load the tokenizer of a local model directory; nothing is downloaded.

    `chat_template` is a Jinja file that takes the place of the model's own template, `arguments`
    are told the template in every prompt. With a
    `cache_dir` the tokenizer is kept there, and found again without transformers. Raises
    `InputError` where there is no tokenizer, none with a chat template, or the file is none.
    """
    template = None if chat_template is None else read_template(chat_template)
    backing = open_backing(path, cache_dir, trust_remote_code=trust_remote_code)
    tokenizer = ChatTokenizer(backing, str(chat_template or path), template, arguments)
    if template is not None:
        # What is no Jinja is found now; what the template refuses is found out later.
        try:
            backing.render(template, (Message("user", "Hi"),), add_generation_prompt=False)
        except TemplateSyntaxError as error:
            message = f"is no chat template: {error.message}"
            raise InputError(Problem(message, str(chat_template), error.lineno)) from error
        except Exception:  # what it refuses, it refuses for a case, whose name is then said
            pass
    return tokenizer


def open_backing(
    path: Path | str, cache_dir: Path | None = None, *, trust_remote_code: bool = False
) -> Backing:
    """Open a directory's tokenizer alone: what was kept of it, or what transformers builds.

    What a model's own code builds is not kept. Raises `InputError` where there is none.
    """
    folder = place(Path(path), cache_dir) if cache_dir and not trust_remote_code else None
    if folder is not None and (kept := recall(folder)):
        return kept
    for name in TOKENIZER_FILES:
        if (file := Path(path) / name).is_file():
            found = parse_json(read_text(file), str(file), digits=NUMBER_DIGITS)
            if not isinstance(found, dict):
                raise InputError(Problem("is not a JSON object", str(file), hint=_COPY))
            for setting in _names(found) if name in _SETTINGS else ():
                if visible(setting) != setting:
                    odd = f"a setting whose name would act on a terminal: {shown(setting)}"
                    raise InputError(Problem(odd, str(file), hint=_COPY))
    from transformers import AutoTokenizer

    try:
        built = Transformers(
            AutoTokenizer.from_pretrained(
                str(path), local_files_only=True, trust_remote_code=trust_remote_code
            )
        )
        words = built.encode(string.ascii_lowercase)
    except Exception as error:  # what transformers and tokenizers raise depends on what is wrong
        raise InputError(_unreadable(str(path), str(error) or type(error).__name__)) from error
    if not words:  # what is built where the files are missing
        raise InputError(_unreadable(str(path), "a tokenizer that knows no words"))
    if folder is not None:
        keep(built, folder)
    return built


def _names(value: object) -> Iterator[str]:
    """Yield the names of all settings, at any depth."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield name
        yield from _names(inner)
    for each in value if isinstance(value, list) else ():
        yield from _names(each)


def _unreadable(path: str, reason: str) -> Problem:
    lines = (line.strip()[:200] for line in reason.splitlines())
    return Problem(
        "the tokenizer cannot be loaded",
        path=path,
        found=next((line for line in lines if line), ""),
        expected="tokenizer.json and tokenizer_config.json beside the model's weights",
        hint=_COPY,
    )
