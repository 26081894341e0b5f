"""Evals of OpenAI's registry: a YAML file that names a class, and samples in JSONL.

The classes that compare texts are carried over; those that ask another model, run programs or play
games are listed by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.common import NUMBER_DIGITS, InputError, Problem, nearest, plural, shown
from harness.common.reading import first_problems, parse_json
from harness.suites.importing.source import (
    Imported,
    Located,
    Notes,
    Wrong,
    families_of,
    mapping_of,
    name_of,
    named_file,
    read_yaml,
    valid,
)
from harness.suites.rows import DataRow, read_rows

_BASIC = "evals.elsuite.basic."
_KNOWN_ARGUMENTS = {
    *("samples_jsonl", "max_tokens", "num_few_shot", "few_shot_jsonl", "ignore_case", "seed"),
}


def import_openai_evals(path: Path, *, only: str = "", data: Path | None = None) -> Imported:
    """Read a registry file as one suite. Raises InputError with lines.

    only: the name of one of its evals, where there are several. data: the samples of that eval,
    where they stand elsewhere.
    """
    if path.suffix not in (".yaml", ".yml"):
        expected = ".yaml, a file of the registry; samples alone have no class"
        hint = "rows of questions and answers are imported with `harness import jsonl`"
        message = "the file has another ending"
        raise InputError(Problem(message, path.as_posix(), expected=expected, hint=hint))
    file = read_yaml(path)
    entries = file.value if isinstance(file.value, Mapping) else {}
    evals = {name: file[name] for name, spec in entries.items() if "class" in mapping_of(spec)}
    if not evals:
        message, expected = "no eval of the file names a class", "class and args, under its name"
        found = ", ".join(entries)[:200]
        raise InputError(Problem(message, path.as_posix(), found=found, expected=expected))
    if only:
        aliases = {name: str(mapping_of(spec).get("id")) for name, spec in entries.items()}
        chosen = only if only in evals else aliases.get(only, "")
        if chosen not in evals:
            close = nearest(only, entries)
            message = f"the file has no eval {only!r}"
            raise InputError(Problem(message, path.as_posix(), did_you_mean=close))
        evals = {chosen: evals[chosen]}
    # samples stand in `registry/data`, beside `registry/evals`
    beside = path.parent.name == "evals" and (path.parent.parent / "data").is_dir()
    folder = path.parent.parent / "data" if beside else path.parent
    notes = Notes(counted={"eval": [0, len(evals)], "sample": [0, 0]})
    cases: list[dict[str, Any]] = []
    longest = 0
    for name, at in evals.items():
        try:
            reader = _Eval(name, at, folder, data)
            made = list(reader.cases(notes))
        except Wrong as wrong:
            problem = at.get("class").told(wrong)
            notes.left_out.append(replace(problem, message=f"{name}: {problem.message}"))
            continue
        for each in made:
            notes.count("sample", each is not None)
        if not any(made):
            continue
        notes.counted["eval"][0] += 1
        longest = max(longest, reader.longest)
        tag = {"tags": [name_of(name)]} if len(evals) > 1 else {}
        cases += [{**each, **tag} for each in made if each is not None]
    if not cases:
        none = Problem("nothing in the file makes a case", path.as_posix())
        raise InputError(*first_problems(notes.left_out or [none], path.as_posix()))
    titles: list[Any] = [mapping_of(spec).get("description") for spec in entries.values()]
    title = next((said for said in titles if isinstance(said, str)), f"Evals of {path.name}.")
    return Imported(
        category="imported",
        description=title,
        families=families_of(cases),
        sampling={"temperature": 0, "max_new_tokens": longest},
        left_out=tuple(notes.left_out),
        differs=tuple(notes.differs),
        carried=notes.carried,
        origin=f"{path.name}, of OpenAI's evals",
    )


@dataclass(frozen=True)
class _Kind:
    """A class whose judgement has a counterpart: the check for the right answers of a sample."""

    check: Callable[[list[str], bool], dict[str, Any]]
    tokens: int = 512
    differs: str = ""


def _match(ideals: list[str], ignore_case: bool) -> dict[str, Any]:
    return {"starts_with": ideals[0] if len(ideals) == 1 else ideals}


def _includes(ideals: list[str], ignore_case: bool) -> dict[str, Any]:
    cased = {"ignore_case": True} if ignore_case else {}
    if len(ideals) == 1:
        return {"contains": {"text": ideals[0], **cased}}
    return {"contains_any": {"texts": ideals, **cased}}


def _fuzzy(ideals: list[str], ignore_case: bool) -> dict[str, Any]:
    ignore = ["case", "punctuation", "articles", "spaces"]
    references = ideals[0] if len(ideals) == 1 else ideals
    return {"normalized_match": {"references": references, "ignore": ignore, "where": "either"}}


def _json(ideals: list[str], ignore_case: bool) -> dict[str, Any]:
    checks = []
    for ideal in ideals:
        try:
            value = parse_json(ideal, "", digits=NUMBER_DIGITS)
        except InputError:
            raise Wrong("the ideal answer is no JSON text", found=shown(ideal)) from None
        checks.append({"json_value": {"path": "$", "equals": value}})
    return checks[0] if len(checks) == 1 else {"any_of": checks}


_KINDS: Mapping[str, _Kind] = {
    f"{_BASIC}match:Match": _Kind(_match),
    f"{_BASIC}includes:Includes": _Kind(_includes),
    f"{_BASIC}fuzzy_match:FuzzyMatch": _Kind(_fuzzy),
    f"{_BASIC}json_match:JsonMatch": _Kind(
        _json, differs="JsonMatch: a key whose value is null is not one that is missing"
    ),
}
_REASONS: tuple[tuple[str, str, str], ...] = (
    ("modelgraded", "it asks another model", "write its question as a `judge` check"),
    (
        "translate",
        "its score is that of all answers together",
        "`harness import jsonl --check chrf` takes the samples",
    ),
    ("json_validator", "it asks for JSON only", "write the check `json`"),
    ("multiple_choice", "its data set stands on a server", ""),
)


class _Eval:
    """One eval of a registry file."""

    def __init__(self, name: str, at: Located, folder: Path, data: Path | None) -> None:
        self.name, self.at, self.folder, self.data = name, at, folder, data
        named = at.get("class").value
        if not isinstance(named, str) or named not in _KINDS:
            last = str(named).rpartition(":")[2]
            known = ", ".join(each.rpartition(":")[2] for each in _KINDS)
            for part, reason, hint in _REASONS:
                if part in str(named):
                    raise Wrong(f"class {last}: {reason}", hint=hint)
            close = nearest(str(named), _KINDS)
            message = f"class {last}: it is a program of its own"
            raise Wrong(message, did_you_mean=close, hint=f"carried over are {known}")
        self.kind = _KINDS[named]
        self.arguments = mapping_of(at.get("args").value)
        longest = self.arguments.get("max_tokens", self.kind.tokens)
        self.longest = longest if isinstance(longest, int) and longest > 0 else self.kind.tokens

    def rows(self, key: str, given: Path | None) -> tuple[str, tuple[DataRow, ...]]:
        """Return a file that the arguments name, and its rows. Raises Wrong and InputError."""
        named = self.arguments.get(key)
        if given is None and (not isinstance(named, str) or "://" in named):
            raise Wrong(f"{key} names no file", found=shown(named), hint="give it with --data FILE")
        try:
            file = given or named_file(self.folder, self.at, str(named), key, "the registry")
        except Wrong as wrong:
            said = wrong.problem
            raise Wrong(
                said.message, did_you_mean=said.did_you_mean, hint="give it with --data FILE"
            ) from None
        if file.suffix != ".jsonl":
            raise Wrong(f"{key} is no JSONL file", found=shown(file.name))
        return file.as_posix(), read_rows(file, file.as_posix())

    def cases(self, notes: Notes) -> Iterator[dict[str, Any] | None]:
        """Yield a case for each sample, None for one that makes none. Raises Wrong."""
        for key in self.arguments:
            if key not in _KNOWN_ARGUMENTS:
                message = f"{self.name}: the argument {key!r} has no counterpart"
                notes.left_out.append(self.at.get("args").get(key).problem(message))
        shots = self.arguments.get("num_few_shot", 0)
        before: list[Any] = []
        if isinstance(shots, int) and shots > 0:
            for row in self.rows("few_shot_jsonl", None)[1][:shots]:
                sample = row.values.get("sample")
                if not isinstance(sample, list):
                    raise Wrong("few_shot_jsonl: a row holds its messages under `sample`")
                before += sample
        if self.kind.differs:
            notes.differs.append(self.at.problem(self.kind.differs))
        joined = 0
        path, rows = self.rows("samples_jsonl", self.data)
        for row in rows:
            place = Located(row.values, path, line=row.line)
            try:
                said, together = _said(row.values.get("input"), before)
                joined += together
                ideals = row.values.get("ideal")
                texts: list[Any] = ideals if isinstance(ideals, list) else [ideals]
                if not texts or not all(isinstance(each, str) and each for each in texts):
                    raise Wrong("'ideal' is no text and no list of texts", found=shown(ideals))
                check = self.kind.check(texts, bool(self.arguments.get("ignore_case")))
                yield {"id": f"{name_of(self.name)}-{row.line}", **said, "checks": [valid(check)]}
            except Wrong as wrong:
                notes.left_out.append(place.told(wrong))
                yield None
        if joined:
            count = plural(joined, "sample")
            message = f"{self.name}: {count} with several messages of one speaker, which became one"
            notes.differs.append(self.at.problem(message))


def _said(given: Any, before: list[Any]) -> tuple[dict[str, Any], bool]:
    """Return what is said in a case, and whether messages in a row became one. Raises Wrong."""
    if isinstance(given, str) and given.strip():
        if before:
            raise Wrong("examples need a prompt of messages")
        return {"user": given}, False
    if not isinstance(given, list) or not given:
        raise Wrong("'input' is no text and no list of messages", found=shown(given))
    spoken: list[tuple[str, str]] = []
    together = False
    for message in [*given[:-1], *before, given[-1]]:
        role, text = mapping_of(message).get("role"), mapping_of(message).get("content")
        if not isinstance(text, str):
            raise Wrong("a message has no text", found=shown(text))
        # so the registry writes examples inside a system prompt
        role = {"example_user": "user", "example_assistant": "assistant"}.get(
            str(mapping_of(message).get("name")), role
        )
        if role not in ("system", "user", "assistant"):
            raise Wrong("a speaker is system, user or assistant", found=shown(role))
        if role == "system" and spoken and spoken[-1][0] != "system":
            role = "user"  # a chat template has one system message, at the beginning
            together = True
        if spoken and spoken[-1][0] == role:
            spoken[-1] = (role, f"{spoken[-1][1]}\n\n{text}")
            together = True
        else:
            spoken.append((str(role), text))
    system = spoken.pop(0)[1] if spoken[0][0] == "system" else None
    if not spoken and system is not None:  # a prompt that is one system message
        return {"user": system}, True
    if spoken[0][0] == "assistant" or spoken[-1][0] == "assistant":
        roles = ", ".join(role for role, _ in spoken)[:200]
        raise Wrong("a conversation begins and ends with the user", found=roles)
    pairs = zip(spoken[:-1:2], spoken[1:-1:2], strict=True)
    examples = [{"user": asked, "assistant": answer} for (_, asked), (_, answer) in pairs]
    if any(not text.strip() for _, text in spoken):
        raise Wrong("a message has no text")
    said: dict[str, Any] = {"system": system} if system is not None else {}
    return {**said, **({"examples": examples} if examples else {}), "user": spoken[-1][1]}, together
