"""Checks on Markdown: no_markdown, markdown_table, code_block."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Self
from xml.parsers import expat

import regex
from pydantic import model_validator

from harness.common import NESTING, JsonValue, listed, shown
from harness.scorers.arguments import Count, Word, Words, wrong
from harness.scorers.counting import lines
from harness.scorers.json_text import NotJsonError, parse
from harness.scorers.markdown import BULLET, HEADING, RULE, Fence, fences, marked_lines
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.values import Answer, Context, Finding, verdict

_RULE = regex.compile(r"\s*+\|?\s*:?-+:?\s*+(?:\|\s*:?-+:?\s*+)*+\|?\s*+")
_BAR = regex.compile(r"(?<!\\)(?:\\\\)*+\|")


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its header, its rows, the line of its header from 0, how many lines it takes.

    `ragged` is the first row, from 0, with another number of cells than the header.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    line: int

    @property
    def lines(self) -> int:
        """Lines of header, rule and rows."""
        return len(self.rows) + 2

    @property
    def ragged(self) -> int | None:
        """The first row that has more or fewer cells than the header."""
        widths = (len(row) for row in self.rows)
        return next((n for n, width in enumerate(widths) if width != len(self.header)), None)


def tables(text: str) -> list[Table]:
    """All tables outside code blocks."""
    rows = ["" if line.code else line.text for line in marked_lines(text)]
    found: list[Table] = []
    place = 1
    while place < len(rows):
        header = _cells(rows[place - 1])
        if _is_rule(rows[place]) and header and len(_cells(rows[place])) == len(header):
            body = _body(rows, place + 1)
            found.append(Table(header, body, place - 1))
            place += len(body)
        place += 1
    return found


def _body(rows: list[str], start: int) -> tuple[tuple[str, ...], ...]:
    end = start
    while end < len(rows) and "|" in rows[end]:
        end += 1
    return tuple(_cells(row) for row in rows[start:end])


def _is_rule(row: str) -> bool:
    return "|" in row and "-" in row and _RULE.fullmatch(row) is not None


def _cells(row: str) -> tuple[str, ...]:
    """The cells of a row; bars after a backslash are text. No bar: no cells."""
    text = row.strip()
    if "|" not in text:
        return ()
    ends = [match.end() - 1 for match in _BAR.finditer(text)]
    starts = [0, *(end + 1 for end in ends)]
    parts = [text[a:b] for a, b in zip(starts, [*ends, len(text)], strict=True)]
    parts = parts[1:] if text.startswith("|") else parts
    parts = parts[:-1] if parts and ends and ends[-1] == len(text) - 1 else parts
    return tuple(part.strip() for part in parts)


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
    "list": BULLET,
    "quote": regex.compile(r" {0,3}>\s?\S"),
}


class NoMarkdownArgs(Args):
    """`allow`: signs that are welcome."""

    allow: tuple[Sign, ...] = ()


@scorer(
    "no_markdown",
    version=1,
    shorthand="allow",
    example=Example(None, "1. 2 * 3 = 6\n2. snake_case", "This is **bold**."),
)
def no_markdown(answer: Answer, context: Context, args: NoMarkdownArgs) -> Finding:
    """The answer is plain text: no headings, lists, bold, italic, code, links, tables, rules.

    Numbered lists are plain text; so are `2 * 3`, `snake_case` and a lone asterisk.
    """
    found = next((hit for hit in _signs(answer.text) if hit[0] not in args.allow), None)
    if found is None:
        return verdict(True, "no Markdown found")
    return verdict(False, f"{found[0]} in line {found[1]}: {shown(found[2])}", sign=found[0])


def _signs(text: str) -> Iterator[tuple[str, int, str]]:
    """The signs of Markdown: which, in which line from 1, the line or the part of it."""
    yield from (("code", block.first + 1, f"```{block.language}") for block in fences(text))
    yield from (("table", table.line + 1, " | ".join(table.header)) for table in tables(text))
    for number, line in enumerate(marked_lines(text), start=1):
        if line.code:
            continue
        for name, pattern in _BLOCK.items():
            if pattern.match(line.text):
                yield name, number, line.text
        for name, pattern in _INLINE.items():
            if hit := pattern.search(line.text):
                yield name, number, hit[0]


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
        """What is wrong with a table; empty where nothing is."""
        if isinstance(self.columns, int) and len(table.header) != self.columns:
            return f"{len(table.header)} columns, wanted {self.columns}"
        if isinstance(self.columns, tuple) and _names(table.header) != _names(self.columns):
            return f"columns {listed(table.header)}, wanted {listed(self.columns)}"
        if table.ragged is not None:
            return f"row {table.ragged + 1} has another number of cells than the header"
        return self._rows_problem(len(table.rows))

    def _rows_problem(self, rows: int) -> str:
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
    version=1,
    shorthand="columns",
    example=Example(
        {"columns": ["Name", "Age"], "rows": 1},
        "| Name | Age |\n|---|---|\n| Ann | 31 |",
        "| Name | Age |\n| Ann | 31 |",
    ),
)
def markdown_table(answer: Answer, context: Context, args: MarkdownTableArgs) -> Finding:
    """The answer has a table in GitHub's Markdown: a header, a rule, rows with as many cells."""
    found = tables(answer.text)
    if not found:
        return verdict(False, "no table: a header, a rule like |---|---|, and rows are wanted")
    problems = [args.problem(table) for table in found]
    detail: dict[str, JsonValue] = {"columns": [*found[0].header], "rows": len(found[0].rows)}
    if "" not in problems:
        return verdict(False, problems[0], **detail)
    if args.only and (len(found) > 1 or found[0].lines != _filled(answer.text)):
        return verdict(False, "there is other text beside the table", **detail)
    return verdict(True, "the table is as wanted", **detail)


def _filled(text: str) -> int:
    return sum(1 for line in lines(text) if line.strip())


# -- code ------------------------------------------------------------------------------------------

# Python's parser takes memory in proportion; nobody asks a model for more code than this.
_CODE_CHARS = 200_000
_ALIASES = {"py": "python", "python3": "python", "js": "javascript", "ts": "typescript"}
_ALIASES |= {"sh": "bash", "shell": "bash", "yml": "yaml", "c++": "cpp"}


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
    version=1,
    shorthand="language",
    example=Example("python", "```python\nprint(1)\n```", "```python\nprint(1\n```"),
)
def code_block(answer: Answer, context: Context, args: CodeBlockArgs) -> Finding:
    """The answer has a fenced code block, of the language, closed, and parsed if Python or JSON."""
    found = [b for b in fences(answer.text) if args.language is None or _is(b, args.language)]
    problem = _count_problem(len(found), args)
    for block in found:
        problem = problem or _block_problem(block, args.parses)
    if not problem and args.only and not _is_whole(answer.text, found):
        problem = "there is other text beside the code block"
    return verdict(not problem, problem or "the code block is as wanted", blocks=len(found))


def _is(block: Fence, language: str) -> bool:
    wanted = language.lower()
    return _ALIASES.get(block.language, block.language) == _ALIASES.get(wanted, wanted)


def _count_problem(count: int, args: CodeBlockArgs) -> str:
    name = f"{args.language} code block" if args.language else "code block"
    if count < args.min:
        return f"no {name}" if count == 0 else f"{count} {name}s, wanted at least {args.min}"
    too_many = args.max is not None and count > args.max
    return f"{count} {name}s, wanted at most {args.max}" if too_many else ""


def _block_problem(block: Fence, parses: bool) -> str:
    if not block.closed:
        return "the code block is not closed"
    if not block.code.strip():
        return "the code block is empty"
    language = _ALIASES.get(block.language, block.language)
    if parses and language == "json":
        return _json_problem(block.code)
    return _python_problem(block.code) if parses and language == "python" else ""


def _json_problem(code: str) -> str:
    try:
        parse(code)
    except NotJsonError as error:
        return f"not JSON: {error}"
    return ""


def _python_problem(code: str) -> str:
    if len(code) > _CODE_CHARS:
        return f"the code has more than {_CODE_CHARS} characters"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes and comparisons in the model's code
            ast.parse(code)
    except SyntaxError as error:
        return f"not Python: line {error.lineno}"
    except (ValueError, RecursionError, MemoryError):
        return "not Python: it cannot be parsed"
    return ""


def _is_whole(text: str, found: list[Fence]) -> bool:
    covered = {n for block in found for n in range(block.first, block.last + 1)}
    return len(found) == 1 and all(
        n in covered or not line.strip() for n, line in enumerate(lines(text))
    )


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
    version=1,
    shorthand="root",
    example=Example(
        {"root": "note", "tags": ["to"]}, "<note><to>Ann</to></note>", "<note><to></note>"
    ),
)
def xml(answer: Answer, context: Context, args: XmlArgs) -> Finding:
    """The whole answer is well-formed XML, with the given elements; a document type is refused."""
    text = _part(answer.text, args.extract).strip()
    try:
        seen = _parsed(f"<_>{text}</_>" if args.fragment else text)
    except _RefusedError as error:
        return verdict(False, f"refused: {error}")
    except expat.ExpatError as error:
        place = f"line {error.lineno} column {error.offset + 1}"
        return verdict(False, f"not well-formed at {place}: {expat.ErrorString(error.code)}")
    except UnicodeEncodeError:
        return verdict(False, "not well-formed: it has a lone surrogate")
    return _judge(seen, args)


def _part(text: str, extract: bool) -> str:
    blocks = fences(text) if extract else []
    return blocks[0].code if len(blocks) == 1 else text


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


def _judge(seen: _Seen, args: XmlArgs) -> Finding:
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
