"""The plain dialect: every message is relayed, byte for byte.

Text is a native string and the other way round; a native value that is no string
comes out as its JSON text.
"""

from hubbub.server.dialects.message import Kind, Message
from hubbub.server.websocket.frames import BINARY, TEXT, encode_frame


def encode_message(room: str, message: Message) -> bytes:
    """Return `message` as the frame that plain members get."""
    return encode_frame(
        BINARY if message.kind == Kind.BINARY else TEXT, message.payload
    )
