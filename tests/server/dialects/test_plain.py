"""What members of the plain dialect get."""

import pytest

from hubbub.server.dialects.message import Kind, Message
from hubbub.server.dialects.plain import encode_message
from hubbub.server.websocket.frames import encode_frame

TEXT, BINARY = b"\x81", b"\x82"


@pytest.mark.parametrize("payload", [b"", b"hello", "zażółć 🎈".encode(), b"a" * 125])
def test_text_is_relayed_byte_for_byte(payload: bytes) -> None:
    frame = encode_frame(*encode_message("lobby", Message(Kind.TEXT, payload, "m")))
    assert frame == TEXT + bytes([len(payload)]) + payload


@pytest.mark.parametrize("payload", [b"", b"\x00\xff\xfe", bytes(range(100))])
def test_binary_is_relayed_byte_for_byte(payload: bytes) -> None:
    frame = encode_frame(*encode_message("lobby", Message(Kind.BINARY, payload, "m")))
    assert frame == BINARY + bytes([len(payload)]) + payload


def test_a_native_value_comes_as_its_json_text() -> None:
    payload = b'{"a": [1, null]}'
    frame = encode_frame(*encode_message("lobby", Message(Kind.JSON, payload, "m")))
    assert frame == TEXT + bytes([len(payload)]) + payload


def test_nothing_of_sender_or_room_is_added() -> None:
    one = encode_frame(*encode_message("lobby", Message(Kind.TEXT, b"x", "m")))
    other = encode_frame(*encode_message("hall", Message(Kind.TEXT, b"x", "n")))
    assert one == other
