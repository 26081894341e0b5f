"""A server for one person: loopback only, behind a token, and nothing is asked of anybody else.

Whoever has the token in the printed address gets a cookie for it; without it no page is given. A
name that is not this machine's own (DNS rebinding), a form of another site and a body that is too
large are refused, and every answer says in its policy that nothing may be fetched from elsewhere.
"""

from __future__ import annotations

import errno
import logging
import secrets
import socket
from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.common import InputError, Problem
from harness.viewer.pages import ASSETS, ERRORS, Asset, asset_route

ADDRESS = "127.0.0.1"
PORT = 8765
LOCAL = frozenset({ADDRESS, "localhost", "[::1]"})  # a forwarded port has another number
MOST_BODY = 1 << 20  # bytes of a form
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # To no other site; forms of our own pages say where they come from.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_log = logging.getLogger(__name__)


class LocalServer:
    """Routes on a port of this machine, bound when it is made; to be closed.

    `navigation` holds the links above every page, by name; `assets` are further files for
    `/assets/NAME`. Port 0 takes any that is free. Raises InputError for a port that cannot be had.
    """

    def __init__(
        self,
        routes: Sequence[BaseRoute],
        *,
        port: int = PORT,
        navigation: Mapping[str, str] | None = None,
        assets: Mapping[str, Asset] | None = None,
    ) -> None:
        self._token = secrets.token_urlsafe(24)
        self._socket = _bound(port)
        self.port: int = self._socket.getsockname()[1]
        app = Starlette(
            routes=[asset_route({**ASSETS, **(assets or {})}), *routes], exception_handlers=ERRORS
        )
        app.state.navigation = dict(navigation or {})
        config = uvicorn.Config(
            _Guard(app, self._token, self.port),
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level=logging.CRITICAL,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def link(self, path: str = "/") -> str:
        """Return the address of a page, with the token: it opens everything, for whoever has it."""
        mark = "&" if "?" in path else "?"
        return f"http://{ADDRESS}:{self.port}{path}{mark}token={self._token}"

    def run(self) -> None:
        """Answer until `stop`, from another thread, or Ctrl-C, which is a KeyboardInterrupt."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Let `run` end, once what is being answered was answered."""
        self._server.should_exit = True

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()


def _bound(port: int) -> socket.socket:
    """Return a socket that listens already: who connects before `run` waits for it."""
    # By its protocol asyncio knows that it may switch Nagle's delay off: 40 ms for each answer.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((ADDRESS, port))
        bound.listen(64)
    except (OSError, OverflowError) as error:  # the latter: a number that no port has
        bound.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            problem = Problem(
                f"port {port} is in use",
                found="another server listens there; perhaps another `harness view`",
                hint="--port 0 takes a free one; or name another",
            )
        else:
            reason = str(getattr(error, "strerror", None) or error).lower()
            hint = "--port 0 takes a free one; below 1024 needs rights"
            problem = Problem(f"port {port} cannot be used", found=reason, hint=hint)
        raise InputError(problem) from None
    return bound


class _Guard:
    """Lets in who has the token, and writes the headers of every answer."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token.encode()
        self._cookie = f"harness-{port}"  # browsers do not part cookies by port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._answer(scope)
        if answer is not None:
            await answer(scope, receive, sending)
            return
        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:  # in the middle of a form: nobody is there to be answered
            return
        except Exception:  # a page said so already
            _log.exception("a mistake of the harness while it answered %r", scope["path"])

    def _answer(self, scope: Scope) -> Response | None:
        """Return the refusal, or the redirection that leaves the token behind; None to go on."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host.rpartition(":")[0] not in LOCAL and host not in LOCAL:
            names = "127.0.0.1 and localhost"
            return PlainTextResponse(f"This server is called {names} only.\n", 403)
        safe = scope["method"] in ("GET", "HEAD")
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if safe and given and self._is_token(given[-1]):
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            # One slash: two would be the name of another server.
            place = "/" + scope["raw_path"].decode("latin-1").lstrip("/\\")
            let_in = RedirectResponse(f"{place}?{rest}" if rest else place, 303)
            let_in.set_cookie(self._cookie, given[-1], httponly=True, samesite="strict")
            return let_in
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            cookie = None
        if cookie is None or not self._is_token(cookie.value):
            told = "Open the address that `harness` printed: it ends with the token.\n"
            return PlainTextResponse(told, 403)
        if safe:
            return None
        if headers.get("origin") != f"http://{host}":
            return PlainTextResponse("This was not sent by a page of this server.\n", 403)
        size = headers.get("content-length", "")
        if not size.isdecimal() or int(size) > MOST_BODY:
            return PlainTextResponse(f"More than {MOST_BODY:,} bytes, or no length.\n", 413)
        return None

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self._token)
