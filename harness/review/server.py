"""The pages of a review: who judges, and one item after another."""

from __future__ import annotations

from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from harness.common import InputError
from harness.common.reading import parse_json
from harness.results import HIGHEST, LOWEST
from harness.review.session import Review
from harness.review.values import LONGEST_NOTE, LONGEST_RATER, check_rater
from harness.viewer import PORT, Asset, LocalServer, page

PACKAGE = "harness.review"
ASSETS: dict[str, Asset] = {
    "review.css": (PACKAGE, "review.css"),
    "review.js": (PACKAGE, "review.js"),
}


def review_server(review: Review, run: str, rater: str = "", port: int = PORT) -> LocalServer:
    """Return the server of a review; without a rater's name the first page asks for one.

    Raises InputError for a port that cannot be had.
    """

    async def who(request: Request) -> Response:
        given = request.query_params.get("rater", rater)
        if given and (name := _name(given)):
            return RedirectResponse(f"/rate/{quote(name, safe='')}", 303)
        return page(
            request,
            "Review",
            PACKAGE,
            "who.html.jinja",
            styles=("review.css",),
            run=run,
            count=len(review.items),
            refused=given,
            longest=LONGEST_RATER,
        )

    async def rate(request: Request) -> Response:
        name = check_rater(request.path_params["rater"])
        return page(
            request,
            "Review",
            PACKAGE,
            "rate.html.jinja",
            styles=("review.css",),
            scripts=("review.js",),
            run=run,
            rater=name,
            first=await run_in_threadpool(review.first_open, name),
            scores=range(LOWEST, HIGHEST + 1),
            longest=LONGEST_NOTE,
        )

    async def item(request: Request) -> Response:
        name, number = check_rater(request.path_params["rater"]), request.path_params["number"]
        if number >= len(review.items):
            return JSONResponse({"problem": "there is no such item"}, 404)
        if request.method == "POST":
            try:
                said = parse_json((await request.body()).decode("utf-8", "replace"), "the page")
                await run_in_threadpool(review.say, name, number, said)
            except InputError as error:
                return JSONResponse({"problem": str(error)}, 400)
        return JSONResponse(await run_in_threadpool(review.view, name, number))

    async def undo(request: Request) -> Response:
        name = check_rater(request.path_params["rater"])
        number = await run_in_threadpool(review.undo, name)
        if number is None:
            return JSONResponse({"problem": "there is nothing to undo"}, 400)
        return JSONResponse(await run_in_threadpool(review.view, name, number))

    routes = (
        Route("/", who),
        Route("/rate/{rater}", rate),
        Route("/rate/{rater}/items/{number:int}", item, methods=["GET", "POST"]),
        Route("/rate/{rater}/undo", undo, methods=["POST"]),
    )
    return LocalServer(routes, port=port, assets=ASSETS)


def _name(text: str) -> str:
    """Return a rater's name without spaces around it; empty for one that is none."""
    try:
        return check_rater(text.strip())
    except InputError:
        return ""
