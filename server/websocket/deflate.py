"""permessage-deflate (RFC 7692), without context takeover. Pure.

No message is compressed with the help of an earlier one. So a compressed message is
the same for everybody with the same window, is compressed once for all of them, and
no connection keeps a zlib state.

One compressor serves a window size for ever: Z_FULL_FLUSH ends each message and
forgets it (zlib manual), which costs an eighth of making a new compressor.
"""

import re
import zlib
from typing import Final, NamedTuple

from hubbub.codes import Close
from hubbub.server.websocket.frames import ProtocolError

TAIL: Final = b"\x00\x00\xff\xff"
"""What a flush ends with and the wire leaves out (section 7.2.1)."""
WINDOWS: Final = (15, 14, 13, 12, 11, 10, 9)
"""Window sizes, as powers of two, that zlib can compress for; 8 it cannot."""

_LEVEL: Final = 6
_PARAMETER: Final = re.compile(r'([a-z_]+)(?:="?([0-9]{1,2})"?)?')
_NAME: Final = "permessage-deflate"


class Agreement(NamedTuple):
    """What client and server have agreed on.

    Only the server's window is part of it: what a client compresses is inflated with
    the largest, which fits all.
    """

    window: int
    """Our window: a value of WINDOWS."""
    answer: str
    """The value of Sec-WebSocket-Extensions."""


def negotiate(offers: str) -> Agreement | None:
    """Choose the first offer that can be kept (section 5.1).

    Args:
        offers: all of the client's Sec-WebSocket-Extensions, joined by commas.

    Returns:
        The agreement; None: messages are not compressed.
    """
    for offer in offers.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name.lower() == _NAME:
            agreement = _consider(parameters)
            if agreement is not None:
                return agreement
    return None


def _consider(parameters: list[str]) -> Agreement | None:
    window, seen = WINDOWS[0], set[str]()
    for parameter in parameters:
        match = _PARAMETER.fullmatch(parameter.lower())
        if match is None or match[1] in seen:
            return None
        name, value = match[1], match[2]
        seen.add(name)
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            if value is not None:
                return None
        elif name == "server_max_window_bits":
            if value is None or value.startswith("0") or int(value) not in WINDOWS:
                return None
            window = int(value)
        elif name == "client_max_window_bits":
            # The client may be told a window; we leave it the largest (7.1.2.2).
            if value is not None and (
                value.startswith("0") or not 8 <= int(value) <= 15
            ):
                return None
        else:
            return None
    answer = f"{_NAME}; server_no_context_takeover; client_no_context_takeover"
    if "server_max_window_bits" in seen:
        answer += f"; server_max_window_bits={window}"
    return Agreement(window, answer)


class Compressor:
    """Compresses messages for one window size."""

    def __init__(self, window: int) -> None:
        self._zlib = zlib.compressobj(_LEVEL, zlib.DEFLATED, -window)

    def compress(self, payload: bytes) -> bytes:
        """Return `payload` compressed, independent of every other message."""
        data = self._zlib.compress(payload) + self._zlib.flush(zlib.Z_FULL_FLUSH)
        return data[: -len(TAIL)]


def inflate(payload: bytes, limit: int) -> bytes:
    """Return a compressed message as it was.

    Args:
        payload: as it stood in the frames of one message.
        limit: most bytes it may inflate to; no more than one above is allocated.

    Raises:
        ProtocolError: 1009 over the limit, 1007 for what does not inflate.
    """
    state = zlib.decompressobj(-WINDOWS[0])
    try:
        # One byte over the limit is asked for: a message of exactly the limit may
        # leave its end-of-block unread.
        data = state.decompress(payload + TAIL, limit + 1)
    except zlib.error:
        raise ProtocolError(Close.INVALID_DATA, "not compressed data") from None
    if len(data) > limit:
        raise ProtocolError(Close.TOO_BIG)
    return data
