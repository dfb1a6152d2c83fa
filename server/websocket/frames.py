"""Frames a server sends, and the errors of those it receives (RFC 6455 section 5).

A server never masks (section 5.1) and, here, never fragments: what it sends is one
frame a message, encoded once for all who get it.
"""

from typing import Final

from hubbub.codes import CLOSES, Close

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

_FIN: Final = 0x80
_RSV1: Final = 0x40
MAX_CONTROL_PAYLOAD: Final = 125
"""Largest payload of a control frame (section 5.5)."""


class ProtocolError(Exception):
    """The peer broke a rule of the WebSocket protocol.

    Attributes:
        code: the close code to send.
        reason: short text for the close frame.
    """

    def __init__(self, code: Close, reason: str = "") -> None:
        self.code = code
        self.reason = reason or CLOSES[code].reason
        super().__init__(f"{code.value} {self.reason}")


SMALL_HEADS: Final = tuple(
    tuple(bytes((_FIN | opcode, size)) for size in range(126)) for opcode in range(16)
)
"""Heads of frames of up to 125 bytes, by opcode and size."""


def encode_frame(opcode: int, payload: bytes, compressed: bool = False) -> bytes:
    """Return `payload` as one final, unmasked frame.

    Args:
        opcode: TEXT, BINARY or a control opcode.
        payload: as it goes on the wire.
        compressed: mark it as compressed (RSV1, RFC 7692 section 6).
    """
    size = len(payload)
    if compressed:
        opcode |= _RSV1
        if size < 126:
            return bytes((_FIN | opcode, size)) + payload
    if size < 126:
        return SMALL_HEADS[opcode][size] + payload
    if size < 65536:
        return bytes((_FIN | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_FIN | opcode, 127)) + size.to_bytes(8, "big") + payload


def encode_close(code: int, reason: str = "") -> bytes:
    """Return a close frame; a reason too long for it is cut at a character.

    1005 stands for "no code" and must not be sent (section 7.4.1): what `parse_close`
    said of an empty close frame becomes an empty close frame again.
    """
    if code == 1005:
        return encode_frame(CLOSE, b"")
    text = reason.encode()[: MAX_CONTROL_PAYLOAD - 2]
    text = text.decode(errors="ignore").encode()
    return encode_frame(CLOSE, code.to_bytes(2, "big") + text)


def valid_close_code(code: int) -> bool:
    """Return whether a peer may send `code` (RFC 6455 section 7.4, IANA registry).

    1004-1006 and 1015 are never sent; 1012-1014 were registered later and may be;
    what is below 1000 or in 1016-2999 is unassigned.
    """
    return 3000 <= code <= 4999 or (
        1000 <= code <= 1014 and code not in (1004, 1005, 1006)
    )


def parse_close(payload: bytes) -> tuple[int, str]:
    """Return code and reason of a close frame's payload; (1005, "") when empty.

    Raises:
        ProtocolError: 1002 for a bad length or code, 1007 for a bad reason.
    """
    if not payload:
        return 1005, ""
    if len(payload) == 1:
        raise ProtocolError(Close.PROTOCOL_ERROR, "close frame of one byte")
    code = int.from_bytes(payload[:2], "big")
    if not valid_close_code(code):
        raise ProtocolError(Close.PROTOCOL_ERROR, "invalid close code")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise ProtocolError(Close.INVALID_DATA) from None
