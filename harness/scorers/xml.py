"""The check on XML in the answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from xml.parsers import expat

from harness.scorers.arguments import Word, Words
from harness.scorers.limits import NESTING, listed, shown
from harness.scorers.markdown import fences
from harness.scorers.registry import Args, Example, scorer
from harness.scorers.values import Answer, Context, Finding, verdict


class XmlArgs(Args):
    """`root`: the name of the outermost element. `tags`: elements that must be there.

    `fragment`: several outermost elements and text between them are welcome.
    `extract`: the XML may stand in the answer's only fenced block.
    """

    root: Word | None = None
    tags: Words | None = None
    fragment: bool = False
    extract: bool = False


class _RefusedError(Exception):
    """What is well-formed and yet refused."""


@dataclass
class _Seen:
    """What the parser has met."""

    names: Counter[str] = field(default_factory=Counter)
    first: str = ""
    depth: int = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > NESTING:
            raise _RefusedError(f"it nests deeper than {NESTING} levels")
        self.first = self.first or name
        self.names[name] += 1

    def end(self, name: str) -> None:
        self.depth -= 1


@scorer(
    "xml",
    version=1,
    shorthand="root",
    example=Example(
        {"root": "note", "tags": ["to"]}, "<note><to>Ann</to></note>", "<note><to></note>"
    ),
)
def xml(answer: Answer, context: Context, args: XmlArgs) -> Finding:
    """The whole answer is well-formed XML, with the given elements; a document type is refused."""
    text = _part(answer.text, args.extract).strip()
    try:
        seen = _parsed(f"<_>{text}</_>" if args.fragment else text)
    except _RefusedError as error:
        return verdict(False, f"refused: {error}")
    except expat.ExpatError as error:
        place = f"line {error.lineno} column {error.offset + 1}"
        return verdict(False, f"not well-formed at {place}: {expat.ErrorString(error.code)}")
    except UnicodeEncodeError:
        return verdict(False, "not well-formed: it has a lone surrogate")
    return _judge(seen, args)


def _part(text: str, extract: bool) -> str:
    blocks = fences(text) if extract else []
    return blocks[0].code if len(blocks) == 1 else text


def _parsed(text: str) -> _Seen:
    """Parse without entities: a document type, where they are declared, is refused."""
    seen = _Seen()
    parser = expat.ParserCreate()
    parser.StartElementHandler = seen.start
    parser.EndElementHandler = seen.end
    parser.StartDoctypeDeclHandler = _refuse
    parser.Parse(text, True)
    return seen


def _refuse(*_: object) -> None:
    raise _RefusedError("a document type could declare entities")


def _judge(seen: _Seen, args: XmlArgs) -> Finding:
    if args.fragment and seen.names.total() == 1:
        return verdict(False, "no element")
    if args.root is not None and not args.fragment and seen.first != args.root:
        return verdict(False, f"the root is {shown(seen.first)}, wanted {shown(args.root)}")
    missing = [tag for tag in args.tags or () if not seen.names[tag]]
    if args.root is not None and args.fragment and not seen.names[args.root]:
        missing.append(args.root)
    if missing:
        return verdict(False, f"elements missing: {listed(missing)}", missing=[*missing])
    return verdict(True, "well-formed")
