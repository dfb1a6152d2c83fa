"""Frames as a client sees them: masked to send, unmasked to read. Pure."""

from typing import Final

BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

_MASK: Final = 0x80
_LARGEST: Final = 1 << 30


class BadFrame(Exception):
    """The server sent what is no frame of a server (RFC 6455 section 5)."""


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame; the mask is zeros, which is valid and free.

    A browser's mask is random, against proxies that could be tricked; there is none
    between us and the server, whose work is the same for any mask.
    """
    size = len(payload)
    first = bytes((0x80 | opcode,))
    if size < 126:
        length = bytes((_MASK | size,))
    elif size < 65536:
        length = bytes((_MASK | 126,)) + size.to_bytes(2, "big")
    else:
        length = bytes((_MASK | 127,)) + size.to_bytes(8, "big")
    return first + length + bytes(4) + payload


def head_size(payload: int) -> int:
    """Return the bytes before a payload of that size in a server's frame."""
    return 2 if payload < 126 else 4 if payload < 65536 else 10


def cut(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Cut received bytes into whole frames, (opcode, payload), and the rest.

    Raises:
        BadFrame: a frame is masked, fragmented, compressed or absurdly long.
    """
    frames = []
    at, end = 0, len(data)
    while end - at >= 2:
        first, size = data[at], data[at + 1]
        if first & 0xF0 != 0x80 or size & _MASK:
            raise BadFrame(f"a frame that begins with {data[at : at + 2].hex()}")
        body = at + 2
        if size > 125:
            width = 2 if size == 126 else 8
            if end - body < width:
                break
            size = int.from_bytes(data[body : body + width], "big")
            body += width
            if size > _LARGEST:
                raise BadFrame(f"a frame of {size} bytes")
        if end - body < size:
            break
        frames.append((first & 15, data[body : body + size]))
        at = body + size
    return frames, data[at:]
