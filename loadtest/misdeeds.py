"""What bad clients do to a server, and how they find out what it thought of that.

Each misdeed takes one connection and is over by itself; sizes and times are bounded.
What it returns is what the server answered, in a few words: "HTTP 400", "closed 1002",
"cut off" (it ended the connection without a word), "no answer", "held back" (it reads
a flood no faster than it wants to), "taken".
"""

import random
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from hubbub.loadtest.swarm.frames import CLOSE, PONG, BadFrame, cut, masked

_PATIENCE: Final = 8.0
"""Seconds that a server has for its answer."""
_FLOOD_TIME: Final = 3.0
_FLOOD: Final = 4 << 20
"""Bytes of a flood."""
_CHUNK: Final = 64 << 10
_LETTER: Final = 0.2
"""Seconds between two bytes of a slow handshake."""
_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
_LONGEST: Final = 1 << 16
_TEXT: Final = 1
_BINARY: Final = 2
_PING: Final = 9

NO_ANSWER: Final = "no answer"
CUT_OFF: Final = "cut off"
HELD_BACK: Final = "held back"
TAKEN: Final = "taken"


class Line:
    """A connection of a bad client.

    Args:
        stream: to the server.
        host: for the Host header.
        path: of a room nobody else is in.
        chance: of what is left to it.
    """

    def __init__(
        self, stream: trio.SocketStream, host: str, path: str, chance: random.Random
    ) -> None:
        self.chance = chance
        self._stream = stream
        self._data = b""
        self.request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {_KEY}\r\n\r\n"
        ).encode()

    async def say(self, data: bytes) -> bool:
        """Send bytes; return whether the connection still takes any."""
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            return False
        return True

    async def join(self) -> None:
        """Make a proper opening handshake; what goes wrong is seen by what follows."""
        await self.say(self.request)
        while b"\r\n\r\n" not in self._data and await self._hear():
            pass
        self._data = self._data.partition(b"\r\n\r\n")[2]

    async def status(self) -> str:
        """Return what the server answers to a request."""
        while b"\r\n" not in self._data and await self._hear():
            pass
        first = self._data.partition(b"\r\n")[0].split(b" ")
        if len(first) < 2 or not first[0].startswith(b"HTTP/"):
            return CUT_OFF
        return f"HTTP {first[1][:3].decode('latin-1')}"

    async def code(self) -> str:
        """Return how the server ends a WebSocket."""
        while True:
            try:
                frames, self._data = cut(self._data)
            except BadFrame:
                return "no WebSocket frame"
            for opcode, payload in frames:
                if opcode == CLOSE:
                    return f"closed {int.from_bytes(payload[:2], 'big') or 1005}"
                if opcode == PONG and payload == b"end":
                    return TAKEN
            if not await self._hear():
                return CUT_OFF

    async def _hear(self) -> bool:
        if len(self._data) > _LONGEST:
            return False
        try:
            data = await self._stream.receive_some(_CHUNK)
        except trio.BrokenResourceError:
            return False
        self._data += data
        return bool(data)


Misdeed = Callable[[Line], Awaitable[str]]


async def _no_http(line: Line) -> str:
    await line.say(line.chance.randbytes(400) + b"\r\n\r\n")
    return await line.status()


async def _half_a_handshake(line: Line) -> str:
    await line.say(line.request[: line.chance.randrange(len(line.request) - 2)])
    return "left"


async def _no_upgrade(line: Line) -> str:
    await line.say(line.request.replace(b"Version: 13", b"Version: 99"))
    return await line.status()


async def _endless_headers(line: Line) -> str:
    head = line.request[:-2]
    await line.say(head + b"X-More: " + b"x" * (1 << 20) + b"\r\n\r\n")
    return await line.status()


async def _slow_handshake(line: Line) -> str:
    for at in range(len(line.request)):
        with trio.move_on_after(_LETTER):
            return await line.status()
        if not await line.say(line.request[at : at + 1]):
            break
    return await line.status()


async def _garbage(line: Line) -> str:
    await line.join()
    await line.say(line.chance.randbytes(500))
    return await line.code()


async def _unmasked(line: Line) -> str:
    await line.join()
    await line.say(b"\x82\x05hello")
    return await line.code()


async def _oversized(line: Line) -> str:
    await line.join()
    await line.say(b"\x82\xff" + (1 << 40).to_bytes(8, "big") + bytes(4) + b"begins")
    return await line.code()


async def _bad_text(line: Line) -> str:
    await line.join()
    await line.say(masked(_TEXT, b"\xc3\x28"))
    return await line.code()


async def _fragments(line: Line) -> str:
    await line.join()
    # First one that begins a message, then ever more of it, all empty.
    await line.say(b"\x02\x80" + bytes(4))
    for _ in range(16):
        if not await line.say((b"\x00\x80" + bytes(4)) * 1000):
            break
    return await line.code()


async def _message_flood(line: Line) -> str:
    return await _flood(line, masked(_BINARY, bytes(100)))


async def _ping_flood(line: Line) -> str:
    return await _flood(line, masked(_PING, bytes(125)))


async def _flood(line: Line, frame: bytes) -> str:
    """Say the same as fast as it is taken, and hear nothing meanwhile."""
    await line.join()
    chunk = frame * (_CHUNK // len(frame))
    with trio.move_on_after(_FLOOD_TIME) as time:
        for _ in range(_FLOOD // len(chunk)):
            if not await line.say(chunk):
                return await line.code()
        await line.say(masked(_PING, b"end"))
    return HELD_BACK if time.cancelled_caught else await line.code()


MISDEEDS: Final[dict[str, Misdeed]] = {
    "no HTTP": _no_http,
    "half a handshake": _half_a_handshake,
    "bad upgrade": _no_upgrade,
    "endless header": _endless_headers,
    "slow handshake": _slow_handshake,
    "garbage frames": _garbage,
    "unmasked frame": _unmasked,
    "oversized frame": _oversized,
    "bad UTF-8": _bad_text,
    "endless fragments": _fragments,
    "message flood": _message_flood,
    "ping flood": _ping_flood,
}
"""What each is called, and does."""


async def commit(
    misdeed: Misdeed,
    address: tuple[str, int],
    host: str,
    path: str,
    chance: random.Random,
) -> str:
    """Do one misdeed on a connection of its own.

    Args:
        misdeed: one of MISDEEDS.
        address: of the server, numeric.
        host: for the Host header.
        path: of a room nobody else is in.
        chance: of what is left to it.

    Returns:
        What the server answered, in a few words.
    """
    try:
        stream = await trio.open_tcp_stream(*address)
    except OSError:
        return "refused"
    with trio.move_on_after(_PATIENCE):
        async with stream:
            return await misdeed(Line(stream, host, path, chance))
    return NO_ANSWER
