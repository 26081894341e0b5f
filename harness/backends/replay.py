"""The backend `replay`: recorded answers instead of generated ones, so that they can be judged."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from harness.backends.base import (
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Request,
    estimate_tokens,
    models_are,
)
from harness.common import (
    BASE,
    KEYS_COMPARED,
    NAME,
    InputError,
    Problem,
    ToolCall,
    Variant,
    nearest,
)
from harness.common.reading import MAX_PROBLEMS, JsonLine, first_problems, read_json_lines

# What a row may hold and is read, with its type in words.
_FIELDS: Mapping[str, tuple[type, str]] = {
    "case": (str, "a text"),
    "variant": (str, "a text"),
    "repeat": (int, "a number from 0"),
    "response": (str, "a text"),
    "responses": (list, "a list of texts"),
    "steps": (list, "a list of answers"),
    "tool_calls": (list, "a list of calls"),
    "reasoning": (str, "a text"),
    "reasoning_content": (str, "a text"),
    "outcome": (str, "a text"),
    "reason": (str, "a text"),
    "finish_reason": (str, "a text"),
    "prompt_tokens": (int, "a number from 0"),
    "completion_tokens": (int, "a number from 0"),
    "reasoning_tokens": (int, "a number from 0"),
}
_REASONING = ("reasoning", "reasoning_content")  # by whichever name a server gave it
# Other keys are passed over, unless they look like slips of those above. A run's own rows have
# these, some of which do: `case_hash`.
_OTHERS = {"case_hash", "category", "prompt", "repeats", "seconds", "suite", "tags", "variants"}
_OTHERS |= {"tokens_estimated"}  # the counts of such a row were not the engine's
_OTHERS |= {"error"}  # what went wrong, in a text or an object; empty where nothing did
# By these words a row says that it holds no answer: no other spelling of them may pass for one.
_BROKEN: Mapping[str, tuple[str, ...]] = {
    "outcome": ("error", "skipped"),
    "finish_reason": ("error",),
}
# What others call them.
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "case": ("id", "case_id", "name", "key"),
    "response": ("answer", "output", "completion", "prediction", "text", "content", "generation"),
}
_KNOWN = {*_FIELDS, *_OTHERS, *(name for names in _ALIASES.values() for name in names)}


@dataclass(frozen=True, slots=True)
class RecordedKey:
    """Which answers a row holds."""

    case: str
    variant: str
    repeat: int


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """One generation: of which user turn, its text, and the calls of tools in it.

    `reasoning` is what was recorded apart from the text; `reasoning_tokens` None where nobody
    counted them.
    """

    turn: int
    text: str
    calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    reasoning: str = ""
    reasoning_tokens: int | None = None

    @property
    def size(self) -> int:
        """Return how many characters were generated: text, calls, and reasoning beside the text."""
        apart = 0 if self.reasoning in self.text else len(self.reasoning)
        return len(self.text) + apart + sum(len(str(call)) for call in self.calls)


@dataclass(frozen=True, slots=True)
class RecordedRow:
    """One row: the answers to each user turn, and what was recorded about them.

    `steps` are in order; a turn in which tools are called has several. `broken` says why there is
    no answer: recorded errors and skipped cases stay what they were.
    """

    key: RecordedKey
    steps: tuple[RecordedStep, ...]
    broken: str = ""
    finish_reason: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def turns(self) -> int:
        """Return how many user turns are answered."""
        return len({step.turn for step in self.steps})

    @property
    def responses(self) -> tuple[str, ...]:
        """Return the last text of each turn."""
        return tuple({step.turn: step.text for step in self.steps}.values())

    def share(self, step: RecordedStep) -> int:
        """Return how many of the row's tokens are this step's, in proportion to the characters."""
        at = next(place for place, each in enumerate(self.steps) if each is step)
        sizes = [each.size for each in self.steps]
        total, whole = self.completion_tokens or 0, sum(sizes) or 1
        before = sum(sizes[:at])
        if at + 1 == len(sizes):
            return total - total * before // whole
        return total * (before + sizes[at]) // whole - total * before // whole

    def step(self, turn: int, number: int) -> RecordedStep | None:
        """Return answer `number` to a user turn, or None."""
        found = [step for step in self.steps if step.turn == turn]
        return found[number] if number < len(found) else None


@dataclass(frozen=True, slots=True)
class _Place:
    offset: int
    line: int
    turns: int | None  # None where the row holds no answers, and needs none


class Recording:
    """A file of recorded answers: its index in memory, its answers on disk.

    Raises `InputError` with every broken line, wrong value and repeated key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._index: dict[RecordedKey, _Place] = {}
        self._blank: list[int] = []  # lines without a text, of which `null` was made an empty one
        problems: list[Problem] = []
        left_out, digest = 0, hashlib.sha256()
        hint = "give a JSONL file: --responses FILE"
        for row in read_json_lines(
            path, "recorded answers", hint=hint, unique=True, surrogates=True, digest=digest
        ):
            found = [row] if isinstance(row, Problem) else self._add(row)
            left_out += len(found) if len(problems) >= MAX_PROBLEMS else 0
            problems += found if len(problems) < MAX_PROBLEMS else ()
        if not self._index and not problems:
            problems.append(Problem("holds no recorded answers", str(path)))
        if problems:
            raise InputError(*first_problems(problems, str(path), left_out))
        self.digest = digest.hexdigest()[:32]

    @property
    def variants(self) -> tuple[str, ...]:
        """Return the variants with an answer, in the order in which they appear."""
        return tuple(dict.fromkeys(key.variant for key in self._index))

    @property
    def notes(self) -> tuple[str, ...]:
        """Say how many rows have `null` for a text, and what was made of it."""
        if not self._blank:
            return ()
        rows = _counted(len(self._blank), "row")
        line = f"line {self._blank[0]}"
        where = line if len(self._blank) == 1 else f"first in {line}"
        return (f"{self.path.name}: {rows} with null for a text, read as an empty answer: {where}",)

    def row(self, case: str, variant: str, repeat: int = 0) -> RecordedRow | None:
        """Return the row of these, or None."""
        place = self._index.get(RecordedKey(case, variant, repeat))
        if place is None:
            return None
        with self.path.open("rb") as stream:
            stream.seek(place.offset)
            return _row(json.loads(stream.readline()))  # read and checked before

    def check(self, cases: Mapping[str, int], variants: tuple[str, ...] = ()) -> None:
        """Raise `InputError` for rows that do not fit these cases (id -> number of user turns).

        Also for a variant of the run that has no row at all.
        """
        problems = []
        for key, place in self._index.items():
            if key.case not in cases:
                problems.append(
                    Problem(
                        f"case {key.case!r} is in no loaded suite",
                        str(self.path),
                        place.line,
                        did_you_mean=nearest(key.case, cases) if len(cases) < 1000 else "",
                        hint="name the suite that it belongs to, or remove the row",
                    )
                )
            elif place.turns is not None and place.turns != cases[key.case]:
                problems.append(
                    Problem(
                        "the number of answers is wrong",
                        str(self.path),
                        place.line,
                        case=key.case,
                        found=_counted(place.turns, "answer"),
                        expected=f"{cases[key.case]}, one for each user turn",
                    )
                )
        problems += [
            Problem(
                f"there is no answer of variant {name!r}",
                str(self.path),
                found=", ".join(self.variants),
                did_you_mean=nearest(name, self.variants),
            )
            for name in variants
            if name not in self.variants
        ]
        if problems:
            raise InputError(*first_problems(problems, str(self.path)))

    def _add(self, found: JsonLine) -> list[Problem]:
        """Take one row into the index; return what is wrong with it."""
        line, value = found.number, found.value
        where = (str(self.path), line)
        if not isinstance(value, dict):
            return [Problem("is not a JSON object", *where, hint="write one object per line")]
        if faults := list(_faults(value)):
            return [replace(fault, path=str(self.path), line=line) for fault in faults]
        row = _row(value)
        key = row.key
        if key in self._index:
            named = f"case {key.case!r}, variant {key.variant!r}, repeat {key.repeat}"
            first = f"first in line {self._index[key].line}"
            return [Problem(f"{named} is recorded twice", *where, found=first)]
        blank = None in (value.get("response", ""), *value.get("responses", ()))
        if blank and not row.broken and "steps" not in value and not value.get("tool_calls"):
            self._blank.append(line)
        self._index[key] = _Place(found.offset, line, None if row.broken else row.turns)
        return []


def recording(path: Path) -> Recording:
    """Return the recording of a file, read once as long as the file stays what it is.

    A run asks three times: for its variants, for the fit of its rows, for the answers. A file that
    was written within the last second is read each time: its times could not tell that it changed.
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        return Recording(path)  # which says why
    if time.time_ns() - found.st_mtime_ns < 10**9:
        return Recording(path)
    return _unchanged(path, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@lru_cache(maxsize=1)
def _unchanged(path: Path, *_: int) -> Recording:
    return Recording(path)


def recorded_variants(path: Path) -> tuple[str, ...]:
    """Return the variants of a file of recorded answers; raise `InputError` for a broken one."""
    return recording(path).variants


def check_rows(path: Path, cases: Mapping[str, int], variants: tuple[str, ...] = ()) -> None:
    """Raise `InputError` unless every row fits a case of the loaded suites.

    `cases` maps the id of every case in the loaded suites, selected or not, to its number of user
    turns; `variants` names those of the run, each of which must have a row.
    """
    recording(path).check(cases, variants)


def _faults(value: Mapping[str, Any]) -> Iterator[Problem]:
    # Of the rest nothing is asked: a row may have a million keys.
    for name, content in islice(value.items(), KEYS_COMPARED):
        if (name == "response" and content is None) or (name == "responses" and _is_null(content)):
            if called := next((key for key in _CALLS if value.get(key)), ""):
                reason = f"{name!r} is null, and the row holds a call of a tool under {called!r}"
                yield Problem(reason, expected="tool_calls: [{name, arguments}]")
        elif name in ("steps", "tool_calls") and isinstance(content, list | None):
            continue  # looked into below
        elif name in _REASONING and (content is None or isinstance(content, list)):
            continue  # one for each response, looked into below
        elif name in _FIELDS and not _fits(content, _FIELDS[name][0]):
            yield Problem(f"{name!r} is wrong", found=_short(content), expected=_FIELDS[name][1])
        elif name in _BROKEN and (meant := _misspelt(name, content)):
            yield Problem(f"{name!r} is wrong", found=_short(content), did_you_mean=meant)
        elif name not in _KNOWN and (meant := nearest(name, _FIELDS)):
            yield Problem(f"key {name!r} is not known", did_you_mean=meant)
    keys = ", ".join(islice(value, KEYS_COMPARED)) or "an empty object"
    if "case" not in value:
        yield Problem("'case' is missing", found=keys, hint=_renamed("case", value))
    if "response" in value and "responses" in value:
        yield Problem("has both 'response' and 'responses'", hint="keep one of them")
    elif not {"response", "responses", "steps", "tool_calls"} & value.keys() and not _is_broken(
        value
    ):
        yield Problem("'response' is missing", found=keys, hint=_renamed("response", value))
    yield from _step_faults(value)
    for name in _REASONING:
        thoughts = value.get(name)
        if not isinstance(thoughts, str | list):
            continue
        each = thoughts if isinstance(thoughts, list) else [thoughts]
        texts = all(isinstance(thought, str | None) for thought in each)
        answers = value.get("responses")
        if not texts or len(each) != (len(answers) if isinstance(answers, list) and answers else 1):
            expected = "a text for each response"
            yield Problem(f"{name!r} is wrong", found=_short(thoughts), expected=expected)
    variant = value.get("variant", BASE)
    if isinstance(variant, str) and not NAME.fullmatch(variant):
        allowed = "letters, digits, '_', '.', '-'"
        yield Problem(f"variant name {variant!r} is not allowed", expected=allowed)


def _is_null(content: object) -> bool:
    """Return whether a text is null, which exporters write for an answer without any."""
    if not isinstance(content, list):
        return content is None
    return None in content and all(item is None or isinstance(item, str) for item in content)


_CALLS = ("call", "calls", "tool_call", "function_call")


def _step_faults(value: Mapping[str, Any]) -> Iterator[Problem]:
    """Say what is wrong with steps, and with calls of tools."""
    steps = value.get("steps") or []
    last = 0
    for number, step in enumerate(steps if isinstance(steps, list) else []):
        where = f"steps[{number}]"
        if not isinstance(step, Mapping):
            yield Problem(f"{where} is wrong", found=_short(step), expected="{turn, text}")
            continue
        turn, text = step.get("turn", 0), step.get("text", "")
        if not _fits(turn, int) or turn not in (last, last + 1) or (number == 0 and turn):
            expected = "turns from 0, in order, none left out"
            yield Problem(f"{where}: 'turn' is wrong", found=_short(turn), expected=expected)
        else:
            last = turn
        if not isinstance(text, str | None):
            yield Problem(f"{where}: 'text' is wrong", found=_short(text), expected="a text")
        ended = step.get("finish_reason")
        if isinstance(ended, str) and (meant := _misspelt("finish_reason", ended)):
            found = _short(ended)
            yield Problem(f"{where}: 'finish_reason' is wrong", found=found, did_you_mean=meant)
        for name in _REASONING:
            if not isinstance(step.get(name), str | None):
                found = _short(step[name])
                yield Problem(f"{where}: {name!r} is wrong", found=found, expected="a text")
        yield from _call_faults(step.get("tool_calls") or [], f"{where}: ")
    if isinstance(value.get("tool_calls") or [], list):
        yield from _call_faults(value.get("tool_calls") or [], "")


def _call_faults(calls: object, where: str) -> Iterator[Problem]:
    expected = "a list of {name, arguments}, as in OpenAI's API"
    if not isinstance(calls, list):
        yield Problem(f"{where}'tool_calls' is wrong", found=_short(calls), expected=expected)
        return
    for call in calls:
        if not isinstance(call, Mapping) or not ("name" in call or "function" in call):
            yield Problem(f"{where}'tool_calls' is wrong", found=_short(call), expected=expected)


def _renamed(wanted: str, value: Mapping[str, Any]) -> str:
    """Say how a key of another name becomes the one that is expected."""
    names = [name for name in _ALIASES[wanted] if isinstance(value.get(name), str)]
    return f"rename {names[0]!r} to {wanted!r}" if names else ""


def _fits(content: object, wanted: type) -> bool:
    if wanted is int:
        return isinstance(content, int) and not isinstance(content, bool) and content >= 0
    if wanted is list:
        return isinstance(content, list) and all(isinstance(item, str) for item in content)
    return isinstance(content, wanted)


def _misspelt(name: str, content: str) -> str:
    """Return the word for an answer that is not there which this one was to be, or an empty one."""
    words = _BROKEN[name]
    return "" if content in words else nearest(content.lower(), words)


def _is_broken(value: Mapping[str, Any]) -> bool:
    """Return whether a row, or one of its steps, says that it holds no answer."""
    steps = value.get("steps") or []
    return any(
        bool(each.get("error")) or any(each.get(name) in words for name, words in _BROKEN.items())
        for each in (value, *(steps if isinstance(steps, list) else ()))
        if isinstance(each, Mapping)
    )


def _row(value: Mapping[str, Any]) -> RecordedRow:
    responses = value["responses"] if "responses" in value else [value.get("response", "")]
    error = value.get("error")
    cause = _short(error) if error and not isinstance(error, str) else error
    reason = value.get("reason") or cause or "no reason is recorded"
    told = next((value[name] for name in _REASONING if value.get(name)), "")
    thoughts = told if isinstance(told, list) else [told]
    # Counts of several answers are sums: of no use for one.
    counted = {"reasoning_tokens": value.get("reasoning_tokens")} if len(responses) == 1 else {}
    rows = value.get("steps") or [
        {"turn": turn, "text": text, "reasoning": thought or "", **counted}
        for turn, (text, thought) in enumerate(zip_longest(responses, thoughts))
    ]
    if value.get("tool_calls") and not value.get("steps"):  # of the last answer
        rows[-1] = {**rows[-1], "tool_calls": value["tool_calls"]}
    steps = tuple(
        RecordedStep(
            row.get("turn", 0),
            row.get("text") or "",
            tuple(ToolCall.read(call) for call in row.get("tool_calls") or ()),
            row.get("finish_reason") or "stop",
            next((row[name] for name in _REASONING if row.get(name)), ""),
            row.get("reasoning_tokens"),
        )
        for row in rows
    )
    return RecordedRow(
        key=RecordedKey(value["case"], value.get("variant", BASE), value.get("repeat", 0)),
        steps=steps,
        broken=f"recorded without an answer: {reason}" if _is_broken(value) else "",
        finish_reason=value.get("finish_reason") or "stop",
        prompt_tokens=None if value.get("tokens_estimated") else value.get("prompt_tokens"),
        completion_tokens=None if value.get("tokens_estimated") else value.get("completion_tokens"),
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _short(content: object) -> str:
    text = json.dumps(content, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


VERSION = "1"  # goes up when the same file would give other answers


class ReplayBackend(Backend):
    """Answers from a file. Token counts are the recorded ones, or estimates."""

    name = "replay"
    limits_reasoning = True

    def __init__(self, recording: Recording) -> None:
        self.recording = recording

    @property
    def notes(self) -> tuple[str, ...]:
        """Say what was made of rows without a text."""
        return self.recording.notes

    def environment(self, variant: Variant) -> Environment:
        """Return the same for two files: which it was is in the fingerprint."""
        return Environment("replay", VERSION, addressed=True)

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Return the content of the file, and whose answers are taken from it."""
        return Fingerprint(f"{self.recording.digest}:{variant.name}")

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer in order; a request whose answer was not recorded is an error."""
        for request in requests:
            address = request.address
            row = self.recording.row(address.case, address.variant, address.repeat)
            step = row.step(address.turn, address.step) if row else None
            error = row.broken if row else "none is recorded"
            if not error and step is None:
                more = f", step {address.step + 1}" if address.step else ""
                error = f"none is recorded for turn {address.turn + 1}{more}"
            if row is None or step is None or error:
                yield request, Completion("", "error", error=error)
                continue
            text = step.text
            last = step is row.steps[-1]
            prompt_tokens, completion_tokens = row.prompt_tokens, row.completion_tokens
            counted = prompt_tokens is not None and completion_tokens is not None
            if len(row.steps) > 1:  # counts are those of all steps
                prompt_tokens = (prompt_tokens if last else 0) if counted else None
                completion_tokens = row.share(step) if counted else None
            if prompt_tokens is None:
                prompt_tokens = request.prompt.tokens
            if completion_tokens is None:
                apart = "" if step.reasoning in text else step.reasoning
                completion_tokens = estimate_tokens(text) + estimate_tokens(apart)
            reason = row.finish_reason if last else step.finish_reason
            yield (
                request,
                Completion(
                    text,
                    reason,
                    prompt_tokens,
                    completion_tokens,
                    tool_calls=step.calls,
                    reasoning=step.reasoning,
                    reasoning_tokens=step.reasoning_tokens,
                    counted=counted,
                ),
            )

    def execution(self) -> Mapping[str, str]:
        """Return the file that the answers came from."""
        return {"responses": str(self.recording.path)}


@models_are("none", options=("responses",))
def open_replay(options: BackendOptions) -> Backend:
    """Open it on `options.responses`; raise `InputError` without it or for a broken file."""
    if options.responses is None:
        raise InputError(
            Problem("backend 'replay' needs recorded answers", hint="add --responses FILE.jsonl")
        )
    return ReplayBackend(recording(options.responses))
