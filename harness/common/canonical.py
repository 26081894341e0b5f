"""One text and one hash for one value, on every machine and Python version."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from typing import Any

from pydantic import JsonValue

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
)


def canonical_json(value: object) -> str:
    """JSON with sorted keys, no spaces and no NaN; lone surrogates survive as escapes."""
    return _ENCODER.encode(value)


def flat_dict(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name, uncopied: `asdict` costs ten times as much.

    Meant for values whose fields are texts and numbers.
    """
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def digest(value: object, length: int = 32) -> str:
    """Return the first `length` hexadecimal digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


def source_digest(function: Callable[..., Any]) -> str:
    """Return a digest of a function's source; empty where nobody can read it, as in a shell."""
    try:
        return digest(inspect.getsource(function), 12)
    except (OSError, TypeError):
        return ""


__all__ = ["JsonValue", "canonical_json", "digest", "flat_dict", "source_digest"]
