"""Templates of Nunjucks as templates of Jinja, where Jinja can say the same.

Nunjucks is a copy of Jinja in JavaScript: most templates are the same text. What it calls otherwise
is translated, what Jinja has no word for is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import meta
from jinja2.exceptions import TemplateSyntaxError

from harness.common import nearest, shown
from harness.suites.importing.source import Wrong, literal
from harness.suites.sandbox import Sandbox
from harness.suites.templates import TemplateError, is_template, render_text

_MAX_MARKS = 5_000
_OPENING = re.compile(r"\{\{|\{%-?\s*(?:raw|verbatim)\s*-?%\}|\{%|\{#")
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_END_OF_RAW = re.compile(r"\{%-?\s*end(?:raw|verbatim)\s*-?%\}")
_TOKENS = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"|(?P<pattern>\br/(?:[^/\\\n]|\\.)+/[gimy]*)"
    r"|(?P<filter>\|\s*[A-Za-z_]\w*(?:\(\s*\))?)"
    r"|(?P<length>\.length\b(?!\s*\())"
    r"|(?P<sign>===|!==|&&|\|\||!(?!=))"
    r"|(?P<word>\b[A-Za-z_]\w*\b)",
    re.DOTALL,
)
_SIGNS = {"===": "==", "!==": "!="}
_NO_JINJA = {
    "&&": "write `and`",
    "||": "write `or`",
    "!": "write `not`",
}
_WORDS = {"elseif": "elif", "null": "none", "undefined": "none"}
# Words that begin a statement which only Nunjucks has, or that no suite may have.
_STATEMENTS = {
    *("asyncEach", "endeach", "asyncAll", "endall", "ifAsync", "switch", "case"),
    *("include", "import", "from", "extends", "block", "macro", "call", "filter", "super"),
}
_FILTERS = {"dump": "tojson", "safe": "", "sum": "sum"}
_JINJA = Sandbox()


@lru_cache(maxsize=1024)
def jinja_of(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the template as Jinja, and the names of the variables that it uses, sorted.

    Raises Wrong with the name of what cannot be said, and the line of the template.
    """
    if not is_template(text):
        return text, ()
    if (marks := text.count("{{") + text.count("{%")) > _MAX_MARKS:
        raise Wrong(f"the template has more than {_MAX_MARKS:,} marks", found=f"{marks:,}")
    for mark, end in (("{{", "}"), ("{%", "%"), ("{#", "#")):
        last = text.rfind(mark)
        if last >= 0 and end not in text[last + 2 :]:
            return literal(text), ()  # it is not closed: promptfoo takes such a text as it is

    def tag(start: int, end: int) -> str:
        part = text[start:end]
        line = text.count("\n", 0, start) + 1
        if part.startswith("{#") or re.match(r"\{%-?\s*raw", part):
            return part
        if re.match(r"\{%-?\s*verbatim", part):
            return re.sub(r"(\{%-?\s*(?:end)?)verbatim", r"\1raw", part)
        if named := re.match(r"\{%-?\s*(\w+)", part):
            if named[1] in _STATEMENTS:
                message = f"the statement {named[1]!r} has no counterpart in a suite"
                raise Wrong(f"line {line} of the template: {message}", found=shown(part))
            pair = re.match(r"\{%-?\s*for\s+\w+\s*,\s*\w+\s+in\s+([\w.]+)\s*-?%\}", part)
            if pair:  # Nunjucks runs through keys and values by itself
                return part.replace(pair[1], f"{pair[1]}.items()", 1)

        def token(word: re.Match[str]) -> str:
            said = word[0]
            if word["pattern"] or said in _NO_JINJA:
                named = "a regular expression" if word["pattern"] else repr(said)
                hint = _NO_JINJA.get(said, "take it out of the template")
                message = f"line {line} of the template: {named} is no Jinja"
                raise Wrong(message, found=shown(part), hint=hint)
            if word["filter"]:
                name = said[1:].strip().removesuffix(")").rstrip("( ")
                if name not in _FILTERS and name not in _JINJA.filters:
                    close = nearest(name, _JINJA.filters)
                    message = f"line {line} of the template: the filter {name!r} is not known here"
                    raise Wrong(message, found=shown(part), did_you_mean=close)
                if name not in _FILTERS:
                    return said
                return f"| {_FILTERS[name]}" if _FILTERS[name] else ""
            if word["length"]:
                return " | length"
            if word["word"]:
                return _WORDS.get(said, said)
            return _SIGNS.get(said, said)

        return _TOKENS.sub(token, part)

    pieces: list[str] = []
    at = 0
    while opening := _OPENING.search(text, at):
        if len(opening[0]) > 2:  # raw: nothing in it is a template
            closed = _END_OF_RAW.search(text, opening.end())
            stop = closed.end() if closed else -1
        else:
            place = text.find(_CLOSING[opening[0]], opening.end())
            stop = place + 2 if place >= 0 else -1
        if stop < 0:
            break
        pieces += [text[at : opening.start()], tag(opening.start(), stop)]
        at = stop
    made = "".join([*pieces, text[at:]])
    try:
        tree = _JINJA.parse(made)
        names = meta.find_undeclared_variables(tree)
        _JINJA.compile(_JINJA.read(made))
    except TemplateSyntaxError as error:
        message = f"line {error.lineno} of the template: {(error.message or '').rstrip('.')}"
        raise Wrong(message, found=shown(text)) from None
    except (RecursionError, MemoryError, SyntaxError, ValueError):
        raise Wrong("the template nests too deep", found=shown(text)) from None
    return made, tuple(sorted(names))


def rendered(text: str, variables: Mapping[str, Any]) -> str:
    """Return the template filled in; a name without a value is an empty text, as in Nunjucks.

    Raises Wrong.
    """
    template, names = jinja_of(text)
    given = {name: variables.get(name, "") for name in names}
    try:
        return render_text(template, {key: "" if v is None else v for key, v in given.items()})
    except TemplateError as error:
        raise Wrong(error.message, found=error.found, hint=error.hint) from None


def alone(text: str) -> str:
    """Return the name of the variable that the whole text stands for, or an empty text."""
    found = re.fullmatch(r"\s*\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}\s*", text)
    return found[1] if found else ""
