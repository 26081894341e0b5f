"""How the answers of a task are judged: one of its filters and one of its metrics, as a check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.common import nearest, shown
from harness.common.yaml_positions import Tagged
from harness.suites.importing.lm_eval.configuration import Task, place_of
from harness.suites.importing.source import Located, Wrong

_FILTERS = {"remove_whitespace": "strip", "lowercase": "lower", "uppercase": "upper"}
_SEVERAL = "several answers are one here: `gate: {on: pass@3}`"
_METRICS = ("exact_match", "bleu", "chrf")
_BAR = 0.3  # of metrics that have a score, and no bar, there
_IGNORED = ("ignore_case", "ignore_punctuation", "ignore_numbers")
_OF_METRICS = {
    *("metric", "aggregation", "higher_is_better", "hf_evaluate", "multi_line"),
    *("regexes_to_ignore", *_IGNORED),
}


@dataclass(frozen=True)
class TaskMetric:
    """How the answers of a task are judged, whatever the reference is."""

    metric: str
    options: Mapping[str, Any]
    filters: tuple[Any, ...] = ()

    def check(self, references: Sequence[str]) -> dict[str, Any]:
        """Return the check for the references of a row."""
        one = references[0] if len(references) == 1 else references
        if self.metric != "exact_match":
            return {self.metric: {"reference": one, "min": _BAR}}
        steps = {"filters": list(self.filters)} if self.filters else {}
        return {"normalized_match": {"references": one, **steps, **self.options}}


def judged(task: Task) -> TaskMetric:
    """Return how an answer is judged: by one filter and one metric. Raises Wrong."""
    filters = _filters(task)
    name, given = _metric(task)
    if name != "exact_match":
        task.notes.decide.append(
            place_of(task.keys).problem(
                f"metric {name}: a score without a bar there; the bar {_BAR} is a guess",
                hint="set `min`, or compare by scores: `gate: {on: score}`",
            )
        )
        task.note(f"metric {name}: the mean of single answers, where lm-eval has one of them all")
        return TaskMetric(name, {})
    remove = given.get("regexes_to_ignore") or []
    if not isinstance(remove, list) or not all(isinstance(each, str) for each in remove):
        raise Wrong("regexes_to_ignore is no list of patterns", found=shown(remove))
    ignore = [option.removeprefix("ignore_") for option in _IGNORED if given.get(option)]
    options = {"ignore": ignore, "remove": remove}
    return TaskMetric(name, {key: value for key, value in options.items() if value}, filters)


def _metric(task: Task) -> tuple[str, Mapping[str, Any]]:
    """Return the metric that decides, with its options; the others are noted. Raises Wrong."""
    metrics = task.keys.get("metric_list")
    listed = list(metrics.each()) if metrics is not None else []
    if not listed:
        return "exact_match", {}  # lm-eval's own default for generate_until
    chosen: tuple[str, Mapping[str, Any]] | None = None
    wanted = task.options.metric
    for at in listed:
        name = at.get("metric").value
        close = hint = ""
        if isinstance(name, Tagged):
            message = f"metric: !function {name.text} is a program"
        elif str(name) not in _METRICS:
            message = f"metric {name}: this harness has no such metric"
            close = nearest(str(name), _METRICS)
        elif wanted and name != wanted:
            message = f"metric {name}"
            hint = "one metric decides a case: choose it with --metric"
        elif chosen is not None:
            message, hint = f"metric {name}: one decides a case", f"--metric {name}"
        else:
            chosen = (name, at.value)
            for key in (key for key in at.value if key not in _OF_METRICS):
                message = f"metric {name}: the option {key!r} is not known"
                task.notes.left_out.append(at[key].problem(message))
            continue
        task.notes.left_out.append(at.problem(message, did_you_mean=close, hint=hint))
    if chosen is None:
        raise Wrong("no metric of the task can be carried over")
    return chosen


def _filters(task: Task) -> tuple[Any, ...]:
    """Return the steps of the filter that counts; the others are noted. Raises Wrong."""
    listed = task.keys.get("filter_list")
    if listed is None or listed.value is None:
        return ()
    chosen: tuple[Any, ...] | None = None
    names = [str(at.get("name").value) for at in listed.each()]
    wanted = task.options.filter
    if wanted and wanted not in names:
        close = nearest(wanted, names)
        message = f"the task has no filter {wanted!r}"
        raise Wrong(message, found=", ".join(names), did_you_mean=close)
    for at, name in zip(listed.each(), names, strict=True):
        if not wanted or name == wanted:
            try:
                steps = tuple(_steps(at.get("filter")))
            except Wrong as wrong:
                if wanted:
                    raise
                problem = at.told(wrong)
                message = f"filter {name}: {problem.message}"
                task.notes.left_out.append(replace(problem, message=message))
                continue
            if chosen is None:
                chosen = steps
                continue
        message = f"filter {name}: one decides a case"
        task.notes.left_out.append(at.problem(message, hint=f"--filter {name}"))
    if chosen is None:
        raise Wrong("no filter of the task can be carried over")
    return chosen


def _steps(at: Located) -> Iterator[Any]:
    """Yield the steps of a filter. Raises Wrong."""
    for each in at.each():
        name = each.get("function").value
        if name == "take_first":
            continue
        if isinstance(name, str) and name in _FILTERS:
            yield _FILTERS[name]
        elif name == "regex":
            step = {"regex": each.get("regex_pattern", r"#### (\-?[0-9\.\,]+)").value}
            if pick := each.get("group_select", 0).value:
                step["pick"] = pick
            fallback = each.get("fallback", "[invalid]").value
            if fallback != "[invalid]":
                step["fallback"] = fallback
            yield step
        else:
            said = f"!function {name.text}" if isinstance(name, Tagged) else name
            several = str(name) in ("majority_vote", "take_first_k")
            reason = _SEVERAL if several else "it has no counterpart"
            close = nearest(str(name), ("regex", "take_first", *_FILTERS))
            raise Wrong(f"the step {said}: {reason}", did_you_mean="" if close == name else close)
