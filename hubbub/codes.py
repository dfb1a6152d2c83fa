"""Everything that can go wrong for a client, each with its number.

Three tables: close codes of a WebSocket (RFC 6455 section 7.4 and two ranges of
our own), error codes of the native dialect, and exit codes of the command. Close
codes 4000-4499 mean "come back", 4500-4999 mean "stay away until something has
changed".
"""

from enum import IntEnum
from typing import NamedTuple


class Close(IntEnum):
    """Close codes that Hubbub sends."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTART = 1012
    OVERLOAD = 1013
    SLOW = 4008


class CloseRow(NamedTuple):
    """What a close code tells a client."""

    reason: str
    """Short text for the close frame, at most 123 bytes."""
    temporary: bool
    """Whether the same request may succeed later."""
    reconnect: bool
    """Whether a client should connect again by itself."""


CLOSES: dict[Close, CloseRow] = {
    Close.NORMAL: CloseRow("goodbye", False, False),
    Close.GOING_AWAY: CloseRow("server going away", True, True),
    Close.PROTOCOL_ERROR: CloseRow("protocol error", False, False),
    Close.UNSUPPORTED_DATA: CloseRow("message type not accepted here", False, False),
    Close.INVALID_DATA: CloseRow("invalid UTF-8", False, False),
    Close.POLICY: CloseRow("policy violation", False, False),
    Close.TOO_BIG: CloseRow("message too big", False, False),
    Close.INTERNAL: CloseRow("internal error", True, True),
    Close.RESTART: CloseRow("worker restarting", True, True),
    Close.OVERLOAD: CloseRow("overloaded, try again later", True, True),
    Close.SLOW: CloseRow("reading too slowly", True, True),
}


class ErrorRow(NamedTuple):
    """What an `error` message of the native dialect tells a client."""

    reason: str
    """One sentence for people."""
    temporary: bool
    """Whether the same command may succeed later (the message's `retry`)."""
    reconnect: bool
    """Whether the client should connect again before it retries."""


ERRORS: dict[str, ErrorRow] = {
    "bad_json": ErrorRow("the message is not valid JSON", False, False),
    "bad_msgpack": ErrorRow("the message is not valid MessagePack", False, False),
    "bad_command": ErrorRow("the command has a field that does not fit", False, False),
    "unknown_type": ErrorRow("there is no command of this type", False, False),
    "bad_room": ErrorRow(
        "a room's name has 1 to 164 characters of A-Z a-z 0-9 _ . : = @ , ; -",
        False,
        False,
    ),
    "bad_data": ErrorRow(
        "data needs valid UTF-8, finite numbers of 64 bits, string keys and at most "
        "32 levels",
        False,
        False,
    ),
    "not_member": ErrorRow("join the room first", False, False),
    "already_member": ErrorRow("the room is joined already", False, False),
    "too_many_rooms": ErrorRow("leave a room before joining another", False, False),
    "not_available": ErrorRow("this room keeps no history or presence", False, False),
}


class Exit(IntEnum):
    """Exit codes of the `hubbub` command."""

    CLEAN = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    ALL_SLOTS_FAILED = 70
    OUTGROWN = 75
    """Of a worker only: its memory was above the hard ceiling."""
