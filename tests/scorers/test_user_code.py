"""The user's own check: only from modules that the configuration names, and never from a suite."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.scorers import Answer, Context, Finding, parse_check

_MODULE = """
from harness.scorers import Finding

def true(answer, context): return True
def unknown(answer, context): return None
def score(answer, context, value): return value
def finding(answer, context): return Finding(False, 0.25, "own words")
def text(answer, context): return "yes"
def user(answer, context, word): return word in context.user
number = 3
"""


@pytest.fixture
def module(tmp_path: Path) -> Iterator[str]:
    """A package of the user's, importable as long as the test runs."""
    name = "users_own_checks"
    (tmp_path / f"{name}.py").write_text(_MODULE)
    (tmp_path / "users_broken_checks.py").write_text("1 / 0")
    sys.path.insert(0, str(tmp_path))
    yield name
    sys.path.remove(str(tmp_path))
    sys.modules.pop(name, None)


def _said(raw: Any, module: str) -> Finding:
    return parse_check({"python": raw}, modules=[module])(Answer("a"), Context())


def _problem(raw: Any, *modules: str) -> str:
    with pytest.raises(ValidationError) as caught:
        parse_check({"python": raw}, modules=modules)
    return str(caught.value.errors()[0]["msg"])


def test_what_a_function_may_return(module: str) -> None:
    assert _said(f"{module}:true", module).passed is True
    assert _said(f"{module}:unknown", module).passed is None
    assert _said({"ref": f"{module}:score", "value": 0.75}, module).score == 0.75
    assert _said({"ref": f"{module}:score", "value": 0.4}, module).passed is False
    assert _said(f"{module}:finding", module) == Finding(False, 0.25, "own words")


def test_another_return_value_is_an_error(module: str) -> None:
    with pytest.raises(TypeError, match="returned str, wanted a bool, a score or a Finding"):
        _said(f"{module}:text", module)
    with pytest.raises(TypeError, match="returned float"):
        _said({"ref": f"{module}:score", "value": 1.5}, module)


def test_a_module_that_the_configuration_does_not_name_is_never_imported(module: str) -> None:
    assert _problem(f"{module}:true") == (
        "module 'users_own_checks' is not allowed; "
        'allow it in the configuration: modules = ["users_own_checks"]'
    )
    assert _problem("os:system", module).startswith("module 'os' is not allowed")
    assert _problem("users_own_checks_2:true", module).startswith("module 'users_own_checks_2' is")
    assert module not in sys.modules


@pytest.mark.parametrize("ref", ["a", "a:", ":b", "a b:c", "a:b.c", "a:__import__('os')"])
def test_a_reference_is_a_module_and_a_name(ref: str) -> None:
    assert _problem(ref, "a") == f"a reference is package.module:function, not {ref!r}"


def test_what_cannot_be_used_is_said_at_load_time(module: str) -> None:
    assert _problem(f"{module}:nope", module) == f"module {module!r} has no function 'nope'"
    assert _problem(f"{module}:number", module) == f"module {module!r} has no function 'number'"
    assert _problem("not_there:f", "not_there") == (
        "module 'not_there' cannot be imported: No module named 'not_there'"
    )
    assert _problem("users_broken_checks:f", "users_broken_checks") == (
        "module 'users_broken_checks' fails: ZeroDivisionError: division by zero"
    )


def test_arguments_are_part_of_the_check(module: str) -> None:
    check = parse_check({"python": {"ref": f"{module}:user", "word": "x"}}, modules=[module])

    assert check.as_json() == {"python": {"ref": f"{module}:user", "word": "x"}}
