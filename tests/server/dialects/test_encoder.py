"""One encoding for all members of a variant."""

import pytest

from hubbub.server.dialects.encoder import VARIANTS, Encoder, variant_of
from hubbub.server.dialects.message import Dialect, Kind, Message
from hubbub.server.websocket.deflate import WINDOWS, inflate


def text(size: int) -> Message:
    return Message(Kind.TEXT, b"x" * size, "m")


def test_variants_are_numbers_without_gaps() -> None:
    windows = [None, *WINDOWS]
    found = {variant_of(dialect, window) for dialect in Dialect for window in windows}
    assert found == set(range(VARIANTS))
    assert variant_of(Dialect.JSON, None) == Dialect.JSON


@pytest.mark.parametrize("size", [255, 256])
def test_small_messages_are_not_compressed(size: int) -> None:
    variant = variant_of(Dialect.PLAIN, 15)
    data = Encoder(256).encode(variant, "r", [text(size)])
    assert bool(data[0] & 0x40) == (size >= 256)


def test_what_does_not_get_smaller_is_sent_as_it_is() -> None:
    payload = bytes(range(256)) * 2
    noise = bytes((i * 7919 + i * i * 104729) % 251 for i in range(300))
    variant = variant_of(Dialect.PLAIN, 15)
    encoder = Encoder(256)
    assert encoder.frame(variant, 2, payload)[0] == 0xC2
    assert encoder.frame(variant, 2, noise)[0] in (0x82, 0xC2)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_batch_holds_a_frame_for_each_message(window: int) -> None:
    variant = variant_of(Dialect.PLAIN, window)
    data = Encoder(256).encode(variant, "r", [text(1000), text(10), text(1000)])
    seen = []
    while data:
        size, at = (data[1], 2)
        payload, data = data[at : at + size], data[at + size :] if size < 126 else b""
        seen.append(len(inflate(payload, 2000)) if payload[:1] != b"x" else size)
    assert seen == [1000, 10, 1000]
