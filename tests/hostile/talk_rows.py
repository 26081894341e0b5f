"""Rows of the table that run what somebody else wrote: templates, patterns, answers, servers."""

from __future__ import annotations

import io
import json
import logging
import random
import re
import shutil
import socket
import threading
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from harness.cli import main
from harness.common import HarnessError, Message, ToolCall, canonical_json
from harness.config import Settings
from harness.prompts import load_tokenizer
from harness.prompts.templates import ChatEnvironment
from harness.review import Review, ReviewOptions, open_review
from harness.review.server import review_server
from harness.scorers import Answer, Check, Context, all_scorers, parse_check
from harness.store import existing_store
from harness.suites.sandbox import Sandbox
from harness.viewer import NAVIGATION, LocalServer, view_routes
from tests.hostile.file_rows import NIGHT, lay_model, lay_run, lay_suite
from tests.hostile.mutations import NASTY, as_json, bytes_changed, changed
from tests.hostile.server import COMPLETION, MODELS, NastyServer, says
from tests.hostile.trying import Row, ran
from tests.scorers.test_bounds import UNITS, filled

# -- templates -------------------------------------------------------------------------------------

MILD = (
    *("x", "m.content", "messages", "'ab'", "9", "[1, 2]", "{'a': x}", "range(9999)", "none", "-9"),
    *("x * 99999", "x ~ x", "'ab' * 9999", "[x] * 999", "x[::-1]", "x.upper()", "x.split('a')"),
    *("x.strip().title()", "(1, 2) < (3,)", "(x, x, x) * 99", "{x: x}", "x in x", "not x", "9 / 7"),
    *(
        "x.casefold().swapcase()",
        "messages[0].items()",
        "x.count('a')",
        "[[x] * 99] * 99",
        "2 ** 99",
    ),
)
ODD = (
    *("'%999d' % 1", "'%9999999d' % 1", "9 ** 9 ** 9", "[x] * 9999999", "x.replace('a', x)"),
    *("x.center(99999999)", "x.join(messages)", "x.format(x)", "'{:999999999}'.format(1)", "f(1)"),
    *("'{0.__class__}'.format(x)", "''.__class__.__mro__", "cycler('a')", "joiner(x)", "self"),
    *("lipsum(999)", "namespace(a=x)", "x.encode()", "messages.append(x)", "loop", "x.y.z", "1/0"),
    *("messages[0].update({})", "x.zfill(99999999)", "x.expandtabs(99999999)", "x.ljust(9999, x)"),
    *("dict(a=x)", "1e308 * 10", "strftime_now('%Y' * 9999)", "raise_exception(x)", "-x"),
)
FILTERS = (
    *("abs", "attr('__class__')", "batch(2)", "batch(99999999, x)", "capitalize", "center(9)"),
    *("center(99999999)", "default(x)", "dictsort", "escape", "filesizeformat", "first", "float"),
    *("forceescape", "format(x)", "groupby(0)", "indent(99999999)", "indent(x)", "int(base=99)"),
    *("items", "join(x)", "last", "length", "list", "lower", "map('upper')", "max", "min"),
    *("map(attribute='a.b.c')", "map('map', 'map')", "pprint", "random", "reject('none')"),
    *("replace('', x)", "reverse", "round(99)", "round(9999999)", "safe", "select('in', x)"),
    *("selectattr('a')", "slice(99999999)", "slice(3)", "sort", "sort(attribute='a')", "string"),
    *("striptags", "sum", "sum(start=[])", "title", "tojson", "tojson(indent=99999999)"),
    *("tojson(indent=x)", "trim", "truncate(9)", "truncate(99999999, true, x)", "unique"),
    *("upper", "urlencode", "urlize", "wordcount", "wordwrap(1)", "wordwrap(1, wrapstring=x)"),
    *("xmlattr", "nosuchfilter"),
)
BLOCKS = (
    *("{{% set x = {0} %}}", "{{% set x %}}{{{{ {0} }}}}{{% endset %}}", "{{{{ {0} }}}}"),
    *("{{% for i in {0} %}}", "{{% for i in {0} recursive %}}{{{{ loop(x) }}}}", "{{% if {0} %}}"),
    *("{{% endfor %}}", "{{% endif %}}", "{{%- else -%}}", "{{% set ns = namespace(a={0}) %}}"),
    *("{{% set ns.a = ns.a ~ {0} %}}", "{{% macro f(n) %}}{{{{ f({0}) }}}}{{% endmacro %}}"),
    *("{{% filter upper %}}{{{{ {0} }}}}{{% endfilter %}}", "{{% call f({0}) %}}{{% endcall %}}"),
    *("{{% break %}}", "{{% continue %}}", "{{% generation %}}{{% endgeneration %}}"),
    *("{{% raw %}}{{% endraw %}}", "{{# {0} #}}", "{{% include {0} %}}", "{{% import {0} as q %}}"),
    *("{{% with a = {0} %}}", "{{% endwith %}}", "{{% autoescape true %}}", "{{{{", "{{%", "}}}}"),
    *("{{% block b %}}{{{{ super() }}}}{{% endblock %}}", "{{% extends {0} %}}", "{{% do {0} %}}"),
)


def template_text(rng: random.Random, macros: bool) -> str:
    """Return a template: mostly one that parses, and does too much; macros: suites have none."""

    env = ChatEnvironment() if macros else Sandbox()
    some = [each for each in FILTERS if each.partition("(")[0] in env.filters]

    def value() -> str:
        found = rng.choice(ODD if rng.random() < 0.1 else MILD)
        for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
            found = f"({found})|{rng.choice(FILTERS if rng.random() < 0.05 else some)}"
        return found

    def part(depth: int) -> str:
        act = rng.randrange(9 if macros else 8)
        if rng.random() < 0.04:
            return rng.choice(BLOCKS).format(value())
        if act < 3 or depth > 5:
            return rng.choice(BLOCKS[:3]).format(value())
        if act < 6:
            inner = "".join(part(depth + 1) for _ in range(rng.choice((1, 2, 3))))
            return f"{{% for i in {value()} %}}{inner}{{% endfor %}}"
        if act == 6:
            return f"{{% if {value()} %}}{part(depth + 1)}{{% endif %}}"
        if act == 7:
            double = "{% set x = x ~ x %}" * rng.choice((3, 30))
            return f"{double}{part(depth + 1)}"
        return f"{{% macro f(n) %}}{part(depth + 1)}{{% endmacro %}}{{{{ f({value()}) }}}}"

    return "".join(part(0) for _ in range(rng.choice((1, 2, 3, 5))))


def chat_template(rng: random.Random) -> str:
    text = template_text(rng, macros=True)
    if rng.random() < 0.6:
        text = f"{{% for m in messages %}}{{{{ m.content }}}}{text}{{% endfor %}}"
    file = Path("model/chat_template.jinja")
    raw = f"{{% set x = 'ab' %}}{text}".encode()
    file.write_bytes(bytes_changed(raw, rng) if rng.random() < 0.1 else raw)
    try:
        load_tokenizer("model").token_ids((Message("user", "hi"),))
    except HarnessError as error:
        return "" if str(error).strip() else "no message"
    return ""


def suite_template(rng: random.Random) -> str:
    names = "{% set x = row.x %}{% set messages = [{'content': 'hi'}] %}{% set m = messages[0] %}"
    text = names + template_text(rng, macros=False)
    case: dict[str, Any] = {"id": "c{{ row.n }}", "user": text, "checks": [{"contains": "x"}]}
    if rng.random() < 0.2:
        case |= {"user": "hi", "checks": [{"equals": f"{{{{ {rng.choice(MILD + ODD)} }}}}"}]}
    suite = {
        "suite": "t",
        "category": "c",
        "from_file": [{"path": "rows.jsonl", "case": case}],
    }
    Path("x.yaml").write_text(json.dumps(suite))
    return ran("validate", "x.yaml")


def lay_data() -> None:
    """A suite, and rows for templates."""
    lay_suite()
    Path("rows.jsonl").write_text('{"n": 1, "x": "a"}\n{"n": 2, "x": "b"}\n')


# -- patterns and schemas --------------------------------------------------------------------------

ATOMS = (
    *("a", ".", r"\w", r"\d", r"\s", "[a-z]", "[^a]", r"\p{L}", r"\X", r"\b", "^", "$", "(?i:a)"),
    *("(?=a)", "(?!b)", "(?<=a)", r"(?<=a+)", r"\1", "(?:)", "(?>a*)", "(?R)", "(?1)", "(a|aa)"),
    *("[[a-z]--[b]]", "(?:aa){e<=3}", r"\N{DIGIT ONE}", r"\u{1F600}", "(?P<n>a)", "(", ")", "["),
    *("(?#", "\\", "|", "(?a)", "(?b)", "(?V1)", r"\L<n>", "(*SKIP)", "é", "\ud800", "\x00"),
)
REPEATS = ("", "", "*", "+", "?", "*?", "++", "{3}", "{9,}", "{999}", "{9999}", "{,5}", "{9}{9}{9}")


def pattern(rng: random.Random, depth: int = 0) -> str:
    """Return a pattern: nested repetition, look-around, recursion, fuzzy matching."""
    parts = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        group = rng.choice(("({0})", "(?:{0}|{0})", "(?={0})", "(?>{0})", "(?:{0})"))
        inner = group.format(pattern(rng, depth + 1)) if depth < 4 and rng.random() < 0.5 else ""
        parts.append((inner or rng.choice(ATOMS)) + rng.choice(REPEATS))
    return "".join(parts)


def schema(rng: random.Random, depth: int = 0) -> Any:
    """Return a JSON Schema that may be wrong, circular or slow."""
    if depth > 3 or rng.random() < 0.2:
        return rng.choice(({"$ref": "#"}, True, False, {}, {"type": "string"}, rng.choice(NASTY)))
    inner = [schema(rng, depth + 1) for _ in range(rng.choice((1, 2, 3)))]
    found: dict[str, Any] = {}
    for _ in range(rng.choice((1, 2, 4))):
        found |= rng.choice(
            (
                {"pattern": pattern(rng)},
                {"patternProperties": {pattern(rng): inner[0]}},
                {"anyOf": inner},
                {"oneOf": inner},
                {"allOf": inner},
                {"not": inner[0]},
                {"items": inner[0]},
                {"contains": inner[0], "minContains": rng.choice((0, 3, 10**9, -1))},
                {"properties": {"a": inner[0]}, "required": ["a"]},
                {"additionalProperties": inner[0]},
                {"unevaluatedProperties": False},
                {"uniqueItems": True},
                {"enum": inner},
                {"const": inner[0]},
                {"multipleOf": rng.choice((0, 1e-308, 3, 10**30))},
                {"minLength": 10**30},
                {"format": rng.choice(("regex", "email", "uri", "date-time", "ipv6", "idn-email"))},
                {"$defs": {"a": inner[0]}, "$ref": "#/$defs/a"},
                {"$ref": rng.choice(("http://127.0.0.1:1/x", "file:///etc/passwd", "#/a/b", "x"))},
                {
                    "$dynamicRef": "#x",
                    "$schema": rng.choice(("x", "http://json-schema.org/draft-04/schema")),
                },
                {"$schema": "http://json-schema.org/draft-07/schema#"},
                {"dependentSchemas": {"a": inner[0]}, "if": inner[0], "then": inner[-1]},
            )
        )
    return found


def patterns(rng: random.Random) -> str:
    text = hostile_text(rng, (100, 2_000, 20_000))
    kind = rng.randrange(5)
    if kind < 2:
        raw: dict[str, Any] = {"regex": pattern(rng)}
    elif kind == 2:
        raw = {"json_value": {"path": rng.choice(("$", "$..a", "$[*].a")), "regex": pattern(rng)}}
    else:
        found = schema(rng)
        Path("a.json").write_bytes(as_json(found, rng))
        raw = {"json_schema": {"schema": found} if kind == 3 else {"file": "a.json"}}
        value = changed([{"a": ["a" * 40 + "!", 1, {"a" * 30 + "!": None}]}] * 3, rng)
        text = as_json(value, rng).decode("utf-8", "replace")
    suite = {
        "suite": "p",
        "category": "c",
        "cases": [{"id": "c1", "user": "hi", "checks": [raw]}],
    }
    Path("x.yaml").write_bytes(as_json(suite, rng))
    Path("a.jsonl").write_text(json.dumps({"case": "c1", "response": text}))
    return ran("validate", "x.yaml") or ran("score", "x.yaml", "--responses=a.jsonl")


# -- answers through every check -------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    """A check, what it needs around an answer, and an answer that passes it."""

    check: Check
    context: Context
    passes: str


@cache
def checks() -> tuple[Checked, ...]:
    """Return all checks, each as in its example, but for those that need a model."""
    return tuple(
        Checked(
            parse_check({s.name: s.example.args}, modules=s.example.modules),
            s.example.context,
            s.example.passes,
        )
        for s in all_scorers()
        if s.example is not None and not s.example.requires
    )


def hostile_text(rng: random.Random, sizes: tuple[int, ...], start: str = "") -> str:
    """Return an answer: a right one, cut and doubled, with what is hard to read around it."""
    parts = [start]
    for _ in range(rng.choice((1, 1, 2, 4))):
        act = rng.randrange(5)
        if act < 3:
            parts.append(filled(rng.choice([*UNITS.values()]), rng.choice(sizes) // 2))
        elif act == 3:
            parts.append(str(rng.choice([each for each in NASTY if isinstance(each, str)])))
        else:
            value = changed({"a": [1, "x", {"b": 0.5}], "name": "f", "arguments": {}}, rng)
            fence = rng.choice(("{}", "```json\n{}\n```", "<tool_call>{}</tool_call>", "<think>{}"))
            parts.append(fence.replace("{}", as_json(value, rng).decode("utf-8", "replace")))
    rng.shuffle(parts)
    text = "".join(parts)
    if rng.random() < 0.3:
        raw = bytes_changed(text.encode("utf-8", "surrogatepass"), rng)
        text = raw.decode("utf-8", rng.choice(("replace", "ignore")))
    return text


def answers(rng: random.Random) -> str:
    sizes = rng.choice(((10, 100), (2_000,), (50_000,), (50_000,), (400_000,), (4_500_000,)))
    return next(filter(None, (through(rng.choice(checks()), sizes, rng) for _ in range(3))), "")


def through(found: Checked, sizes: tuple[int, ...], rng: random.Random) -> str:
    """Put a hostile answer through a check; return what is wrong with its finding."""
    text = hostile_text(rng, sizes, found.passes)
    call = changed({"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}, rng)
    answer = Answer(
        text,
        text if rng.random() < 0.5 else hostile_text(rng, (2_000,), found.passes),
        str(rng.choice(("stop", "length", "\x1b[2J"))),
        (ToolCall.read(call),) if rng.random() < 0.5 else (),
        hostile_text(rng, (100, 2_000)),
    )
    said = rng.choice(("Rating: 5", "Rating: " + "9" * 5_000, "", hostile_text(rng, (99,))))
    replies = {question.key: said for question in found.check.questions(answer, found.context)}
    finding = found.check(answer, replace(found.context, asked=replies))
    if not 0 <= finding.score <= 1:
        return f"{found.check.name}: score {finding.score}"
    if len(finding.reason) > 2_000:
        return f"{found.check.name}: a reason of {len(finding.reason)} characters"
    size = len(canonical_json(dict(finding.detail)))
    return f"{found.check.name}: details of {size} characters" if size > 100_000 else ""


# -- servers and webhooks --------------------------------------------------------------------------


@cache
def server() -> NastyServer:
    """Return the server of this process."""
    return NastyServer()


def lay_server() -> None:
    """A suite, and a server that answers it."""
    lay_suite()
    Path("harness.toml").write_text(
        f'backend = "openai"\nmodel = "small"\nbase_url = "{server().url}/v1"\n'
        "[engine_args]\nretries = 0\ntimeout = 0.5\n"
    )
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        code = main(["run", "s.yaml"])
    assert code in (0, 1), said.getvalue()


def reply(rng: random.Random) -> str:
    served = server()
    served.models = served.way(rng, MODELS) if rng.random() < 0.15 else says(MODELS)
    served.chat = served.way(rng, COMPLETION)
    shutil.rmtree(".harness", ignore_errors=True)  # no answer is taken from the store
    return ran("run", "s.yaml")


def webhook(rng: random.Random) -> str:
    served = server()
    served.chat = served.way(rng, {"ok": True})
    return ran("nightly", "nightly.yaml")


def lay_webhook() -> None:
    """A night on echo that tells a server."""
    lay_suite()
    hook = {"url": server().url, "timeout": 0.3, "always": True}
    night = {**NIGHT, "baseline": "none", "alerts": {"webhook": hook}}
    Path("nightly.yaml").write_text(yaml.safe_dump(night))


# -- requests to pages of ours ---------------------------------------------------------------------

ANSWERED = re.compile(rb"HTTP/1.1 ([1-4]\d\d) ")
WORDS = ("run", "suite", "case", "variant", "repeat", "turn", "page", "by", "a", "b", "days", "q")


@cache
def viewed() -> LocalServer:
    """Return the server of `harness view` over the project in this folder; it ends with it."""
    settings = Settings()
    return started(LocalServer(view_routes(settings), port=0, navigation=NAVIGATION))


@cache
def reviewed() -> LocalServer:
    """Return the server of `harness review` over the latest run in this folder."""
    settings = Settings()
    with existing_store(settings.path(settings.store)) as store:
        opened = open_review(settings, store, "latest")
        items = opened.plan(ReviewOptions(by="scores"))
    return started(review_server(Review(settings.path(settings.store), items), "r", port=0))


class Logged(logging.Handler):
    """Keeps what a server logs: mistakes of ours alone."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.said.append(self.format(record))


LOGGED = Logged()


def started(made: LocalServer) -> LocalServer:
    """Let a server answer in a thread of its own."""
    logging.getLogger("harness.viewer.server").addHandler(LOGGED)
    threading.Thread(target=made.run, daemon=True).start()
    return made


def asked(made: LocalServer, ways: tuple[str, ...], body: Any, rng: random.Random) -> str:
    """Send one request, which may be broken; return what is wrong with what is answered."""
    token = made.link().rpartition("=")[2]
    words = [
        (rng.choice(WORDS), str(rng.choice((*NASTY, "latest", "s", "c1", "base", "1", "new"))))
        for _ in range(rng.choice((0, 1, 2, 5)))
    ]
    name = quote(str(rng.choice((*NASTY, "latest", "ann"))).encode("utf-8", "surrogatepass"), "")
    query = urlencode(words, errors="surrogatepass")
    path = rng.choice(ways).replace("*", name) + (f"?{query}" if query else "")
    sent = b"" if body is None else as_json(changed(body, rng), rng)
    lines = [
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{made.port}",
        f"Cookie: harness-{made.port}={token}",
        f"Origin: http://127.0.0.1:{made.port}",
        f"Content-Length: {len(sent)}",
        "Connection: close",
    ]
    raw = "\r\n".join(lines).encode() + b"\r\n\r\n" + sent
    broken = rng.random() < 0.2
    raw = bytes_changed(raw, rng) if broken else raw
    with socket.create_connection(("127.0.0.1", made.port), 60) as connection:
        connection.sendall(raw)
        if broken:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)  # it may be cut off, and nothing follows
        with suppress(ConnectionResetError):
            said = b"".join(iter(lambda: connection.recv(65536), b""))
            if LOGGED.said:
                return LOGGED.said.pop()[-500:]
            # Nothing is an answer too: to a request that was cut off.
            return "" if not said or ANSWERED.match(said) else said[:300].decode("latin-1")
    return ""


def page_of_a_view(rng: random.Random) -> str:
    ways = ("/", "/run/*", "/live/*", "/scorecard/*", "/case", "/prompt", "/trend", "/compare")
    return asked(viewed(), (*ways, "/assets/*", "/*"), None, rng)


def page_of_a_review(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return asked(reviewed(), ("/", "/rate/*", "/rate/ann/items/*", "/assets/*"), None, rng)
    said = {"criterion": "overall", "score": 3, "note": "n"}
    ways = ("/rate/ann/items/0", "/rate/*/items/1", "/rate/ann/undo", "/rate/*/undo")
    return asked(reviewed(), ways, said, rng)


TALKS = (
    Row("chat template", lay_model, chat_template),
    Row("suite template", lay_data, suite_template),
    Row("patterns and schemas", lay_suite, patterns),
    Row("answers through checks", lay_suite, answers),
    Row("server", lay_server, reply),
    Row("webhook", lay_webhook, webhook),
    Row("pages of view", lay_run, page_of_a_view),
    Row("pages of review", lay_run, page_of_a_review),
)
