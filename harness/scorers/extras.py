"""Optional packages: found at load time, imported when first used."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from harness.scorers.arguments import wrong

NAME = "adapter-gate-harness"
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
            f" install it with `pip install {_package(extra)}`",
        )


def _package(extra: str) -> str:
    """What pip is to install: a clone is installed from its folder, in place."""
    root = Path(__file__).parents[2]
    if not root.joinpath("pyproject.toml").is_file():
        return f"'{NAME}[{extra}]'"
    return f"-e '{'.' if root == Path.cwd() else root}[{extra}]'"
