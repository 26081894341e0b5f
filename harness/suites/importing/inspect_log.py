"""Logs of inspect_ai as suites, with their answers as recorded ones.

A log is JSON, or a ZIP archive of JSON files that ends in `.eval`. Its samples hold the messages
that were sent, so a case asks what the model was asked, solvers and templates included. Read are
versions 1 and 2 of the format (inspect_ai 0.3).
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.common import InputError, Problem, nearest, plural, shown
from harness.common.reading import MAX_LINE, decoded, parse_json, read_bytes
from harness.suites.importing.source import (
    Imported,
    Notes,
    Wrong,
    confirmed,
    families_of,
    mapping_of,
    name_of,
    valid,
)
from harness.suites.schema import MAX_CASES

_VERSION = 2
_MAX_ENTRIES = 200_000
_MAX_UNPACKED = 2**30  # of all entries together
_ZSTD = 93  # the number of the method in ZIP archives
_HEADER = 30  # bytes of a local header before the name


@dataclass(frozen=True)
class _Log:
    """A log: what it says of the run, and its samples as they are read."""

    path: Path
    header: Mapping[str, Any]
    samples: Iterator[tuple[str, Any]]  # each with its name in messages


@dataclass(frozen=True)
class _Sample:
    """A sample that can be carried over: its case, its answer, and whether that was right."""

    case: dict[str, Any]
    epoch: int
    answer: dict[str, Any]
    right: bool | None  # where the log has no such score


def import_inspect(path: Path, *, scorer: str = "") -> Imported:
    """Read a log as a suite and recorded answers. Raises InputError.

    scorer: by which of the log's scorers a case is judged; by default the first that can be carried
    over.
    """
    log = _opened(path)
    notes = Notes()
    judged_by, check = _scorer_of(log, scorer, notes)
    samples: dict[tuple[str, int], _Sample] = {}
    cases: dict[str, dict[str, Any]] = {}
    for where, value in log.samples:
        try:
            sample = _sample(value, judged_by, check)
        except Wrong as wrong:
            notes.left_out.append(replace(wrong.problem, path=path.as_posix(), case=where))
            notes.count("sample", False)
            continue
        notes.count("sample", True)
        name = sample.case["id"]
        cases.setdefault(name, sample.case)
        if (name, sample.epoch) in samples:
            message = f"sample {value['id']!r}, epoch {sample.epoch}, stands twice"
            raise InputError(Problem(message, path.as_posix()))
        samples[name, sample.epoch] = sample
        if len(cases) > MAX_CASES:
            raise InputError(Problem(f"more than {MAX_CASES:,} samples", path.as_posix()))
    if not cases:
        _, total = notes.carried.get("sample", (0, 0))
        message = f"no sample of the log can be carried over, of {total}"
        raise InputError(Problem(message, path.as_posix()), *notes.left_out[:20])
    if scripted := sum("examples" in case for case in cases.values()):
        count = plural(scripted, "sample")
        message = f"{count} with earlier answers of the model: they are scripted, as it gave them"
        notes.differs.append(Problem(message, path.as_posix()))
    verdicts = [
        (each.case["id"], each.answer["response"], each.right)
        for each in samples.values()
        if each.right is not None and "response" in each.answer
    ]
    checks = {name: case["checks"][0] for name, case in cases.items()}
    agreed = confirmed(verdicts, checks, "inspect_ai", notes.differs, path)
    status = log.header.get("status")
    if status not in ("success", None):
        message = f"the run of the log did not end well: status {shown(status)}"
        notes.differs.append(Problem(message, path.as_posix()))
    repeats = max(epoch for _, epoch in samples)
    missing = [
        {"case": name, "repeat": epoch - 1, "outcome": "error", "reason": "not in the log"}
        for name in cases
        for epoch in range(1, repeats + 1)
        if (name, epoch) not in samples
    ]
    run = mapping_of(log.header.get("eval"))
    return Imported(
        category="imported",
        description=f"Task {shown(run.get('task'))} of inspect_ai, of {shown(run.get('model'))}.",
        families=families_of(cases.values()),
        sampling=_sampling(log, notes),
        defaults={"repeats": repeats} if repeats > 1 else {},
        left_out=tuple(notes.left_out),
        differs=tuple(notes.differs),
        carried=notes.carried,
        answers=(*(each.answer for each in samples.values()), *missing),
        confirmed=agreed,
        origin=f"{path.name}, a log of inspect_ai",
    )


# -- files -----------------------------------------------------------------------------------------


def _opened(path: Path) -> _Log:
    """Return the log in a file. Raises InputError."""
    data = read_bytes(path, "the log")
    if zipfile.is_zipfile(io.BytesIO(data)) or path.suffix == ".eval":
        return _archive(path, data)
    value = parse_json(decoded(path.as_posix(), data), path.as_posix(), nan=True, surrogates=True)
    header = _checked(path, value)
    samples = header.get("samples")
    if not isinstance(samples, list) or not samples:
        hint = "a log without samples was written with --no-log-samples"
        raise InputError(Problem("the log has no samples", path.as_posix(), hint=hint))
    return _Log(path, header, ((f"samples[{at}]", sample) for at, sample in enumerate(samples)))


def _checked(path: Path, value: Any) -> Mapping[str, Any]:
    """Return the header of a log. Raises InputError for another file, or a newer version."""
    if not isinstance(value, Mapping) or not isinstance(value.get("eval"), Mapping):
        keys = ", ".join(value)[:200] if isinstance(value, Mapping) else shown(value)
        expected = "version, status, eval and samples, as inspect_ai writes them"
        message = "this is no log of inspect_ai"
        raise InputError(Problem(message, path.as_posix(), found=keys, expected=expected))
    version = value.get("version")
    if not isinstance(version, int) or version > _VERSION:
        message = f"the log has version {shown(version)} of the format"
        hint = "convert it with an older inspect_ai: inspect log convert --to json"
        raise InputError(
            Problem(message, path.as_posix(), expected=f"{_VERSION} at most", hint=hint)
        )
    return value


def _archive(path: Path, data: bytes) -> _Log:
    """Return the log in a ZIP archive; its samples are unpacked one by one. Raises InputError."""
    name = path.as_posix()
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(Problem(f"the archive is broken: {error}", name)) from None
    if len(entries) > _MAX_ENTRIES:
        message = f"the archive has more than {_MAX_ENTRIES:,} entries"
        raise InputError(Problem(message, name, found=f"{len(entries):,}"))
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > _MAX_UNPACKED:
        message = f"the archive unpacks to more than {_MAX_UNPACKED // 2**20} MiB"
        raise InputError(Problem(message, name, found=f"{unpacked // 2**20:,} MiB"))
    left = [_MAX_UNPACKED]

    def read(entry: zipfile.ZipInfo) -> Any:
        text = decoded(f"{name}: {entry.filename}", _content(data, archive, entry, name))
        left[0] -= len(text)
        if left[0] < 0:
            message = f"the archive unpacks to more than {_MAX_UNPACKED // 2**20} MiB"
            raise InputError(Problem(message, name))
        return parse_json(text, f"{name}: {entry.filename}", nan=True, surrogates=True)

    known = {entry.filename: entry for entry in entries}
    head = known.get("header.json") or known.get("_journal/start.json")
    if head is None:
        listed = ", ".join(list(known)[:5])
        message, expected = "this is no log of inspect_ai", "header.json in the archive"
        raise InputError(Problem(message, name, found=listed or "nothing", expected=expected))
    header = _checked(path, read(head))
    inside = [entry for entry in entries if re.fullmatch(r"samples/[^/]+\.json", entry.filename)]
    if not inside:
        raise InputError(Problem("the log has no samples", name))
    return _Log(path, header, ((entry.filename, read(entry)) for entry in inside))


def _content(data: bytes, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    """Return an entry's bytes, at most `MAX_LINE`. Raises InputError."""
    place = f"{name}: {entry.filename}"
    try:
        if entry.compress_type == _ZSTD and not entry.flag_bits & 1:
            # the standard library of Python 3.11 has no Zstandard; pyarrow has
            try:
                arrow = import_module("pyarrow")
            except ImportError:
                hint = (
                    "pip install 'lora-regression-harness[parquet]', "
                    "or: inspect log convert --to json"
                )
                message = "the log is packed with Zstandard, which needs pyarrow"
                raise InputError(Problem(message, name, hint=hint)) from None
            at = entry.header_offset
            start = at + _HEADER + sum(
                int.from_bytes(data[at + 26 + each : at + 28 + each], "little") for each in (0, 2)
            )  # fmt: skip
            packed = data[start : start + entry.compress_size]
            with arrow.CompressedInputStream(arrow.BufferReader(packed), "zstd") as stream:
                content = b""
                while len(content) <= MAX_LINE and (more := stream.read(2**20)):
                    content += more
        else:
            with archive.open(entry) as stream:
                content = stream.read(MAX_LINE + 1)
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError),
        *(NotImplementedError, RuntimeError),  # an unknown method, a password
    ) as error:
        raise InputError(Problem(f"the entry cannot be unpacked: {error}", place)) from None
    if len(content) > MAX_LINE:
        message = f"the entry unpacks to more than {MAX_LINE // 2**20} MiB"
        raise InputError(Problem(message, place))
    return content


# -- samples ---------------------------------------------------------------------------------------


def _text_of(content: Any, attached: Mapping[str, Any]) -> tuple[str, str]:
    """Return the text and the reasoning of a message's content. Raises Wrong for other kinds."""
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts: list[str] = []
    thoughts: list[str] = []
    for part in parts:
        kind = mapping_of(part).get("type")
        text = mapping_of(part).get("reasoning" if kind == "reasoning" else "text")
        if kind not in ("text", "reasoning") or not isinstance(text, str):
            raise Wrong(f"a message holds {shown(kind)}: cases are texts")
        if text.startswith("attachment://"):
            text = attached.get(text.removeprefix("attachment://"))
            if not isinstance(text, str):
                raise Wrong("a text of the sample is kept elsewhere, and is not in the log")
        (thoughts if kind == "reasoning" else texts).append(text)
    return "\n".join(texts), "\n".join(thoughts)


def _sample(value: Any, judged_by: str, check: _Judge) -> _Sample:
    """Return what a sample says. Raises Wrong."""
    if not isinstance(value, Mapping) or "id" not in value:
        raise Wrong("this is no sample", found=shown(value))
    name = name_of(f"sample-{value['id']}")
    epoch = value.get("epoch", 1)
    if not isinstance(epoch, int) or not 1 <= epoch <= 1000:
        raise Wrong("the epoch is no number from 1 to 1,000", found=shown(epoch))
    attached = mapping_of(value.get("attachments"))
    case = {"id": name, **_asked(value, attached), "checks": [valid(check(value, attached))]}
    score = mapping_of(mapping_of(value.get("scores")).get(judged_by)).get("value")
    known = score in ("C", "I", 0, 1) and not isinstance(score, bool)
    right = score in ("C", 1) if known else None
    return _Sample(case, epoch, _answer(name, epoch, value, attached), right)


def _asked(sample: Mapping[str, Any], attached: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said before the last answer, earlier ones as examples. Raises Wrong."""
    messages = sample.get("messages")
    if not isinstance(messages, list) or not messages:
        given = sample.get("input")
        messages = given if isinstance(given, list) else [{"role": "user", "content": given}]
    spoken: list[tuple[str, str]] = []
    for message in messages:
        role = mapping_of(message).get("role")
        if role == "tool" or mapping_of(message).get("tool_calls"):
            raise Wrong("the model called tools", hint="tools of a suite: docs/tools.md")
        if role not in ("system", "user", "assistant"):
            raise Wrong("a speaker is system, user or assistant", found=shown(role))
        spoken.append((str(role), _text_of(message.get("content"), attached)[0]))
    if spoken and spoken[-1][0] == "assistant":
        spoken.pop()
    system = [text for role, text in spoken if role == "system"]
    rest: list[tuple[str, str]] = []
    for role, text in spoken:
        if role == "system":
            continue
        if rest and rest[-1][0] == role:
            rest[-1] = (role, f"{rest[-1][1]}\n\n{text}")
        else:
            rest.append((role, text))
    if not rest or rest[0][0] != "user" or rest[-1][0] != "user":
        roles = ", ".join(role for role, _ in rest)[:200]
        raise Wrong("a conversation begins and ends with the user", found=roles or "nobody")
    pairs = zip(rest[:-1:2], rest[1:-1:2], strict=True)
    examples = [{"user": asked, "assistant": answer} for (_, asked), (_, answer) in pairs]
    said: dict[str, Any] = {"system": "\n\n".join(system)} if system else {}
    said |= {"examples": examples} if examples else {}
    return {**said, "user": rest[-1][1]}


_REASONS = {"max_tokens": "length", "model_length": "length", "content_filter": "stop"}


def _answer(
    case: str, epoch: int, sample: Mapping[str, Any], attached: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the recorded answer of a sample; one that broke stays an error."""
    row: dict[str, Any] = {"case": case}
    if epoch > 1:
        row["repeat"] = epoch - 1
    output = mapping_of(sample.get("output"))
    choices = output.get("choices")
    first = mapping_of(choices[0]) if isinstance(choices, list) and choices else {}
    error = mapping_of(sample.get("error")).get("message")
    try:
        if isinstance(error, str) or not first:
            raise Wrong(error[:300] if isinstance(error, str) else "the log has no answer")
        text, thoughts = _text_of(mapping_of(first.get("message")).get("content"), attached)
    except Wrong as wrong:
        return {**row, "outcome": "error", "reason": str(wrong) or "an error"}
    row["response"] = text
    if thoughts:
        row["reasoning"] = thoughts
    reason = first.get("stop_reason")
    if isinstance(reason, str):
        row["finish_reason"] = _REASONS.get(reason, "stop")
    usage = mapping_of(output.get("usage"))
    for ours, theirs in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")):
        if isinstance(count := usage.get(theirs), int) and count >= 0:
            row[ours] = count
    return row


def _sampling(log: _Log, notes: Notes) -> dict[str, Any]:
    """Return how the answers of the log were drawn."""
    config = {
        **mapping_of(mapping_of(log.header.get("eval")).get("model_generate_config")),
        **mapping_of(mapping_of(log.header.get("plan")).get("config")),
    }
    made: dict[str, Any] = {"temperature": 0, "max_new_tokens": 1024}
    named = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "seed": "seed"}
    named |= {"max_tokens": "max_new_tokens", "stop_seqs": "stop"}
    for theirs, value in config.items():
        if value is None or theirs in ("max_connections", "max_retries", "timeout", "num_choices"):
            continue
        if theirs in named:
            made[named[theirs]] = value
        else:
            message = f"the setting {theirs!r} of the model has no counterpart"
            notes.left_out.append(Problem(message, log.path.as_posix(), found=shown(value)))
    return made


# -- scorers ---------------------------------------------------------------------------------------

_Judge = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
_ANSWER = r"(?i)ANSWER\s*:\s*"
_ANSWERS = {
    "letter": rf"(?s){_ANSWER}([A-Za-z])(?:[^\w]|\n|$)(?!.*ANSWER\s*:)",
    "word": rf"(?s){_ANSWER}(\S+?)(?=[.,;:!?]?\s*(?:\n|$))(?!.*ANSWER\s*:)",
    "line": rf"{_ANSWER}([^\n]+)\s*\Z",
}
_CHOICE = rf"{_ANSWER}\(?([A-Za-z\d ,]+)\)?(?:[^\w]|\n|$|\.)"
_SQUAD = ["case", "punctuation", "articles", "spaces"]
_PLACES = {"begin": "begin", "end": "end", "any": "any", "exact": "equal"}
_PICKS = {"begin": "first", "end": "last", "any": "any", "exact": "only"}
_NUMBER = re.compile(r"[-+]?\d{1,18}(?:\.\d{1,18})?")


def _targets(sample: Mapping[str, Any], attached: Mapping[str, Any]) -> list[str]:
    """Return the right answers of a sample. Raises Wrong where there is none."""
    given = sample.get("target")
    found = given if isinstance(given, list) else [given]
    texts = [_text_of(each, attached)[0] for each in found]
    if not texts or not all(each.strip() for each in texts):
        raise Wrong("the sample has no target", found=shown(given))
    return texts


def _normalized(references: list[str], **more: Any) -> dict[str, Any]:
    one = references[0] if len(references) == 1 else references
    return {"normalized_match": {"references": one, **{k: v for k, v in more.items() if v}}}


def _match(options: Mapping[str, Any]) -> _Judge:
    place = options.get("location", "end")
    ignore = (["case"] if options.get("ignore_case", True) else []) + ["edges"]

    def check(sample: Mapping[str, Any], attached: Mapping[str, Any]) -> dict[str, Any]:
        targets = _targets(sample, attached)
        if place not in _PLACES:
            raise Wrong("the location of `match` is not known", found=shown(place))
        plain = [re.sub(r"[$,£€*_]", "", each).strip().rstrip(".") for each in targets]
        if options.get("numeric") and all(map(_NUMBER.fullmatch, plain)):
            pick = _PICKS[str(place)]
            numbers = [
                {"numeric": {"equals": each, "relative": 1e-5, "pick": pick}} for each in plain
            ]
            return numbers[0] if len(numbers) == 1 else {"any_of": numbers}
        return _normalized(targets, ignore=ignore, where=_PLACES[str(place)])

    return check


def _pattern(pattern: Any, options: Mapping[str, Any]) -> _Judge:
    ignore = options.get("ignore_case", True)
    if not isinstance(pattern, str) or options.get("match_all"):
        raise Wrong("the pattern is no text, or wants all of its groups to match")
    # of a search the first match counts, and of one without groups all of it
    step = {"regex": pattern, **({"ignore_case": True} if ignore else {})}
    return lambda sample, attached: _normalized(
        _targets(sample, attached), filters=[step], ignore=["case"] if ignore else []
    )


def _choice(options: Mapping[str, Any]) -> _Judge:
    def check(sample: Mapping[str, Any], attached: Mapping[str, Any]) -> dict[str, Any]:
        letters = sorted(set(re.sub(r"[\s,]", "", "".join(_targets(sample, attached))).upper()))
        step = {"regex": _CHOICE, "pick": -1}
        return _normalized(["".join(letters)], filters=[step], ignore=["case"], remove=["[ ,]"])

    return check


def _of(name: str, options: Mapping[str, Any]) -> _Judge:
    """Return how a scorer judges. Raises Wrong for one that has no counterpart."""
    last = name.rpartition("/")[2]
    if last == "match":
        return _match(options)
    if last == "includes":
        cased = {"ignore_case": True} if options.get("ignore_case", True) else {}
        return lambda sample, attached: {
            "contains_any": {"texts": _targets(sample, attached), **cased}
        }
    if last == "exact":
        return lambda sample, attached: _normalized(_targets(sample, attached), ignore=_SQUAD)
    if last == "pattern":
        return _pattern(options.get("pattern"), options)
    if last == "answer":
        return _pattern(_ANSWERS.get(str(options.get("pattern"))), {})
    if last == "choice":
        return _choice(options)
    if last.startswith("model_graded"):
        hint = "write its question as a `judge` check (docs/judges.md)"
        raise Wrong("it asks another model", hint=hint)
    known = ("match", "includes", "exact", "pattern", "answer", "choice")
    reason = "its score has no bar" if last in ("f1", "perplexity") else "it has no counterpart"
    close = nearest(last, known)
    raise Wrong(reason, did_you_mean="" if last in ("f1", "math") else close)


def _scorer_of(log: _Log, wanted: str, notes: Notes) -> tuple[str, _Judge]:
    """Return the name of the scorer that decides, and how it judges. Raises InputError."""
    path = log.path.as_posix()
    found: dict[str, Mapping[str, Any]] = {}
    listed = mapping_of(log.header.get("eval")).get("scorers")
    for each in listed if isinstance(listed, list) else ():
        found[str(mapping_of(each).get("name"))] = mapping_of(mapping_of(each).get("options"))
    results = mapping_of(log.header.get("results"))
    older = [results.get("scorer"), *(results.get("scores") or [])]
    for each in older if not found else ():  # as versions before 0.3.60 have it
        if name := mapping_of(each).get("scorer") or mapping_of(each).get("name"):
            found[str(name)] = mapping_of(mapping_of(each).get("params"))
    if not found:
        raise InputError(Problem("the log names no scorer", path, hint="it was not scored yet"))
    if wanted and wanted not in found:
        close = nearest(wanted, found)
        message = f"the log has no scorer {wanted!r}"
        raise InputError(Problem(message, path, found=", ".join(found), did_you_mean=close))
    chosen: tuple[str, _Judge] | None = None
    lost = []
    for name, options in found.items():
        if (wanted and name != wanted) or chosen is not None:
            message = f"scorer {name}: one decides a case"
            notes.left_out.append(Problem(message, path, hint=f"--scorer {name}"))
            continue
        try:
            chosen = name, _of(name, options)
        except Wrong as wrong:
            message = f"scorer {name}: {wrong.problem.message}"
            lost.append(replace(wrong.problem, message=message, path=path))
    if chosen is None:
        message = "no scorer of the log can be carried over"
        raise InputError(Problem(message, path), *lost)
    notes.left_out += lost
    return chosen
