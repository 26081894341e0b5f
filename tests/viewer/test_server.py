"""Who is let in, what is refused, and what every answer says."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.common import InputError, MachineryError, Problem
from harness.viewer import LocalServer, page
from tests.viewer.serving import reader, serving


async def hello(request: Request) -> Response:
    problem = (Problem("<b>nothing</b>\x1b[31m", hint="look elsewhere"),)
    return page(request, "hello", "harness.viewer", "problems.html.jinja", problems=problem)


async def sent(request: Request) -> Response:
    return JSONResponse({"got": await request.json()})


async def wrong(request: Request) -> Response:
    raise InputError(Problem("no run is called 'x'", did_you_mean="xy"))


async def machinery(request: Request) -> Response:
    raise MachineryError(Problem("the store is damaged", path="a.db"))


async def crash(request: Request) -> Response:
    raise ZeroDivisionError("secret")


ROUTES = [
    Route("/", hello),
    Route("/sent", sent, methods=["POST"]),
    Route("/wrong", wrong),
    Route("/machinery", machinery),
    Route("/crash", crash),
]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with serving(LocalServer(ROUTES, port=0, navigation={"Runs": "/"})) as running:
        yield running


@pytest.fixture
def client(server: LocalServer) -> Iterator[httpx.Client]:
    with reader(server) as client:
        yield client


def bare(server: LocalServer, path: str, **headers: str) -> httpx.Response:
    at = f"http://127.0.0.1:{server.port}{path}"
    return httpx.get(at, headers={n.replace("_", "-"): v for n, v in headers.items()})


def test_the_token_in_the_address_becomes_a_cookie(server: LocalServer) -> None:
    link = server.link("/?q=a%20b")
    assert link.startswith(f"http://127.0.0.1:{server.port}/?q=a%20b&token=")

    let_in = httpx.get(link)

    assert (let_in.status_code, let_in.headers["location"]) == (303, "/?q=a+b")
    cookie = let_in.headers["set-cookie"]
    assert cookie.startswith(f"harness-{server.port}=")
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", "/assets/page.css", "/none"])
def test_nothing_is_given_without_the_token(server: LocalServer, path: str) -> None:
    answer = bare(server, path)
    assert answer.status_code == 403
    assert "the address that `harness` printed" in answer.text


@pytest.mark.parametrize("cookie", ["harness-{port}=wrong", "harness-{port}=\xe9", "=;;", 'a="'])
def test_a_wrong_cookie_is_no_token(server: LocalServer, cookie: str) -> None:
    sent = cookie.format(port=server.port).encode("latin-1")
    at = f"http://127.0.0.1:{server.port}/"
    assert httpx.get(at, headers=[(b"Cookie", sent)]).status_code == 403


def test_no_redirection_leads_to_another_server(server: LocalServer) -> None:
    link = server.link("//evil.example/")
    assert httpx.get(link).headers["location"] == "/evil.example/"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_another_name_is_refused(server: LocalServer, host: str) -> None:
    """A page elsewhere can make its own name lead here: DNS rebinding."""
    answer = httpx.get(server.link(), headers={"Host": host})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("host", ["localhost:9000", "[::1]:9000", "127.0.0.1"])
def test_a_forwarded_port_is_not(server: LocalServer, host: str) -> None:
    assert httpx.get(server.link(), headers={"Host": host}).status_code == 303


def test_every_answer_forbids_what_comes_from_elsewhere(client: httpx.Client) -> None:
    for path in ("/", "/wrong", "/assets/viewer.js", "/none"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
    assert "content-security-policy" in httpx.get(client.base_url).headers


def test_only_a_page_of_the_server_may_send(server: LocalServer, client: httpx.Client) -> None:
    own = f"http://127.0.0.1:{server.port}"
    assert client.post("/sent", json=1, headers={"Origin": own}).json() == {"got": 1}
    for origin in ("http://evil.example", "null", f"http://localhost:{server.port}"):
        assert client.post("/sent", json=1, headers={"Origin": origin}).status_code == 403
    assert client.post("/sent", json=1).status_code == 403


def test_a_body_has_a_length_and_is_small(server: LocalServer, client: httpx.Client) -> None:
    own = {"Origin": f"http://127.0.0.1:{server.port}"}
    large = json.dumps("x" * (1 << 20))
    assert client.post("/sent", content=large, headers=own).status_code == 413
    assert client.post("/sent", content=iter([b"1"]), headers=own).status_code == 413


def test_problems_are_shown_with_their_hints(client: httpx.Client) -> None:
    found = client.get("/wrong")
    assert found.status_code == 404
    assert "no run is called &#39;x&#39;" in found.text and "<dd>xy</dd>" in found.text
    assert client.get("/machinery").status_code == 500
    assert client.get("/none").status_code == client.get("/assets/none.css").status_code == 404
    assert client.post("/", headers={"Origin": str(client.base_url)}).status_code in (405, 413)


def test_our_own_mistake_is_said_without_its_text(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/crash")
    assert answer.status_code == 500
    assert "a mistake of the harness" in answer.text and "secret" not in answer.text
    assert client.get("/").status_code == 200  # the page was sent before the details were logged
    assert "ZeroDivisionError" in caplog.text


def test_hostile_text_is_escaped(client: httpx.Client) -> None:
    text = client.get("/").text
    assert "&lt;b&gt;nothing&lt;/b&gt;\\x1b[31m" in text


def test_a_port_in_use_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError) as caught:
            LocalServer(ROUTES, port=port)
    assert f"port {port} is in use" in str(caught.value)
    assert "--port 0" in str(caught.value)
