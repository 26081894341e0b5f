"""The scripted part of a conversation: examples, fixed answers, calls that stand already.

Scripted messages are as a chat has them: calls carry ids, and what tools gave back names them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from harness.common import Message, Messages, ToolCall
from harness.scorers import ExpectedCall, fits_arguments, is_condition, undeclared, unfit
from harness.suites.schema import CallKeys, CaseKeys, ExampleKeys, ResultKeys, TurnKeys
from harness.suites.values import FIXED_CALL, ToolResult, Turn

Loc = tuple[str | int, ...]
Tools = Mapping[str, Mapping[str, Any]]


class Fault(NamedTuple):
    """What is wrong in a script, and where below the case."""

    loc: Loc
    message: str
    did_you_mean: str = ""
    hint: str = ""


Fail = Callable[[Fault], None]


class Script(NamedTuple):
    """A case's turns; those that were scripted whole stand before the one that comes next."""

    turns: tuple[Turn, ...]
    faults: tuple[Fault, ...]


def script_of(keys: CaseKeys, tools: Tools) -> Script:
    """Return the turns that a model answers, with all that is scripted before and in them."""
    if keys.turns is None and not (keys.examples or keys.tool_calls or keys.results):
        return Script((Turn(keys.user or "", keys.checks, prefix=keys.prefix or ""),), ())
    faults: list[Fault] = []
    calls = _Calls(tools, faults.append)
    before = examples_of(keys.examples or (), calls)
    written = keys.turns if keys.turns is not None else (_only_turn(keys),)
    turns: list[Turn] = []
    for number, turn in enumerate(written):
        loc: Loc = ("turns", number) if keys.turns is not None else ()
        results = tuple(result_of(one) for one in turn.results)
        for at, one in enumerate(turn.results):
            calls.declared(
                ExpectedCall(name=one.tool, arguments=dict(one.arguments or {})),
                (*loc, "results", at),
            )
            taken = (
                before
                for before in results[:at]
                if before.tool == one.tool and before.returns != results[at].returns
            )
            if any(not each.arguments or each.arguments == one.arguments for each in taken):
                calls.fail(
                    Fault(
                        (*loc, "results", at),
                        f"no call of {one.tool!r} gets this result: one before it takes them all",
                        hint="a call gets the first result whose `arguments` it has: give each "
                        "its own, and those without any stand last",
                    )
                )
            # A wrong value may have its answer too; an object in a text's place is a slip.
            for name, want in (one.arguments or {}).items() if one.tool in tools else ():
                if isinstance(want, Mapping) and not is_condition(want):
                    message, close = unfit(name, want, tools[one.tool])
                    if message:
                        calls.fail(Fault((*loc, "results", at, "arguments", name), message, close))
        said = _answered_calls(turn.tool_calls, results, calls, (*loc, "tool_calls"))
        if turn.assistant is None:
            turns.append(
                Turn(turn.user, turn.checks, results, tuple(before), said, turn.prefix or "")
            )
            before = []
        else:
            before += [Message("user", turn.user), *said, Message("assistant", turn.assistant)]
    if before:
        faults.append(
            Fault(
                ("turns", len(written) - 1),
                "the last turn is answered already, and nothing is asked",
                hint="add a turn without `assistant`; an answer to go on with is a `prefix`",
            )
        )
    return Script(tuple(turns), tuple(faults))


def _only_turn(keys: CaseKeys) -> TurnKeys:
    return TurnKeys.model_construct(
        user=keys.user or "",
        assistant=None,
        prefix=keys.prefix,
        tool_calls=keys.tool_calls,
        results=keys.results,
        checks=keys.checks,
    )


def result_of(written: ResultKeys) -> ToolResult:
    """Return what a call gives back; what is no text is written as JSON."""
    return ToolResult(written.tool, _text(written.returns), written.arguments)


def _text(returns: Any) -> str:
    return returns if isinstance(returns, str) else json.dumps(returns, ensure_ascii=False)


class _Calls:
    """Makes scripted calls, each with an id of its own; what is wrong goes to `fail`."""

    def __init__(self, tools: Tools, fail: Fail) -> None:
        self._tools, self.fail = tools, fail
        self._made = 0

    def make(self, written: CallKeys) -> ToolCall:
        """Return the call, whose id templates of Mistral take: nine letters and digits."""
        self._made += 1
        return ToolCall(written.name, written.arguments, f"{FIXED_CALL}{self._made % 10_000:04d}")

    def declared(self, call: ExpectedCall, loc: Loc) -> None:
        """Note a call of a tool that the case does not declare, or with other arguments."""
        if not self._tools:
            self.fail(
                Fault(
                    loc,
                    "a result without a call: the case declares no tools"
                    if "results" in loc
                    else f"a call of {call.name!r}, and the case declares no tools",
                    hint="declare them: `tools: [...]`",
                )
            )
        else:
            message, close, known = undeclared(call, self._tools)
            if message:
                self.fail(Fault(loc, message, close, known))


def _answered_calls(
    written: Sequence[CallKeys], results: Sequence[ToolResult], calls: _Calls, loc: Loc
) -> Messages:
    """Return the scripted calls of a turn, and what they gave back; none where there are none."""
    made = []
    returned = []
    for at, one in enumerate(written):
        calls.declared(ExpectedCall(name=one.name, arguments=dict(one.arguments)), (*loc, at))
        call = calls.make(one)
        made.append(call)
        found = matching(results, call)
        if found is None:
            calls.fail(
                Fault(
                    (*loc, at),
                    f"nothing is said that the scripted call of {one.name!r} gives back",
                    hint="add it: `results: [{tool: " + one.name + ", returns: ...}]`",
                )
            )
        returned.append(Message("tool", found or "", tool_call_id=call.id, name=call.name))
    return (Message("assistant", "", tuple(made)), *returned) if made else ()


def matching(results: Sequence[ToolResult], call: ToolCall) -> str | None:
    """Return what the first result that fits a call gives back; None where none does."""
    arguments = call.arguments if isinstance(call.arguments, Mapping) else {}
    for result in results:
        if result.tool == call.name and (
            result.arguments is None or fits_arguments(result.arguments, arguments)
        ):
            return result.returns
    return None


def examples_of(written: Sequence[ExampleKeys], calls: _Calls) -> list[Message]:
    """Return the examples as messages; what is wrong in their order is noted."""
    found: list[Message] = []
    open_calls: list[ToolCall] = []  # those that no result has answered yet
    for at, one in enumerate(written):
        loc: Loc = ("examples", at)
        if one.tool is not None:
            call = next((call for call in open_calls if call.name == one.tool), None)
            if call is None:
                message = f"a result without a call: no open call of {one.tool!r} stands before it"
                calls.fail(Fault(loc, message, hint="add the assistant's `tool_calls` before it"))
            else:
                open_calls.remove(call)
                text = _text(one.returns)
                found.append(Message("tool", text, tool_call_id=call.id, name=call.name))
            continue
        for call in open_calls:
            message = f"the call of {call.name!r} before it has no result"
            calls.fail(Fault(loc, message, hint=f"add `- {{tool: {call.name}, returns: ...}}`"))
        open_calls = []
        spoken = ["user"] if one.user is not None else []
        spoken += ["assistant"] if one.assistant is not None or one.tool_calls else []
        if found and found[-1].role == spoken[0] and not found[-1].tool_calls:
            calls.fail(
                Fault(
                    loc,
                    f"two {spoken[0]} turns in a row",
                    hint="user and assistant take turns: add what stands between them, or make "
                    "one text of both",
                )
            )
        if one.user is not None:
            found.append(Message("user", one.user))
        if one.assistant is not None or one.tool_calls:
            for number, each in enumerate(one.tool_calls):
                wanted = ExpectedCall(name=each.name, arguments=dict(each.arguments))
                calls.declared(wanted, (*loc, "tool_calls", number))
            open_calls = [calls.make(each) for each in one.tool_calls]
            found.append(Message("assistant", one.assistant or "", tuple(open_calls)))
    last: Loc = ("examples", len(written) - 1)
    if open_calls or (found and found[-1].role == "tool"):
        message = "the examples end with a call, or with what it gave back"
        calls.fail(Fault(last, message, hint="add the answer to it: `- assistant: ...`"))
    elif found and found[-1].role == "user":
        hint = "add the answer to it, `assistant: ...`; what is asked is the case's own `user`"
        calls.fail(Fault(last, "the examples end with a user turn", hint=hint))
    return found
