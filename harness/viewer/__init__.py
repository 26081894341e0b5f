"""Pages on a port of this machine: a store looked at in a browser."""

from harness.viewer.pages import Asset, page
from harness.viewer.server import PORT, Server

__all__ = ["PORT", "Asset", "Server", "page"]
