"""permessage-deflate by section of RFC 7692, and against `websockets` as a peer."""

import os
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from hubbub.codes import Close
from hubbub.server.websocket.decoder import Decoder
from hubbub.server.websocket.deflate import (
    WINDOWS,
    Compressor,
    inflate,
    negotiate,
)
from hubbub.server.websocket.frames import BINARY, TEXT, ProtocolError
from hubbub.settings import Limits

PLAIN = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def client_frame(first: int, payload: bytes) -> bytes:
    """Return a frame with a mask of zeroes."""
    size = len(payload)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65536:
        head = bytes((first, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


def squeezed(payload: bytes) -> bytes:
    return Compressor(15).compress(payload)


# Section 5: negotiation


@pytest.mark.parametrize(
    ("offers", "window", "answer"),
    [
        ("permessage-deflate", 15, PLAIN),
        ("permessage-deflate; client_max_window_bits", 15, PLAIN),
        ("permessage-deflate;client_max_window_bits=9", 15, PLAIN),
        ("x-other, Permessage-Deflate", 15, PLAIN),
        ("permessage-deflate; server_no_context_takeover", 15, PLAIN),
        (
            "permessage-deflate; server_max_window_bits=10",
            10,
            f"{PLAIN}; server_max_window_bits=10",
        ),
        (
            'permessage-deflate; server_max_window_bits="12"',
            12,
            f"{PLAIN}; server_max_window_bits=12",
        ),
        # zlib has no window of 2**8; the second offer can be kept.
        (
            "permessage-deflate; server_max_window_bits=8, permessage-deflate",
            15,
            PLAIN,
        ),
    ],
)
def test_the_first_offer_that_can_be_kept_is_taken(
    offers: str, window: int, answer: str
) -> None:
    agreement = negotiate(offers)
    assert agreement == (window, answer)


@pytest.mark.parametrize(
    "offers",
    [
        "",
        "x-webkit-deflate-frame",
        "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=" + "9" * 5000,
    ],
)
def test_offers_that_cannot_be_kept_are_declined(offers: str) -> None:
    assert negotiate(offers) is None


# Section 7: messages


@pytest.mark.parametrize("window", WINDOWS)
def test_messages_do_not_depend_on_each_other(window: int) -> None:
    compressor = Compressor(window)
    first, text = compressor.compress(b"hello " * 100), b"hello " * 100 + b"again"
    second = compressor.compress(text)
    assert inflate(second, 1000) == text, "without having seen the first"
    assert inflate(first, 1000) == b"hello " * 100
    alone = zlib.decompressobj(-window).decompress(second + b"\x00\x00\xff\xff")
    assert alone == text, "within the window that was agreed on"


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=5))
def test_an_independent_client_understands(payloads: list[bytes]) -> None:
    peer = PerMessageDeflate(True, True, 15, 15)
    compressor, decoder = Compressor(15), Decoder(Limits(), deflate=True)
    for payload in payloads:
        sent = Frame(Opcode.BINARY, compressor.compress(payload), rsv1=True)
        assert peer.decode(sent).data == payload
        got = peer.encode(Frame(Opcode.BINARY, payload))
        assert decoder.feed(client_frame(0xC2, bytes(got.data))) == [(BINARY, payload)]


def test_every_split_of_a_compressed_text_gives_the_same() -> None:
    text = "żółw 🐢 ".encode() * 30
    data = client_frame(0xC1, squeezed(text))
    for at in range(1, len(data)):
        decoder = Decoder(Limits(), deflate=True)
        assert decoder.feed(data[:at]) + decoder.feed(data[at:]) == [(TEXT, text)]
        assert decoder.failure is None


def test_fragments_are_inflated_as_one_message() -> None:
    text = b"fragmented " * 100
    data = squeezed(text)
    decoder = Decoder(Limits(), deflate=True)
    events = decoder.feed(
        client_frame(0x41, data[:5])
        + client_frame(0x89, b"ping between")
        + client_frame(0x00, data[5:9])
        + client_frame(0x80, data[9:])
    )
    assert events == [(9, b"ping between"), (TEXT, text)]


def test_uncompressed_messages_are_still_taken() -> None:
    decoder = Decoder(Limits(), deflate=True)
    assert decoder.feed(client_frame(0x81, b"plain")) == [(TEXT, b"plain")]


@pytest.mark.parametrize(
    ("first", "deflate"),
    [(0xC1, False), (0xA1, True), (0x91, True), (0xC0, True), (0xC9, True)],
    ids=["not negotiated", "rsv2", "rsv3", "continuation", "control"],
)
def test_the_bit_is_refused_where_it_has_no_place(first: int, deflate: bool) -> None:
    decoder = Decoder(Limits(), deflate)
    if first == 0xC0:
        decoder.feed(client_frame(0x41, squeezed(b"begun")))
    assert decoder.feed(client_frame(first, b"x")) == []
    assert decoder.failure is not None
    assert decoder.failure.code == Close.PROTOCOL_ERROR


# What it may cost


def test_a_bomb_is_not_inflated() -> None:
    limits = Limits()
    bomb = squeezed(bytes(64 << 20))
    assert len(bomb) < 70_000
    for declared in (limits, Limits(message=len(bomb) + 1)):
        decoder = Decoder(declared, deflate=True)
        data = client_frame(0xC2, bomb[:65000])
        tracemalloc.start()
        decoder.feed(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert decoder.failure is not None
        assert decoder.failure.code in (Close.TOO_BIG, Close.INVALID_DATA)
        # Unmasking takes five times the input; inflating no more than the limit.
        assert peak < 8 * limits.message


def test_what_inflates_to_much_is_taken_a_message_at_a_time() -> None:
    """64 KiB from a socket hold 760 messages of 64 KiB: fifty megabytes."""
    decoder = Decoder(Limits(), deflate=True)
    many = 64
    data = client_frame(0xC2, squeezed(bytes(65536))) * many
    counts = [len(decoder.feed(data))]
    while decoder.more:
        counts.append(len(decoder.feed(b"")))
    assert max(counts) <= 2
    assert sum(counts) == many


@pytest.mark.parametrize("size", [65535, 65536])
def test_a_message_of_the_limit_passes_however_it_compresses(size: int) -> None:
    for payload in (bytes(size), os.urandom(size)):
        decoder = Decoder(Limits(), deflate=True)
        data = client_frame(0xC2, squeezed(payload))
        assert decoder.feed(data) == [(BINARY, payload)]


def test_one_byte_more_is_refused() -> None:
    for payload in (bytes(65537), os.urandom(65537)):
        decoder = Decoder(Limits(), deflate=True)
        assert decoder.feed(client_frame(0xC2, squeezed(payload))) == []
        assert decoder.failure is not None
        assert decoder.failure.code == Close.TOO_BIG


def test_what_does_not_inflate_is_1007() -> None:
    with pytest.raises(ProtocolError) as caught:
        inflate(b"\xff\xff\xff", 100)
    assert caught.value.code == Close.INVALID_DATA


def test_compressed_text_must_be_utf8_too() -> None:
    for bad in (b"\xff" * 300, "ż".encode()[:1]):
        decoder = Decoder(Limits(), deflate=True)
        assert decoder.feed(client_frame(0xC1, squeezed(bad))) == []
        assert decoder.failure is not None
        assert decoder.failure.code == Close.INVALID_DATA
