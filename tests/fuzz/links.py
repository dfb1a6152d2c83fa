"""Bytes on a link of the bus: frames, and what a torn or mad peer may write."""

from random import Random
from typing import Final

import msgpack

from hubbub.server.bus.wire import GAP, HELLO, MOST_ROOMS, PUBLISH, encode
from tests.fuzz.mutation import mutate

_ROOMS: Final = ("lobby", "here", "", "x" * 300, "ź")
_PAYLOADS: Final = (b"", b"text", b"\xff\xfe", b"[1,2]", b"x" * 3000, b"\x81" * 9)
_BODIES: Final = (
    b"",
    b"\xc1",
    b"\xdd\xff\xff\xff\xff",
    b"\x94" + b"\x90" * 4,
    b"\x91" * 2000,
    b"\xdc\x01\x00" + b"\x90" * 256,
    b"\xdc\x01\x01" + b"\x90" * 257,
    b"\x84" + b"\x01\x02" * 4,
    b"\xd6\xff" + bytes(4),
    b"\x94\xa2\xff\xfe\x01\xa1m\xc4\x01x",
    b"\x94\xa5lobby\xcf" + b"\xff" * 8 + b"\xa1m\xc4\x01x",
    b"\x90\x90",
)


def frame(random: Random) -> bytes:
    """Return one frame, most often a good one."""
    way = random.randrange(10)
    if way < 5:
        return encode(
            PUBLISH,
            random.choice(_ROOMS),
            random.randrange(-1, 5) if random.random() < 0.2 else random.randrange(3),
            "member",
            random.choice(_PAYLOADS),
        )
    if way == 5:
        rooms = random.choice((None, [], ["lobby"], [1, None, b"\xff"], ["a"] * 300))
        count = random.choice((0, 1, -1, 1 << 40, 1 << 48, (1 << 64) - 1))
        return encode(GAP, count, rooms[:MOST_ROOMS] if rooms else rooms)
    if way == 6:
        return encode(HELLO, random.randrange(3), random.randrange(3), "a cluster")
    if way == 7:
        fields = [None, 1, "a", b"b", [], 1.5, True]
        body = msgpack.packb(random.choices(fields, k=random.randrange(6)))
        return _framed(random.randrange(1, 5), body)
    if way == 8:
        return _framed(random.randrange(6), random.choice(_BODIES))
    return random.randbytes(random.choice((1, 5, 6, 40)))


def _framed(kind: int, body: bytes) -> bytes:
    return (len(body) + 2).to_bytes(4, "big") + bytes((1, kind)) + body


def stream(random: Random) -> bytes:
    """Return what comes over a link after its hello."""
    frames = [frame(random) for _ in range(random.randrange(1, 8))]
    data = b"".join(frames)
    return mutate(random, data, frames) if random.random() < 0.5 else data
