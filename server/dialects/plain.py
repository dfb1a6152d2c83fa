"""The plain dialect: every message is relayed, byte for byte.

Text is a native string and the other way round; a native value that is no string
comes out as its JSON text.
"""

from typing import Final

from hubbub.server.dialects.message import Kind, Message
from hubbub.server.websocket.frames import BINARY, TEXT

_BINARY: Final = int(Kind.BINARY)


def encode_message(room: str, message: Message) -> tuple[int, bytes]:
    """Return opcode and payload of `message` as plain members get it."""
    return (BINARY if message.kind == _BINARY else TEXT), message.payload
