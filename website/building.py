"""Build the site: `python -m website.building PROGRAM`, where PROGRAM is zensical.

The pages lie where people read them in the repository: README.md at its root, docs/ below. They
are copied into build/pages, with links that fit there, and built strictly: a link to a page or a
heading that is not there ends the build.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from website.blocks import ROOT

PAGES, SITE = ROOT / "build" / "pages", ROOT / "build" / "site"
CONFIGURATION = ROOT / "website" / "mkdocs.yml"
# Pages from outside docs/, by their path in the repository.
FROM_ROOT = {
    "README.md": "index.md",
    "README.zh.md": "zh/index.md",
    "docs/tutorial.zh.md": "zh/tutorial.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "CHANGELOG.md": "changelog.md",
    "fixtures/README.md": "fixtures.md",
}
_LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.DOTALL | re.MULTILINE)


def staged() -> dict[str, str]:
    """Return where each file lies in the site, by its path in the repository."""
    docs = ROOT / "docs"
    names = [path.relative_to(docs).as_posix() for path in docs.rglob("*") if path.is_file()]
    found = {f"docs/{name}": name for name in names}
    return found | FROM_ROOT


def linked(text: str, name: str, places: dict[str, str]) -> str:
    """Return the text of the page `name` with links for the place that it has in the site.

    A link to a file that is no part of the site becomes plain text. Raises ValueError for one that
    leads nowhere.
    """
    home = os.path.dirname(places[name])

    def link(found: re.Match[str]) -> str:
        target = os.path.normpath(os.path.join(os.path.dirname(name), found.group(2)))
        if target not in places:
            if not (ROOT / target).exists():
                raise ValueError(f"{name}: {target} is not there")
            return "]"
        return (
            f"{found.group(1)}{os.path.relpath(places[target], home or '.')}{found.group(3) or ''})"
        )

    parts = _FENCE.split(text)
    return "".join(
        part if number % 2 else _LINK.sub(link, part) for number, part in enumerate(parts)
    )


def stage() -> None:
    """Write all pages and pictures into build/pages."""
    shutil.rmtree(PAGES, ignore_errors=True)
    places = staged()
    for name, place in places.items():
        target = PAGES / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".md"):
            text = (ROOT / name).read_text(encoding="utf-8")
            target.write_text(linked(text, name, places), encoding="utf-8")
        else:
            shutil.copyfile(ROOT / name, target)
    shutil.copytree(ROOT / "website" / "assets", PAGES / "assets")
    shutil.copyfile(CONFIGURATION, PAGES.parent / CONFIGURATION.name)


def main(arguments: list[str]) -> int:
    """Stage the pages and build the site with the program that is named."""
    stage()
    shutil.rmtree(SITE, ignore_errors=True)
    program = str(Path(arguments[0]).absolute())
    command = [program, "build", "--strict", "--clean", "--config-file", CONFIGURATION.name]
    return subprocess.run(command, cwd=SITE.parent).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
