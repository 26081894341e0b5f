"""Options that a built-in engine has no use for: said, so that nobody believes they did anything.

They are no error: a project's configuration holds them for one engine, and another is tried out.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.backends.values import BackendOptions

_COMPUTING = frozenset({"device", "dtype", "trust_remote_code"})
_USED = {
    "echo": frozenset({"responses"}),
    "hf": _COMPUTING | {"batch_tokens"},
    "openai": frozenset({"base_url", "trust_remote_code"}),
    "replay": frozenset({"responses"}),
    "vllm": _COMPUTING,
}
_SHARED = ("base_url", "batch_tokens", "device", "dtype", "trust_remote_code")
_USUAL = BackendOptions()


def unused_notes(name: str, options: BackendOptions) -> Iterator[str]:
    """A note for each option that was set and that this engine does not look at.

    Nothing is known of plug-ins. Recorded answers (`responses`) are another matter: whoever would
    pass over them refuses them.
    """
    used = _USED.get(name, frozenset(_SHARED))
    for option in _SHARED:
        if option not in used and getattr(options, option) != getattr(_USUAL, option):
            yield f"--{option.replace('_', '-')} has no effect: backend {name!r} does not use it"
