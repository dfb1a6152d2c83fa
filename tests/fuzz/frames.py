"""Streams of frames: well-formed ones, and all the ways of not being it."""

import zlib
from collections.abc import Callable
from random import Random
from typing import Final

from tests.fuzz.mutation import mutate

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_SIZES: Final = (0, 1, 2, 5, 30, 124, 125, 126, 127, 1000, 4095, 4096, 4097, 65536)
_WORDS: Final = ("a", "lobby", "zażółć", "gęślą", "日本語", "👍🏽", "\x00", '{"a":1}')
_BAD_TEXT: Final = (
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\x80",
    b"good \xce\xba\xe1\xbd\xb9\xcf\x83",
    b"ends early \xe2\x82",
)
_CODES: Final = (0, 999, 1000, 1001, 1004, 1005, 1006, 1007, 1011, 1015, 2999, 3000)
_CODES_ABOVE: Final = (4000, 4999, 5000, 65535)
Payload = Callable[[Random], bytes]


def frame(
    random: Random,
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    declared: int | None = None,
    width: int = 0,
) -> bytes:
    """Return one frame.

    Args:
        random: of the case; gives the mask.
        opcode: 0 to 15.
        payload: before masking.
        fin: whether it ends its message.
        reserved: the bits RSV1 to RSV3, 0 to 7.
        masked: whether it is masked, as a client's must be.
        declared: the length it claims to have; None: the payload's.
        width: bytes of the extended length; 0: the shortest form.
    """
    size = len(payload) if declared is None else declared
    if not width:
        width = 0 if size < 126 else 2 if size < 65536 else 8
    bit = 0x80 if masked else 0
    head = bytes([fin << 7 | reserved << 4 | opcode])
    if width:
        head += bytes([bit | (126 if width == 2 else 127)])
        head += size.to_bytes(width, "big")
    else:
        head += bytes([bit | size])
    if not masked:
        return head + payload
    mask = random.randbytes(4)
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    body = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return head + mask + body.to_bytes(len(payload), "big")


def compress(data: bytes) -> bytes:
    """Return a message as permessage-deflate carries it."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -15)
    return (squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]


def text(random: Random) -> bytes:
    """Return a valid text."""
    words = random.choices(_WORDS, k=random.randrange(6))
    return "".join(words).encode()


def payload(random: Random) -> bytes:
    """Return bytes of an interesting length."""
    return random.choice((b"x", b"\xff", b"[")) * random.choice(_SIZES)


def _message(random: Random, deflate: bool) -> bytes:
    opcode = random.choice((TEXT, BINARY))
    data = text(random) if opcode == TEXT else payload(random)
    if deflate and random.random() < 0.5:
        return frame(random, opcode, compress(data), reserved=4)
    return frame(random, opcode, data)


def _fragments(random: Random, deflate: bool) -> bytes:
    opcode = random.choice((TEXT, BINARY))
    data = random.choice((text, payload))(random)[:3000]
    reserved = 0
    if deflate and random.random() < 0.5:
        data, reserved = compress(data), 4
    parts = bytearray()
    at, count = 0, random.choice((2, 2, 3, 10, 20))
    for number in range(count):
        last = number == count - 1
        size = len(data) - at if last else random.randrange(len(data) - at + 1)
        first = not number
        parts += frame(
            random,
            opcode if first else CONTINUATION,
            data[at : at + size],
            fin=last,
            reserved=reserved if first else 0,
        )
        at += size
        if random.random() < 0.2:
            parts += frame(random, PING, b"between")
    return bytes(parts)


def _control(random: Random, deflate: bool) -> bytes:
    opcode = random.choice((PING, PING, PONG))
    return frame(random, opcode, payload(random)[:125])


def _close(random: Random, deflate: bool) -> bytes:
    code = random.choice(_CODES + _CODES_ABOVE).to_bytes(2, "big")
    reason = random.choice((b"", b"bye", "żegnaj".encode(), *_BAD_TEXT))
    return frame(random, CLOSE, random.choice((b"", b"\x03", code, code + reason)))


def _bad_text(random: Random, deflate: bool) -> bytes:
    data = text(random) + random.choice(_BAD_TEXT)
    if deflate and random.random() < 0.5:
        return frame(random, TEXT, compress(data), reserved=4)
    half = random.randrange(len(data) + 1)
    return frame(random, TEXT, data[:half], fin=False) + frame(
        random, CONTINUATION, data[half:]
    )


def _bad_length(random: Random, deflate: bool) -> bytes:
    size = random.choice((0, 125, 126, 65535, 65536, 1 << 40, (1 << 63) - 1, 1 << 63))
    width = 8 if size > 65535 else random.choice((2, 8))
    opcode = random.choice((TEXT, BINARY, CONTINUATION, CLOSE, PING))
    return frame(random, opcode, b"abc", declared=size, width=width)


def _bad_head(random: Random, deflate: bool) -> bytes:
    return frame(
        random,
        random.randrange(16),
        payload(random)[:200],
        fin=random.random() < 0.7,
        reserved=random.choice((0, 0, 1, 2, 4, 6, 7)),
        masked=random.random() < 0.8,
    )


def _bad_compressed(random: Random, deflate: bool) -> bytes:
    data = random.choice(
        (
            random.randbytes(random.randrange(60)),
            mutate(random, compress(payload(random))),
            compress(payload(random))[:-1],
            compress(b"\x00" * (1 << 20)),
            compress(text(random) + random.choice(_BAD_TEXT)),
        )
    )
    return frame(random, random.choice((TEXT, BINARY)), data, reserved=4)


def _crumbs(random: Random, deflate: bool) -> bytes:
    """Return a message of more fragments than any limit."""
    first = frame(random, random.choice((TEXT, BINARY)), b"a", fin=False)
    return first + frame(random, CONTINUATION, b"a", fin=False) * 1100


def _noise(random: Random, deflate: bool) -> bytes:
    return random.randbytes(random.choice((1, 2, 6, 14, 200)))


_WELL = (_message, _message, _message, _fragments, _control)
_ILL = (_bad_text, _bad_length, _bad_head, _bad_compressed, _crumbs, _noise, _close)


def stream(random: Random, deflate: bool = False) -> bytes:
    """Return the bytes of one client after its opening handshake.

    Args:
        random: of the case.
        deflate: whether permessage-deflate was negotiated.
    """
    parts = [
        random.choice(_WELL)(random, deflate) for _ in range(random.randrange(1, 8))
    ]
    way = random.randrange(4)
    if way == 1:
        parts.append(random.choice(_ILL)(random, deflate))
        parts.append(random.choice(_WELL)(random, deflate))
    data = b"".join(parts)
    if way == 2:
        return mutate(random, data)
    if way == 3:
        at = random.randrange(len(parts))
        parts[at] = mutate(random, parts[at])
        return b"".join(parts)
    return data
