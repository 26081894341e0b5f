"""Validation against a JSON Schema: which rule, and what is refused at load time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from harness.common import canonical_json
from harness.scorers import Answer, Context, parse_check
from harness.scorers.json_formats import STRINGS, conforms
from harness.scorers.json_schema import check_schema, first_violation
from harness.scorers.json_text import parse
from harness.scorers.schema_check import SchemaProblemError

_INVOICE = {
    "type": "object",
    "required": ["items", "total"],
    "properties": {
        "total": {"type": "number", "minimum": 0},
        "date": {"format": "date"},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
    },
    "additionalProperties": False,
    "$defs": {"item": {"type": "object", "properties": {"price": {"type": "number"}}}},
}
_SHAPES = {
    "oneOf": [
        {"properties": {"kind": {"const": "circle"}, "radius": {"type": "number"}}},
        {"properties": {"kind": {"const": "square"}, "side": {"type": "number"}}},
    ]
}


@pytest.mark.parametrize(
    ("schema", "text", "why"),
    [
        (_INVOICE, '{"items": []}', '$: required: "total" missing'),
        (_INVOICE, "[]", "$: object wanted, found array []"),
        (
            _INVOICE,
            '{"items": [{"price": "1"}], "total": 1}',
            '$.items[0].price: number wanted, found string "1"',
        ),
        (_INVOICE, '{"items": [], "total": -1}', "$.total: -1 does not meet minimum: 0"),
        (
            _INVOICE,
            '{"items": [], "total": 1, "x": 1}',
            "$.x: nothing is allowed here (additionalProperties is false), found 1",
        ),
        (
            _INVOICE,
            '{"items": [], "total": 1, "date": "1.5.2024"}',
            '$.date: "1.5.2024" is no date',
        ),
        (_SHAPES, '{"kind": "square", "side": "1"}', '$.side: number wanted, found string "1"'),
        ({"enum": ["a", 1]}, '"b"', '$: "b" is not one of ["a", 1]'),
        ({"const": 19.99}, "20", "$: 20 is not 19.99"),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "1",
            "$: anyOf: 1 fits none, or too many, of 2 schemas",
        ),
        (
            {"properties": {"x y": False}},
            '{"x y": 1}',
            '$["x y"]: nothing is allowed here (properties is false for "x y"), found 1',
        ),
        ({"type": ["string", "null"]}, "1", "$: string or null wanted, found number 1"),
        ({"multipleOf": 0.01}, "19.999", "$: 19.999 does not meet multipleOf: 0.01"),
        (
            {"items": {"uniqueItems": True}},
            "[[1, 1]]",
            "$[0]: [1, 1] does not meet uniqueItems: true",
        ),
    ],
)
def test_the_reason_names_the_path_and_the_rule(schema: Any, text: str, why: str) -> None:
    finding = parse_check({"json_schema": {"schema": schema}})(Answer(text), Context())

    assert finding.passed is False
    assert finding.reason == why


_DRAFTS = "https://json-schema.org/draft/{}/schema"
_OLD = "http://json-schema.org/draft-0{}/schema"
_KNOWN = ", ".join([*map(_DRAFTS.format, ("2020-12", "2019-09")), *map(_OLD.format, (7, 6, 4))])
_TYPES = '["array", "boolean", "integer", "null", "number", "object", "string"]'


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (
            {"type": "strin"},
            'the schema is wrong: $.type: "strin" is not one of ' + _TYPES,
        ),
        (
            {"items": [{}]},
            "the schema is wrong: $.items: object or boolean wanted, found array [{}]"
            " (a list of items is `prefixItems` since 2020-12)",
        ),
        (
            {"$ref": "https://example.com/a"},
            "$ref 'https://example.com/a' leads nowhere, and nothing is fetched in the schema at $",
        ),
        (
            {"properties": {"a": {"$ref": "#/$defs/b"}}},
            "$ref '#/$defs/b' leads nowhere, and nothing is fetched"
            " in the schema at $.properties.a",
        ),
        (
            {"$ref": "#/enum/0", "enum": [{"pattern": "a"}]},
            "$ref '#/enum/0' leads to no schema in the schema at $",
        ),
        ({"pattern": "(a"}, 'the schema is wrong: $.pattern: "(a" is no regex'),
        (
            {"patternProperties": {"(a": {}}},
            'the schema is wrong: $.patternProperties: "(a" is no regex',
        ),
        (
            {"items": {"format": "datetime"}},
            "the format 'datetime' is not known, did you mean 'date-time'?"
            " in the schema at $.items",
        ),
        (
            {"$schema": "http://json-schema.org/draft-03/schema#"},
            '$schema "http://json-schema.org/draft-03/schema#" is not one of ' + _KNOWN,
        ),
        (
            {"$schema": 7},
            "$schema 7 is not one of " + _KNOWN,
        ),
    ],
)
def test_a_schema_that_cannot_be_enforced_is_refused(schema: Any, why: str) -> None:
    with pytest.raises(SchemaProblemError) as caught:
        check_schema(schema)

    assert str(caught.value) == why


def test_old_drafts_are_kept_as_they_were() -> None:
    old = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    check_schema(old)

    assert first_violation(canonical_json(old), ["a", 1]) is None
    assert first_violation(canonical_json(old), [1]) is not None


def test_a_recursive_schema_validates_as_deep_as_answers_go() -> None:
    schema = {"oneOf": [{"type": "number"}, {"type": "array", "items": {"$ref": "#"}}]}
    text = "[" * 99 + "1" + "]" * 99

    assert first_violation(canonical_json(schema), parse(text)) is None


_SLOW = "^(a+)+$"  # backtracks 2ⁿ times where the standard library matches it
_NAMED = {"patternProperties": {_SLOW: {}, r"^\p{Lu}": {"type": "string"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": _NAMED}},
        {"allOf": [{"$ref": "#a"}], "$defs": {"a": {"$anchor": "a", **_NAMED}}},
        {"allOf": [{"$schema": "http://json-schema.org/draft-07/schema#", **_NAMED}]},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **_NAMED},
    ],
)
def test_patterns_are_bounded_wherever_they_stand(schema: Any) -> None:
    check = parse_check({"json_schema": {"schema": schema}})

    assert check(Answer(json.dumps({"a" * 40 + "!": 1})), Context()).passed is True
    assert check(Answer(json.dumps({"Ä": "x"})), Context()).passed is True
    assert check(Answer(json.dumps({"Ä": 1})), Context()).passed is False


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}},
        {"unevaluatedProperties": False, "$ref": "#"},
        {"anyOf": [{"type": "string"}, {"$ref": "#"}]},
        {"items": {"allOf": [{"maximum": 9}] * 300}},
    ],
)
def test_of_a_schema_without_an_end_nobody_can_tell(schema: Any) -> None:
    check = parse_check({"json_schema": {"schema": schema}})

    finding = check(Answer(json.dumps([1] * 100_000)), Context())

    assert finding.passed is None
    assert finding.reason == "cannot tell: validation does not end in 2 s"


def test_a_reference_may_stand_twice_on_one_value() -> None:
    number = {"$ref": "#/$defs/number"}
    schema = {"$defs": {"number": {"type": "number"}}, "allOf": [number, number], **number}

    assert first_violation(canonical_json(schema), 1) is None
    assert first_violation(canonical_json(schema), "1") is not None


def test_a_metaschema_may_be_referred_to() -> None:
    schema = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
    check_schema(schema)

    assert first_violation(canonical_json(schema), {"type": "object"}) is None
    assert first_violation(canonical_json(schema), {"type": "objekt"}) is not None


def test_a_schema_file_is_read_at_load_time(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"type": "integer", "maximum": 1e2}', "utf-8")

    check = parse_check({"json_schema": {"file": "a.json"}}, root=tmp_path)
    (tmp_path / "a.json").unlink()

    assert check(Answer("100"), Context()).passed is True
    assert check(Answer("101"), Context()).passed is False
    assert check.as_json() == {
        "json_schema": {"file": "a.json", "schema": {"type": "integer", "maximum": 100.0}}
    }


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (
            "b.json",
            None,
            "the schema file 'b.json', beside the suite file: cannot read it: "
            "No such file or directory",
        ),
        (
            "b.json",
            b"\xff",
            "the schema file 'b.json', beside the suite file: the file is not UTF-8",
        ),
        (
            "b.json",
            b"{",
            "the schema file 'b.json' is not JSON: no JSON at line 1 column 2 (the end)",
        ),
        ("../b.json", None, "the schema file '../b.json' is outside of the suite's folder"),
        (
            "b.json",
            b'{"type": 1}',
            "the schema is wrong: $.type: anyOf: 1 fits none, or too many, of 2 schemas",
        ),
    ],
)
def test_a_schema_file_that_is_wrong(
    tmp_path: Path, name: str, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(ValidationError) as caught:
        parse_check({"json_schema": {"file": name}}, root=tmp_path)

    assert caught.value.errors()[0]["msg"] == why


def test_levels_are_reported_apart() -> None:
    raw = {"json_schema": {"schema": {"type": "object"}}}

    def levels(text: str, **more: bool) -> Any:
        check = parse_check({"json_schema": {**raw["json_schema"], **more}})
        return check(Answer(text), Context()).detail["levels"]

    assert levels("{}") == {"L0": True, "L1": True, "L2": True}
    assert levels("[]") == {"L0": True, "L1": True, "L2": False}
    assert levels("So: {}") == {"L0": False, "L1": True, "L2": True}
    assert levels("So: {}", extract=True) == {"L0": False, "L1": True, "L2": True}
    assert levels("So.") == {"L0": False, "L1": False}


_FORMATS: dict[str, tuple[list[str], list[str]]] = {
    "byte": (["aGk="], ["a"]),
    "date": (["2024-02-29"], ["2023-02-29", "20240229", "2024-2-9", "٢٠٢٤-٠٢-٢٩"]),
    "date-time": (["2024-05-01T10:00:00Z"], ["2024-05-01T10:00Z", "2024-05-01"]),
    "duration": (["P1Y2M3DT4H5M6S", "PT1S", "P4W"], ["P", "PT", "1D", "P1S", "P1W1D"]),
    "email": (
        ["a.b+c@x-y.org", '"a b"@x.org', "a@[127.0.0.1]"],
        ["a", "a@", "@b", "a..b@c.de", "a@b_c"],
    ),
    "hostname": (["a.example.org", "xn--4ca.de"], ["-a.de", "a..b", "a" * 64, "a_b", ""]),
    "idn-email": (["jörg@köln.de"], ["jörg", "@köln.de"]),
    "idn-hostname": (["köln.de", "例え.jp"], ["-ö.de", "a b"]),
    "ipv4": (["127.0.0.1"], ["127.0.0", "256.0.0.1", "127.0.0.01", "١٢٧.0.0.1"]),
    "ipv6": (["::1", "2001:db8::1"], ["1::2::3", ":::", "fe80::1%eth0"]),
    "iri": (["http://köln.de/ö?ü#ä"], ["/ö", "a b"]),
    "iri-reference": (["/ö", "ö"], ["\\ö", "a b"]),
    "json-pointer": (["", "/a/0/~0~1"], ["a", "/~2"]),
    "regex": ([r"^\p{L}+$", "a{2}"], ["(a", "[b-a]", "a" * 6000]),
    "relative-json-pointer": (["0", "1/a", "2#"], ["/a", "-1", "01"]),
    "time": (
        ["10:00:00Z", "23:59:60Z", "10:00:00.5+02:00"],
        ["10:00:00", "24:00:00Z", "12:00:60Z"],
    ),
    "uri": (
        ["https://a.org/b?c=d#e", "mailto:a@b.de", "urn:x:y", "http://[::1]:80/"],
        ["/a", "a b:c", "http://ö.de", "//a", "http:// a"],
    ),
    "uri-reference": (["/a", "a/b", "?q", "", "//a"], ["a b", "\\a", "a%zz"]),
    "uri-template": (["/a/{b}{?c,d*}"], ["/a/{b", "{}"]),
    "uuid": (["123e4567-e89b-12d3-a456-426614174000"], ["123e4567e89b12d3a456426614174000", ""]),
}


def test_every_format_has_right_and_wrong_values() -> None:
    assert set(_FORMATS) == set(STRINGS)


@pytest.mark.parametrize("name", sorted(_FORMATS))
def test_formats(name: str) -> None:
    right, wrong = _FORMATS[name]

    assert [value for value in right if not conforms(value, name)] == []
    assert [value for value in wrong if conforms(value, name)] == []
    assert conforms(3, name)


def test_formats_of_numbers() -> None:
    assert conforms(2**31 - 1, "int32")
    assert not conforms(2**31, "int32")
    assert conforms(2**31, "int64")
    assert conforms(True, "int32")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "ab"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
_SCHEMAS = st.recursive(
    st.sampled_from(
        [
            True,
            False,
            {"type": "integer"},
            {"type": ["string", "null"]},
            {"minimum": 1},
            {"multipleOf": 2},
            {"minLength": 1},
            {"pattern": "^a"},
            {"uniqueItems": True},
            {"enum": [1, True, "a"]},
            {"required": ["a"]},
            {"maxItems": 1},
            {"const": {"a": 1}},
        ]
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"items": inner}),
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"properties": st.fixed_dictionaries({"a": inner, "b": inner})}),
        st.fixed_dictionaries(
            {"patternProperties": st.fixed_dictionaries({"^[ab]": inner, "c$": inner})}
        ),
        st.fixed_dictionaries(
            {
                "patternProperties": st.fixed_dictionaries({"a|b": inner}),
                "additionalProperties": inner,
            }
        ),
        st.fixed_dictionaries(
            {
                "patternProperties": st.fixed_dictionaries({"^b": inner}),
                "unevaluatedProperties": inner,
            }
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"if": inner, "then": inner, "else": inner}),
    ),
    max_leaves=5,
)


@given(_SCHEMAS, _VALUES)
def test_the_verdict_is_that_of_the_engine_where_the_engine_is_right(
    schema: Any, value: Any
) -> None:
    """On plain schemas and values, what we replaced in the engine changes nothing."""
    check_schema(schema)

    ours = first_violation(canonical_json(schema), parse(json.dumps(value))) is None

    assert ours == Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("schema", "warning"),
    [
        ({"required": ["a"], "additionalProperties": False}, "'a' is required, and no such name"),
        (
            {"required": ["a"], "properties": {"b": {}}, "additionalProperties": False},
            "$: 'a' is required, and no such name is allowed (additionalProperties)",
        ),
        ({"required": ["a"], "properties": {"a": False}}, "'a' is required, and its schema is"),
        ({"required": ["a", "b"], "maxProperties": 1}, "2 names are required, and maxProperties"),
        ({"properties": {"a": {"minimum": 5, "maximum": 3}}}, "$.properties.a: minimum 5 is above"),
        ({"minimum": 3, "exclusiveMaximum": 3}, "minimum 3 is not below exclusiveMaximum 3"),
        ({"exclusiveMinimum": 3, "maximum": 3}, "exclusiveMinimum 3 is not below maximum 3"),
        ({"minLength": 2, "maxLength": 1}, "minLength 2 is above maxLength 1"),
        ({"items": {"minItems": 2, "maxItems": 1}}, "$.items: minItems 2 is above maxItems 1"),
        ({"minItems": 2, "prefixItems": [{}], "items": False}, "allows no more than 1"),
        ({"type": "integer", "enum": ["1", "2", 1.5]}, "enum has no value of type integer"),
        ({"enum": []}, "enum has no value"),
        ({"type": "string", "const": 1}, "const 1 is no string"),
        ({"const": "c", "enum": ["a", "b"]}, "const 'c' is none of enum"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "types of `allOf` exclude each other"),
        ({"$defs": {"a": {"not": {}}}, "$ref": "#/$defs/a"}, "$['$defs'].a: `not` excludes"),
        (False, "the schema is false: it allows nothing"),
    ],
)
def test_a_schema_that_no_value_can_satisfy_is_a_warning(schema: Any, warning: str) -> None:
    check = parse_check({"all_of": [{"not": {"json_schema": {"schema": schema}}}, "json"]})

    (said,) = check.warnings
    assert said.startswith("json_schema: ")
    assert warning in said.replace('$["$defs"]', "$['$defs']")


@pytest.mark.parametrize(
    "schema",
    [
        {"required": ["a"], "additionalProperties": False, "patternProperties": {"^a": {}}},
        {"required": ["a"], "additionalProperties": {"type": "string"}},
        {"minimum": 3, "maximum": 3, "minLength": 1},
        {"type": "integer", "enum": ["a", 1]},
        {"type": "integer", "enum": [1.0]},
        {"type": ["string", "null"], "enum": [None]},
        {"allOf": [{"type": "number"}, {"type": "integer"}]},
        {"not": {"minimum": 5, "maximum": 3}},
        {"additionalProperties": False},
        {"anyOf": [False, {"type": "string"}]},
        {"const": None, "type": "null"},
        True,
    ],
)
def test_other_schemas_are_no_warning(schema: Any) -> None:
    assert parse_check({"json_schema": {"schema": schema}}).warnings == ()
