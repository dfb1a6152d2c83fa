"""How members of a peer's rooms come, speak and hear: its bytes on the wire."""

import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hubbub.loadtest.bench.connect import connect, request
from hubbub.loadtest.bench.crowd import DELIVERED, MESSAGE, SPOKEN
from hubbub.loadtest.bench.row import Invalid
from hubbub.server.websocket.frames import TEXT, encode_frame

_PATIENCE = 10.0
_AT_ONCE = 128
"""Members that are greeted at a time."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What a generator must know of a server."""

    path: str = "/rooms/{room}"
    spoken: bytes = SPOKEN
    """What a speaker sends of one message."""
    delivered: bytes = DELIVERED
    """What each member gets of one message, to the byte."""
    echo: bool = False
    """Whether who speaks hears it, too (there is no way around it)."""
    greet: Callable[[Sequence[tuple[socket.socket, bytes]]], None] | None = None
    """Makes members of connections, given with what came behind each one's 101."""


def arrive(port: int, wire: Wire, rooms: Sequence[str]) -> list[socket.socket]:
    """Return a member of each of `rooms`, in this order; all may speak.

    Raises:
        Invalid: a connection was refused, closed, or not answered within 10 s.
    """
    made: dict[int, tuple[socket.socket, bytes]] = {}

    def note(number: int, sock: socket.socket, answer: bytes) -> None:
        made[number] = sock, answer.partition(b"\r\n\r\n")[2]

    try:
        connect(
            port,
            (request(port, wire.path.format(room=room)) for room in rooms),
            note,
            greeted=wire.greet is not None,
        )
        members = [made[number] for number in range(len(made))]
        if wire.greet is not None:
            wire.greet(members)
    except Invalid:
        for sock, _ in made.values():
            sock.close()
        raise
    for sock, _ in members:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return [sock for sock, _ in members]


def _masked(payload: bytes) -> bytes:
    """Return a client's text frame of at most 125 bytes, masked with zeros."""
    return bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload


def _greet_socketio(members: Sequence[tuple[socket.socket, bytes]]) -> None:
    """Take Engine.IO's open packet, ask for the main namespace, take the answer.

    Raises:
        Invalid: something else came, or nothing for 10 s.
    """
    for first in range(0, len(members), _AT_ONCE):
        some = members[first : first + _AT_ONCE]
        for sock, read in some:
            _take_frame(sock, b"0{", read)
            sock.send(_masked(b"40"))
        for sock, _ in some:
            _take_frame(sock, b"40{")


def _take_frame(sock: socket.socket, start: bytes, read: bytes = b"") -> None:
    """Read one frame, whose payload begins with `start`, and nothing else."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    end = time.monotonic() + _PATIENCE
    while len(read) < 2 or len(read) < _length(read):
        if not poll.poll((end - time.monotonic()) * 1000):
            raise Invalid("a member was not greeted for 10 s")
        more = sock.recv(4096)
        if not more:
            raise Invalid("the server closed a connection that it should greet")
        read += more
    payload = read[4:] if read[1] == 126 else read[2:]
    if len(read) != _length(read) or not payload.startswith(start):
        raise Invalid(f"a member was greeted with {read[:60]!r}")


def _length(read: bytes) -> int:
    """Return the length of a server's frame that begins with `read`."""
    if read[1] == 126:
        return 4 + int.from_bytes(read[2:4], "big") if len(read) >= 4 else 4
    return 2 + read[1]


PLAIN = Wire()
"""A WebSocket for each room, and what is said is what the others hear."""
ECHOING = Wire(echo=True)
"""The same, but nobody can be left out."""
_TEXT = "x" * MESSAGE
SOCKETIO = Wire(
    path="/socket.io/?EIO=4&transport=websocket&room={room}",
    spoken=_masked(f'42["say","{_TEXT}"]'.encode()),
    delivered=encode_frame(TEXT, f'42["say","{_TEXT}"]'.encode()),
    greet=_greet_socketio,
)
"""Socket.IO's protocol 5 on Engine.IO's protocol 4, WebSocket from the first byte."""
