"""YAML with positions: composed once, plain values by the core schema of YAML 1.2.

`yes`, `NO`, `on`, `12:30` and dates stay text, as in YAML 1.2: they are words of an answer more
often than not. Numbers that begin with a zero stay text too, or `0049` would lose its zeros. Keys
are always text. Duplicate keys, merge keys, unknown tags and values that JSON has not are problems,
all reported at once.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from harness.common.errors import InputError, Problem
from harness.common.limits import NUMBER_DIGITS
from harness.common.reading import MAX_PROBLEMS, decoded, first_problems, read_bytes
from harness.common.wording import shown

MAX_BYTES = 32 * 1024 * 1024
MAX_NODES = 1_000_000  # keys and values: two seconds and a third of a gigabyte
MAX_KEYS = 10_000  # of one mapping: no schema has so many, and a problem for each takes a second
MAX_ALIASED = 100_000  # that aliases repeat: a few lines of YAML can stand for billions
MAX_DEPTH = 100

_INSTEAD = "keep rows in a JSONL file and name it under from_file"
_TAG = "tag:yaml.org,2002:"
_BOOLS = ("true", "True", "TRUE", "false", "False", "FALSE")
_RESOLVERS = (  # tag, pattern, the characters it may begin with
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", "|".join(_BOOLS), [*"tTfF"]),
    ("int", r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        [*"-+.0123456789"],
    ),
)
# YAML's own list of printable characters; the others are in no file that was meant as text.
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ufeff\ue000-\ufffd\U00010000-\U0010ffff]"
)


@dataclass(frozen=True, slots=True)
class Position:
    """Where something stands in a file; `line` and `column` count from 1."""

    path: str
    line: int
    column: int


class _PythonParser(Reader, Scanner, Parser):
    """Events where PyYAML was built without libyaml: four times as slow."""

    def __init__(self, stream: str) -> None:
        Reader.__init__(self, stream)
        Scanner.__init__(self)
        Parser.__init__(self)


_Parser: Any = _PythonParser
if yaml.__with_libyaml__:
    from yaml.cyaml import CParser as _Parser  # type: ignore[attr-defined]


class _TooMuchError(yaml.MarkedYAMLError):
    """A document of more than is read: raised where it begins to be too much."""

    def __init__(self, limit: str, mark: yaml.Mark, hint: str = "") -> None:
        super().__init__(None, None, f"more than {limit}", mark)
        self.hint = hint


class _Loader(Composer, _Parser, BaseResolver):  # type: ignore[misc]  # chosen at run time
    """Events from libyaml, nodes from Python.

    libyaml's own composer takes two thirds of the time, but breaks the process on deep nesting.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - declared so by PyYAML

    def __init__(self, stream: str) -> None:
        _Parser.__init__(self, stream)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._left = MAX_NODES
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node; what has neither anchor nor tag, nearly all of a file, in one step."""
        event: Any = self.peek_event()
        self._left -= 1
        if self._left < 0:
            raise _TooMuchError(f"{MAX_NODES:,} keys and values", event.start_mark, _INSTEAD)
        kind, start = type(event), event.start_mark
        plain = kind is not AliasEvent and event.anchor is None and event.tag is None
        if plain and kind is ScalarEvent:
            self.get_event()
            tag = _plain_tag(event.value) if event.implicit[0] else _TAG + "str"
            return yaml.ScalarNode(tag, event.value, start, style=event.style)
        if self._depth > MAX_DEPTH:
            raise _TooMuchError(f"{MAX_DEPTH} levels", start)
        self._depth += 1
        node: yaml.Node | None
        if not plain:
            node = super().compose_node(parent, index)
        else:
            self.get_event()
            node = (
                yaml.MappingNode(_TAG + "map", self._pairs(), start, None, event.flow_style)
                if kind is MappingStartEvent
                else yaml.SequenceNode(_TAG + "seq", self._items(), start, None, event.flow_style)
            )
        self._depth -= 1
        return node

    def _items(self) -> list[Any]:
        """Return the nodes of a sequence, to its end."""
        found: list[Any] = []
        while type(self.peek_event()) is not SequenceEndEvent:
            found.append(self.compose_node(None, None))
        self.get_event()
        return found

    def _pairs(self) -> list[Any]:
        """Keys and values of a mapping, to its end."""
        found: list[Any] = []
        while True:
            event: Any = self.peek_event()
            kind = type(event)
            if kind is MappingEndEvent:
                break
            if kind is ScalarEvent and event.anchor is None and event.tag is None:
                self.get_event()
                self._left -= 1  # the value that follows looks whether there is room
                tag, start = _TAG + "str", event.start_mark  # a key is text, whatever it says
                key: Any = yaml.ScalarNode(tag, event.value, start, style=event.style)
            else:
                key = self.compose_node(None, None)
            if len(found) >= MAX_KEYS:
                raise _TooMuchError(f"{MAX_KEYS:,} keys in one mapping", key.start_mark)
            found.append((key, self.compose_node(None, None)))
        self.get_event()
        return found


def _plain_tag(text: str) -> str:
    """Return the tag of an unquoted text."""
    for tag, pattern in _Loader.yaml_implicit_resolvers.get(text[:1], ()):
        if pattern.match(text):
            return str(tag)
    return _TAG + "str"


for _name, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A text that carries a tag of another program's own, such as `!function utils.process`."""

    tag: str
    text: str


def reads_as_text(text: str) -> bool:
    """Return whether a text without quotes stays a text in YAML 1.2: not `1e3`, `true` or `~`."""
    return _plain_tag(text) == _TAG + "str"


@dataclass(frozen=True)
class YamlDocument:
    """One file: its value, and the way back from a place in the value to a place in the file.

    A value that was made in a program has no nodes: all of it stands at `line` of `path`.
    """

    path: str
    value: Any
    root: yaml.Node | None = field(repr=False)
    line: int = 1
    # The entries of each mapping by their keys, once they were asked for: there may be 300,000.
    _entries: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def value_at(self, loc: Sequence[str | int]) -> Any:
        """Return what the file says at `loc`; steps that are not in the file are passed over."""
        value = self.value
        for step in loc:
            inside = isinstance(value, dict) and step in value
            if inside or (isinstance(value, list) and isinstance(step, int) and step < len(value)):
                value = value[step]
        return value

    def position(self, loc: Sequence[str | int], *, of_key: bool = False) -> Position:
        """Return where `loc` stands; the nearest place around it where it is not in the file.

        `of_key` gives the key instead of its value. Steps that are not in the file are passed over:
        they are arguments that stand for themselves.
        """
        node, key = self.root, None
        for step in loc:
            below = self._child(node, step)
            if below is not None:
                key, node = below
        if node is None:
            return Position(self.path, self.line, 1)
        mark = (key if of_key and key is not None else node).start_mark
        return Position(self.path, mark.line + 1, mark.column + 1)

    def _child(self, node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
        """Key and value node one step below; None where the file has no such step."""
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            return (node.value[step],) * 2 if step < len(node.value) else None
        if not isinstance(node, yaml.MappingNode):
            return None
        if id(node) not in self._entries:  # of a key that stands twice the first
            self._entries[id(node)] = {pair[0].value: pair for pair in reversed(node.value)}
        return self._entries[id(node)].get(str(step))


def read_yaml_file(
    path: Path, *, tags: Collection[str] = (), limit: int = MAX_BYTES, hint: str = ""
) -> YamlDocument:
    """Read a file of one YAML document as `read_document` does; raises InputError."""
    instead = _INSTEAD if limit == MAX_BYTES else ""
    data = read_bytes(path, limit=limit, hint=hint, instead=instead)
    return read_document(path.as_posix(), data, tags=tags)


def read_document(path: str, data: bytes, *, tags: Collection[str] = ()) -> YamlDocument:
    """Read one YAML document; raises InputError with what is wrong in its form.

    tags: those of another program; a scalar that carries one is read as `Tagged`.
    """
    text = decoded(path, data)
    if found := _UNPRINTABLE.search(text):
        before, code = text[: found.start()], ord(found[0])
        line, column = before.count("\n") + 1, found.start() - before.rfind("\n")
        message = f"not valid YAML: the character U+{code:04X} is not allowed"
        hint = f'write it as "\\u{code:04x}" in double quotes'
        raise InputError(Problem(message, path, line, column, hint=hint))
    try:
        root: yaml.Node | None = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise InputError(_unreadable(path, error, text.split("\n"))) from None
    except yaml.YAMLError as error:
        message = f"not valid YAML: {str(error).partition(chr(10))[0]}"
        raise InputError(Problem(message, path=path)) from None
    builder = _Builder(path, tags, aliases="*" in text)
    value = builder.build(root) if root is not None else None
    if builder.problems:
        raise InputError(*first_problems(builder.problems, path, builder.left_out))
    return YamlDocument(path, value, root)


def _unreadable(path: str, error: yaml.MarkedYAMLError, lines: Sequence[str]) -> Problem:
    mark = error.problem_mark or error.context_mark
    said, context = str(error.problem or error.context), str(error.context or "")
    hint = "indent with spaces, and put texts with special characters in quotes"
    if "single document" in context:
        said, hint = "a suite file is one document", "remove the line `---` and what follows it"
    elif isinstance(error, _TooMuchError):
        hint = error.hint
    elif "undefined alias" in said:
        hint = 'put a text that begins with * in quotes: "*"'
    elif "unknown escape" in said:
        hint, context = "a text with backslashes stands in single quotes: '\\d+'", ""
        if mark and _WINDOWS_PATH.search(lines[mark.line]):
            hint = "a Windows path stands in single quotes, or has slashes: C:/data/rows.csv"
    elif "Unicode character escape" in said and mark and (pair := _PAIR.search(lines[mark.line])):
        sign = json.loads(f'"{pair[0]}"')
        said, context = f"{pair[0]} is one character in two halves, as json.dumps writes it", ""
        hint = f'write {sign}, or "\\U{ord(sign):08x}" (json.dumps: ensure_ascii=False)'
    elif "expected '-' indicator" in said:
        hint = "the entries of a list, and the keys in an entry, begin in one column"
    elif "mapping values" in said:
        hint = 'a text with a colon needs quotes: "Extract: the total"'
        if mark and (above := _less_indented(lines, mark.line)):
            hint = f"the line is indented deeper than line {above}: keys begin in one column"
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    start = error.context_mark if context.startswith("while ") else None
    found = f"{context}, begun on line {start.line + 1}" if start else ""
    return Problem(f"not valid YAML: {said}", path, line, column, found=found, hint=hint)


_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_WINDOWS_PATH = re.compile(r'"[A-Za-z]:\\')


def _less_indented(lines: Sequence[str], at: int) -> int:
    """Return the number of the line above where it is one with a value, and begins further left.

    0 for any other: `at` counts from 0. After a key without a value, deeper is right.
    """
    above = next((n for n in range(at - 1, -1, -1) if lines[n].strip()), None)
    if above is None:
        return 0
    before, here = (re.sub(r"^([ -]*)- ", r"\1  ", lines[n]) for n in (above, at))
    key = re.match(r"( *)[\w-]+: *\S", before)
    own = re.match(r"( *)[\w-]+:(?: |$)", here)
    return above + 1 if key and own and len(own[1]) > len(key[1]) else 0


class _Builder:
    """Values from nodes; what is wrong is collected, not raised, and counted where it is much."""

    def __init__(self, path: str, tags: Collection[str] = (), *, aliases: bool = True) -> None:
        self.path, self.tags, self.aliases = path, tags, aliases
        self.problems: list[Problem] = []
        self.left_out = 0
        self._aliased_left = MAX_ALIASED
        self._seen: set[int] = set()

    def build(self, node: yaml.Node, depth: int = 0) -> Any:
        """Return the value of a node and all below it; raises InputError where that has no end."""
        if self.aliases:
            self._aliased_left -= id(node) in self._seen
            self._seen.add(id(node))
        if self._aliased_left < 0 or depth > MAX_DEPTH:
            many = self._aliased_left < 0
            limit = f"{MAX_ALIASED:,} values" if many else f"{MAX_DEPTH} levels"
            self._problem(node, f"more than {limit}, with aliases followed", counted=False)
            raise InputError(*self.problems)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if node.tag not in (_TAG + "seq", _TAG + "map"):
            self._unknown_tag(node)
        if isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            value: dict[str, Any] = {}
            for key, child in node.value:
                name = self._key(key)
                if name in lines:
                    first = f"first on line {lines[name]}"
                    self._problem(key, f"key {shown(name)} stands twice", first)
                lines.setdefault(name, key.start_mark.line + 1)
                value[name] = self.build(child, depth + 1)
            return value
        return [self.build(child, depth + 1) for child in node.value]

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag in self.tags:
            return Tagged(node.tag, node.value)
        name = node.tag.removeprefix(_TAG)
        if name not in _SCALARS:
            return self._unknown_tag(node)
        try:
            return _SCALARS[name](node.value)
        except ValueError as error:
            return self._problem(node, f"not a value that can be used: {error}", shown(node.value))

    def _unknown_tag(self, node: yaml.Node) -> None:
        tag = node.tag.replace(_TAG, "!!")
        said = tag if len(tag) <= 60 else shown(tag)
        self._problem(node, f"the tag {said} has no meaning here", hint="put a text in quotes")

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or (not node.value and not node.style):
            curly = isinstance(node, yaml.MappingNode)
            hint = 'a template needs quotes: "{{ name }}"' if curly else ""
            self._problem(node, "a key must be one plain word", hint=hint)
            return ""
        if node.value == "<<" and not node.style:
            hint = "say it under defaults, or write it out"
            self._problem(node, "merge keys (<<) are not part of YAML 1.2", hint=hint)
        return str(node.value)

    def _problem(
        self,
        node: yaml.Node,
        message: str,
        found: str = "",
        hint: str = "",
        counted: bool = True,
    ) -> None:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if counted and len(self.problems) >= MAX_PROBLEMS:
            self.left_out += 1
            return
        self.problems.append(Problem(message, self.path, line, column, found=found, hint=hint))


def _bool(text: str) -> bool:
    if text not in _BOOLS:
        raise ValueError("true or false is wanted")
    return text[0] in "tT"


def _int(text: str) -> int:
    if len(text) > NUMBER_DIGITS:
        raise ValueError(f"more than {NUMBER_DIGITS:,} digits")
    try:
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    except ValueError:  # only an explicit `!!int` comes here
        raise ValueError("a whole number is wanted") from None


def _float(text: str) -> float:
    try:
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        raise ValueError("a number is wanted") from None
    if not math.isfinite(number):
        raise ValueError("the number is not finite; put a text in quotes")
    return number


_SCALARS: Mapping[str, Any] = {
    "null": lambda _: None,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "str": str,
}
