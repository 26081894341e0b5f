"""What a release must be: `python -m website.release TAG`, and `--urls HOME` for its addresses."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TAG = re.compile(r"v(\d+\.\d+\.\d+)")


def wrong_with(tag: str, root: Path = ROOT) -> list[str]:
    """Return what stands against a release with this tag, each with what to do."""
    named = TAG.fullmatch(tag)
    if named is None:
        return [f"{tag}: no tag of a release; expected: vX.Y.Z"]
    wrong = []
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    if version != named.group(1):
        wrong.append(f"pyproject.toml: the version is {version}, and the tag says {named.group(1)}")
    said = re.search(r'__version__ = "([^"]*)"', (root / "harness/__init__.py").read_text("utf-8"))
    if said is None or said.group(1) != version:
        wrong.append(f"harness/__init__.py: __version__ is not {version}")
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if f"\n## {named.group(1)}\n" not in changes:
        wrong.append(f'CHANGELOG.md: no section "## {named.group(1)}"; rename "## Unreleased"')
    return wrong


def with_urls(text: str, home: str) -> str:
    """Return pyproject.toml with the addresses of the repository that releases it."""
    table = (
        "[project.urls]\n"
        f'Homepage = "{home}"\n'
        f'Documentation = "{home}/tree/main/docs"\n'
        f'Changelog = "{home}/blob/main/CHANGELOG.md"\n'
        f'Issues = "{home}/issues"\n\n'
    )
    if "[project.urls]" in text:
        raise ValueError("pyproject.toml has [project.urls] already")
    return text.replace("[project.scripts]\n", f"{table}[project.scripts]\n", 1)


def with_links(text: str, home: str) -> str:
    """Return the page of the index: README.md, whose links and pictures lead to the repository."""
    text = re.sub(r"(!\[[^\]]*\]\()(?!https?:)", rf"\g<1>{home}/raw/main/", text)
    return re.sub(r"((?<!!)\[[^\]]*\]\()(?!https?:|#)", rf"\g<1>{home}/blob/main/", text)


def main(words: Sequence[str]) -> int:
    """Check a tag, or write the addresses of a repository; return 1 where something is wrong."""
    if words[:1] == ["--urls"]:
        for name, rewritten in (("pyproject.toml", with_urls), ("README.md", with_links)):
            text = (ROOT / name).read_text(encoding="utf-8")
            (ROOT / name).write_text(rewritten(text, words[1]), encoding="utf-8")
        return 0
    wrong = [each for tag in words for each in wrong_with(tag)]
    print("\n".join(wrong) or "the release is as it must be")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
