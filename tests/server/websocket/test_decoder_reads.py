"""How bytes arrive: every split point, limits, what is in progress, and memory.

The rules of the protocol are in test_decoder.py, whose way to make frames this
module repeats (test modules import nothing of each other).
"""

import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import combinations, pairwise

import pytest

from hubbub.codes import Close
from hubbub.server.websocket.decoder import MOST_EVENTS, Decoder, Event
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


def cut(data: bytes, *offsets: int) -> list[bytes]:
    ends = (0, *offsets, len(data))
    return [data[a:b] for a, b in pairwise(ends)]


# Every split point: what arrives does not depend on how it arrives

NOTHING: list[Event] = []
EURO = "h€llo 😀 κόσμε".encode()
CORPUS: dict[str, tuple[bytes, list[Event], Close | None]] = {
    **{
        f"{opcode} of {size}": (
            frame(opcode, b"x" * size) + frame(PING, b"end"),
            [(opcode, b"x" * size), (PING, b"end")],
            None,
        )
        for opcode in (TEXT, BINARY)
        for size in (0, 1, 3, 4, 5, 125, 126, 127, 300)
    },
    **{
        f"control {opcode} of {size}": (
            frame(opcode, b"\x03\xe8" + b"y" * size) + frame(TEXT, b"end"),
            [(opcode, b"\x03\xe8" + b"y" * size), (TEXT, b"end")][
                : 1 if opcode == CLOSE else 2
            ],
            None,
        )
        for opcode in (CLOSE, PING, PONG)
        for size in (0, 5, 123)
    },
    "utf-8": (frame(TEXT, EURO), [(TEXT, EURO)], None),
    "utf-8 in fragments": (
        frame(TEXT, EURO[:2], fin=False)
        + frame(PING, b"\xff")
        + frame(CONTINUATION, EURO[2:10], fin=False)
        + frame(CONTINUATION, b"", fin=False)
        + frame(CONTINUATION, EURO[10:])
        + frame(BINARY, b"\x80"),
        [(PING, b"\xff"), (TEXT, EURO), (BINARY, b"\x80")],
        None,
    ),
    "long fragments": (
        frame(BINARY, b"a" * 126, fin=False)
        + frame(PONG)
        + frame(CONTINUATION, b"b" * 127),
        [(PONG, b""), (BINARY, b"a" * 126 + b"b" * 127)],
        None,
    ),
    "three, then an empty close": (
        frame(TEXT, b"1") + frame(TEXT, b"") + frame(BINARY, b"3") + frame(CLOSE),
        [(TEXT, b"1"), (TEXT, b""), (BINARY, b"3"), (CLOSE, b"")],
        None,
    ),
    "unmasked": (
        frame(TEXT, b"1") + b"\x81\x01a" + frame(TEXT, b"2"),
        [(TEXT, b"1")],
        Close.PROTOCOL_ERROR,
    ),
    "bad utf-8": (
        frame(PING) + frame(TEXT, b"ab\xe2\x28cd") + frame(TEXT, b"2"),
        [(PING, b"")],
        Close.INVALID_DATA,
    ),
    "utf-8 that ends early": (
        frame(TEXT, b"\xe2", fin=False) + frame(PING) + frame(CONTINUATION, b"\x82"),
        [(PING, b"")],
        Close.INVALID_DATA,
    ),
    "wrong length form": (
        frame(TEXT, b"1") + head(BINARY, 65535, width=8) + bytes(8),
        [(TEXT, b"1")],
        Close.PROTOCOL_ERROR,
    ),
    "declared too long": (
        frame(TEXT, b"1") + head(BINARY, 1 << 40) + bytes(8),
        [(TEXT, b"1")],
        Close.TOO_BIG,
    ),
    "bad close": (frame(CLOSE, b"\x03\xed") + bytes(8), [], Close.PROTOCOL_ERROR),
}


@pytest.mark.parametrize("name", CORPUS)
def test_every_split_point_gives_the_same_events(name: str) -> None:
    data, events, code = CORPUS[name]
    assert decode(data) == (events, code)
    assert decode(each_byte(data)) == (events, code)
    for at in range(len(data) + 1):
        assert decode(cut(data, at)) == (events, code), at
    if len(data) <= 60:
        for offsets in combinations(range(len(data)), 2):
            assert decode(cut(data, *offsets)) == (events, code), offsets


@pytest.mark.parametrize("size", [65535, 65536])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_long_messages_give_the_same_events_at_every_kind_of_split(
    opcode: int, size: int
) -> None:
    # Inside the payload one offset is like another but for its place in the mask
    # and in a character: a stride prime to 4 and 3 meets all of them.
    payload = ("€" * (size // 3 + 1)).encode()[: size - size % 3] + b"x" * (size % 3)
    data = frame(opcode, payload)
    for at in (*range(40), *range(40, size, 101), *range(size, len(data) + 1)):
        assert decode(cut(data, at)) == ([(opcode, payload)], None), at
    for step in (1000, 1447, 4096, 65535):
        reads = cut(data, *range(step, len(data), step))
        assert decode(reads) == ([(opcode, payload)], None), step


# Limits (section 10.4): judged on what is declared, before anything is buffered


@pytest.mark.parametrize("limit", [1, 5, 125, 126, 1000, 65535, 65536, 70000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_may_be_as_long_as_the_limit(opcode: int, limit: int) -> None:
    limits = Limits(message=limit)
    for size in (limit - 1, limit):
        payload = b"x" * size
        data = frame(opcode, payload)
        assert decode(data, limits) == ([(opcode, payload)], None)
        assert decode(cut(data, len(data) // 2), limits) == ([(opcode, payload)], None)
    over = frame(PING) + head(opcode, limit + 1) + MASK
    assert decode(over, limits) == ([(PING, b"")], Close.TOO_BIG)
    assert decode(each_byte(over), limits) == ([(PING, b"")], Close.TOO_BIG)
    whole = frame(opcode, bytes(limit + 1)) + frame(PING)
    assert decode(whole, limits) == ([], Close.TOO_BIG)


@pytest.mark.parametrize("limit", [2, 5, 125, 126, 1000, 65535, 65536, 70000])
def test_the_limit_is_for_all_fragments_of_a_message(limit: int) -> None:
    limits = Limits(message=limit)
    for first in (0, 1, limit // 2, limit):
        start = frame(BINARY, bytes(first), fin=False) + frame(PING)
        for size in {max(limit - 1 - first, 0), limit - first}:
            whole = (BINARY, bytes(first + size))
            data = start + frame(CONTINUATION, bytes(size))
            assert decode(data, limits) == ([(PING, b""), whole], None)
        size = limit - first + 1
        over = start + head(CONTINUATION, size) + (MASK if size < 126 else b"")
        assert decode(over, limits) == ([(PING, b"")], Close.TOO_BIG)


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("size", [65537, 1 << 20, 1 << 32, 1 << 40, (1 << 63) - 1])
def test_a_declared_length_is_refused_before_its_mask_has_come(
    size: int, fin: bool
) -> None:
    assert decode(head(BINARY, size, fin), Limits()) == ([], Close.TOO_BIG)


@pytest.mark.parametrize("size", [1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_a_declared_length_costs_no_memory(size: int) -> None:
    decoder = Decoder(Limits())
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        decoder.feed(head(BINARY, size) + MASK)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert decoder.failure is not None
    code = Close.TOO_BIG if size < 1 << 63 else Close.PROTOCOL_ERROR
    assert decoder.failure.code == code
    assert peak - before < 4096


def test_control_frames_are_not_measured_against_the_message_limit() -> None:
    limits = Limits(message=10)
    ping = frame(PING, bytes(125))
    start, rest = frame(TEXT, b"12345", fin=False), frame(CONTINUATION, b"67890")
    events = [(PING, bytes(125)), (TEXT, b"1234567890")]
    assert decode(start + ping + rest, limits) == (events, None)


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("limit", [1, 2, 1024])
def test_a_message_may_have_as_many_fragments_as_the_limit(
    limit: int, size: int
) -> None:
    limits = Limits(fragments=limit)
    part = b"x" * size
    for count in range(max(1, limit - 1), limit + 1):
        parts = [
            frame(CONTINUATION if n else TEXT, part, n == count - 1)
            for n in range(count)
        ]
        assert decode(parts, limits) == ([(TEXT, part * count)], None)
        twice = b"".join(parts * 2)
        assert decode(twice, limits) == ([(TEXT, part * count)] * 2, None)
    start = frame(TEXT, part, fin=False)
    over = start + frame(CONTINUATION, part, fin=False) * (limit - 1)
    assert decode(over, limits) == ([], None)
    assert decode(over + frame(CONTINUATION, part), limits) == ([], Close.TOO_BIG)


@pytest.mark.slow
@pytest.mark.parametrize("read", [1 << 20, 4096, 1000])
def test_client_sends_65536_fragments_of_one_byte(read: int) -> None:
    data = frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"a", fin=False) * 65534
    data += frame(CONTINUATION, b"z")
    reads = cut(data, *range(read, len(data), read))
    limits = Limits(message=65536, fragments=65536)
    assert decode(reads, limits) == ([(TEXT, b"a" * 65535 + b"z")], None)
    assert decode(reads, Limits(fragments=65535)) == ([], Close.TOO_BIG)
    too_small = Limits(message=65535, fragments=1 << 20)
    assert decode(reads, too_small) == ([], Close.TOO_BIG)
    assert decode(data[: 1024 * 7], Limits()) == ([], None)
    assert decode(data[: 1025 * 7], Limits()) == ([], Close.TOO_BIG)


# What is in progress: a caller with a clock refuses a message that takes too long


def test_nothing_is_in_progress_between_messages() -> None:
    decoder = Decoder(ROOMY)
    assert not decoder.in_progress
    for opcode, size in ((TEXT, 0), (TEXT, 5), (BINARY, 300), (PING, 3)):
        decoder.feed(frame(opcode, b"x" * size))
        assert not decoder.in_progress
    assert decoder.serial == 0


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING])
@pytest.mark.parametrize("size", [1, 100, 125, 126, 300])
def test_a_message_is_in_progress_from_its_first_byte_to_its_last(
    opcode: int, size: int
) -> None:
    data = frame(opcode, bytes(min(size, 125) if opcode == PING else size))
    for at in range(1, len(data)):
        decoder = Decoder(ROOMY)
        for part, in_progress in zip(cut(data, at), (True, False), strict=True):
            decoder.feed(part)
            assert (decoder.in_progress, decoder.serial) == (in_progress, 1), at


def test_a_message_keeps_its_serial_through_fragments_and_control_frames() -> None:
    data = (
        frame(TEXT, b"x" * 130, fin=False)
        + frame(PING, b"ping")
        + frame(CONTINUATION, b"", fin=False)
        + frame(PONG)
        + frame(CONTINUATION, b"y")
    )
    decoder = Decoder(ROOMY)
    for byte in each_byte(data[:-1]):
        decoder.feed(byte)
        assert (decoder.in_progress, decoder.serial) == (True, 1)
    assert decoder.feed(data[-1:]) == [(TEXT, b"x" * 130 + b"y")]
    assert not decoder.in_progress


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING])
@pytest.mark.parametrize("size", [0, 1, 100, 125, 300])
def test_each_message_that_a_read_leaves_unfinished_has_a_serial_of_its_own(
    opcode: int, size: int
) -> None:
    # A client in full flow: every read ends inside a message, never the same one.
    data = frame(opcode, bytes(min(size, 125) if opcode == PING else size))
    for at in range(1, len(data)):
        decoder = Decoder(ROOMY)
        decoder.feed(data[:at])
        for serial in range(1, 5):
            assert (decoder.in_progress, decoder.serial) == (True, serial), at
            decoder.feed(data[at:] + data[:at])


def test_a_message_after_one_in_fragments_has_a_serial_of_its_own() -> None:
    start, rest = frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"b")
    for at in range(1, len(start)):
        decoder = Decoder(ROOMY)
        decoder.feed(start)
        assert decoder.serial == 1
        decoder.feed(rest + start[:at])
        assert (decoder.in_progress, decoder.serial) == (True, 2)
        decoder.feed(start[at:] + rest[:3])
        assert (decoder.in_progress, decoder.serial) == (True, 2)


# Memory and work


def test_an_idle_decoder_is_small_and_a_used_one_as_small_again() -> None:
    limits = Limits()
    idle = Decoder(limits)
    assert sys.getsizeof(idle) <= 96
    reads = cut(frame(BINARY, bytes(60_000)), 3, 10, 30_000)
    tracemalloc.start()
    try:
        decoder = Decoder(limits)
        decoder.feed(frame(TEXT, b"warm"))
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(3):
            for read in reads:
                decoder.feed(read)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 512


@pytest.mark.slow
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_that_drips_costs_its_size_and_each_byte_the_same(
    opcode: int,
) -> None:
    # Linear work, without a clock: a byte late in the message makes no copy of what
    # came before it, save when the bytearray grows (by an eighth, so seldom).
    size = 1 << 16
    payload = ("€" * (size // 3)).encode() + b"."
    *data, last = each_byte(frame(opcode, payload))
    decoder = Decoder(Limits())
    copies = 0
    tracemalloc.start()
    try:
        start, _ = tracemalloc.get_traced_memory()
        for byte in data:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            assert decoder.feed(byte) == []
            now, peak = tracemalloc.get_traced_memory()
            copies += peak - before > 1024
            assert now - start < 1.25 * size + 4096
            assert peak - start < 2.5 * size + 4096
    finally:
        tracemalloc.stop()
    assert copies < 100
    assert decoder.feed(last) == [(opcode, payload)]


def test_bytes_that_drip_into_a_head_or_a_control_frame_are_bounded() -> None:
    decoder = Decoder(Limits())
    dripped = list(each_byte(frame(PING, bytes(125)) * 50))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        told = sum(len(decoder.feed(byte)) for byte in dripped)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert told == 50
    assert peak - before < 4096


# One read may hold more than is taken at once


def rest(decoder: Decoder) -> Iterator[list[Event]]:
    while decoder.more:
        yield decoder.feed(b"")


def test_many_tiny_messages_are_taken_a_part_at_a_time_and_in_order() -> None:
    decoder = Decoder(ROOMY)
    frames = [frame(TEXT, b"%d" % number) for number in range(3 * MOST_EVENTS)]
    begun = frame(TEXT, b"last")[:-1]
    events = decoder.feed(b"".join(frames) + begun)
    assert len(events) == MOST_EVENTS
    assert decoder.more
    assert not decoder.in_progress  # what waits is whole
    for part in rest(decoder):
        assert len(part) <= MOST_EVENTS
        events += part
    assert decoder.in_progress
    events += decoder.feed(frame(TEXT, b"last")[-1:])
    texts = [b"%d" % number for number in range(3 * MOST_EVENTS)]
    assert events == [(TEXT, text) for text in [*texts, b"last"]]
    assert not decoder.in_progress


def test_control_frames_are_taken_a_part_at_a_time_too() -> None:
    decoder = Decoder(ROOMY)
    begun = frame(TEXT, b"be", fin=False)
    events = decoder.feed(begun + frame(PING) * 2000 + frame(CONTINUATION, b"gun"))
    assert len(events) == MOST_EVENTS
    assert decoder.in_progress
    for part in rest(decoder):
        events += part
    assert events == [(PING, b"")] * 2000 + [(TEXT, b"begun")]


def test_long_messages_are_taken_about_the_limit_at_a_time() -> None:
    decoder = Decoder(Limits(message=1000))
    messages = [b"%d" % number * 900 for number in range(10)]
    parts = [decoder.feed(b"".join(frame(BINARY, one) for one in messages))]
    parts += rest(decoder)
    assert all(sum(len(one) for _, one in part) <= 2000 for part in parts)
    assert [event for part in parts for event in part] == [
        (BINARY, one) for one in messages
    ]


@pytest.mark.parametrize("last", [frame(CLOSE), b"\x91\x80" + MASK])
def test_nothing_more_is_taken_after_the_end(last: bytes) -> None:
    decoder = Decoder(ROOMY)
    decoder.feed(frame(TEXT) * (MOST_EVENTS + 5) + last + frame(TEXT) * 2000)
    events = decoder.feed(b"")
    assert len(events) == 5 + (last == frame(CLOSE))
    assert not decoder.more
    assert decoder.feed(b"") == []


def test_a_message_after_what_waited_has_a_serial_of_its_own() -> None:
    decoder = Decoder(ROOMY)
    decoder.feed(frame(TEXT, b"first", fin=False))
    serial = decoder.serial
    many = frame(TEXT) * MOST_EVENTS
    decoder.feed(frame(CONTINUATION, b"") + many + frame(TEXT, b"second", fin=False))
    assert decoder.more
    decoder.feed(b"")
    assert decoder.in_progress
    assert decoder.serial > serial
