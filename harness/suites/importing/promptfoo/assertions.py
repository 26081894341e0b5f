"""The assertions of a test as checks: files, templates and references in them, weights and sets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.common import nearest, plural, shown
from harness.common.reading import read_text
from harness.common.yaml_positions import read_document
from harness.suites.importing.promptfoo.assert_types import Assertion, Check, Choices, check_of
from harness.suites.importing.promptfoo.configuration import FILE, Configuration, is_program
from harness.suites.importing.promptfoo.nunjucks import alone, rendered
from harness.suites.importing.source import Located, Notes, Wrong, mapping_of, read_yaml, valid


@dataclass(frozen=True)
class Assertions:
    """How the assertions of one test are read: with its variables, and what is said in `notes`."""

    configuration: Configuration
    choices: Choices
    variables: Mapping[str, Any]
    notes: Notes

    def checks(self, test: Located, default: Located) -> tuple[list[Check], float | None]:
        """Return the checks of a test, and its threshold; what has no counterpart is noted."""
        base = mapping_of(default.value)
        inherits = not mapping_of(test.value.get("options")).get("disableDefaultAsserts")
        given = [
            at
            for source in ((default, test) if inherits else (test,))
            for at in self.configuration.asserts(source)
        ]
        checks, lost = [], 0
        for at in given:
            before = len(self.notes.left_out)
            check = self._check(at)
            if check is not None:
                checks.append(check)
            lost += len(self.notes.left_out) > before
        bar = test.value.get("threshold", base.get("threshold"))
        threshold = float(bar) if isinstance(bar, int | float) and 0 <= bar <= 1 else None
        if bar is not None and threshold is None:
            message = "the threshold is no share from 0 to 1"
            self.notes.left_out.append(test.problem(message, found=shown(bar)))
        if threshold is not None and lost and checks:
            kept = f"is now that of {plural(len(checks), 'assertion')}; {lost} more left out"
            self.notes.differs.append(test.problem(f"the threshold {bar:g} {kept}"))
        return checks, threshold

    def _check(self, at: Located) -> Check | None:
        """Return one assertion as a check, or None; a set of assertions counts as those in it."""
        entry = at.value
        if isinstance(entry, Mapping) and isinstance(link := entry.get("$ref"), str):
            name = link.rpartition("/")[2]
            templates = self.configuration.keys.get("assertionTemplates")
            named = templates.get(name)
            if named.value is None:
                close = nearest(name, mapping_of(templates.value))
                message = f"the template {name!r} of an assertion is not there"
                self.notes.count("assertion", False)
                self.notes.left_out.append(at.problem(message, did_you_mean=close))
                return None
            at = replace(named, value={**mapping_of(named.value), **entry})
            entry = {key: value for key, value in at.value.items() if key != "$ref"}
        if isinstance(entry, Mapping) and entry.get("type") == "assert-set":
            return self._set(at)
        try:
            if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
                raise Wrong("an assertion is a mapping with a type", found=shown(entry))
            check, differs = self._single(at, entry)
        except Wrong as wrong:
            self.notes.count("assertion", False)
            problem = at.told(wrong)
            kind = mapping_of(entry).get("type")
            if isinstance(kind, str) and kind.removeprefix("not-") not in problem.message:
                problem = replace(problem, message=f"{kind}: {problem.message}")
            self.notes.left_out.append(problem)
            return None
        self.notes.count("assertion", True)
        if differs:
            self.notes.differs.append(at.problem(f"{entry['type']}: {differs}"))
        return check

    def _single(self, at: Located, entry: Mapping[str, Any]) -> tuple[Check, str]:
        """Return an assertion as a check, and where it differs. Raises Wrong."""
        written = str(entry["type"])
        kind = written.removeprefix("not-")
        if entry.get("rubricPrompt"):
            hint = "write what it asks as the value, or as the rubric of a `judge` check"
            raise Wrong(f"{written}: the judge is asked by a prompt of its own", hint=hint)
        for key in ("transform", "contextTransform"):
            if entry.get(key):
                message = f"{written}: its {key} is a program that changes what it reads"
                raise Wrong(message, found=shown(entry[key]))
        weight = entry.get("weight", 1)
        if not isinstance(weight, int | float) or isinstance(weight, bool) or weight < 0:
            raise Wrong("the weight is no number", found=shown(weight))
        if weight == 0:
            raise Wrong(f"{written}: it has weight 0, and decides nothing")
        bar = entry.get("threshold")
        if isinstance(bar, bool) or not isinstance(bar, int | float | None):
            raise Wrong("the threshold is no number", found=shown(bar))
        value = self._value(at, kind, entry.get("value"))
        one = Assertion(kind, value, None if bar is None else float(bar), self.choices)
        check, differs = check_of(one)
        if written != kind:
            check = {"not": check}
        check = valid(check)
        return (check if weight == 1 else {**check, "weight": weight}), differs

    def _value(self, at: Located, kind: str, value: Any) -> Any:
        """Return the value of an assertion: templates filled in, files read. Raises Wrong."""
        if isinstance(value, list):
            return [self._value(at, kind, each) for each in value]
        if not isinstance(value, str):
            return value
        if value.startswith(FILE):
            if is_program(value):
                raise Wrong(f"{kind}: its value is made by a program: {shown(value)}")
            (file,) = self.configuration.files(at, value, "the value")[:1]
            if file.suffix in (".yaml", ".yml", ".json"):
                return read_yaml(file).value
            return read_text(file)
        if (name := alone(value)) and not isinstance(self.variables.get(name, ""), str):
            return self.variables[name]
        if kind in ("javascript", "python", "ruby"):
            return value  # a program, and no template of ours
        text = rendered(value, self.variables)
        if kind in ("is-json", "contains-json") and text.strip():
            return read_document(at.path, text.encode()).value  # a schema, written as a text
        return text

    def _set(self, at: Located) -> Check | None:
        """Return a set of assertions: all of them, or so many that its threshold is reached."""
        inner = [each for each in at.get("assert").each() if each.value is not None]
        bar, weight = at.value.get("threshold"), at.value.get("weight", 1)
        found = [made for each in inner if (made := self._check(each))]
        if not found:
            return None
        try:
            check: Check = {"all_of": found}
            if bar is not None:
                weights = {each.get("weight", 1) for each in found}
                if not isinstance(bar, int | float) or isinstance(bar, bool) or not 0 < bar <= 1:
                    raise Wrong("assert-set: its threshold is no share above 0", found=shown(bar))
                if len(found) < len(inner):
                    lost = plural(len(inner) - len(found), "assertion")
                    raise Wrong(f"assert-set: its threshold {bar:g} counts {lost} that is left out")
                if len(weights) > 1:
                    raise Wrong("assert-set: its threshold counts assertions of different weights")
                number = max(1, math.ceil(bar * len(found) - 1e-9))
                check = {"at_least": {"n": number, "of": found}}
            if not isinstance(weight, int | float) or isinstance(weight, bool) or weight <= 0:
                raise Wrong("assert-set: its weight is no number above 0", found=shown(weight))
            check = valid(check)
        except Wrong as wrong:
            for _ in found:  # they were counted, and are lost with the set
                self.notes.counted["assertion"][0] -= 1
            self.notes.left_out.append(at.told(wrong))
            return None
        return check if weight == 1 else {**check, "weight": weight}
