"""Projects of promptfoo become suites; what cannot be carried over is told with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.scorers import Answer, Context, parse_check
from harness.suites.importing import Choices, Imported, import_promptfoo, write_suite
from tests.suites.importing.projects import checks_of, lines, put, told, written

CONFIG = "promptfooconfig.yaml"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(config: Any, choices: Choices | None = None) -> Imported:
    put({CONFIG: config})
    return import_promptfoo(Path(CONFIG), choices)


def one_assertion(assertion: Any, choices: Choices | None = None) -> Imported:
    test = {"vars": {"x": "hi"}, "assert": [LETTER, assertion]}
    return imported({"prompts": ["Say {{x}}"], "tests": [test]}, choices)


SCHEMA = {"type": "object", "required": ["a"]}
OLD = {"type": "array", "items": [{"type": "string"}]}
DRAFT = {"$schema": "http://json-schema.org/draft-07/schema#"}
LETTER = {"type": "contains", "value": "a"}
# An assertion, the check that it becomes, an answer that passes in promptfoo, and one that fails.
CARRIED: tuple[tuple[dict[str, Any], dict[str, Any], str, str], ...] = (
    ({"type": "equals", "value": "4"}, {"equals": {"text": "4", "strip": False}}, "4", " 4"),
    ({"type": "equals", "value": 4.0}, {"equals": {"text": "4", "strip": False}}, "4", "4.0"),
    ({"type": "equals", "value": True}, {"equals": {"text": "true", "strip": False}}, "true", "1"),
    (
        {"type": "equals", "value": {"a": [1, "b"]}},
        {"json_value": {"path": "$", "equals": {"a": [1, "b"]}}},
        '{"a": [1, "b"]}',
        '{"a": ["b", 1]}',
    ),
    ({"type": "contains", "value": "Rome"}, {"contains": {"text": "Rome"}}, "To Rome!", "rome"),
    ({"type": "contains", "value": 0}, {"contains": {"text": "0"}}, "10", "1"),
    (
        {"type": "icontains", "value": "Rome"},
        {"contains": {"text": "Rome", "ignore_case": True}},
        "to ROME",
        "Paris",
    ),
    (
        {"type": "contains-all", "value": ["a", "b"]},
        {"contains_all": {"texts": ["a", "b"]}},
        "ba",
        "a",
    ),
    (
        {"type": "contains-all", "value": 'a, "b,c"'},
        {"contains_all": {"texts": ["a", "b,c"]}},
        "b,c a",
        "a b c",
    ),
    (
        {"type": "contains-any", "value": ["a", "b"]},
        {"contains_any": {"texts": ["a", "b"]}},
        "b",
        "c",
    ),
    (
        {"type": "icontains-all", "value": ["a", "b"]},
        {"contains_all": {"texts": ["a", "b"], "ignore_case": True}},
        "AB",
        "A",
    ),
    (
        {"type": "icontains-any", "value": ["a", "b"]},
        {"contains_any": {"texts": ["a", "b"], "ignore_case": True}},
        "xB",
        "x",
    ),
    (
        {"type": "starts-with", "value": "Yes"},
        {"starts_with": {"texts": "Yes", "strip": False}},
        "Yes, sir",
        " Yes",
    ),
    (
        {"type": "ends-with", "value": "."},
        {"ends_with": {"texts": ".", "strip": False}},
        "So.",
        "So.\n",
    ),
    ({"type": "regex", "value": r"^\d{2}$"}, {"regex": {"pattern": r"^[0-9]{2}\Z"}}, "12", "12\n"),
    ({"type": "is-json"}, {"json": {}}, "[1]", "x [1]"),
    ({"type": "is-json", "value": SCHEMA}, {"json_schema": {"schema": SCHEMA}}, '{"a": 1}', "{}"),
    (
        {"type": "is-json", "value": '{"type": "object", "required": ["a"]}'},
        {"json_schema": {"schema": SCHEMA}},
        '{"a": 1}',
        "{}",
    ),
    (
        {"type": "is-json", "value": OLD},
        {"json_schema": {"schema": {**DRAFT, **OLD}}},
        '["x", 1]',
        "[1]",
    ),
    ({"type": "contains-json"}, {"json": {"extract": True}}, 'So: {"a": 1}', "none"),
    (
        {"type": "contains-json", "value": SCHEMA},
        {"json_schema": {"schema": SCHEMA, "extract": True}},
        'So: {"a": 1}',
        'So: {"b": 1}',
    ),
    (
        {"type": "is-xml", "value": {"requiredElements": ["note.to", "note.from"]}},
        {"xml": {"root": "note", "tags": ["to", "from"]}},
        "<note><to/><from/></note>",
        "<note><to/></note>",
    ),
    ({"type": "word-count", "value": 2}, {"words": {"exactly": 2}}, "two words", "one"),
    (
        {"type": "word-count", "value": {"min": 1, "max": 2}},
        {"words": {"min": 1, "max": 2}},
        "two words",
        "now three words",
    ),
    ({"type": "is-refusal"}, {"refuses": {}}, "I'm sorry, but I can't help with that.", "Sure: 4."),
    (
        {"type": "rouge-n", "value": "the cat sat"},
        {"rouge": {"reference": ["the cat sat"], "min": 0.75, "variant": "rouge1"}},
        "the cat sat",
        "a dog ran",
    ),
    (
        {"type": "bleu", "value": "the cat sat on the mat", "threshold": 0.4},
        {"bleu": {"reference": ["the cat sat on the mat"], "min": 0.4}},
        "the cat sat on the mat",
        "a dog ran",
    ),
    (
        {"type": "assert-set", "assert": [LETTER, {"type": "contains", "value": "b"}]},
        {"all_of": {"of": [{"contains": {"text": "a"}}, {"contains": {"text": "b"}}]}},
        "ab",
        "a",
    ),
    (
        {
            "type": "assert-set",
            "threshold": 0.5,
            "weight": 2,
            "assert": [LETTER, {"type": "contains", "value": "b"}, {"type": "is-json"}],
        },
        {
            "at_least": {
                "of": [{"contains": {"text": "a"}}, {"contains": {"text": "b"}}, {"json": {}}],
                "n": 2,
            },
            "weight": 2.0,
        },
        "ab",
        "a",
    ),
    (
        {"type": "not-contains", "value": "Rome", "weight": 3},
        {"not": {"check": {"contains": {"text": "Rome"}}}, "weight": 3.0},
        "Paris",
        "Rome",
    ),
    ({"type": "not-is-json"}, {"not": {"check": {"json": {}}}}, "x", "1"),
    ({"type": "contains", "value": "{{x}}!"}, {"contains": {"text": "hi!"}}, "hi!", "hi"),
    (
        {"type": "contains-any", "value": "{{several}}"},
        {"contains_any": {"texts": ["p", "q"]}},
        "q",
        "r",
    ),
    ({"type": "contains", "value": "{{ open"}, {"contains": {"text": "{{ open"}}, "{{ open", "x"),
)


@pytest.mark.parametrize(
    ("assertion", "check", "passes", "fails"), CARRIED, ids=[str(row[0])[:60] for row in CARRIED]
)
def test_an_assertion_becomes_a_check_that_judges_the_same(
    assertion: dict[str, Any], check: dict[str, Any], passes: str, fails: str
) -> None:
    test = {
        "vars": {"x": "hi", "several": ["p", "q"]},
        "options": {"disableVarExpansion": True},  # else a list of texts stands for several tests
        "assert": [LETTER, assertion],
    }
    made = imported({"prompts": ["Say {{x}}"], "tests": [test]})
    suite = written(made)

    (found,) = checks_of(suite).values()
    assert found[1] == check
    carried = parse_check(found[1])
    assert carried(Answer(passes, passes), Context()).passed is True
    assert carried(Answer(fails, fails), Context()).passed is False


def refused(assertion: Any) -> str:
    """Return what is told of an assertion that stands in line 8."""
    put(
        {
            CONFIG: "prompts: ['Say {{x}}']\n"
            "tests:\n"
            "  - vars: {x: hi}\n"
            "    assert:\n"
            "      - type: contains\n"
            "        value: a\n"
            "      # the second\n"
            f"      - {assertion}\n"
        }
    )
    (line,) = lines(import_promptfoo(Path(CONFIG)))
    assert line.startswith(f"{CONFIG}:8:9: ")
    return line.removeprefix(f"{CONFIG}:8:9: ")


PROGRAM = "javascript: it is a program, and no program of a foreign file is run"
REFUSED = (
    ("{type: javascript, value: JSON.parse(output).a}", f"{PROGRAM}; write it as a `python` check"),
    ("{type: javascript, value: output.length < 5}", f"{PROGRAM}; the check `length: {{max: 4}}`"),
    (
        "{type: javascript, value: output.length >= 5;}",
        f"{PROGRAM}; the check `length: {{min: 5}}`",
    ),
    (
        "{type: javascript, value: '!output.includes(\"x y\")'}",
        f'{PROGRAM}; the check `not: {{contains: "x y"}}` says the same',
    ),
    (
        "{type: javascript, value: 'return output.toLowerCase().startsWith(\"a\")'}",
        f'{PROGRAM}; the check `starts_with: {{texts: "a", ignore_case: true}}` says the same',
    ),
    ("{type: python, value: 'file://check.py'}", "python: its value is made by a program"),
    ("{type: not-ruby, value: x}", "ruby: it is a program"),
    ("{type: llm-rubric, value: kind}", "llm-rubric: it asks another model; with --judge"),
    ("{type: similar, value: hi}", "similar: it asks a model that embeds texts; give a model"),
    ("{type: latency, threshold: 50}", "latency: a time in milliseconds holds for one machine"),
    ("{type: cost, threshold: 0.1}", "cost: no check bounds the price of one answer"),
    ("{type: levenshtein, value: a}", "levenshtein: this harness has no such metric"),
    ("{type: context-recall, value: a}", "context-recall: it asks another model by a prompt"),
    ("{type: 'trajectory:tool-used', value: a}", "trajectory:tool-used: it reads a trace"),
    ("{type: 'promptfoo:redteam:pii'}", "'promptfoo:redteam:pii': it asks another model"),
    (
        "{type: contians, value: a}",
        "assertion type 'contians' is not known; did you mean contains?",
    ),
    ("{type: is_json}", "assertion type 'is_json' is not known; did you mean is-json?"),
    ("{value: a}", "an assertion is a mapping with a type; found {'value': 'a'}"),
    ("{type: contains}", "contains needs a text as its value; found None"),
    ("{type: contains, value: ''}", "contains needs a text as its value; found ''"),
    ("{type: contains-all, value: 3}", "contains-all needs a list of texts as its value; found 3"),
    ("{type: regex, value: '(a'}", "regex: the pattern does not compile"),
    ("{type: contains, value: a, weight: 0}", "contains: it has weight 0, and decides nothing"),
    ("{type: contains, value: a, weight: heavy}", "contains: the weight is no number; found"),
    ("{type: contains, value: a, transform: x}", "contains: its transform is a program"),
    (
        "{type: bleu, value: a, threshold: 7}",
        "bleu: the threshold is no share from 0 to 1; found 7",
    ),
    ("{type: contains, value: '{{ x | slug }}'}", "contains: line 1 of the template: the filter"),
    (
        "{type: is-json, value: 'file://a/../../x.json'}",
        "is-json: the value 'a/../../x.json' is out",
    ),
    ("{type: is-json, value: {type: 4}}", "is-json: check 'json_schema' cannot be made"),
    ("{$ref: '#/assertionTemplates/polite'}", "the template 'polite' of an assertion is not there"),
    (
        "{type: assert-set, threshold: 0, assert: [{type: contains, value: a}]}",
        "assert-set: its threshold is no share above 0; found 0",
    ),
    (
        "{type: assert-set, threshold: 0.5, assert: [{type: contains, value: a},"
        " {type: contains, value: b, weight: 4}]}",
        "assert-set: its threshold counts assertions of different weights",
    ),
)


@pytest.mark.parametrize(("assertion", "reason"), REFUSED, ids=[row[0][:60] for row in REFUSED])
def test_an_assertion_that_has_no_counterpart_is_told_with_its_line(
    assertion: str, reason: str
) -> None:
    assert refused(assertion).startswith(reason)


def test_assertions_that_ask_a_model_are_carried_over_where_the_user_says_so() -> None:
    judged = Choices(judge="strict", embedding="fixtures/model")
    rubric = {"type": "llm-rubric", "value": "Is {{x}} polite?", "threshold": 0.7}
    (found,) = checks_of(written(one_assertion(rubric, judged))).values()
    wanted = {"rubric": "Is hi polite?", "min": 4, "backend": "strict"}
    assert found[1] == {"judge": wanted}

    fact = {"type": "factuality", "value": "Rome"}
    (found,) = checks_of(written(one_assertion(fact, Choices(judge="")))).values()
    assert found[1]["judge"]["reference"] == "Rome"
    assert found[1]["judge"]["grade"] == "correct"

    own = {"type": "llm-rubric", "value": "x", "rubricPrompt": "Judge {{output}}"}
    assert "the judge is asked by a prompt of its own" in lines(one_assertion(own, judged))[0]


PROJECT = """\
description: Translations
prompts:
  - "Translate to {{language}}: {{text}}"
  - file://prompts/chat.json
providers: [openai:gpt-4o]
defaultTest:
  vars: {tone: polite}
  assert:
    - {type: not-contains, value: "{{language}}"}
tests:
  - description: Greeting, in two languages
    vars: {language: [French, Spanish], text: "Hello\\n"}
    metadata: {topic: [greeting, short]}
    assert:
      - {type: icontains, value: "{{ text | lower }}"}
  - file://more/tests.csv
  - vars: {language: German, text: "1e3"}
    threshold: 0.5
    providerOutput: Tausend
    assert:
      - {type: equals, value: Tausend}
      - {type: javascript, value: "true"}
"""
CHAT = [
    {"role": "system", "content": "You translate, and stay {{tone}}."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello! Which {{ 'text' }}?"},
    {"role": "user", "content": "{{text}} in {{language}}"},
]
TESTS = """\
language,text,__expected,__expected2,__description,__threshold,__metadata:topic
Dutch,"Hello, you","contains-any: hoi,hallo",not-contains: Hello,in Dutch,0.5,greeting
Czech,Yes,Ano,,,,
"""


def test_prompts_and_tests_make_cases() -> None:
    put({"prompts/chat.json": CHAT, "more/tests.csv": TESTS})
    made = imported(PROJECT)
    suite = written(made)

    assert list(checks_of(suite)) == [
        *("greeting-in-two-languages-1-p1", "greeting-in-two-languages-1-p2"),
        *("greeting-in-two-languages-2-p1", "greeting-in-two-languages-2-p2"),
        *("in-dutch-p1", "in-dutch-p2", "test-3-p1", "test-3-p2", "test-4-p1", "test-4-p2"),
    ]
    first, second = suite.cases[:2]
    assert first.turns[0].user == "Translate to French: Hello"
    assert (first.system, first.tags) == (None, ("topic-greeting", "topic-short"))
    assert second.system == "You translate, and stay polite."
    (turn,) = second.turns
    assert [message.content for message in turn.before] == ["Hi", "Hello! Which text?"]
    assert turn.user == "Hello in French"
    found = checks_of(suite)
    language = {"not": {"check": {"contains": {"text": "Dutch"}}}}
    assert found["in-dutch-p1"] == [
        language,
        {"contains_any": {"texts": ["hoi", "hallo"]}},
        {"not": {"check": {"contains": {"text": "Hello"}}}},
    ]
    assert suite.cases[4].threshold == 0.5
    assert found["test-3-p1"][1] == {"equals": {"text": "Ano", "strip": False}}
    assert made.carried == {"prompt": (2, 2), "assertion": (9, 10), "test": (4, 4)}
    assert lines(made) == [
        f"{CONFIG}:5:12: providers: the models that are asked: openai:gpt-4o; choose with "
        "--model, --adapter or --backend openai (docs/servers.md)",
        f"{CONFIG}:22:9: javascript: it is a program, and no program of a foreign file is run; "
        "write it as a `python` check (docs/checks.md#python)",
    ]
    assert lines(made, "Carried over, and judged otherwise") == [
        f"{CONFIG}:17:5: the threshold 0.5 is now that of 2 assertions; 1 more left out"
    ]


def test_the_prompt_stands_once_in_the_file_and_the_head_says_what_is_missing() -> None:
    put({"prompts/chat.json": CHAT, "more/tests.csv": TESTS})
    written(imported(PROJECT))

    text = Path("out.yaml").read_text(encoding="utf-8")
    assert text.count("Translate to {{language}}: {{text}}") == 1
    assert "# Carried over: 2 of 2 prompts, 9 of 10 assertions, 4 of 4 tests.\n" in text
    assert "# Not carried over:\n# * promptfooconfig.yaml:5:12: providers" in text
    answers = Path("out-answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert answers == [
        '{"case": "test-4-p1", "response": "Tausend"}',
        '{"case": "test-4-p2", "response": "Tausend"}',
    ]


def test_no_text_of_a_project_ends_the_comments_of_the_head() -> None:
    made = imported(
        {
            "prompts": ["Say {{x}}"],
            "tests": [
                {
                    "vars": {"x": "hi"},
                    "assert": [LETTER, {"type": "contains\nsuite: gone\u2028\u0085", "value": "a"}],
                }
            ],
            "a\nb": 1,
        }
    )
    assert written(made).name == "out"
    head = [line for line in Path("out.yaml").read_text().split("\n") if "gone" in line]
    assert len(head) == 1 and head[0].startswith("# * ")


NUNJUCKS = (
    ("{{ x }} and {{ many | length }}", "hi and 2"),
    ("{{ many.length }}", "2"),
    ("{% if x === 'hi' %}yes{% elseif x !== 'a' %}no{% endif %}", "yes"),
    ("{% for key, value in pairs %}{{ key }}={{ value }};{% endfor %}", "a=1;b=2;"),
    ("{% for each in many %}{{ loop.index }}{{ each }}{% endfor %}", "1p2q"),
    ("{{ pairs | dump }}", '{"a": 1, "b": 2}'),
    ("{{ x | upper | safe }}", "HI"),
    ("{% verbatim %}{{ raw }}{% endverbatim %}", "{{ raw }}"),
    ("{{ nothing }}|{{ none_of or 'other' }}", "|other"),
    ("{{ 'a === b && c' }}", "a === b && c"),
    ("{# a remark #}{{ x }}", "hi"),
    ("a {{ x", "a {{ x"),
    ("{% set y = x -%} {{ y }} ", "hi "),
)


@pytest.mark.parametrize(("template", "text"), NUNJUCKS)
def test_templates_that_jinja_can_say_are_carried_over(template: str, text: str) -> None:
    variables = {"x": "hi", "many": ["p", "q"], "pairs": {"a": 1, "b": 2}}
    options = {"disableVarExpansion": True}
    test = {"vars": variables, "options": options, "assert": [LETTER]}
    suite = written(imported({"prompts": [f"> {template}"], "tests": [test]}))
    assert suite.cases[0].turns[0].user == f"> {text}"


NO_JINJA = (
    ("{{ x | nl2br }}", "line 1 of the template: the filter 'nl2br' is not known here"),
    ("\n\n{{ x | titel }}", "line 3 of the template: the filter 'titel' is not known here"),
    ("{% if a && b %}{% endif %}", "line 1 of the template: '&&' is no Jinja"),
    ("{% if !a %}{% endif %}", "line 1 of the template: '!' is no Jinja"),
    ("{{ r/a+/g }}", "line 1 of the template: a regular expression is no Jinja"),
    ("{% include 'other.txt' %}", "line 1 of the template: the statement 'include' has no"),
    ("{% asyncEach a in b %}{% endeach %}", "line 1 of the template: the statement 'asyncEach'"),
    ("{% macro a() %}{% endmacro %}", "line 1 of the template: the statement 'macro' has no"),
    ("{{ _conversation[0] }}", "the variable '_conversation' of the prompt is promptfoo's own"),
    ("{{ env.KEY }}", "the variable 'env' of the prompt is promptfoo's own"),
    ("{{ x.upper() + }}", "line 1 of the template: "),
)


@pytest.mark.parametrize(("template", "reason"), NO_JINJA)
def test_templates_that_jinja_cannot_say_are_refused_by_name_and_line(
    template: str, reason: str
) -> None:
    config = {
        "prompts": ["Fine {{x}}", template],
        "tests": [{"vars": {"x": "a"}, "assert": [LETTER]}],
    }
    (line,) = lines(imported(config))
    assert line.removeprefix(f"{CONFIG}:1:28: ").startswith(reason)


MINIMAL: dict[str, Any] = {"prompts": ["p"], "tests": [{"assert": [LETTER]}]}
# Other things that a project may say, and what is told of them.
SAID: tuple[tuple[dict[str, Any], str], ...] = (
    ({"promts": 1}, "the key 'promts' is not known; did you mean prompts?"),
    ({"redteam": {}}, "redteam: red teaming is not what this gate does"),
    ({"prompts": ["p", "file://make.py:prompt"]}, "the prompt is made by a program"),
    ({"prompts": ["p", "exec:./make.sh"]}, "the prompt is made by a program"),
    ({"prompts": ["p", "langfuse://a:1"]}, "the prompt stands on a server: 'langfuse://a:1'; save"),
    (
        {"prompts": ["p", "file://../x.txt"]},
        "the prompt '../x.txt' is outside of the configuration",
    ),
    ({"prompts": ["p", "file://gone.txt"]}, "the prompt 'gone.txt' does not exist"),
    ({"prompts": ["p", 5]}, "a prompt is a text or the name of a file; found 5"),
    (
        {"prompts": ["p", '[{"role": "user", "content": {{x}}}]']},
        "the messages of the prompt cannot be read: a template makes its JSON",
    ),
    (
        {"prompts": ["p", '[{"role": "user", "content": [{"type": "image_url"}]}]']},
        "a message holds 'image_url': cases are texts",
    ),
    ({"tests": [MINIMAL["tests"][0], "file://make.js"]}, "the tests are made by a program"),
    ({"tests": [MINIMAL["tests"][0], "https://x.y/t.csv"]}, "the tests stand on a server"),
    (
        {"tests": [MINIMAL["tests"][0], "file://a.xlsx"]},
        "the file of tests 'a.xlsx' does not exist",
    ),
    ({"tests": [MINIMAL["tests"][0], 5]}, "a test is a mapping, or the name of a file; found 5"),
    ({"tests": [MINIMAL["tests"][0], {"vars": {"a": 1}}]}, "the test has no assertion that could"),
    (
        {"tests": [MINIMAL["tests"][0], {"options": {"transform": "x"}, "assert": [LETTER]}]},
        "transform: a program changes the answer before the assertions",
    ),
    (
        {"tests": [MINIMAL["tests"][0], {"assertScoringFunction": "x", "assert": [LETTER]}]},
        "assertScoringFunction: a program makes one score of all assertions",
    ),
    (
        {"tests": [MINIMAL["tests"][0], {"vars": {"a": "file://x.png"}, "assert": [LETTER]}]},
        "the variable 'a' is no text: 'file://x.png'; cases are texts",
    ),
    (
        {"tests": [MINIMAL["tests"][0], {"vars": {"a-b": "x"}, "assert": [LETTER]}]},
        "'a-b' cannot be the name of a variable; rename it",
    ),
    (
        {"tests": [{**MINIMAL["tests"][0], "asert": []}]},
        "the key 'asert' of a test is not known; did you mean assert?",
    ),
    ({"tests": [{**MINIMAL["tests"][0], "threshold": 3}]}, "the threshold is no share from 0 to 1"),
)


def test_a_transform_of_all_tests_is_told_once_at_its_own_place() -> None:
    own = {"options": {"transform": None}, "assert": [LETTER]}
    default = {"options": {"transform": "output.trim()"}}
    made = imported({**MINIMAL, "tests": [*MINIMAL["tests"] * 2, own], "defaultTest": default})
    (line,) = lines(made)
    assert line.split(": ", 1)[1].startswith(
        "transform: a program changes the answer before the assertions, of each test without one"
    )
    assert made.carried["test"] == (1, 3)


@pytest.mark.parametrize(("part", "reason"), SAID, ids=[row[1][:50] for row in SAID])
def test_what_else_cannot_be_carried_over_is_told(part: dict[str, Any], reason: str) -> None:
    made = imported({**MINIMAL, **part})
    (line,) = lines(made)
    assert line.split(": ", 1)[1].startswith(reason)
    assert len(written(made).cases) == 1


BROKEN: tuple[tuple[str, Any, str], ...] = (
    (CONFIG, "prompts: [a\ntests: []", f"{CONFIG}:2:6: not valid YAML"),
    (CONFIG, "[1, 2]", f"{CONFIG}: this is no configuration of promptfoo\n  found: no mapping"),
    (CONFIG, {"results": {}, "config": {}}, "results of a run (--output) are no configuration"),
    (CONFIG, "prompts: [a]\nprompts: [b]", f"{CONFIG}:2:1: key 'prompts' stands twice"),
    (CONFIG, {"prompts": ["a"], "tests": []}, f"{CONFIG}: nothing of this project can be carried"),
    ("config.js", "module.exports = {}", "config.js: the file has another ending"),
    (CONFIG, {"prompts": ["p"], "tests": ["file://t.csv"]}, "t.csv:3: wrong number of cells"),
)


@pytest.mark.parametrize(
    ("name", "content", "message"), BROKEN, ids=[row[2][:50] for row in BROKEN]
)
def test_a_broken_file_is_told(name: str, content: Any, message: str) -> None:
    put({name: content, "t.csv": "a,__expected\n1,x\n1,2,3\n"})
    assert message in told(lambda: import_promptfoo(Path(name)))


def test_a_suite_that_is_there_is_not_overwritten() -> None:
    made = imported(MINIMAL)
    put({"out.yaml": "mine"})
    assert "the file exists" in told(lambda: write_suite(made, Path("out.yaml")))
    assert Path("out.yaml").read_text() == "mine"


def test_scenarios_and_files_of_tests_are_read() -> None:
    put(
        {
            "t.yaml": [{"vars": {"q": "b"}, "assert": [LETTER]}],
            "t.jsonl": '{"vars": {"q": "c"}, "assert": [{"type": "contains", "value": "a"}]}\n',
            "words.txt": "from a file\n",
        }
    )
    scenario = {
        "config": [{"vars": {"tone": "kind"}}, {"vars": {"tone": "stern"}}],
        "tests": [{"vars": {"q": "file://words.txt"}, "assert": [LETTER]}],
    }
    made = imported(
        {
            "prompts": ["{{tone}} {{q}}"],
            "defaultTest": {"vars": {"tone": "plain"}},
            "tests": "file://t.*",
            "scenarios": [scenario],
        }
    )
    asked = [case.turns[0].user for case in written(made).cases]
    assert asked == ["plain c", "plain b", "kind from a file", "stern from a file"]


def test_hostile_templates_are_read_in_no_time() -> None:
    marks = "{{" * 200_000
    for text in (f"{marks}}}", marks, "{%" * 200_000 + "%", f"{{% raw %}}{marks}}}", "}}" + marks):
        made = imported({**MINIMAL, "prompts": ["p", text]})
        assert made.carried["prompt"][1] == 2


def test_a_product_of_lists_is_bounded() -> None:
    many = [f"v{n}" for n in range(1000)]
    test = {"vars": {"a": many, "b": many}, "assert": [LETTER]}
    made = imported({"prompts": ["{{a}}{{b}}"], "tests": [MINIMAL["tests"][0], test]})
    assert lines(made)[0].endswith("the lists of its variables stand for 1,000,000 cases")


@pytest.mark.parametrize("value", [7, "contains", {"type": "contains"}])
def test_assertions_of_a_scenario_that_are_no_list_are_told(value: Any) -> None:
    scenario = {"config": [{"vars": {"x": "a"}, "assert": value}], "tests": [{"assert": [LETTER]}]}

    message = told(lambda: imported({"prompts": ["Say {{x}}"], "scenarios": [scenario]}))

    assert message.startswith(f"{CONFIG}:")
