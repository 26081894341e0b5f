"""The blocks of the Markdown pages: which hold commands, what they print, which are not run.

A block of commands is run by `website.running`, in the place that the last comment
`<!-- run in: PLACE -->` before it names. One that is not run says so to the reader, in the line
below it: `<sub>Not run here: WHY</sub>`; a page may say it once, for all of its blocks.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
GENERATED = frozenset({"checks.md", "commands.md", "suite.md"})  # from code, which has its tests
PROGRAMS = frozenset(
    (
        *(
            "bash",
            "cat",
            "cd",
            "cp",
            "curl",
            "docker",
            "duckdb",
            "export",
            "git",
            "harness",
            "head",
        ),
        *(
            "head",
            "llama-server",
            "ls",
            "make",
            "mkdir",
            "mlflow",
            "ollama",
            "pip",
            "podman",
            "pytest",
        ),
        *("python", "sed", "vllm"),
    )
)
_NOT_RUN = re.compile(r"<sub>(?:Not run here: |此处不运行：)(.+?)</sub>", re.DOTALL)
_NONE_RUN = re.compile(
    r"<sub>(?:No command of this page is run here: |本页命令均不在此运行：)(.+?)</sub>", re.DOTALL
)
_PLACE = re.compile(r"<!-- run in: ([a-z]+) -->")
_CODE = re.compile(r"exit code (\d+)")


@dataclass(frozen=True, slots=True)
class Command:
    """One command as it is typed, the exit code that its comment names, and what it shall print.

    `shown` is None where the page shows nothing; a line of three dots in it stands for any lines.
    """

    text: str
    exit_code: int = 0
    shown: tuple[str, ...] | None = None

    @property
    def words(self) -> list[str]:
        """The words of the command, without variables before it and comments behind it."""
        words = shlex.split(self.text.replace("\\\n", " "), comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0], re.DOTALL):
            words = words[1:]
        return words


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: `line` counts from 1; `place` is where its commands are run.

    `not_run` says why they are not; both are empty where nobody said.
    """

    page: Path
    line: int
    language: str
    text: str
    place: str = ""
    not_run: str = ""

    @property
    def where(self) -> str:
        """Page and line, for messages."""
        inside = self.page.is_relative_to(ROOT)
        page = self.page.relative_to(ROOT) if inside else Path(self.page.name)
        return f"{page.as_posix()}:{self.line}"

    @property
    def holds_commands(self) -> bool:
        """Whether a reader would type what it holds."""
        if self.language not in ("", "bash", "console", "sh"):
            return False
        lines = [line for line in self.text.splitlines() if line.strip()]
        if any(line.startswith("$ ") for line in lines):
            return True
        first = next((line for line in lines if not line.startswith("#")), "")
        return bool(self.language) or first.split(" ")[0] in PROGRAMS

    def commands(self) -> tuple[Command, ...]:
        """Return the commands: lines after `$ `, or all lines where none begins so."""
        lines = self.text.rstrip("\n").split("\n")
        prompted = any(line.startswith("$ ") for line in lines)
        found: list[Command] = []
        typed: list[str] = []
        shown: list[str] = []

        def close() -> None:
            if typed:
                text = "\n".join(typed)
                code = _CODE.search(text.rpartition(" #")[2]) if " #" in text else None
                printed = tuple(shown) if prompted and any(map(str.strip, shown)) else None
                found.append(Command(text, int(code.group(1)) if code else 0, printed))

        for line in lines:
            goes_on = bool(typed) and typed[-1].endswith("\\") and not shown
            if goes_on:
                typed.append(line)
            elif line.startswith("$ ") or not prompted:
                if not prompted and (not line.strip() or line.startswith("#")):
                    continue
                close()
                typed, shown = [line.removeprefix("$ ")], []
            else:
                shown.append(line)
        close()
        return tuple(found)


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the blocks of code of a page, in order."""
    tokens = MarkdownIt("commonmark", {"html": True}).parse(page.read_text(encoding="utf-8"))
    texts = [token.content for token in tokens if token.type == "inline"]
    none_run = next((said.group(1) for text in texts if (said := _NONE_RUN.search(text))), "")
    place = ""
    for number, token in enumerate(tokens):
        if token.type == "html_block" and (said := _PLACE.search(token.content)):
            place = said.group(1)
        if token.type not in ("fence", "code_block") or token.map is None:
            continue
        after = next((t.content for t in tokens[number + 1 : number + 3] if t.type == "inline"), "")
        why = _NOT_RUN.match(after)
        yield Block(
            page, token.map[0] + 1, token.info.split(" ")[0], token.content, place,
            " ".join((why.group(1) if why else none_run).split()),
        )  # fmt: skip


def pages() -> Sequence[Path]:
    """Return all pages that a user reads: those of the root and of docs/."""
    names = ("README.md", "README.zh.md", "CONTRIBUTING.md", "SECURITY.md", "fixtures/README.md")
    written = [page for page in (ROOT / "docs").glob("*.md") if page.name not in GENERATED]
    return [*(ROOT / name for name in names), *sorted(written)]
