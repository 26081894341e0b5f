"""YAML with positions: composed once, plain values by the rules of YAML 1.2.

`yes`, `NO`, `on`, dates and `010` stay text: they are words of an answer more often than not.
Duplicate keys, tags, recursive aliases and other surprises are problems, all reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from harness.errors import InputError, Problem
from harness.suites.values import Position

MAX_BYTES = 32 * 1024 * 1024
MAX_NODES = 2_000_000  # after aliases are followed: a few lines of YAML can stand for billions
MAX_DIGITS = 4000  # Python refuses to read longer numbers

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_OTHER_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is four times as fast


class _Loader(_Base):  # type: ignore[misc]  # the base is chosen at run time
    """Resolves nothing: scalars are read by the rules below."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own class attribute


_TEXT, _LIST, _MAP = (f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))


@dataclass(frozen=True)
class Document:
    """One file: its value, and the way back from a place in the value to a place in the file."""

    path: str
    value: Any
    root: yaml.Node | None = field(repr=False)

    def position(self, loc: Sequence[str | int], *, of_key: bool = False) -> Position:
        """Where `loc` stands; the nearest place around it where it is not in the file.

        `of_key` gives the key instead of its value. Steps that are not in the file are passed over:
        they are arguments that stand for themselves.
        """
        node, key = self.root, None
        for step in loc:
            below = _child(node, step)
            if below is not None:
                key, node = below
        if node is None:
            return Position(self.path, 1, 1)
        mark = (key if of_key and key is not None else node).start_mark
        return Position(self.path, mark.line + 1, mark.column + 1)


def read_document(path: str, data: bytes) -> Document:
    """Read one YAML document; raises InputError with all that is wrong in its form."""
    if len(data) > MAX_BYTES:
        raise InputError(
            Problem(
                f"the file is larger than {MAX_BYTES // 2**20} MiB",
                path=path,
                mend="keep rows in a JSONL file and name it under from_file",
            )
        )
    root = _compose(path, _decoded(path, data))
    builder = _Builder(path)
    value = builder.build(root) if root is not None else None
    if builder.problems:
        raise InputError(*builder.problems)
    return Document(path, value, root)


def _decoded(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            Problem("the file is not UTF-8", path=path, line=line, mend="save it as UTF-8")
        ) from None


def _compose(path: str, text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise InputError(
            Problem(
                f"not valid YAML: {what}",
                path=path,
                line=mark.line + 1 if mark else 0,
                column=mark.column + 1 if mark else 0,
            )
        ) from None
    except (yaml.YAMLError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        message = f"not valid YAML: {what.splitlines()[0]}"
        raise InputError(Problem(message, path=path, line=line)) from None


class _Builder:
    """Values from nodes; what is wrong is collected, not raised."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Problem] = []
        self._count = 0
        self._open: set[int] = set()

    def build(self, node: yaml.Node) -> Any:
        self._count += 1
        if self._count > MAX_NODES or id(node) in self._open:
            self._problem(node, "aliases in this file stand for too much, or for themselves")
            raise InputError(*self.problems)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        value = self._map(node) if isinstance(node, yaml.MappingNode) else self._list(node)
        self._open.discard(id(node))
        return value

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag not in (_TEXT, "!"):
            self._problem(node, f"the tag {node.tag!r} is not used here")
        return node.value if node.style else _plain(node.value)

    def _list(self, node: yaml.Node) -> list[Any]:
        if node.tag != _LIST:
            self._problem(node, f"the tag {node.tag!r} is not used here")
        return [self.build(child) for child in node.value]

    def _map(self, node: yaml.MappingNode) -> dict[str, Any]:
        if node.tag != _MAP:
            self._problem(node, f"the tag {node.tag!r} is not used here")
        lines: dict[str, int] = {}
        value: dict[str, Any] = {}
        for key, child in node.value:
            name = self._key(key)
            if name in lines:
                self._problem(key, f"key {name!r} stands twice", f"first on line {lines[name]}")
            lines.setdefault(name, key.start_mark.line + 1)
            value[name] = self.build(child)
        return value

    def _key(self, node: yaml.Node) -> str:
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        self._problem(node, "a key must be a plain word")
        return ""

    def _problem(self, node: yaml.Node, message: str, found: str = "") -> None:
        mark = node.start_mark
        self.problems.append(
            Problem(
                message, path=self.path, line=mark.line + 1, column=mark.column + 1, found=found
            )
        )


def _plain(text: str) -> Any:
    """An unquoted scalar by YAML 1.2's core schema."""
    if text in _NULL:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text) and len(text) <= MAX_DIGITS:
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _OTHER_FLOAT.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Key and value node one step below; None where the file has no such step."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return (node.value[step],) * 2 if step < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == str(step):
                return key, value
    return None
