"""Text is valid UTF-8, whatever its fragments and reads (RFC 6455 section 8.1).

Makes frames as test_decoder.py does (test modules import nothing of each other).
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest

from hubbub.codes import Close
from hubbub.server.websocket.decoder import Decoder, Event
from hubbub.server.websocket.frames import BINARY, CONTINUATION, PING, TEXT
from hubbub.settings import Limits

MASK = bytes.fromhex("37fa213d")
LIMITS = Limits()


def head(opcode: int, size: int, fin: bool = True) -> bytes:
    """Return a frame up to its mask."""
    first = opcode | (0x80 if fin else 0)
    if size < 126:
        return bytes((first, 0x80 | size))
    return bytes((first, 0xFE)) + size.to_bytes(2, "big")


def frame(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    masked = bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))
    return head(opcode, len(payload), fin) + MASK + masked


def decode(
    reads: bytes | Iterable[bytes], limits: Limits = LIMITS
) -> tuple[list[Event], Close | None]:
    """Return all events of these reads, and the code of the failure."""
    decoder = Decoder(limits)
    events: list[Event] = []
    for read in [reads] if isinstance(reads, bytes) else reads:
        events += decoder.feed(read)
    return events, decoder.failure.code if decoder.failure else None


def in_two(opcode: int, payload: bytes, at: int) -> bytes:
    """Return a message of two fragments, cut at this offset of its payload."""
    rest = frame(CONTINUATION, payload[at:])
    return frame(opcode, payload[:at], fin=False) + rest


def each_byte(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def cut(data: bytes, *offsets: int) -> list[bytes]:
    ends = (0, *offsets, len(data))
    return [data[a:b] for a, b in pairwise(ends)]


# The second number says how many bytes it takes to know that no valid text begins so.
BAD_UTF8 = [
    ("continuation without a start", "80", 1),
    ("continuation without a start", "bf", 1),
    ("continuation after a character", "c3 a9 a9", 3),
    ("start of two, then ASCII", "c3 28", 2),
    ("start of two, then a start", "c3 c3", 2),
    ("start of three, then ASCII", "e2 28 a1", 2),
    ("start of three, one byte, then ASCII", "e2 82 28", 3),
    ("start of four, then ASCII", "f0 28 8c bc", 2),
    ("start of four, one byte, then ASCII", "f0 90 28 bc", 3),
    ("start of four, two bytes, then ASCII", "f0 9f 98 41", 4),
    ("overlong NUL", "c0 80", 1),
    ("overlong slash of two", "c0 af", 1),
    ("overlong U+007F", "c1 bf", 1),
    ("overlong slash of three", "e0 80 af", 2),
    ("overlong U+07FF", "e0 9f bf", 2),
    ("overlong slash of four", "f0 80 80 af", 2),
    ("overlong U+FFFF", "f0 8f bf bf", 2),
    ("first surrogate", "ed a0 80", 2),
    ("last high surrogate", "ed af bf", 2),
    ("first low surrogate", "ed b0 80", 2),
    ("last surrogate", "ed bf bf", 2),
    ("pair of surrogates (CESU-8)", "ed a0 bd ed b8 80", 2),
    ("U+110000", "f4 90 80 80", 2),
    ("U+13FFFF", "f4 bf bf bf", 2),
    ("U+140000", "f5 80 80 80", 1),
    ("form of five bytes", "f8 88 80 80 80", 1),
    ("form of six bytes", "fc 84 80 80 80 80", 1),
    ("byte that never occurs", "fe", 1),
    ("byte that never occurs", "ff", 1),
]
BEFORE = "aé€😀".encode()
GOOD_UTF8 = (
    "\0 \x7f \x80 \u07ff \u0800 \ud7ff \ue000 \ufeff \ufffd \ufffe \uffff"
    " \U00010000 \U0010ffff"
).split(" ")


@pytest.mark.parametrize("text", GOOD_UTF8)
def test_client_sends_characters_at_the_edges_of_utf8(text: str) -> None:
    payload = text.encode() * 2
    for at in range(len(payload) + 1):
        parts = in_two(TEXT, payload, at)
        assert decode(parts) == ([(TEXT, payload)], None)
        assert decode(each_byte(parts)) == ([(TEXT, payload)], None)
    assert decode(frame(TEXT, payload)) == ([(TEXT, payload)], None)


@pytest.mark.parametrize(("what", "bad", "needed"), BAD_UTF8)
def test_client_sends_bad_utf8(what: str, bad: str, needed: int) -> None:
    sequence = bytes.fromhex(bad)
    long = b"x" * 200 + sequence
    for payload in (sequence, BEFORE + sequence, sequence + BEFORE, long):
        assert decode(frame(TEXT, payload)) == ([], Close.INVALID_DATA)
        assert decode(frame(BINARY, payload)) == ([(BINARY, payload)], None)
        for at in range(len(payload) + 1):
            parts = in_two(TEXT, payload, at)
            assert decode(parts) == ([], Close.INVALID_DATA)
            assert decode(cut(frame(TEXT, payload), at)) == ([], Close.INVALID_DATA)


@pytest.mark.parametrize("size", [100, 1000, 60_000])
@pytest.mark.parametrize(("what", "bad", "needed"), BAD_UTF8)
def test_bad_utf8_is_refused_inside_the_frame_at_the_first_wrong_byte(
    what: str, bad: str, needed: int, size: int
) -> None:
    # Of a long frame only the beginning arrives (Autobahn 6.4 asks for the same).
    sent = BEFORE + bytes.fromhex(bad)
    start = head(TEXT, size)
    masked = frame(TEXT, sent)[6:]
    decoder = Decoder(LIMITS)
    decoder.feed(start + MASK)
    for at, byte in enumerate(each_byte(masked)):
        assert (decoder.failure is None) == (at < len(BEFORE) + needed), at
        decoder.feed(byte)
    assert decoder.failure is not None
    assert decoder.failure.code == Close.INVALID_DATA
    at = len(BEFORE) + needed
    assert decode(start + MASK + masked[: at - 1]) == ([], None)
    assert decode(start + MASK + masked[:at]) == ([], Close.INVALID_DATA)


@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_a_message_ends_inside_a_character(character: str) -> None:
    for size in range(1, len(character.encode())):
        part = b"ok" + character.encode()[:size]
        ends = [
            frame(TEXT, part),
            frame(TEXT, part, fin=False) + frame(CONTINUATION),
            frame(TEXT, b"", fin=False) + frame(CONTINUATION, part),
        ]
        for data in ends:
            assert decode(data) == ([], Close.INVALID_DATA)
            assert decode(each_byte(data)) == ([], Close.INVALID_DATA)


def test_a_character_is_not_continued_in_the_next_message() -> None:
    first, second = frame(TEXT, "€".encode()[:2]), frame(TEXT, "€".encode()[2:])
    assert decode(first + second) == ([], Close.INVALID_DATA)
    assert decode(frame(TEXT, b"ok") + second) == ([(TEXT, b"ok")], Close.INVALID_DATA)


def test_control_frames_between_the_bytes_of_a_character_are_not_text() -> None:
    data = b"".join(
        frame(CONTINUATION if n else TEXT, b, fin=False) + frame(PING, b"\xff")
        for n, b in enumerate(each_byte("😀".encode()))
    )
    events = [(PING, b"\xff")] * 4 + [(TEXT, "😀".encode())]
    assert decode(data + frame(CONTINUATION)) == (events, None)
    assert decode(each_byte(data + frame(CONTINUATION))) == (events, None)
