"""What every page of the server shares: the frame around it, files beside it, pages of errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from harness.common import HarnessError, InputError, Problem
from harness.reports import asset, template

PACKAGE = "harness.viewer"
Asset = tuple[str, str]  # a package, and the name of a file in its `assets`
ASSETS: Mapping[str, Asset] = {
    "page.css": ("harness.reports.html", "page.css"),
    "viewer.css": (PACKAGE, "viewer.css"),
    "viewer.js": (PACKAGE, "viewer.js"),
}
_KINDS = {"css": "text/css", "js": "text/javascript"}


def page(
    request: Request,
    title: str,
    package: str,
    name: str,
    *,
    scripts: tuple[str, ...] = (),
    styles: tuple[str, ...] = (),
    status: int = 200,
    **values: Any,
) -> HTMLResponse:
    """Return a page: the template `name` of a package's `assets`, in the frame of all pages.

    `scripts` and `styles` name further files under `/assets/`. Templates escape everything; those
    of reports are rendered alike (`harness.reports.template`).
    """
    body = template(package, name).render(link=link, **values)
    whole = template(PACKAGE, "layout.html.jinja").render(
        title=title,
        body=Markup(body),
        navigation=request.app.state.navigation,
        path=request.url.path,
        scripts=("viewer.js", *scripts),
        styles=("page.css", "viewer.css", *styles),
    )
    return HTMLResponse(whole, status)


def link(path: str, **query: object) -> str:
    """Return the address of a page; what is empty or None is left out of its query."""
    kept = {name: value for name, value in query.items() if value not in ("", None)}
    return f"{path}?{urlencode(kept)}" if kept else path


def page_number(request: Request) -> int:
    """Return the number of the page that is asked for, from 1."""
    text = request.query_params.get("page", "1")
    return max(1, int(text)) if text.isdecimal() and len(text) < 10 else 1


@dataclass(frozen=True, slots=True)
class Pager:
    """Which part of a list is shown: page `number` of `pages`, `total` rows in all."""

    number: int
    size: int
    total: int

    @property
    def pages(self) -> int:
        """Return how many pages there are, at least one."""
        return max(1, -(-self.total // self.size))


def asset_route(assets: Mapping[str, Asset]) -> Route:
    """Return the route of the files beside the pages: those that are named, and no others."""

    async def answer(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in assets:
            raise HTTPException(404)
        kind = _KINDS[name.rpartition(".")[2]]
        return Response(asset(*assets[name]), media_type=kind)

    return Route("/assets/{name}", answer)


def _problems(request: Request, problems: tuple[Problem, ...], status: int) -> Response:
    return page(
        request,
        problems[0].message,
        PACKAGE,
        "problems.html.jinja",
        status=status,
        problems=problems,
    )


async def _refused(request: Request, error: Exception) -> Response:
    """Show a problem in the form that the terminal has for it, with its hint."""
    assert isinstance(error, HarnessError)
    return _problems(request, error.problems, 404 if isinstance(error, InputError) else 500)


async def _missing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code != 404:
        return Response(f"{error.detail}\n", error.status_code, media_type="text/plain")
    problem = Problem("there is no such page", found=request.url.path, hint="begin at /")
    return _problems(request, (problem,), 404)


async def _broken(request: Request, error: Exception) -> Response:
    hint = "the terminal has the details; please report them"
    problem = Problem("this is a mistake of the harness, not of yours", hint=hint)
    return _problems(request, (problem,), 500)


Handler = Callable[[Request, Exception], Awaitable[Response]]
ERRORS: Mapping[Any, Handler] = {
    HarnessError: _refused,
    HTTPException: _missing,
    Exception: _broken,
}
