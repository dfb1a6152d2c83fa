"""Which web pages may connect: the Origin header against a list.

A browser sends the origin of the page; a page of another site that opens a
WebSocket here is stopped by this list and by nothing else (RFC 6455 section 10.2).
Programs send what they like or nothing: the list does not keep them out.

Origins are compared as (scheme, host, port), never as text: no prefix, suffix or
pattern, so that `example.com.evil.example` is just another host.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

_ORIGIN: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)"
    r"(?::([0-9]{1,5}))?"
)
_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Origin(NamedTuple):
    """An origin in the form in which two are the same or not."""

    scheme: str
    """In lower case."""
    host: str
    """In lower case."""
    port: int | None
    """The scheme's own where none was given; None if it has none."""


def parse_origin(text: str) -> Origin | None:
    """Return the origin that `text` is; None for `null` and all that is none.

    A path, even a mere `/`, a user or a `*` is not part of an origin.
    """
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    scheme = match[1].lower()
    port = int(match[3]) if match[3] else _PORTS.get(scheme)
    return Origin(scheme, match[2].lower(), port)


def origin_allowed(text: str, origins: tuple[str, ...]) -> bool:
    """Say whether the Origin header `text` is one of `origins`; if empty, any is."""
    return not origins or parse_origin(text) in _parsed(origins)


@lru_cache(maxsize=8)
def _parsed(origins: tuple[str, ...]) -> frozenset[Origin]:
    # What is no origin is left out, so that it allows nothing: `null` in the list
    # must not let every sandboxed page in. The settings' loader tells people.
    parsed = (parse_origin(text) for text in origins)
    return frozenset(origin for origin in parsed if origin is not None)
