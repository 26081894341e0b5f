"""How a call to a server can end badly, and what that means for the rest of a run."""

from __future__ import annotations


class CallError(Exception):
    """One request got no answer. The text is for people and holds no key."""


class Refused(CallError):
    """The server will not answer this request, however often it is asked (4xx)."""

    def __init__(self, status: int, message: str, parameter: str = "") -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status
        self.message = message
        self.parameter = parameter


class Faulty(CallError):
    """The server is there and fails (5xx, 429, cut connections), after all retries."""


class Slow(CallError):
    """No answer in the time that a request has; asking again would only add to the load."""


class Unreachable(CallError):
    """Nobody answers at this address, after all retries."""


class Page(CallError):
    """A page for people came back where JSON belongs: this is another kind of server."""
