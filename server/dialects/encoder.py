"""Messages of a room to the bytes of each kind of member.

What a member gets depends on its dialect and on what it has negotiated: the two make
its variant. A message is encoded once per variant present in the room, whoever gets it.
"""

from collections.abc import Callable, Sequence
from typing import Final

from hubbub.server.dialects import native, plain
from hubbub.server.dialects.message import Dialect, Message
from hubbub.server.websocket.deflate import WINDOWS, Compressor
from hubbub.server.websocket.frames import encode_frame

Payload = tuple[int, bytes]
"""Opcode and payload of a message."""

ENCODERS: Final[tuple[Callable[[str, Message], Payload], ...]] = (
    plain.encode_message,
    native.encode_message_json,
    native.encode_message_msgpack,
)
"""By Dialect: room name and message to what its members get."""

VARIANTS: Final = len(Dialect) * (1 + len(WINDOWS))


def variant_of(dialect: int, window: int | None) -> int:
    """Return the variant of a member.

    Args:
        dialect: a value of Dialect.
        window: the window its messages are compressed for, None: they are not.
    """
    turn = 0 if window is None else 1 + WINDOWS.index(window)
    return dialect + len(Dialect) * turn


class Encoder:
    """Encodes for all variants.

    Args:
        least: payload in bytes under which nothing is compressed.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._compressors: dict[int, Compressor] = {}

    def encode(self, variant: int, room: str, messages: Sequence[Message]) -> bytes:
        """Return `messages` of `room` as the bytes that members of `variant` get."""
        if not variant and len(messages) == 1:
            return plain.encode(messages[0])
        turn, dialect = divmod(variant, len(Dialect))
        encode = ENCODERS[dialect]
        if not turn:
            if len(messages) == 1:
                return encode_frame(*encode(room, messages[0]))
            return b"".join([encode_frame(*encode(room, one)) for one in messages])
        return b"".join([self._frame(turn, *encode(room, one)) for one in messages])

    def frame(self, variant: int, opcode: int, payload: bytes) -> bytes:
        """Return one message as the frame that members of `variant` get."""
        turn = variant // len(Dialect)
        return self._frame(turn, opcode, payload)

    def _frame(self, turn: int, opcode: int, payload: bytes) -> bytes:
        if not turn or len(payload) < self._least:
            return encode_frame(opcode, payload)
        compressor = self._compressors.get(turn)
        if compressor is None:
            compressor = self._compressors[turn] = Compressor(WINDOWS[turn - 1])
        compressed = compressor.compress(payload)
        if len(compressed) >= len(payload):
            return encode_frame(opcode, payload)
        return encode_frame(opcode, compressed, compressed=True)
