"""The tokenizer of a model's directory, opened."""

from __future__ import annotations

import string
from collections.abc import Iterable
from pathlib import Path

from harness.chat import Message
from harness.errors import InputError, Problem
from harness.prompts.backing import Backing, Transformers
from harness.prompts.chat_tokenizer import ChatTokenizer
from harness.prompts.kept import keep, place, recall
from harness.prompts.templates import read_template


def load_tokenizer(
    path: Path | str,
    *,
    trust_remote_code: bool = False,
    chat_template: Path | str | None = None,
    cache_dir: Path | None = None,
) -> ChatTokenizer:
    """The tokenizer of a local model directory; nothing is downloaded.

    `chat_template` is a Jinja file that takes the place of the model's own template. With a
    `cache_dir` the tokenizer is kept there, and found again without transformers. Raises
    `InputError` where there is no tokenizer, none with a chat template, or the file is none.
    """
    template = None if chat_template is None else read_template(chat_template)
    backing = open_backing(path, cache_dir, trust_remote_code=trust_remote_code)
    tokenizer = ChatTokenizer(backing, str(chat_template or path), template)
    if template is not None:
        _check_syntax(backing, template, str(chat_template))
    return tokenizer


def open_backing(
    path: Path | str, cache_dir: Path | None = None, *, trust_remote_code: bool = False
) -> Backing:
    """A directory's tokenizer alone: what was kept of it, or what transformers builds.

    What a model's own code builds is not kept. Raises `InputError` where there is none.
    """
    folder = place(Path(path), cache_dir) if cache_dir and not trust_remote_code else None
    if folder is not None and (kept := recall(folder)):
        return kept
    built = _built(str(path), trust_remote_code=trust_remote_code)
    if folder is not None:
        keep(built, folder)
    return built


def _built(path: str, *, trust_remote_code: bool) -> Transformers:
    from transformers import AutoTokenizer

    try:
        built = Transformers(
            AutoTokenizer.from_pretrained(
                path, local_files_only=True, trust_remote_code=trust_remote_code
            )
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise InputError(_unreadable(path, str(error))) from error
    if not built.encode(string.ascii_lowercase):  # what is built where the files are missing
        raise InputError(_unreadable(path, "a tokenizer that knows no words"))
    return built


def _check_syntax(backing: Backing, template: str, path: str) -> None:
    """Raise `InputError` for a template that is no Jinja; what it refuses is found out later."""
    from jinja2 import TemplateError, TemplateSyntaxError

    try:
        backing.render(template, (Message("user", "Hi"),), add_generation_prompt=False)
    except TemplateSyntaxError as error:
        problem = Problem(f"is no chat template: {error.message}", path, error.lineno)
        raise InputError(problem) from error
    except TemplateError:
        return


def _unreadable(path: str, reason: str) -> Problem:
    return Problem(
        "the tokenizer cannot be loaded",
        path=path,
        found=_first_line(reason.splitlines()),
        wanted="tokenizer.json and tokenizer_config.json beside the model's weights",
        mend="copy the tokenizer files of the base model into this directory",
    )


def _first_line(lines: Iterable[str]) -> str:
    return next((line.strip()[:200] for line in lines if line.strip()), "")
