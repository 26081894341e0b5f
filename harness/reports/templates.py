"""Pages that open offline: one look, one environment of templates, one policy."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from harness.common import (
    duration,
    joined,
    moment,
    percent,
    plural,
    points,
    points_span,
    probability,
    span,
    visible,
)
from harness.reports.terms import TERMS, explained, term
from harness.reports.words import because, label

FILTERS = {
    "because": because,
    "duration": duration,
    "explained": explained,
    "joined": joined,
    "label": label,
    "moment": moment,
    "percent": percent,
    "plural": plural,
    "points": points,
    "points_span": points_span,
    "probability": probability,
    "span": span,
}


def page_style() -> str:
    """Return the style that all pages share."""
    return asset("harness.reports.html", "page.css")


@cache
def asset(package: str, name: str) -> str:
    """Read a text file in a package's `assets`."""
    return (files(package) / "assets" / name).read_text("utf-8")


@cache
def template(package: str, name: str) -> Template:
    """Read a template in a package's `assets`: it escapes everything, and knows `FILTERS`."""
    environment = Environment(
        loader=PackageLoader(package, "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters.update(FILTERS)
    environment.globals.update(term=term, terms=TERMS)
    return environment.get_template(name)


def content_policy(style: str, script: str = "", *, pictures: bool = False) -> str:
    """Return a Content-Security-Policy: nothing is fetched, only these two may run.

    `pictures` allows those that are written into the page itself.
    """
    parts = ["default-src 'none'", f"style-src '{_hash(style)}'"]
    parts += [f"script-src '{_hash(script)}'"] if script else []
    parts += ["img-src data:"] if pictures else []
    return "; ".join([*parts, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
