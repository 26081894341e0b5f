"""What becomes of requests on servers that work, and on servers that do not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from harness.common import MachineryError
from tests.backends.openai.conftest import Answer, Open, Put, Serve
from tests.backends.openai.serving import CUT, Heard, Said, answer, echo

BUSY = {"error": {"message": "slow down"}}


def first(bad: Said, times: int = 1) -> Callable[[Heard], Said]:
    """Answers so often with `bad`, then as it should."""
    lock, left = threading.Lock(), [times]

    def talk(heard: Heard) -> Said:
        with lock:
            left[0] -= 1
            return bad if left[0] >= 0 else echo(heard)

    return talk


def test_answers_come_back_to_their_requests(
    serve: Serve, connect: Open, answer_all: Answer
) -> None:
    texts = [f"text {n}" for n in range(50)]

    answers = answer_all(connect(serve().url), *texts)

    assert [answer.text for answer in answers] == texts
    assert {(a.finish_reason, a.prompt_tokens, a.completion_tokens) for a in answers} == {
        ("stop", 7, 3)
    }


def test_no_more_requests_are_under_way_than_allowed(
    serve: Serve, connect: Open, answer_all: Answer
) -> None:
    lock, under_way, most = threading.Lock(), [0], [0]

    def talk(heard: Heard) -> Said:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.02)
        with lock:
            under_way[0] -= 1
        return echo(heard)

    answer_all(connect(serve(talk).url, in_flight=4), *map(str, range(20)))

    assert 2 <= most[0] <= 4


@pytest.mark.parametrize(
    "bad",
    [
        Said(429, BUSY, {"Retry-After": "0.05"}),
        Said(500, {"error": "a lone text"}),
        Said(502, b"<html>Bad Gateway</html>"),
        Said(200, b'{"choices": ['),
        Said(200, CUT),
    ],
    ids=["429", "500", "502", "malformed", "cut"],
)
def test_a_passing_fault_costs_time_and_no_answer(
    serve: Serve, connect: Open, answer_all: Answer, bad: Said
) -> None:
    server = serve(first(bad, times=2))

    answers = answer_all(connect(server.url), "one", "two", "three")

    assert [answer.text for answer in answers] == ["one", "two", "three"]
    assert len(server.heard) == 5


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured_by_all_requests(
    serve: Serve, connect: Open, answer_all: Answer, as_date: bool
) -> None:
    # Dates have whole seconds: two from now are at least one.
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    busy = Said(429, BUSY, {"Retry-After": when if as_date else "1"})
    server = serve(first(busy))

    answer_all(connect(server.url, in_flight=1), "one", "two")

    times = [heard.at for heard in server.heard]
    assert times[1] - times[0] >= (0.5 if as_date else 0.95)
    assert times[2] - times[1] < 0.9


def test_hours_are_not_waited_for(serve: Serve, connect: Open, answer_all: Answer) -> None:
    server = serve(lambda _: Said(429, BUSY, {"Retry-After": "7200"}))

    (lost,) = answer_all(connect(server.url), "one")

    assert lost.error == "HTTP 429: slow down; it asks to come back in 7200 s"


LASTING = {
    "HTTP 500: out of luck": Said(500, {"error": {"message": "out of luck"}}),
    "HTTP 503: a lone text": Said(503, {"error": "a lone text"}),
    "HTTP 400: too long": Said(400, {"error": {"message": "too long"}}),
    "HTTP 302: Found": Said(302, b"", {"Location": "http://elsewhere.example/"}),
    "the answer is not JSON": Said(200, b"not json"),
    "the answer is not a JSON object": Said(200, b"[1, 2]"),
    "the server's JSON holds no answer": Said(200, {"choices": []}),
    "the server does not say why the answer ended": answer("half", None),
    "the server's content filter held the answer back": answer("", "content_filter"),
    "the model called a tool instead of answering": answer("", "tool_calls"),
    "the server ended the answer for a reason that is not known: 'boredom'": answer("x", "boredom"),
}


def test_a_lasting_fault_costs_that_answer_alone(
    serve: Serve, connect: Open, answer_all: Answer
) -> None:
    def talk(heard: Heard) -> Said:
        return LASTING.get(heard.body["messages"][-1]["content"]) or echo(heard)

    good, *lost = answer_all(connect(serve(talk).url, retries=1), "good", *LASTING)

    assert good.text == "good"
    assert {(answer.text, answer.finish_reason) for answer in lost} == {("", "error")}
    assert [answer.error for answer in lost] == list(LASTING)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": "none"},
        {"choices": ["none"]},
        {"choices": [{"text": 7, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": [1]}, "finish_reason": "stop"}]},
    ],
)
def test_json_of_another_shape_is_no_answer(
    serve: Serve, connect: Open, answer_all: Answer, body: dict[str, object]
) -> None:
    (lost,) = answer_all(connect(serve(lambda _: Said(200, body)).url), "one")

    assert lost.error == "the server's JSON holds no answer"


def test_an_answer_that_is_all_reasoning_is_empty(
    serve: Serve, connect: Open, answer_all: Answer
) -> None:
    message = {"role": "assistant", "content": None, "reasoning_content": "Hm."}
    said = Said(200, {"choices": [{"message": message, "finish_reason": "length"}]})

    (cut_off,) = answer_all(connect(serve(lambda _: said).url), "one")

    assert (cut_off.text, cut_off.finish_reason, cut_off.error) == ("", "length", "")


def test_half_a_character_does_not_come_any_further(
    serve: Serve, connect: Open, answer_all: Answer
) -> None:
    (odd,) = answer_all(connect(serve(lambda _: answer("a\ud800b")).url), "one")

    assert odd.text == "a?b"


def test_a_slow_answer_is_not_waited_for_longer_than_its_time(
    serve: Serve, connect: Open, answer_all: Answer
) -> None:
    server = serve(lambda _: Said(200, {}, delay=1.0))
    backend = connect(server.url, timeout=0.1)

    (lost,) = answer_all(backend, "one")
    (limited,) = answer_all(connect(server.url), "one", time_limit=0.2)

    assert lost.error == "no answer within 0.1 s"
    assert limited.error == "no answer within 0.2 s"
    assert len(server.heard) == 2


def test_a_server_that_dies_half_way_loses_nothing_that_was_finished(
    serve: Serve, connect: Open, put: Put
) -> None:
    def talk(heard: Heard) -> Said:
        if heard.body["messages"][-1]["content"] == "5":
            server.die()
            return Said(200, CUT)
        return echo(heard)

    server = serve(talk)
    backend = connect(server.url, in_flight=1, retries=1)
    kept = []

    with pytest.raises(MachineryError) as caught:
        for _, completion in backend.generate(put(backend, *map(str, range(10)))):
            kept.append(completion.text)

    assert kept == ["0", "1", "2", "3", "4"]
    assert caught.value.problems[0].message == f"the server at {server.url} is gone"


def test_a_server_that_only_fails_is_given_up(serve: Serve, connect: Open, put: Put) -> None:
    server = serve(lambda _: Said(500, BUSY))
    backend = connect(server.url, retries=0, in_flight=2)

    with pytest.raises(MachineryError) as caught:
        list(backend.generate(put(backend, *map(str, range(500)))))

    assert len(server.heard) < 50
    assert str(caught.value) == (
        f"the server at {server.url} does not work: 20 requests failed in a row\n"
        "  found: HTTP 500: slow down\n"
        "  hint: look into its log, and run the same command again: it goes on where this one "
        "stopped"
    )


def test_whoever_stops_listening_cancels_what_is_under_way(
    serve: Serve, connect: Open, put: Put
) -> None:
    server = serve(lambda heard: replace(echo(heard), delay=0.05))
    backend = connect(server.url, in_flight=2)
    answers = backend.generate(put(backend, *map(str, range(100))))

    next(answers)
    del answers  # as a caller does that goes on with something else
    heard = len(server.heard)
    time.sleep(0.2)

    assert len(server.heard) <= heard + 2 < 100  # two may have been on their way to the server
