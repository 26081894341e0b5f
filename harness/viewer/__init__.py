"""Pages on a port of this machine: a store looked at in a browser."""

from harness.viewer.pages import Asset, Pager, link, page, page_number
from harness.viewer.routes import NAVIGATION, view_routes
from harness.viewer.server import PORT, LocalServer

__all__ = [
    "NAVIGATION",
    "PORT",
    "Asset",
    "LocalServer",
    "Pager",
    "link",
    "page",
    "page_number",
    "view_routes",
]
