"""How long to wait before a request is sent again."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_WAIT = 0.5  # seconds; doubled with each try, as the openai client does
LONGEST_WAIT = 30.0
# A server may ask for hours (a quota of the day): that is told, and not waited for.
LONGEST_PROMISE = 120.0


def back_off(tries: int) -> float:
    """Seconds before the next try, after `tries` failed ones; half of it is chance.

    Chance keeps requests that failed together from coming back together.
    """
    longest = min(FIRST_WAIT * 2.0 ** min(tries - 1, 10), LONGEST_WAIT)
    return longest * random.uniform(0.5, 1.0)


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3); None without a usable one.

    It is a number of seconds or a date.
    """
    text = (header or "").strip()
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())
