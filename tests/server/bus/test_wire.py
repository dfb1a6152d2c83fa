"""Bytes of a link to frames: whatever way they come, and whatever they are."""

import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.server.bus.wire import (
    GAP,
    HELLO,
    MOST_ROOMS,
    PUBLISH,
    VERSION,
    Body,
    BusError,
    FrameReader,
    decode_body,
    decode_frame,
    encode,
)

MOST = 1 << 21

FRAMES: list[tuple[int, Body]] = [
    (HELLO, [3, 17, "0123456789abcdef"]),
    (PUBLISH, ["lobby", 1, "5f-1", b"hello"]),
    (PUBLISH, ["a" * 164, 2, "", b""]),
    (PUBLISH, ["lobby", 3, "5f-2", bytes(range(256)) * 10]),
    (GAP, [5, ["lobby", "hall"]]),
    (GAP, [1 << 40, None]),
    (GAP, [0, []]),
]
STREAM = b"".join(encode(kind, *fields) for kind, fields in FRAMES)


def frame(kind: int, body: bytes, version: int = VERSION, length: int = -1) -> bytes:
    if length < 0:
        length = len(body) + 2
    return length.to_bytes(4, "big") + bytes((version, kind)) + body


def read(*reads: bytes, most: int = MOST) -> list[tuple[int, Body]]:
    reader = FrameReader(most)
    return [frame for data in reads for frame in reader.feed(data)]


def refusal(data: bytes, most: int = MOST) -> str:
    with pytest.raises(BusError) as caught:
        read(data, most=most)
    return str(caught.value)


# How bytes arrive


def test_frames_come_out_as_they_went_in() -> None:
    assert read(STREAM) == FRAMES


def test_a_stream_may_be_split_at_every_byte() -> None:
    for at in range(len(STREAM) + 1):
        assert read(STREAM[:at], STREAM[at:]) == FRAMES


def test_a_stream_may_come_byte_by_byte() -> None:
    assert read(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == FRAMES


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_a_stream_may_come_in_any_pieces(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(STREAM)]
    reads = (STREAM[a:b] for a, b in pairwise(ends))
    assert read(*reads) == FRAMES


def test_a_frame_that_is_not_complete_is_no_frame() -> None:
    whole = encode(PUBLISH, "lobby", 1, "m", b"hello")
    for at in range(len(whole)):
        assert read(whole[:at]) == []


def test_a_payload_that_looks_like_a_frame_is_a_payload() -> None:
    inner = encode(HELLO, 0, 1, "x")
    assert read(encode(PUBLISH, "lobby", 2, "m", inner)) == [
        (PUBLISH, ["lobby", 2, "m", inner])
    ]


# Limits


@pytest.mark.parametrize("length", [0, 1, 2, MOST + 1, 0xFFFFFFFF])
def test_a_length_out_of_bounds_is_refused_at_once(length: int) -> None:
    assert "bytes" in refusal(frame(PUBLISH, b"", length=length))


def test_a_frame_of_the_longest_length_is_taken() -> None:
    data = encode(PUBLISH, "lobby", 1, "m", b"x" * 1000)
    assert len(read(data, most=len(data) - 4)) == 1
    refusal(data, most=len(data) - 5)


def test_a_long_frame_is_refused_by_its_head() -> None:
    refusal(frame(PUBLISH, b"", length=1001), most=1000)


@pytest.mark.parametrize("version", [0, VERSION + 1, 255])
def test_another_version_is_refused(version: int) -> None:
    assert "version" in refusal(frame(HELLO, msgpack.packb([0, 1, "x"]), version))
    # Before its body has come: it may mean anything.
    refusal(frame(HELLO, b"", version, length=100))


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("kind", [HELLO, PUBLISH, GAP])
def test_a_megabyte_of_empty_arrays_is_refused_cheaply(kind: int) -> None:
    arrays = b"\xdd" + (1 << 20).to_bytes(4, "big") + b"\x90" * (1 << 20)
    data = frame(kind, b"\x92\x01" + arrays)
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    refusal(data)
    _, peak = tracemalloc.get_traced_memory()
    # Two copies of the bytes, and nowhere near 65 MB of lists.
    assert peak - before < 3 * len(data)


@pytest.mark.parametrize("kind", [HELLO, PUBLISH, GAP])
@pytest.mark.parametrize("levels", [1, 50, 600, 5000, 1_000_000])
def test_deep_nests_are_refused(kind: int, levels: int) -> None:
    refusal(frame(kind, b"\x91" * levels + b"\x90"))


def test_a_gap_names_so_many_rooms_and_no_more() -> None:
    rooms = [f"room{n}" for n in range(MOST_ROOMS)]
    assert read(encode(GAP, 1, rooms)) == [(GAP, [1, rooms])]
    refusal(encode(GAP, 1, [*rooms, "one too many"]))


# Shapes


@pytest.mark.parametrize(
    "field",
    [
        b"\xd4\x05\x00",
        b"\xc7\x00\x05",
        b"\xd6\xff\x00\x00\x00\x00",
        b"\xc7\x00\xff",
        b"\x80",
        b"\x81\x01\x02",
        b"\xc1",
        b"\xa1\xff",
        b"\xa3\xed\xa0\x80",
        b"\xcb" + b"\x00" * 8,
        b"\xc0",
        b"\xc3",
        b"\xc6\xff\xff\xff\xff",
        b"",
    ],
    ids=repr,
)
def test_a_field_of_another_type_is_refused(field: bytes) -> None:
    refusal(frame(HELLO, b"\x93" + field + b"\x01\xa1x"))
    refusal(frame(PUBLISH, b"\x94" + field + b"\x01\xa1m\xc4\x01x"))
    refusal(frame(PUBLISH, b"\x94\xa1r\x01\xa1m" + field))
    refusal(frame(GAP, b"\x92" + field + b"\xc0"))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (HELLO, []),
        (HELLO, [1, 2]),
        (HELLO, [1, 2, "x", 4]),
        (HELLO, ["1", 2, "x"]),
        (HELLO, [True, 2, "x"]),
        (HELLO, [1, 2.0, "x"]),
        (PUBLISH, [b"lobby", 1, "m", b"x"]),
        (PUBLISH, ["lobby", "1", "m", b"x"]),
        (PUBLISH, ["lobby", 1, None, b"x"]),
        (PUBLISH, ["lobby", 1, "m", "text"]),
        (PUBLISH, ["lobby", 1, "m", []]),
        (GAP, [1]),
        (GAP, [1, "lobby"]),
        (GAP, [None, None]),
    ],
    ids=repr,
)
def test_a_body_of_another_shape_is_refused(kind: int, fields: Body) -> None:
    refusal(encode(kind, *fields))


@pytest.mark.parametrize("body", [b"", b"\x01", b"\xc0", b"\x93\x01\x01\xa1x\x00"])
def test_a_body_that_is_no_list_is_refused(body: bytes) -> None:
    refusal(frame(HELLO, body, length=max(3, len(body) + 2)) + b"\xc1")


@pytest.mark.parametrize("kind", [0, GAP + 1, 255])
def test_an_unknown_type_is_refused(kind: int) -> None:
    assert "unknown" in refusal(frame(kind, b"\x90"))


@given(st.integers(0, 4), st.binary(max_size=64))
def test_any_body_is_fields_or_refused(kind: int, body: bytes) -> None:
    try:
        fields = decode_body(kind, body)
    except BusError:
        return
    assert len(read(encode(kind, *fields))) == 1


# What the sender looks up in its own frames


def test_a_frame_of_ours_decodes_to_what_it_was() -> None:
    assert decode_frame(encode(PUBLISH, "r", 1, "m", b"x")) == (
        PUBLISH,
        ["r", 1, "m", b"x"],
    )
    assert decode_frame(encode(GAP, 1, None)) == (GAP, [1, None])
