"""From requests to completions over one server; a server that breaks ends it, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.backends.openai.arguments import Endpoint
from harness.backends.openai.failures import CallError
from harness.backends.openai.flight import Call, Flight, Reply
from harness.backends.values import Completion, Request
from harness.errors import HarnessError, MachineryError, Problem

# So many requests failed one after the other, each after all its retries: the server is broken.
IN_A_ROW = 20

Written = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Tongue:
    """How a server is spoken to.

    write: path and body of a request. read: the completion in the JSON that came back, after so
    many seconds. explain: the error that ends the run, or None where one answer is lost.
    """

    write: Callable[[Request], Written]
    read: Callable[[Mapping[str, Any], Request, float], Completion]
    explain: Callable[[CallError, Request], HarnessError | None]


def answers(
    endpoint: Endpoint, requests: Sequence[Request], tongue: Tongue
) -> Iterator[tuple[Request, Completion]]:
    """Each answer as it arrives.

    Raises `MachineryError` where the server is gone or keeps failing, and `InputError` for what no
    request of this run can be answered with; what had arrived by then is handed on first.
    """
    calls = [_call(n, request, endpoint, tongue) for n, request in enumerate(requests)]
    flight = Flight(endpoint, calls)
    failed = 0
    try:
        for reply in flight:
            request = requests[reply.call.number]
            failure = tongue.explain(reply.error, request) if reply.error else None
            failed = failed + 1 if reply.error else 0
            if failed == IN_A_ROW and reply.error and len(requests) > IN_A_ROW:
                failure = failure or _broken(reply.error, endpoint)
            if failure is not None:
                yield from _whole(flight.stop(), requests, tongue)
                raise failure
            yield request, _completion(reply, request, tongue)
    finally:
        flight.stop()


def _call(number: int, request: Request, endpoint: Endpoint, tongue: Tongue) -> Call:
    limit = request.time_limit
    timeout = endpoint.timeout if limit is None else min(limit, endpoint.timeout)
    return Call(number, *tongue.write(request), timeout)


def _completion(reply: Reply, request: Request, tongue: Tongue) -> Completion:
    if reply.value is None:
        return Completion("", "error", error=str(reply.error))
    return tongue.read(reply.value, request, reply.seconds)


def _whole(
    replies: Sequence[Reply], requests: Sequence[Request], tongue: Tongue
) -> Iterator[tuple[Request, Completion]]:
    """The good ones of the last replies: the others are asked again by the next run."""
    for reply in replies:
        if reply.value is not None:
            request = requests[reply.call.number]
            yield request, _completion(reply, request, tongue)


def _broken(error: CallError, endpoint: Endpoint) -> MachineryError:
    return MachineryError(
        Problem(
            f"the server at {endpoint.url} does not work: {IN_A_ROW} requests failed in a row",
            found=str(error),
            mend="look into its log, and run the same command again: it goes on where this one "
            "stopped",
        )
    )
