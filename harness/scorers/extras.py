"""Optional packages: found at load time, imported when first used."""

from __future__ import annotations

from importlib.util import find_spec

from harness.scorers.arguments import wrong

# Package and the extra of this project that brings it.
_EXTRAS = {
    "rouge_score": "metrics",
    "sacrebleu": "metrics",
    "torch": "bertscore",
    "transformers": "bertscore",
}


def needs(check: str, *packages: str) -> None:
    """Refuses a check at load time where a package that it uses is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        extra = _EXTRAS.get(missing[0], missing[0])
        raise wrong(
            "missing_extra",
            f"check '{check}' needs {' and '.join(missing)}:"
            f" install it with `pip install 'adapter-gate-harness[{extra}]'`",
        )
