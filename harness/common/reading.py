"""The one reader of files from outside: bytes under a bound, JSON under bounds, fields by a schema.

Whatever comes from somebody else (a baseline, a scorecard, a model's or an adapter's directory,
recorded answers, rows of data) goes through here before a field of it is used. Each way in which a
file can be wrong is an InputError with its place: missing, no file, unreadable, too large, no
UTF-8, no JSON, nested too deep, numbers that Python or JSON cannot hold, half a surrogate pair,
other fields or types than its schema has.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import stat
import tomllib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, ValuesView
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from harness.common.errors import InputError, Problem, nearest
from harness.common.limits import NESTING
from harness.common.validation import in_words, one_each, told
from harness.common.wording import plural, shown

MAX_BYTES = 256 * 2**20  # of a file that is read whole
MAX_CONFIG = 8 * 2**20  # of a configuration that a program wrote
MAX_SETTINGS = 2**20  # of one that people write: 100,000 keys, each perhaps unknown
MAX_LINE = 64 * 2**20  # of a line of JSONL: sixteen answers of the longest that checks read
MAX_VALUES = 10_000_000  # of one JSON text: `[],` is three bytes in a file and seventy in memory
MAX_DOTTED = 10**7  # of a TOML file: dots of a line, squared
MAX_DIGITS = 19  # of a whole number in a file of ours: those of 2**63
MOST_BESIDE = 2000  # names of a folder that are looked at for the one that was meant
MAX_PROBLEMS = 20  # that are shown of one file; the rest is counted
_BUFFER = 2**17  # bytes that are asked for at once
T = TypeVar("T")

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_LEVELS = bytes((1 if sign in b"[{" else 255) for sign in range(256))  # 255 is -1 of eight bits
_NO_BRACKETS = bytes(sign for sign in range(256) if sign not in b"[]{}")


class Digest(Protocol):
    """What `hashlib` gives."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""


@dataclass(frozen=True, slots=True)
class JsonLine:
    """One line of JSONL: its number from 1, its offset in bytes, and the value that it holds."""

    number: int
    offset: int
    value: Any


def read_bytes(
    path: Path, what: str = "", *, limit: int = MAX_BYTES, hint: str = "", instead: str = ""
) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    `what` is what messages call it ("the baseline"); `instead` is the hint for a file that is too
    large. Raises InputError, also for a name that the system does not take, and for a pipe or a
    device, which could hold a reader for ever.
    """
    with _opened(path, what, hint) as stream:
        size = os.fstat(stream.fileno()).st_size
        data = None
        if size <= limit:  # asked for all at once, Python would set `limit` bytes aside
            # None: a file of the system's own, such as its log, that has nothing yet.
            data = stream.read(size) or b""
            data += stream.read(limit + 1 - size) or b""
    if data is None or len(data) > limit:
        message = f"cannot read {what or 'it'}: it is larger than {_size(limit)}"
        raise InputError(Problem(message, str(path), hint=instead or hint))
    return data


def read_text(path: Path, what: str = "", *, limit: int = MAX_BYTES, hint: str = "") -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark; raises InputError."""
    return decoded(str(path), read_bytes(path, what, limit=limit, hint=hint))


def read_json(path: Path, what: str = "", *, limit: int = MAX_BYTES, hint: str = "") -> Any:
    """Return the JSON value in a file; raises InputError with the place where it is broken."""
    text = read_text(path, what, limit=limit, hint=hint)
    return parse_json(text, str(path), what=what, hint=hint)


def read_object(path: Path, what: str = "", *, hint: str = "") -> dict[str, Any]:
    """Return the JSON object in a file; raises InputError, also for any other value."""
    value = read_json(path, what, hint=hint)
    if not isinstance(value, dict):
        found = f"{what or 'it'} is not a JSON object".removeprefix("it ")
        raise InputError(Problem(found, str(path), hint=hint))
    return value


def read_json_lines(
    path: Path,
    what: str = "",
    *,
    hint: str = "",
    unique: bool = False,
    surrogates: bool = False,
    digits: int = MAX_DIGITS,
    digest: Digest | None = None,
) -> Iterator[JsonLine | Problem]:
    """Yield each line that is not blank: its value, or what is wrong with it.

    The file is read line by line. unique, surrogates, digits: see `parse_json`. Raises InputError
    where the file cannot be read. digest: is given all bytes that were read.
    """
    offset = number = 0
    with _opened(path, what, hint) as stream:
        while raw := stream.readline(MAX_LINE + 1):
            number += 1
            if len(raw) > MAX_LINE:
                message = f"the line is longer than {_size(MAX_LINE)}"
                raise InputError(Problem(message, str(path), number))
            if digest is not None:
                digest.update(raw)
            if raw.strip():
                try:
                    value = parse_json(
                        decoded(str(path), raw.rstrip(b"\r\n"), number),
                        str(path),
                        line=number,
                        unique=unique,
                        surrogates=surrogates,
                        digits=digits,
                    )
                except InputError as error:
                    problem = error.problems[0]
                    if not raw.endswith(b"\n") and _cut_off(error):
                        message = "the file ends in the middle of a row"
                        problem = replace(problem, message=message, column=0, found="", hint="")
                    yield problem
                else:
                    yield JsonLine(number, offset, value)
            elif blank := _blank(stream.peek()):  # a file may be nothing else
                more = stream.read(blank)
                number += more.count(b"\n")
                offset += len(more)
                if digest is not None:
                    digest.update(more)
            offset += len(raw)


def _cut_off(error: InputError) -> bool:
    """Return whether a row is wrong where it ends: it was probably cut off there."""
    cause = error.__context__
    if isinstance(cause, UnicodeDecodeError):
        return cause.reason == "unexpected end of data"
    if not isinstance(cause, json.JSONDecodeError):
        return False
    begun = cause.msg.startswith("Unterminated string")
    return begun or _UNFINISHED.fullmatch(cause.doc.rstrip(), cause.pos) is not None


# The first part of a word, a number or an escape of JSON.
_UNFINISHED = re.compile(r"(?:tr?u?|fa?l?s?|nu?l?|-|\.|[eE][+-]?|u[0-9a-fA-F]{0,4})?")


def _blank(ahead: bytes) -> int:
    """Return how many bytes whole blank lines take at the beginning of what is read next."""
    return ahead.rfind(b"\n", 0, len(ahead) - len(ahead.lstrip())) + 1


def parse_json(
    text: str,
    path: str,
    *,
    line: int = 0,
    what: str = "",
    hint: str = "",
    unique: bool = False,
    surrogates: bool = False,
    digits: int = MAX_DIGITS,
    nan: bool = False,
) -> Any:
    """Return the value of a JSON text; raises InputError with its place.

    line: of a text that is one line of the file. unique: refuse a key that stands twice.
    surrogates: let half a surrogate pair pass, which a model's answer may end in. digits: the most
    that a whole number may have. nan: read `NaN` and the infinities, which JSON has not, as None.
    """

    def wrong(reason: str, at: int = 0, column: int = 0) -> InputError:
        message = f"{what} is not whole JSON: {reason}" if what else f"not valid JSON: {reason}"
        return InputError(Problem(message, path, line or at, column, hint=hint))

    try:
        # Signs in its texts count as well: no answer has so many.
        if len(text) > MAX_VALUES and sum(map(text.count, ",[{")) > MAX_VALUES:
            raise wrong(f"more than {MAX_VALUES:,} values")
        if text.count("[") + text.count("{") > NESTING and _depth(text) > NESTING:
            raise wrong(f"more than {NESTING} levels")
        value = json_decoder(unique=unique, digits=digits, nan=nan).decode(text)
        if not surrogates and _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise wrong(error.msg, error.lineno, error.colno) from None
    except UnicodeEncodeError:
        raise wrong("half of a surrogate pair is no text") from None
    except RecursionError:
        raise wrong(f"more than {NESTING} levels") from None
    except _Unusable as error:
        tokens = re.compile(rf'"(?:[^"\\]|\\.)*+"|({re.escape(error.written)})', re.DOTALL)
        place = next((found.start(1) for found in tokens.finditer(text) if found[1]), 0)
        row = text.count("\n", 0, place) + 1
        raise wrong(str(error), row, place - text.rfind("\n", 0, place)) from None
    except ValueError as error:
        raise wrong(str(error)) from None
    return value


def json_decoder(
    *, unique: bool = False, digits: int = MAX_DIGITS, nan: bool = False
) -> json.JSONDecoder:
    """Return a decoder that raises ValueError for what `parse_json` refuses, but for levels."""

    def whole(written: str) -> int:
        if len(written) > digits:
            raise _Unusable(written, f"a number of more than {digits:,} digits")
        return int(written)

    return json.JSONDecoder(
        object_pairs_hook=unique_keys if unique else None,
        parse_int=whole,
        parse_float=_finite,
        parse_constant=(lambda _: None) if nan else no_constant,
    )


def read_toml(path: Path, what: str = "") -> dict[str, Any]:
    """Return the tables of a TOML file; raises InputError with the line where it is broken."""
    text = read_text(path, what, limit=MAX_SETTINGS)

    def wrong(reason: str, line: int = 0) -> InputError:
        return InputError(Problem(f"not valid TOML: {reason}", str(path), line))

    too_deep = f"more than {NESTING} levels"
    # The reader keeps each beginning of a key with dots: 20,000 of them took two gigabytes.
    if sum(line.count(".") ** 2 for line in text.splitlines()) > MAX_DOTTED:
        raise wrong(too_deep)
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise wrong(too_deep) from None
    except ValueError as error:  # a TOMLDecodeError, or Python's own on a long number
        reason = str(error).partition(": value has")[0]
        line = re.search(r"line (\d+)", reason)  # before Python 3.14 no value has it
        raise wrong(reason, int(line[1]) if line else 0) from None
    stack: list[tuple[Any, int]] = [(found, 0)]
    while stack:
        value, depth = stack.pop()
        if depth > NESTING:
            raise wrong(too_deep)
        if isinstance(value, int) and value.bit_length() > MAX_DIGITS * math.log2(10):
            raise wrong(f"a number of more than {MAX_DIGITS} digits")
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(inner, list | ValuesView):
            stack += [(each, depth + 1) for each in inner]
    return found


def fitting(
    kind: type[T],
    value: object,
    path: str,
    *,
    line: int = 0,
    what: str = "",
    hint: str = "",
    strict: bool = True,
) -> T:
    """Return a value from JSON as the type that it should have; raises InputError for any other.

    strict: take no text for a number. At most `MAX_PROBLEMS` fields are told.
    """
    try:
        # As JSON, in which a list is a tuple's form, an object a dataclass's, a text an enum's.
        found: T = _schema(cast(Any, kind)).validate_json(json.dumps(value), strict=strict)
        return found
    except ValidationError as error:

        def said(row: ErrorDetails) -> dict[str, Any]:
            parts = in_words(row, ".".join(map(str, told(row))) or "it")
            parts["message"] = f"{what}: {parts['message']}" if what else parts["message"]
            return {"line": line, "hint": hint, **parts}

        raise InputError(*invalid(error, path, said)) from None


def invalid(
    error: ValidationError,
    path: str,
    said: Callable[[ErrorDetails], Mapping[str, Any]],
    order: Callable[[ErrorDetails], int] | None = None,
) -> list[Problem]:
    """Return the first faults that pydantic found in a file, and a count of the rest.

    said: the parts of a fault's problem, but for the path. order: where it stands in the file.
    """
    rows = list(one_each(error.errors(include_url=False)))
    if order is not None:
        rows.sort(key=order)
    first = [Problem(path=path, **said(row)) for row in rows[:MAX_PROBLEMS]]
    return first_problems(first, path, len(rows) - len(first))


def first_problems(problems: Iterable[Problem], path: str, left_out: int = 0) -> list[Problem]:
    """Return the first problems of each file, and after them how many there are more of it.

    path: the file of problems that name none, and of the `left_out` that were only counted.
    """
    files: dict[str, list[Problem]] = {path: []}
    for problem in problems:
        files.setdefault(problem.path or path, []).append(problem)
    found = []
    for file, own in files.items():
        rest = max(len(own) - MAX_PROBLEMS, 0) + (left_out if file == path else 0)
        more = [Problem(f"{plural(rest, 'more problem')} of this file", file)] if rest else []
        found += [*own[:MAX_PROBLEMS], *more]
    return found


def decoded(path: str, data: bytes, line: int = 0) -> str:
    """Return the text of a file in UTF-8, with or without a byte order mark; raises InputError.

    line: where `data` is that line of the file alone.
    """
    if data.startswith(_MARKS_OF_UTF_16) or b"\0" in data[:4]:
        hint = (
            "save it as UTF-8; in PowerShell: ... | Out-File -Encoding utf8 FILE instead of > FILE"
        )
        raise InputError(Problem("the file is in UTF-16, not in UTF-8", path, line or 1, hint=hint))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = line or data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}"
        hint = "save it as UTF-8"
        raise InputError(
            Problem("the file is not UTF-8", path, at, found=found, hint=hint)
        ) from None


_MARKS_OF_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON; raise ValueError for a key that stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # None is false
        raise ValueError(f"key {shown(twice)} stands twice")
    return found


class _Unusable(ValueError):
    """A number, as it is written, that JSON or Python cannot hold."""

    def __init__(self, written: str, message: str) -> None:
        super().__init__(message)
        self.written = written


def no_constant(name: str) -> float:
    """Raise ValueError for NaN and the infinities of a JSON reader."""
    raise _Unusable(name, f"{name} is no JSON number")


def unusable(error: OSError | ValueError | RuntimeError) -> str:
    """Say why a path cannot be used.

    Python has a ValueError for a NUL in a name, and a RuntimeError for links in a circle.
    """
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, RuntimeError):
        return "its links go in a circle"
    return "the name holds a character that no file name may have"


def inside(folder: Path, path: Path, what: str, where: str, **parts: Any) -> Path:
    """Return a path with its links followed, which must end below `folder`.

    For names that somebody else wrote. what, where: "data file 'a.csv'", "the suite's folder";
    parts: more of the problem where it lies elsewhere. Raises InputError without a place.
    """
    try:
        found = path.resolve()
        found.is_file()  # it raises for names that the system does not take
        lies_below = found.is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(Problem(f"{what} cannot be used: {unusable(error)}")) from None
    if not lies_below:
        raise InputError(Problem(f"{what} is outside of {where}", **parts))
    return found


def meant_beside(path: Path) -> str:
    """Return the path that was probably meant by one that leads nowhere; empty for none."""
    try:
        there = islice(path.parent.iterdir(), MOST_BESIDE)
        # By the name alone: of short names, an equal suffix would be most of what is alike.
        beside = {other.stem: other for other in there if other.name != path.name}
    except (OSError, ValueError):  # no folder, or none that is ours to read
        return ""
    close = nearest(path.stem, beside)
    return beside[close].as_posix() if close else ""


@contextmanager
def _opened(path: Path, what: str, hint: str) -> Iterator[io.BufferedReader[io.FileIO]]:
    """Open a regular file; raises InputError where it cannot be opened or read."""
    try:
        file = io.FileIO(path, opener=_without_waiting)
        with io.BufferedReader(file, _BUFFER) as stream:
            # A directory is no stream at all: `open` says so itself.
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is no file")
            yield stream
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        message = f"cannot read {what or 'it'}: {unusable(error)}"
        meant = meant_beside(path) if isinstance(error, FileNotFoundError) else ""
        raise InputError(Problem(message, str(path), did_you_mean=meant, hint=hint)) from error


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer would hang


def _size(limit: int) -> str:
    return f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit:,} bytes"


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Unusable(text, f"the number {shown(text)} is too large")
    return number


def _depth(text: str) -> int:
    """Return how deep the brackets of a JSON text nest; those in its texts do not count."""
    brackets = _TEXTS.sub("", text).encode("ascii", "ignore").translate(_LEVELS, _NO_BRACKETS)
    return max(accumulate(array("b", brackets)), default=0)


@lru_cache(maxsize=64)
def _schema(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
