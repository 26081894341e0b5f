"""What an engine says of itself before it is opened: what models and adapters are to it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Literal, TypeVar

Opener = TypeVar("Opener", bound=Callable[..., Any])
_ATTRIBUTE = "models"


class Models(StrEnum):
    """What `--model` and `--adapter` name for an engine.

    `DIRECTORIES`: weights on this machine, which it reads. `NAMES`: what a server knows them by.
    `NONE`: nothing, its answers are recorded or made up. `EITHER`: an engine that does not say;
    a directory where there is one of that name, and nothing is checked before it is opened.
    """

    DIRECTORIES = "directories"
    NAMES = "names"
    NONE = "none"
    EITHER = "either"


def models_are(
    what: Literal["directories", "names", "none", "either"],
) -> Callable[[Opener], Opener]:
    """Declares, above the function that opens an engine, what models and adapters are to it."""

    def declare(opener: Opener) -> Opener:
        setattr(opener, _ATTRIBUTE, Models(what))
        return opener

    return declare


def declared_models(opener: Callable[..., Any]) -> Models:
    """What was declared; `EITHER` where nothing was."""
    found: Models = getattr(opener, _ATTRIBUTE, Models.EITHER)
    return found
