"""What a server receives, by section of RFC 6455.

Frames are made here by the plainest code there is, so that nothing of the codec
under test vouches for itself. UTF-8 is in test_decoder_text.py; how bytes arrive,
limits and memory in test_decoder_reads.py; a second opinion on all of it in
test_decoder_against_wsproto.py.
"""

import random
import sys
from collections.abc import Iterable, Iterator

import pytest

from hubbub.codes import Close
from hubbub.server.websocket.decoder import Decoder, Event, unmask
from hubbub.server.websocket.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from hubbub.settings import Limits

MASK = bytes.fromhex("37fa213d")
ROOMY = Limits(message=1 << 24, fragments=1 << 20)


def head(opcode: int, size: int, fin: bool = True, width: int | None = None) -> bytes:
    """Return a frame up to its mask; `width` bytes of extended length if given."""
    if width is None:
        width = 0 if size < 126 else 2 if size < 65536 else 8
    first = opcode | (0x80 if fin else 0)
    if not width:
        return bytes((first, 0x80 | size))
    return bytes((first, 0x80 | {2: 126, 8: 127}[width])) + size.to_bytes(width, "big")


def frame(
    opcode: int, payload: bytes = b"", fin: bool = True, mask: bytes = MASK
) -> bytes:
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return head(opcode, len(payload), fin) + mask + masked


def decode(
    reads: bytes | Iterable[bytes], limits: Limits = ROOMY
) -> tuple[list[Event], Close | None]:
    """Return all events of these reads, and the code of the failure."""
    decoder = Decoder(limits)
    events: list[Event] = []
    for read in [reads] if isinstance(reads, bytes) else reads:
        events += decoder.feed(read)
    return events, decoder.failure.code if decoder.failure else None


def each_byte(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


# Section 5.2: base framing

LENGTHS = [0, 1, 2, 124, 125, 126, 127, 128, 65535, 65536, 65537]


@pytest.mark.parametrize("size", [*LENGTHS, 1 << 20])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_client_sends_a_message_of_each_length_form(opcode: int, size: int) -> None:
    payload = (b"0123456789abcde" * (size // 15 + 1))[:size]
    assert decode(frame(opcode, payload)) == ([(opcode, payload)], None)


@pytest.mark.parametrize(
    ("size", "width"),
    [(0, 2), (1, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65535, 8)],
)
def test_client_sends_a_length_in_a_longer_form_than_needed(
    size: int, width: int
) -> None:
    wrong = head(BINARY, size, width=width)
    assert decode(wrong) == ([], Close.PROTOCOL_ERROR)


@pytest.mark.parametrize("size", [1 << 63, (1 << 63) + 1, (1 << 64) - 1])
def test_client_sends_a_length_with_its_highest_bit_set(size: int) -> None:
    no_limit = Limits(message=1 << 70)
    assert decode(head(BINARY, size), no_limit) == ([], Close.PROTOCOL_ERROR)


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG])
def test_client_sets_a_reserved_bit(opcode: int, rsv: int) -> None:
    start = frame(TEXT, b"a", fin=False) if opcode == CONTINUATION else b""
    bad = bytes((0x80 | rsv << 4 | opcode, 0x80))
    assert decode(start + bad) == ([], Close.PROTOCOL_ERROR)


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_client_sends_a_reserved_opcode(opcode: int, fin: bool) -> None:
    assert decode(head(opcode, 0, fin)) == ([], Close.PROTOCOL_ERROR)
    inside = frame(TEXT, b"a", fin=False) + head(opcode, 0, fin)
    assert decode(inside) == ([], Close.PROTOCOL_ERROR)


# Section 5.1 and 5.3: masking


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127])
@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG])
def test_client_sends_an_unmasked_frame(opcode: int, size: int) -> None:
    bad = bytes((0x80 | opcode, size))
    assert decode(bad) == ([], Close.PROTOCOL_ERROR)
    assert decode(bad + bytes(200)) == ([], Close.PROTOCOL_ERROR)


def test_client_sends_the_example_of_section_5_7() -> None:
    hello = bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")
    assert decode(hello) == ([(TEXT, b"Hello")], None)


@pytest.mark.parametrize("mask", ["00000000", "ffffffff", "00ff00ff", "01020304"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 125, 126, 300])
def test_any_mask_gives_the_payload_back(mask: str, size: int) -> None:
    key, payload = bytes.fromhex(mask), random.Random(size).randbytes(size)
    data = frame(BINARY, payload, mask=key)
    assert decode(data) == ([(BINARY, payload)], None)
    assert decode(each_byte(data)) == ([(BINARY, payload)], None)
    masked = data[-size:] if size else b""
    assert unmask(masked, key) == payload
    assert unmask(payload, key) == masked


def test_each_frame_has_a_mask_of_its_own() -> None:
    masks = [bytes((n, n * 3 % 256, 255 - n, 7)) for n in range(256)]
    data = b"".join(
        frame(CONTINUATION if n else BINARY, bytes((n,)) * 3, n == 255, mask)
        for n, mask in enumerate(masks)
    )
    whole = b"".join(bytes((n,)) * 3 for n in range(256))
    assert decode(data) == ([(BINARY, whole)], None)


# Section 5.4: fragmentation


@pytest.mark.parametrize(
    "parts",
    [(b"a", b"b"), (b"", b""), (b"", b"b"), (b"a", b""), (b"a", b"", b"b", b"", b"")],
)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_client_sends_a_message_in_fragments(
    opcode: int, parts: tuple[bytes, ...]
) -> None:
    last = len(parts) - 1
    data = b"".join(
        frame(CONTINUATION if n else opcode, part, n == last)
        for n, part in enumerate(parts)
    )
    assert decode(data) == ([(opcode, b"".join(parts))], None)


def test_control_frames_come_between_fragments_and_are_told_at_once() -> None:
    decoder = Decoder(ROOMY)
    for data, events in [
        (frame(TEXT, b"a", fin=False), []),
        (frame(PING, b"1"), [(PING, b"1")]),
        (frame(CONTINUATION, b"b", fin=False) + frame(PONG), [(PONG, b"")]),
        (frame(PING, b"2") + frame(PING, b"3"), [(PING, b"2"), (PING, b"3")]),
        (frame(CONTINUATION, b"c"), [(TEXT, b"abc")]),
        (frame(BINARY, b"d"), [(BINARY, b"d")]),
    ]:
        assert decoder.feed(data) == events


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("size", [0, 1, 126])
def test_client_continues_nothing(size: int, fin: bool) -> None:
    bad = head(CONTINUATION, size, fin)
    assert decode(bad) == ([], Close.PROTOCOL_ERROR)
    after = frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b") + bad
    assert decode(after) == ([(TEXT, b"ab")], Close.PROTOCOL_ERROR)
    assert decode(frame(PING) + bad) == ([(PING, b"")], Close.PROTOCOL_ERROR)


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("second", [TEXT, BINARY])
@pytest.mark.parametrize("first", [TEXT, BINARY])
def test_client_begins_a_message_inside_a_message(
    first: int, second: int, fin: bool
) -> None:
    start = frame(first, b"a", fin=False)
    bad = head(second, 5, fin)
    assert decode(start + bad) == ([], Close.PROTOCOL_ERROR)
    assert decode(start + frame(PING) + bad) == ([(PING, b"")], Close.PROTOCOL_ERROR)


# Section 5.5: control frames


@pytest.mark.parametrize("size", [0, 1, 124, 125])
@pytest.mark.parametrize("opcode", [PING, PONG])
def test_client_sends_a_control_frame_of_any_bytes(opcode: int, size: int) -> None:
    payload = b"\xff" * size
    assert decode(frame(opcode, payload)) == ([(opcode, payload)], None)


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_client_sends_a_long_control_frame_and_is_refused_at_its_head(
    opcode: int,
) -> None:
    for second in (126, 127):
        bad = bytes((0x80 | opcode, 0x80 | second))
        assert decode(bad) == ([], Close.PROTOCOL_ERROR)


@pytest.mark.parametrize("size", [0, 1, 125])
@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_client_fragments_a_control_frame(opcode: int, size: int) -> None:
    assert decode(head(opcode, size, fin=False)) == ([], Close.PROTOCOL_ERROR)


# Sections 5.5.1 and 7.4: close


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x0f\xa0" + b"r" * 123])
def test_nothing_after_a_close_frame_is_looked_at(payload: bytes) -> None:
    decoder = Decoder(ROOMY)
    after = frame(TEXT, b"late") + b"\xff" * 20 + frame(CLOSE)
    begun = frame(TEXT, b"x", fin=False)
    assert decoder.feed(begun + frame(CLOSE, payload) + after) == [(CLOSE, payload)]
    for read in (after, *each_byte(after), head(BINARY, 1 << 40), b""):
        assert decoder.feed(read) == []
    assert decoder.failure is None
    assert not decoder.in_progress


def test_client_sends_each_close_code() -> None:
    allowed = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
    for code in range(5001):
        payload = code.to_bytes(2, "big")
        events, failure = decode(frame(CLOSE, payload))
        if code in allowed:
            assert (events, failure) == ([(CLOSE, payload)], None)
        else:
            assert (events, failure) == ([], Close.PROTOCOL_ERROR)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\x03", Close.PROTOCOL_ERROR),
        (b"\x03\xe8\xff", Close.INVALID_DATA),
        (b"\x03\xe8\xe2\x82", Close.INVALID_DATA),
        (b"\x03\xe8\xed\xa0\x80", Close.INVALID_DATA),
        (b"\x03\xed\xff", Close.PROTOCOL_ERROR),
    ],
)
def test_client_sends_a_bad_close_payload(payload: bytes, code: Close) -> None:
    assert decode(frame(CLOSE, payload) + frame(PING)) == ([], code)


# Section 7.1.7: fail the connection


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"\xff\xff", Close.PROTOCOL_ERROR),
        (frame(TEXT, b"\xff"), Close.INVALID_DATA),
        (frame(CLOSE, b"x"), Close.PROTOCOL_ERROR),
        (head(BINARY, 1 << 40), Close.TOO_BIG),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), Close.PROTOCOL_ERROR),
        (frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION), Close.INVALID_DATA),
        (head(TEXT, 1000) + MASK + b"\xc8" * 9, Close.INVALID_DATA),
    ],
)
def test_events_before_a_failure_are_told_and_nothing_after_it(
    bad: bytes, code: Close
) -> None:
    before = [(TEXT, b"one"), (PING, b"two"), (BINARY, b"x" * 300), (TEXT, b"four")]
    start = b"".join(frame(opcode, payload) for opcode, payload in before)
    after = frame(TEXT, b"late") + frame(PING) + frame(CLOSE)
    decoder = Decoder(ROOMY)
    assert decoder.feed(start + bad + after) == before
    failure = decoder.failure
    assert failure is not None
    assert failure.code == code
    for read in (after, b"\xff\xff", *each_byte(after)):
        assert decoder.feed(read) == []
    assert decoder.failure is failure
    assert not decoder.in_progress


def test_a_failure_keeps_nothing_of_what_was_received() -> None:
    data = frame(BINARY, bytes(100)) + frame(TEXT, b"\xff" * 100)
    references = sys.getrefcount(data)
    decoder = Decoder(ROOMY)
    decoder.feed(data)
    assert decoder.failure is not None
    assert decoder.failure.__traceback__ is None
    assert decoder.failure.__context__ is None
    assert sys.getrefcount(data) == references
