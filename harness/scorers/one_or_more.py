"""Arguments that are one text or a list of texts."""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator, WithJsonSchema

_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


# `Annotated[tuple[str, ...], LISTED, ONE_OR_MORE]` reads `a` as `[a]`.
LISTED = BeforeValidator(_as_tuple)
ONE_OR_MORE = WithJsonSchema(_TEXTS)
ONE_OR_MORE_FORMS = WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXTS}]})
