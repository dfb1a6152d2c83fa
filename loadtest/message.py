"""What a load message holds: enough to tell where, whose, which and when. Pure.

One binary message of a fixed size; integers little endian, times in nanoseconds of
CLOCK_MONOTONIC, which all processes of a machine share:

    magic   4 bytes   HbL1
    room    4         number of the room it was said in
    sender  4         who said it; a sender that lost its connection goes on as another
    number  8         counts the sender's messages, from 1
    due     8         when it was to be sent
    sent    8         when it was sent
    before  8         when the sender's last message was sent, 0 for its first
    check   4         CRC-32 of all before and after it
    filler  the rest  bytes that depend on sender and number

`before` lets a member judge the first message it gets of a sender without asking
anybody: if the one before it was sent after the join was answered, it is missing.
"""

from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

MAGIC: Final = b"HbL1"
HEAD: Final = Struct("<4sIIQQQQI")
SMALLEST: Final = HEAD.size
"""Bytes of a message without filler."""
_CHECK: Final = HEAD.size - 4
_DUE: Final = 20
_FILLER: Final = bytes(range(33, 127)) * 2


class Head(NamedTuple):
    """The fields of a message, in the order of its bytes."""

    magic: bytes
    room: int
    sender: int
    number: int
    due: int
    sent: int
    before: int
    check: int


def filler(sender: int, number: int, size: int) -> bytes:
    """Return `size` bytes that belong to one message."""
    start = (sender * 31 + number) % 94
    return (_FILLER[start : start + 94] * (size // 94 + 1))[:size]


def encode(
    room: int, sender: int, number: int, due: int, sent: int, before: int, size: int
) -> bytes:
    """Return a message of `size` bytes, at least SMALLEST."""
    rest = filler(sender, number, size - SMALLEST)
    head = HEAD.pack(MAGIC, room, sender, number, due, sent, before, 0)[:_CHECK]
    check = crc32(rest, crc32(head))
    return head + check.to_bytes(4, "little") + rest


def decode(payload: bytes) -> Head | None:
    """Return the fields of a message; None for what is none of ours."""
    if len(payload) < SMALLEST or not payload.startswith(MAGIC):
        return None
    return Head._make(HEAD.unpack_from(payload))


def due(payload: bytes) -> int:
    """Return when a message, known to be one, was to be sent."""
    return int.from_bytes(payload[_DUE : _DUE + 8], "little")


def intact(payload: bytes, head: Head) -> bool:
    """Return whether `payload`, decoded as `head`, holds what its sender sent."""
    rest = payload[SMALLEST:]
    return head.check == crc32(rest, crc32(payload[:_CHECK])) and rest == filler(
        head.sender, head.number, len(rest)
    )
