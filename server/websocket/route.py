"""Where a request goes: the paths of the public port.

Paths are compared as they were sent. Nothing is decoded, resolved or joined before,
so that no `//`, `..`, `%2F` or `%00` leads anywhere; only the name of a room is
percent-decoded, once, and its alphabet has none of them.
"""

from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from hubbub.server.rooms.name import LONGEST_NAME, valid_room
from hubbub.server.websocket.request import Refused

_ROOMS: Final = "/rooms/"


class Endpoint(Enum):
    """What answers on a path."""

    PLAIN = "plain"
    """`/rooms/<room>`: a WebSocket in the plain dialect."""
    NATIVE = "native"
    """`/ws`: a WebSocket in the native dialect."""
    ECHO = "echo"
    """`/echo`: a WebSocket that returns every message, where it is switched on."""
    HEALTH = "health"
    """`/healthz`: plain HTTP."""


class Route(NamedTuple):
    """Where a request goes."""

    endpoint: Endpoint
    room: str = ""
    """The room's name, decoded and valid; empty where the path names none."""


_ROUTES: Final = {
    "/ws": Route(Endpoint.NATIVE),
    "/echo": Route(Endpoint.ECHO),
    "/healthz": Route(Endpoint.HEALTH),
}


def route(path: str) -> Route:
    """Return where a request for `path` goes.

    Args:
        path: as sent, without the query.

    Raises:
        Refused: 404 for a path that is none of ours, 400 for a room's name that
            cannot be.
    """
    if path.startswith(_ROOMS):
        name = path[len(_ROOMS) :]
        if "%" in name:
            # A % that cannot be decoded stays, and no name has one.
            name = unquote_to_bytes(name).decode("latin-1")
        if not valid_room(name):
            raise Refused(
                400,
                f"Name a room with 1 to {LONGEST_NAME} characters of "
                "A-Z a-z 0-9 _ . : = @ , ; - after /rooms/.",
            )
        return Route(Endpoint.PLAIN, name)
    known = _ROUTES.get(path)
    if known is None:
        raise Refused(404, "There is nothing here; connect to /rooms/<room> or /ws.")
    return known
