"""What a user reads when an address, a key, a name or a field is wrong."""

from __future__ import annotations

import gc
import socket

import pytest

from harness.backends import Backend, BackendOptions, open_backend
from harness.common import HarnessError, InputError, MachineryError, Variant
from tests.backends.openai.conftest import SMALL, Answer, Open, Serve
from tests.backends.openai.serving import Heard, Said, echo, models

KEY = "sk-very-secret-0123456789"
NO = {"error": {"message": f"Incorrect API key provided: {KEY[:6]}***{KEY[-4:]}"}}


def refused(error: HarnessError) -> str:
    return str(error)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            None,
            "backend 'openai' needs the address of a server\n"
            "  hint: add --base-url: http://HOST:PORT/v1, as in http://localhost:8000/v1",
        ),
        (
            "localhost:8000",
            "--base-url is no address of a server\n"
            "  found: localhost:8000\n"
            "  expected: http://HOST:PORT/v1, as in http://localhost:8000/v1",
        ),
        (
            "http://[::1/v1",
            "--base-url is no address of a server\n"
            "  expected: http://HOST:PORT/v1, as in http://localhost:8000/v1",
        ),
        (
            f"https://user:{KEY}@host.example/v1?key={KEY}",
            "--base-url holds a secret or a query, and it is written into reports\n"
            "  found: https://.../v1?...\n"
            "  expected: http://HOST:PORT/v1, as in http://localhost:8000/v1\n"
            "  hint: put the key into the environment variable OPENAI_API_KEY",
        ),
    ],
)
def test_an_address_that_is_none(url: str | None, message: str) -> None:
    with pytest.raises(InputError) as caught:
        open_backend("openai", BackendOptions(variants=(SMALL,), base_url=url))

    assert str(caught.value) == message


def test_all_wrong_arguments_are_named_at_once(connect: Open) -> None:
    with pytest.raises(InputError) as caught:
        connect("http://h/v1", retry=3, timeout=-1, in_flight=True, omit=["n"], body={"model": "x"})

    assert str(caught.value) == (
        "openai: engine argument 'retry' is not known\n"
        "  did you mean: retries\n"
        "  hint: use one of api_key_env, body, in_flight, limit_field, omit, retries, revision, "
        "timeout, tokenizer\n"
        "openai: 'timeout' is wrong\n"
        "  found: -1\n"
        "  expected: seconds\n"
        "openai: 'in_flight' is wrong\n"
        "  found: True\n"
        "  expected: a number from 1\n"
        "openai: 'omit' is wrong\n"
        "  found: ['n']\n"
        "  expected: a list of max_tokens, seed, stop, temperature, top_p\n"
        "openai: 'body' is wrong\n"
        "  found: {'model': 'x'}\n"
        "  expected: a mapping of fields that suites and variants do not set"
    )


def test_nobody_answers(connect: Open) -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"

    with pytest.raises(MachineryError) as caught:
        connect(url)

    assert str(caught.value) == (
        f"no server answers at {url}\n"
        "  found: [Errno 111] Connection refused\n"
        "  hint: start it, or correct --base-url"
    )


PAGE = b"<!doctype html><html><head><title>Grafana</title></head><body>Log in</body></html>"


def test_a_web_page_is_no_server_of_this_kind(serve: Serve, connect: Open) -> None:
    server = serve(pages={"/models": Said(200, PAGE), "/v1/models": Said(200, b"\n<p>Hello</p>")})
    bare = server.url.removesuffix("/v1")
    said = []

    for url in (bare, server.url):
        with pytest.raises(InputError) as caught:
            connect(url)
        said.append(str(caught.value))

    assert said[0] == (
        f"the server at {bare} does not answer in JSON\n"
        "  found: a web page: Grafana\n"
        "  expected: an OpenAI-compatible server; its address usually ends in /v1\n"
        f"  hint: try --base-url {bare}/v1"
    )
    assert said[1] == (
        f"the server at {server.url} does not answer in JSON\n"
        "  found: a web page\n"
        "  expected: an OpenAI-compatible server; its address usually ends in /v1\n"
        "  hint: correct --base-url"
    )


def test_a_web_page_in_place_of_answers_ends_the_run(
    serve: Serve, connect: Open, answer_all: Answer
) -> None:
    backend = connect(serve(lambda _: Said(200, PAGE)).url, retries=0)

    with pytest.raises(InputError) as caught:
        answer_all(backend, "one")

    assert "does not answer in JSON\n  found: a web page: Grafana" in str(caught.value)


def test_a_key_that_is_refused(
    serve: Serve, connect: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(pages={"/v1/models": Said(401, NO)}).url

    with pytest.raises(InputError) as none:
        connect(url)
    monkeypatch.setenv("MY_KEY", KEY)
    with pytest.raises(InputError) as wrong:
        connect(url, api_key_env="MY_KEY")

    assert str(none.value) == (
        f"the server at {url} refuses the key\n"
        "  found: HTTP 401 without a key\n"
        "  hint: put a valid key into the environment variable OPENAI_API_KEY, or name another "
        "one: --engine-arg api_key_env=NAME"
    )
    assert "HTTP 401 with the key in MY_KEY" in str(wrong.value)
    assert KEY[:6] not in str(wrong.value)


def test_a_variable_without_a_key(connect: Open) -> None:
    with pytest.raises(InputError) as caught:
        connect("http://localhost/v1", api_key_env="NO_SUCH_KEY")

    assert str(caught.value) == (
        "the environment variable NO_SUCH_KEY holds no key\n"
        "  hint: export NO_SUCH_KEY=..., or leave api_key_env out"
    )


def test_a_key_with_a_line_end_in_it_is_not_shown(
    connect: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", f"{KEY}\n{KEY}")

    with pytest.raises(InputError) as caught:
        connect("http://localhost/v1", api_key_env="MY_KEY")

    assert str(caught.value) == (
        "the key in the environment variable MY_KEY is no key\n"
        "  expected: printable ASCII characters on one line"
    )


def test_names_that_vllm_does_not_serve_are_all_named_before_anything_is_asked(
    serve: Serve, connect: Open
) -> None:
    server = serve(pages={"/v1/models": models("qwen", "qwen-tuned", owned_by="vllm")})

    with pytest.raises(InputError) as caught:
        connect(server.url, Variant("base", "qwne"), Variant("tuned", "qwen", "qwen-tunde"))

    assert server.heard == []
    assert str(caught.value) == (
        f"the server at {server.url} serves no model 'qwne'\n"
        "  found: qwen, qwen-tuned\n"
        "  did you mean: qwen\n"
        "  hint: give a name that it serves as --model\n"
        f"the server at {server.url} serves no model 'qwen-tunde'\n"
        "  found: qwen, qwen-tuned\n"
        "  did you mean: qwen-tuned\n"
        "  hint: give a name that it serves as --adapter NAME=SERVED"
    )


def failing(serve: Serve, connect: Open, answer_all: Answer, said: Said) -> tuple[str, str]:
    """The error of a run on a server that always says this, and the server's address."""
    server = serve(lambda _: said)
    with pytest.raises(InputError) as caught:
        answer_all(connect(server.url), "one", "two")
    return str(caught.value), server.url


def test_a_name_that_is_only_refused_when_it_is_asked(
    serve: Serve, connect: Open, answer_all: Answer
) -> None:
    said = Said(404, {"error": {"message": "The model `smal` does not exist.", "param": "model"}})

    error, url = failing(serve, connect, answer_all, said)

    assert error.startswith(f"the server at {url} serves no model 'small'\n  found: small\n")


def test_an_address_without_a_chat_api(serve: Serve, connect: Open, answer_all: Answer) -> None:
    error, url = failing(serve, connect, answer_all, Said(404, {"detail": "Not Found"}))

    assert error == (
        f"there is no chat API at {url}\n"
        "  found: HTTP 404: Not Found\n"
        "  expected: an address that ends in /v1, as a rule\n"
        "  hint: correct --base-url"
    )


@pytest.mark.parametrize(
    ("message", "parameter", "field", "hint"),
    [
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "max_tokens",
            "max_tokens",
            "--engine-arg limit_field=max_completion_tokens",
        ),
        (
            "Unrecognized request argument supplied: seed",
            None,
            "seed",
            "--engine-arg 'omit=[\"seed\"]'",
        ),
        (
            "Unsupported value: 'temperature' does not support 0.0 with this model.",
            "temperature",
            "temperature",
            "--engine-arg 'omit=[\"temperature\"]', or another temperature",
        ),
    ],
)
def test_a_field_that_the_server_does_not_take(
    serve: Serve,
    connect: Open,
    answer_all: Answer,
    message: str,
    parameter: str | None,
    field: str,
    hint: str,
) -> None:
    said = Said(400, {"error": {"message": message, "param": parameter}})

    error, url = failing(serve, connect, answer_all, said)

    assert error == (
        f"the server at {url} does not take {field!r} as it was sent\n"
        f"  found: {message}\n"
        f"  hint: {hint}"
    )


def test_requests_that_are_cancelled_while_they_connect_close_their_connections(
    serve: Serve, connect: Open, answer_all: Answer
) -> None:
    message = "Unrecognized request argument supplied: seed"
    server = serve(lambda _: Said(400, {"error": {"message": message}}))
    backend = connect(server.url, in_flight=16)

    for _ in range(20):  # one try is not enough to meet the moment
        with pytest.raises(InputError):
            answer_all(backend, *(f"text {n}" for n in range(40)))

    gc.collect()  # an open socket is warned about now, and a warning is an error


def everything_said(backend: Backend, answers: object) -> str:
    variant = SMALL
    said = (backend.environment(variant), backend.fingerprint(variant), backend.notes)
    return repr((said, backend.execution(), answers, backend, vars(backend)))


def test_the_key_goes_to_the_server_and_nowhere_else(
    serve: Serve,
    connect: Open,
    answer_all: Answer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def talk(heard: Heard) -> Said:
        if heard.body["messages"][-1]["content"] != "bad":
            return echo(heard)
        return Said(500, {"error": {"message": f"no luck with {heard.headers['Authorization']}"}})

    caplog.set_level(0)
    server = serve(talk)
    opened = connect(server.url)  # without a key there is no header
    answer_all(opened, "first")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    backend = connect(server.url, retries=0)
    answers = answer_all(backend, "good", "bad")

    assert "Authorization" not in server.heard[0].headers
    assert {heard.headers["Authorization"] for heard in server.heard[1:]} == {f"Bearer {KEY}"}
    assert answers[1].error == "HTTP 500: no luck with Bearer ***"
    printed = "".join(capfd.readouterr())
    assert KEY not in everything_said(backend, answers) + caplog.text + printed
