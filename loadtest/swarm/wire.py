"""What the run and its processes of mass clients say to each other.

Length-prefixed msgpack over a stream socket pair. To a process:

    {"do": "ramp", "start": ns, "end": ns}        connect everybody, evenly spread
    {"do": "speak", "start": ns, "end": ns}       publish at the plan's rate
    {"do": "drop"}                                lose all connections at once, return
    {"do": "sleep"}                               seats that sleep stop reading
    {"do": "totals"}                              → totals
    {"do": "settle", "senders": {...}, "until": ns}   → final, when nothing is missing
    {"do": "end"}                                 close everything and exit

From a process: {"is": "second"|"ramped"|"totals"|"final", ...}.
"""

import socket
from typing import Any, Final

import msgpack

_HEAD: Final = 4
_LARGEST: Final = 1 << 28

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """Return one message as it is sent."""
    body: bytes = msgpack.packb(message)
    return len(body).to_bytes(_HEAD, "big") + body


class Reader:
    """Cuts what comes into messages."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes; return the messages they complete."""
        self._data += data
        messages = []
        while len(self._data) >= _HEAD:
            size = int.from_bytes(self._data[:_HEAD], "big")
            assert size <= _LARGEST
            if len(self._data) < _HEAD + size:
                break
            body = bytes(self._data[_HEAD : _HEAD + size])
            del self._data[: _HEAD + size]
            messages.append(msgpack.unpackb(body, strict_map_key=False))
        return messages


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of the connection between a run and one of its processes."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
