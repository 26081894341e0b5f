"""E-mail addresses and secrets in rows: found always, replaced where that is asked for."""

from __future__ import annotations

from dataclasses import replace

import regex

from harness.training.cleaning.values import Noticed, Private
from harness.training.values import Row

# The published forms of keys and tokens; a password looks like any other word.
_SECRETS = (
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b",
    r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b",
    r"\bsk-[A-Za-z0-9_-]{20,255}(?![A-Za-z0-9_-])",
    r"\bAIza[0-9A-Za-z_-]{35}(?![A-Za-z0-9_-])",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,255}",
    r"\bhf_[A-Za-z0-9]{30,255}\b",
    r"\beyJ[\w-]{10,2000}\.[\w-]{10,4000}\.[\w-]{10,2000}",
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{1,8000}-----END [A-Z ]{0,30}PRIVATE KEY-----",
)
_PATTERNS: dict[Private, regex.Pattern[str]] = {
    "secret": regex.compile("|".join(_SECRETS)),
    "e-mail address": regex.compile(
        r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,24}(?![\w-])"
    ),
}


def without_private(row: Row, *, redact: bool) -> tuple[Row, list[Noticed]]:
    """The row, with `[secret]` and `[e-mail address]` in their places if asked for."""
    texts = [message.content for message in row.messages]
    noticed = []
    for what, pattern in _PATTERNS.items():
        count = sum(len(pattern.findall(text)) for text in texts)
        if count:
            noticed.append(Noticed(row.source, what, count, redact))
            texts = [pattern.sub(f"[{what}]", text) for text in texts] if redact else texts
    if not (noticed and redact):
        return row, noticed
    pairs = zip(row.messages, texts, strict=True)
    return replace(row, messages=tuple(replace(m, content=text) for m, text in pairs)), noticed
