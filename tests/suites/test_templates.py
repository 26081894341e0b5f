"""Templates: strict, typed where they stand alone, rendered once, bounded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.suites.templates import TemplateError, render_text, render_value
from tests.steps import steps

VARIABLES: dict[str, Any] = {
    "name": "Lina",
    "n": 7,
    "flag": True,
    "nothing": None,
    "row": {"text": "a {{ name }}", "items": [1, 2], "schema": {"type": "object"}},
}

RENDERED: list[tuple[str, str, Any]] = [
    ("plain {text} $x %", "plain {text} $x %", "plain {text} $x %"),
    ("I am {{ name }}.", "I am Lina.", "I am Lina."),
    ("{{ n }}", "7", 7),
    (" {{ n }}", " 7", " 7"),
    ("{{ n }}\n", "7\n", "7\n"),
    ("{{ n }}{{ n }}", "77", "77"),
    ("{{ n + 1 }}", "8", 8),
    ("{{ flag }}", "true", True),
    ("{{ row.schema }}", '{"type": "object"}', {"type": "object"}),
    ("As {{ row.schema }}", 'As {"type": "object"}', 'As {"type": "object"}'),
    ("{{ row.items }}", "[1, 2]", [1, 2]),
    ("{{ row['text'] }}", "a {{ name }}", "a {{ name }}"),
    ("{{ row.text ~ '!' }}", "a {{ name }}!", "a {{ name }}!"),
    ("{{ row.items | join(', ') }}", "1, 2", "1, 2"),
    ("{{ row.schema | tojson }}", '{"type": "object"}', '{"type": "object"}'),
    ("{{ '<é>' | tojson }}", '"<é>"', '"<é>"'),
    ("{{ name | upper | replace('A', 'O') }}", "LINO", "LINO"),
    ("{{ 2.345 | round(1) }}", "2.3", 2.3),
    ("{{ nmae | default('none') }}", "none", "none"),
    ("{{ row.zz is defined }}", "false", False),
    ("{% if n > 5 %}many{% else %}few{% endif %}", "many", "many"),
    ("{% for i in row['items'] %}{{ loop.index }}:{{ i }} {% endfor %}", "1:1 2:2 ", "1:1 2:2 "),
    ("{% for k, v in row.schema.items() %}{{ k }}={{ v }}{% endfor %}",) + ("type=object",) * 2,
    ("{% set x = n * 2 %}{{ x }}", "14", "14"),
    ("{% raw %}{{ x }}{% endraw %}", "{{ x }}", "{{ x }}"),
    ("a{# a comment #}b", "ab", "ab"),
    ("{{ name.split('i') }}", '["L", "na"]', ["L", "na"]),
    ("{{ range(3) | list }}", "[0, 1, 2]", [0, 1, 2]),
    ("{{ {1: (2, 3)} }}", '{"1": [2, 3]}', {"1": [2, 3]}),
    ("{% set result = 5 %}x{{ result }}", "x5", "x5"),
]


@pytest.mark.parametrize(("text", "as_text", "value"), RENDERED, ids=[row[0] for row in RENDERED])
def test_rendering(text: str, as_text: str, value: Any) -> None:
    assert render_text(text, VARIABLES) == as_text
    found = render_value(text, VARIABLES)
    assert (type(found), found) == (type(value), value)


def test_null_keeps_its_type_but_has_no_text() -> None:
    assert render_value("{{ nothing }}", VARIABLES) is None
    with pytest.raises(TemplateError, match="null has no text"):
        render_text("{{ nothing }}", VARIABLES)


@given(st.text(max_size=50))
def test_what_a_value_contains_is_never_rendered_again(text: str) -> None:
    assert render_text("<{{ text }}>", {"text": text}) == f"<{text}>"
    assert render_value("{{ text }}", {"text": text}) == text


def test_a_value_is_a_copy() -> None:
    found = render_value("{{ row.schema }}", VARIABLES)

    assert found is not VARIABLES["row"]["schema"]


BOMBS = [
    "{{ 'x' * 10 ** 9 }}",
    "{{ [0] * 10 ** 9 }}",
    "{{ 9 ** 99999999 }}",
    "{{ '%999999999d' % 1 }}",
    "{{ '{:>999999999}'.format(1) }}",
    "{{ 'x'.ljust(10 ** 9) }}",
    "{{ 'x'.zfill(10 ** 9) }}",
    "{{ 'x' | center(10 ** 9) }}",
    "{{ 'x' | indent(10 ** 9) }}",
    "{{ (1).to_bytes(10 ** 9, 'big') }}",
    "{{ [] | batch(10 ** 9, 'x') | list }}",
    "{{ 1.5 | round(10 ** 9) }}{{ 'x' * 10 ** 8 }}",
    "{{ 'aaaa' | replace('', 'x' * 3000000) }}",
    "{{ range(9999) | join('x' * 100000) }}",
    "{{ range(10 ** 9) | list }}",
    "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "{% set a = 'x' %}" + "{% set a = a ~ a %}" * 60,
    "{% set a = 'x' %}" + "{% set a = a + a %}" * 60,
    "{% set a = [1] %}" + "{% set a = [a, a] %}" * 60,
    "{% set a = [1] %}" + "{% set a = (a, a) %}" * 60,
    "{% set a = [1] %}" + "{% set a = {'a': a, 'b': a} %}" * 60,
    "{% macro f(n) %}{{ f(n - 1) }}{{ f(n - 1) }}{% endmacro %}{{ f(99) }}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{{ " + "(" * 9999 + "1" + ")" * 9999 + " }}",
    "{{ " + "1+" * 9999 + "1 }}",
]


@pytest.mark.parametrize("text", BOMBS, ids=[text[:40] for text in BOMBS])
def test_no_template_fills_the_memory_or_runs_for_long(text: str) -> None:
    def explode() -> None:
        for render in (render_text, render_value):
            with pytest.raises(TemplateError):
                render(text, VARIABLES)

    assert steps(explode) < 20_000_000, "the worst of them makes 8 million calls"


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ name.__class__.__mro__ }}",
        "{{ row.__init__ }}",
        "{{ row | attr('__class__') }}",
        "{{ range.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ self }}",
        "{{ cycler }}",
        "{{ lipsum() }}",
        "{{ [1, 2] | random }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% set _ = row.update({'a': 1}) %}",
        "{% set _ = row['items'].append(3) %}",
        "{{ row.keys }}",
        "{{ row.items | map('string') }}",
        "{{ '\\ud800' }}",
        "{{ 1e308 * 10 }}",
    ],
)
def test_a_template_reaches_its_variables_and_nothing_else(text: str) -> None:
    for render in (render_text, render_value):
        with pytest.raises(TemplateError):
            render(text, VARIABLES)


@given(st.text(alphabet="{}%#- |ab.()[]'1+*~,:\n", max_size=40))
def test_any_template_is_rendered_or_refused(text: str) -> None:
    for render in (render_text, render_value):
        try:
            render("{{" + text, {"a": [1], "b": {"a": "x"}})
        except TemplateError as error:
            assert error.message


@pytest.mark.parametrize(
    "text",
    [
        "say {{ row.number }}, {{row.name}}",
        "{{ row.umlaut }}",
        "{{ row.braces }} and {{ row.half }}",
        "{{ row.half }}",
        "{{ row.count }}",
        "{{ row.nothing }}",
        "{{ row.mising }}",
        "{{ row.name.upper }}",
        "{{ name }}{# a remark #}{% raw %}{{ name }}{% endraw %}\r\n",
        "{{ nobody }}",
        "{{ self }}",
        "{{ row.items }}{{ row.keys }}",
        "{{ row }}",
        "{{ long }}{{ long }}",
    ],
)
def test_what_only_puts_texts_in_says_what_jinja_says(text: str) -> None:
    row = {"number": "7", "name": "Ada", "umlaut": "äß", "braces": "{{ name }}", "count": 3}
    row |= {"half": "\ud800", "nothing": None, "items": "five"}
    variables = {"row": row, "name": "Bob", "self": "me", "long": "x" * 3_000_000}

    def said(written: str) -> tuple[str, ...]:
        try:
            return (render_text(written, variables),)
        except TemplateError as error:
            return error.message, error.did_you_mean, error.hint, error.row_key

    # One that has a statement is rendered by Jinja.
    assert said(text) == said("{% set unused = 1 %}" + text)
