"""What workers say to each other: length-prefixed, versioned msgpack. Pure.

    frame   = length (4 bytes, big endian: of what follows) version type body
    HELLO   [slot, generation, cluster]      first frame of a link, both ways
    PUBLISH [room, kind, sender, payload]    a message for the receiver's members
    GAP     [frames, [room, ...] or nil]     frames that were never sent to you;
                                             nil: too many rooms to name

The type stands outside the payload, so that no client's bytes can become a command.
Element counts are limited as well as bytes: one megabyte of empty arrays would
unpack to 65.
"""

from typing import Final

import msgpack

VERSION: Final = 1
HELLO: Final = 1
PUBLISH: Final = 2
GAP: Final = 3

MOST_ROOMS: Final = 256
"""Rooms that a GAP names; more are told as nil."""
TORN: Final = 512 * 1024
"""Longest frame that is torn on purpose, bytes."""
TORN_ROOM: Final = "torn"
"""The room that nobody hears anything in when frames are torn."""
_HEAD: Final = 6
_SHAPES: Final[dict[int, tuple[tuple[type, ...], ...]]] = {
    HELLO: ((int,), (int,), (str,)),
    PUBLISH: ((str,), (int,), (str,), (bytes,)),
    GAP: ((int,), (list, type(None))),
}

Body = list[object]


class BusError(Exception):
    """A peer sent bytes that are no frame of this version; its link is cut."""


def encode(kind: int, *fields: object) -> bytes:
    """Return one frame."""
    body: bytes = msgpack.packb(fields)
    return b"%b%c%c%b" % ((len(body) + 2).to_bytes(4, "big"), VERSION, kind, body)


def torn_frame(most: int, offset: int | None) -> bytes:
    """Return the beginning of a large frame: TORN bytes, or as long as frames get.

    Its payload is a row of whole frames: a reader that takes up the stream in the
    middle of it would hear what nobody said.

    Args:
        most: longest frame, as for FrameReader.
        offset: how much of it, bytes, at most all but its last one; None: half.
    """
    inner = encode(PUBLISH, TORN_ROOM, 1, TORN_ROOM, b"never said")
    size = min(TORN, most)
    payload = inner * ((size - len(inner)) // len(inner))
    frame = encode(PUBLISH, TORN_ROOM, 1, TORN_ROOM, payload)
    return frame[: len(frame) // 2 if offset is None else min(offset, len(frame) - 1)]


def decode_body(kind: int, body: bytes) -> Body:
    """Return the fields of a frame's body.

    Raises:
        BusError: it is not msgpack, too large in some count, or of another shape.
    """
    try:
        fields = msgpack.unpackb(
            body, max_array_len=MOST_ROOMS, max_map_len=0, max_ext_len=0
        )
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise BusError(f"bad body: {error}") from None
    shape = _SHAPES.get(kind)
    if shape is None:
        raise BusError(f"unknown frame type {kind}")
    if not isinstance(fields, list) or len(fields) != len(shape):
        raise BusError("wrong number of fields")
    for value, types in zip(fields, shape, strict=True):
        if type(value) not in types:
            raise BusError("field of a wrong type")
    return fields


def decode_frame(frame: bytes) -> tuple[int, Body]:
    """Return type and fields of one encoded frame of ours."""
    return frame[5], decode_body(frame[5], frame[_HEAD:])


class FrameReader:
    """Cuts the bytes of a link into frames.

    Args:
        most: longest frame, checked before anything is kept for it.
    """

    __slots__ = ("_most", "_tail")

    def __init__(self, most: int) -> None:
        self._most = most
        self._tail = b""

    def feed(self, data: bytes) -> list[tuple[int, Body]]:
        """Take the next bytes; return (type, fields) of the frames they complete.

        Raises:
            BusError: the stream is not a stream of frames; nothing after it counts.
        """
        if self._tail:
            data = self._tail + data
        frames: list[tuple[int, Body]] = []
        at, end = 0, len(data)
        while end - at >= _HEAD:
            length = int.from_bytes(data[at : at + 4], "big")
            if not 2 < length <= self._most:
                raise BusError(f"frame of {length} bytes")
            if data[at + 4] != VERSION:
                raise BusError(f"frame of version {data[at + 4]}, not {VERSION}")
            stop = at + 4 + length
            if stop > end:
                break
            frames.append(
                (data[at + 5], decode_body(data[at + 5], data[at + 6 : stop]))
            )
            at = stop
        self._tail = data[at:]
        return frames
