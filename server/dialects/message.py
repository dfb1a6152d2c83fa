"""A room message, whatever dialect it came in.

Three kinds go in and come out of every dialect: text, binary, and any other JSON
value. The payload is what crosses the bus; each dialect encodes it once for all its
members in a room.
"""

from enum import IntEnum

from msgspec import Struct


class Kind(IntEnum):
    """What the payload of a message is."""

    TEXT = 1
    """UTF-8 text: a text message of the plain dialect, a string of the native one."""
    BINARY = 2
    """Bytes: a binary message of the plain dialect, `bin` in MessagePack."""
    JSON = 3
    """The JSON text of any value but a string."""


class Dialect(IntEnum):
    """What the bytes of a connection's messages mean."""

    PLAIN = 0
    JSON = 1
    MSGPACK = 2


class Message(Struct, gc=False):
    """One message of a room.

    Attributes:
        kind: what `payload` is, a value of Kind.
        payload: the message, checked to be representable in every dialect.
        sender: the member that published it ("" where nobody did).
    """

    kind: int
    payload: bytes
    sender: str
