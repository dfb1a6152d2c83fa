"""The plain dialect: every message is relayed, byte for byte.

Text is a native string and the other way round; a native value that is no string
comes out as its JSON text.
"""

from typing import Final

from hubbub.server.dialects.message import Message
from hubbub.server.websocket.frames import (
    BINARY,
    MAX_CONTROL_PAYLOAD,
    SMALL_HEADS,
    TEXT,
    encode_frame,
)

_OPCODES: Final = (0, TEXT, BINARY, TEXT)
"""By Kind, of which none is 0."""
_HEADS: Final = tuple(SMALL_HEADS[opcode] for opcode in _OPCODES)


def encode(message: Message) -> bytes:
    """Return `message` as the frame that plain members get."""
    payload = message.payload
    if len(payload) <= MAX_CONTROL_PAYLOAD:
        return _HEADS[message.kind][len(payload)] + payload
    return encode_frame(*encode_message("", message))


def encode_message(room: str, message: Message) -> tuple[int, bytes]:
    """Return opcode and payload of `message` as plain members get it."""
    return _OPCODES[message.kind], message.payload
