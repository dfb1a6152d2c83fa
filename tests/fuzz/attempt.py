"""What one fuzzed client does, and what must become of it."""

from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

from hubbub.server.websocket.decoder import Decoder
from hubbub.server.websocket.frames import CLOSE
from hubbub.settings import Limits
from tests.e2e.raw import upgrade
from tests.fuzz import handshakes
from tests.fuzz.commands import command_json, command_msgpack
from tests.fuzz.frames import BINARY, TEXT, compress, frame, stream
from tests.fuzz.mutation import cut

STATUSES: Final = frozenset((101, 200, 400, 403, 404, 405, 413, 414, 426, 431, 505))
CUT: Final = "cut"
"""The connection ended without a close frame: we ended our side first."""
_OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
_ROOMS = 8
"""Rooms that fuzzed clients share, so that they hear each other."""
_PLAIN, _JSON, _MSGPACK = "plain", "json", "msgpack"


class Attempt(NamedTuple):
    """One connection."""

    name: str
    """What it is, for people."""
    pieces: list[bytes]
    """What it writes, each in a write of its own; then it ends its side."""
    ends: frozenset[object]
    """What may become of it: an HTTP status, a close code, or CUT."""
    dialect: str = ""
    """What it hears, once upgraded; empty: a bad handshake, hears nothing."""
    deflate: bool = False
    """Whether it hears compressed messages."""


def handshake(random: Random) -> Attempt:
    """Return an opening handshake that went wrong somewhere."""
    name, pieces = handshakes.pieces(random)
    return Attempt(name, pieces, STATUSES | {CUT})


def frames(random: Random) -> Attempt:
    """Return a good opening handshake and then frames that may not be good."""
    dialect = random.choice((_PLAIN, _PLAIN, _JSON, _MSGPACK))
    deflate = random.random() < 0.5
    room = f"fuzz-{random.randrange(_ROOMS)}"
    data = stream(random, deflate)
    joined = b""
    if dialect == _PLAIN:
        path, lines = f"/rooms/{room}", ""
    else:
        path, lines = "/ws", f"Sec-WebSocket-Protocol: hubbub.v1.{dialect}\r\n"
        joined, data = _native(random, dialect, room, deflate, data)
    request = upgrade(path, lines + (_OFFER if deflate else ""))
    ends = _ends(joined + data, deflate)
    if dialect != _PLAIN:
        # A message of the other opcode, and too many bad ones.
        ends |= {1003, 1008}
    # The handshake alone: an early frame that ends the connection is answered in the
    # same read, which S21 has enough of.
    pieces = [request, *cut(random, joined + data)]
    return Attempt(dialect, pieces, ends, dialect, deflate)


def _native(
    random: Random, dialect: str, room: str, deflate: bool, noise: bytes
) -> tuple[bytes, bytes]:
    """Return the frame that joins `room` and what follows it."""
    text = dialect == _JSON
    opcode = TEXT if text else BINARY
    maker: Callable[[Random], bytes] = command_json if text else command_msgpack

    def framed(command: bytes) -> bytes:
        if deflate and random.random() < 0.5:
            return frame(random, opcode, compress(command), reserved=4)
        return frame(random, opcode, command)

    join = (
        b'{"type":"join","room":"%s"}' % room.encode()
        if text
        else b"\x82\xa4type\xa4join\xa4room" + bytes([0xA0 + len(room)]) + room.encode()
    )
    if random.random() < 0.3:
        return framed(join), noise
    commands = [framed(maker(random)) for _ in range(random.randrange(1, 20))]
    return framed(join), b"".join(commands)


def _ends(data: bytes, deflate: bool) -> frozenset[object]:
    """Return what must become of a connection that sends `data`: the decoder, whose
    own tests compare it with another one, knows."""
    decoder = Decoder(Limits(), deflate)
    events = decoder.feed(data)
    while decoder.more:
        events += decoder.feed(b"")
    if decoder.failure is not None:
        return frozenset((int(decoder.failure.code),))
    if events and events[-1][0] == CLOSE:
        code = events[-1][1][:2]
        return frozenset((int.from_bytes(code, "big") if code else 1005,))
    return frozenset((CUT,))


KINDS: Final = {"handshakes": handshake, "frames": frames}
