"""Checks on Markdown: no_markdown, markdown_table, code_block."""

from __future__ import annotations

import ast
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Literal, Self
from xml.parsers import expat

import regex
from pydantic import model_validator

from harness.common import NESTING, JsonValue, listed, shown
from harness.scorers.arguments import Count, Word, Words, wrong
from harness.scorers.json_text import NotJsonError, parse
from harness.scorers.markdown import (
    HEADING,
    MARKDOWN_BULLET,
    RULE,
    Document,
    Fence,
    Table,
    document,
    fences,
)
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.values import Answer, Context, Finding, verdict

Sign = Literal["heading", "list", "bold", "italic", "code", "link", "table", "quote", "rule"]

# Each sign on its own line. Numbered lists are none: plain text has them too; so has `__init__`.
_INLINE: dict[Sign, regex.Pattern[str]] = {
    "bold": regex.compile(
        r"\*\*(?=\S)[^*\n]++(?<=\S)\*\*|(?<!\w)__(?=\S)[^_\n]*?\s[^_\n]*+(?<=\S)__(?!\w)"
    ),
    "italic": regex.compile(
        r"(?<![\w*\\])\*(?=[^\s*])[^*\n]++(?<=[^\s*\\])\*(?![\w*])"
        r"|(?<![\w_\\])_(?=[^\s_])[^_\n]++(?<=[^\s_\\])_(?![\w_])"
    ),
    "code": regex.compile(r"(?<!`)`(?!`)[^`\n]++`(?!`)"),
    "link": regex.compile(r"!?\[[^\[\]\n]++\]\([^()\s]++(?:\s+[\"'][^()\n]*+)?\)"),
}
_BLOCK: dict[Sign, regex.Pattern[str]] = {
    "heading": HEADING,
    "rule": RULE,
    "list": MARKDOWN_BULLET,
    "quote": regex.compile(r" {0,3}>\s?\S"),
}


class NoMarkdownArgs(Args):
    """`allow`: signs that are welcome."""

    allow: tuple[Sign, ...] = ()


@scorer(
    "no_markdown",
    version=2,
    shorthand="allow",
    example=Example(None, "1. 2 * 3 = 6\n2. snake_case", "This is **bold**."),
)
def no_markdown(answer: Answer, context: Context, args: NoMarkdownArgs) -> Finding:
    """The answer is plain text: no headings, lists, bold, italic, code, links, tables, rules.

    Numbered lists are plain text; so are `2 * 3`, `snake_case`, a lone asterisk, and lines that
    begin with a dash or with `•`, which are no marks of Markdown.
    """
    read = document(answer.text)
    found = next((hit for hit in _signs(read) if hit[0] not in args.allow), None)
    if found is not None:
        return verdict(False, f"{found[0]} in line {found[1]}: {shown(found[2])}", sign=found[0])
    return too_long(answer) if read.cut else verdict(True, "no Markdown found")


def _signs(read: Document) -> Iterator[tuple[Sign, int, str]]:
    """Yield the signs of Markdown: which, in which line from 1, the line or the part of it."""
    yield from (("code", block.first + 1, f"```{block.language}") for block in read.fences)
    yield from (("table", table.line + 1, " | ".join(table.header)) for table in read.tables)
    for number, line in enumerate(read.lines, start=1):
        if line.fenced:
            continue
        for name, pattern in _BLOCK.items():
            if pattern.match(line.text):
                yield name, number, line.text
        for name, pattern in _INLINE.items():
            if hit := pattern.search(line.text):
                yield name, number, hit[0]


def too_long(answer: Answer) -> Finding:
    """Return the finding of a check that could not read the whole answer as Markdown."""
    return verdict(None, f"cannot tell: {len(answer.text)} characters are too long to parse")


# -- tables ----------------------------------------------------------------------------------------


class MarkdownTableArgs(Args):
    """`columns`: their names in order, or how many. `rows`, `min_rows`, `max_rows`: without header.

    `only`: the answer has nothing else.
    """

    columns: Words | Count | None = None
    rows: Count | None = None
    min_rows: Count = 1
    max_rows: Count | None = None
    only: bool = False

    def problem(self, table: Table) -> str:
        """Return what is wrong with a table; empty where nothing is."""
        if isinstance(self.columns, int) and len(table.header) != self.columns:
            return f"{len(table.header)} columns, wanted {self.columns}"
        if isinstance(self.columns, tuple) and _names(table.header) != _names(self.columns):
            return f"columns {listed(table.header)}, wanted {listed(self.columns)}"
        if table.ragged is not None:
            return f"row {table.ragged + 1} has another number of cells than the header"
        rows = len(table.rows)
        if self.rows is not None:
            return "" if rows == self.rows else f"{rows} rows, wanted {self.rows}"
        if rows < self.min_rows:
            return f"{rows} rows, wanted at least {self.min_rows}"
        too_many = self.max_rows is not None and rows > self.max_rows
        return f"{rows} rows, wanted at most {self.max_rows}" if too_many else ""


def _names(cells: tuple[str, ...]) -> list[str]:
    return [cell.strip(" *_`").casefold() for cell in cells]


@scorer(
    "markdown_table",
    version=2,
    shorthand="columns",
    example=Example(
        {"columns": ["Name", "Age"], "rows": 1},
        "| Name | Age |\n|---|---|\n| Ann | 31 |",
        "| Name | Age |\n| Ann | 31 |",
    ),
)
def markdown_table(answer: Answer, context: Context, args: MarkdownTableArgs) -> Finding:
    """The answer has a table in GitHub's Markdown: a header, a rule, rows with as many cells.

    A bar behind a backslash is text. Lines indented by four spaces are code, not a table.
    """
    read = document(answer.text)
    found = read.tables
    if not found:
        if read.cut:
            return too_long(answer)
        return verdict(False, "no table: a header, a rule like |---|---|, and rows are wanted")
    problems = [args.problem(table) for table in found]
    detail: dict[str, JsonValue] = {"columns": [*found[0].header], "rows": len(found[0].rows)}
    if "" not in problems:
        return verdict(False, problems[0], **detail)
    filled = sum(1 for line in read.lines if line.text.strip())
    if args.only and (len(found) > 1 or found[0].lines != filled):
        return verdict(False, "there is other text beside the table", **detail)
    return verdict(True, "the table is as wanted", **detail)


# -- code ------------------------------------------------------------------------------------------

# Python's parser takes memory in proportion; nobody asks a model for more code than this.
_CODE_CHARS = 200_000
# What highlighters know besides the names and file endings of pygments.
_ALSO = {
    **dict.fromkeys(("jsx", "mjs", "cjs", "node", "nodejs", "ecmascript"), "javascript"),
    **dict.fromkeys(("tsx", "mts", "cts"), "typescript"),
    **dict.fromkeys(("jsonc", "json5"), "json"),
    **dict.fromkeys(("plaintext", "plain"), "text"),
    "c-sharp": "c#",
    "cplusplus": "c++",
    "erl": "erlang",
    "fs": "f#",
    "gql": "graphql",
    "h": "c",
    "m": "matlab",
    "mm": "objective-c++",
    "shellscript": "bash",
}


@cache
def _languages() -> dict[str, str]:
    """Return the language for each name and file ending that pygments knows, in small letters."""
    from pygments.lexers import get_all_lexers  # type: ignore[import-untyped]  # it has no stubs

    found: dict[str, str] = {}
    endings: dict[str, set[str]] = defaultdict(set)
    for name, aliases, files, _ in get_all_lexers(plugins=False):
        plain = name.lower()
        for alias in (plain, *aliases):
            found.setdefault(alias.lower(), plain)
        for ending in (file[2:].lower() for file in files if file.startswith("*.")):
            endings[ending].add(plain)
    for ending, names in endings.items():
        if len(names) == 1:  # *.m and *.pl are the endings of several
            found.setdefault(ending, *names)
    return found


@lru_cache(maxsize=4096)
def language_name(name: str) -> str:
    """Return the one name of a programming language: `rust` for `rs`, `go` for `golang`."""
    plain = name.lower().removeprefix("language-").removeprefix("lang-")
    plain = _ALSO.get(plain, plain)
    return _languages().get(plain, plain)


class CodeBlockArgs(Args):
    """`language`: of the fence. `parses`: Python and JSON must be well-formed.

    `only`: nothing beside the code block. `min`, `max`: how many such blocks.
    """

    language: Word | None = None
    parses: bool = True
    only: bool = False
    min: Count = 1
    max: Count | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.max is not None and self.min > self.max:
            raise wrong("bounds", f"min {self.min} is above max {self.max}")
        return self


@scorer(
    "code_block",
    version=2,
    shorthand="language",
    example=Example("python", "```python\nprint(1)\n```", "```python\nprint(1\n```"),
)
def code_block(answer: Answer, context: Context, args: CodeBlockArgs) -> Finding:
    """The answer has a fenced code block, of the language, closed, and parsed if Python or JSON.

    Languages have the names that highlighters know: `rs` is rust, `golang` is go.
    """
    fenced = "```" in answer.text or "~~~" in answer.text
    read = document(answer.text) if fenced else Document(())
    found = read.fences
    name = "code block"
    if args.language is not None:
        name = f"{args.language} code block"
        wanted = language_name(args.language)
        found = tuple(block for block in found if language_name(block.language) == wanted)
    problem = ""
    if len(found) < args.min:
        count = f"no {name}" if not found else f"{len(found)} {name}s"
        problem = f"{count}, wanted at least {args.min}" if found else count
    elif args.max is not None and len(found) > args.max:
        problem = f"{len(found)} {name}s, wanted at most {args.max}"
    for block in found:
        problem = problem or _problem(block, args.parses)
    if not problem and args.only:
        covered = {n for block in found for n in range(block.first, block.last + 1)}
        others = any(n not in covered and row.text.strip() for n, row in enumerate(read.lines))
        if len(found) != 1 or others:
            problem = "there is other text beside the code block"
    if read.cut and (problem or args.max is not None):
        return too_long(answer)
    return verdict(not problem, problem or "the code block is as wanted", blocks=len(found))


def _problem(block: Fence, parses: bool) -> str:
    """Return what is wrong with a code block; empty where nothing is."""
    if not block.closed:
        return "the code block is not closed"
    if not block.code.strip():
        return "the code block is empty"
    language = language_name(block.language) if parses else ""
    if language == "json":
        try:
            parse(block.code)
        except NotJsonError as error:
            return f"not JSON: {error}"
    if language == "python":
        if len(block.code) > _CODE_CHARS:
            return f"the code has more than {_CODE_CHARS} characters"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about escapes and comparisons in the model's code
                ast.parse(block.code)
        except SyntaxError as error:
            return f"not Python: line {error.lineno}"
        except (ValueError, RecursionError, MemoryError):
            return "not Python: it cannot be parsed"
    return ""


class XmlArgs(Args):
    """`root`: the name of the outermost element. `tags`: elements that must be there.

    `fragment`: several outermost elements and text between them are welcome.
    `extract`: the XML may stand in the answer's only fenced block.
    """

    root: Word | None = None
    tags: Words | None = None
    fragment: bool = False
    extract: bool = False


class _RefusedError(Exception):
    """What is well-formed and yet refused."""


@dataclass
class _Seen:
    """What the parser has met."""

    names: Counter[str] = field(default_factory=Counter)
    first: str = ""
    depth: int = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > NESTING:
            raise _RefusedError(f"it nests deeper than {NESTING} levels")
        self.first = self.first or name
        self.names[name] += 1

    def end(self, name: str) -> None:
        self.depth -= 1


@scorer(
    "xml",
    version=2,
    shorthand="root",
    example=Example(
        {"root": "note", "tags": ["to"]}, "<note><to>Ann</to></note>", "<note><to></note>"
    ),
)
def xml(answer: Answer, context: Context, args: XmlArgs) -> Finding:
    """The whole answer is well-formed XML, with the given elements; a document type is refused."""
    blocks = fences(answer.text) if args.extract else ()
    text = (blocks[0].code if len(blocks) == 1 else answer.text).strip()
    try:
        seen = _parsed(f"<_>{text}</_>" if args.fragment else text)
    except _RefusedError as error:
        return verdict(False, f"refused: {error}")
    except expat.ExpatError as error:
        place = f"line {error.lineno} column {error.offset + 1}"
        return verdict(False, f"not well-formed at {place}: {expat.ErrorString(error.code)}")
    except UnicodeEncodeError:
        return verdict(False, "not well-formed: it has a lone surrogate")
    if args.fragment and seen.names.total() == 1:
        return verdict(False, "no element")
    if args.root is not None and not args.fragment and seen.first != args.root:
        return verdict(False, f"the root is {shown(seen.first)}, wanted {shown(args.root)}")
    missing = [tag for tag in args.tags or () if not seen.names[tag]]
    if args.root is not None and args.fragment and not seen.names[args.root]:
        missing.append(args.root)
    if missing:
        return verdict(False, f"elements missing: {listed(missing)}", missing=[*missing])
    return verdict(True, "well-formed")


def _parsed(text: str) -> _Seen:
    """Parse without entities: a document type, where they are declared, is refused."""
    seen = _Seen()
    parser = expat.ParserCreate()
    parser.StartElementHandler = seen.start
    parser.EndElementHandler = seen.end
    parser.StartDoctypeDeclHandler = _refuse
    parser.Parse(text, True)
    return seen


def _refuse(*_: object) -> None:
    raise _RefusedError("a document type could declare entities")
