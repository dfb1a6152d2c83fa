"""Which values every dialect can carry."""

import json
import math
import struct

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.server.dialects.value import (
    MOST_LEVELS,
    BadData,
    check_value,
    parse_json,
    parse_msgpack,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_whatever_json_can_say_is_taken_as_it_is(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_msgpack(msgpack.packb(value)) == value


@given(st.binary(max_size=64))
def test_any_bytes_are_a_value_or_bad_data(raw: bytes) -> None:
    for parse in (parse_json, parse_msgpack):
        try:
            value = parse(raw)
        except BadData:
            continue
        # What was accepted must go out in every dialect.
        if type(value) is not bytes:
            json.loads(msgspec.json.encode(value))
        assert msgpack.unpackb(msgpack.packb(value)) == value


def nest(levels: int) -> bytes:
    """Return a JSON text of `levels` lists."""
    return b"[" * levels + b"]" * levels


def nest_msgpack(levels: int) -> bytes:
    return b"\x91" * (levels - 1) + b"\x90"


NUMBERS = [
    b"0",
    b"-0",
    b"-9223372036854775808",
    b"18446744073709551615",
    b"1.7976931348623157e308",
    b"5e-324",
    b"1e-400",
]


@pytest.mark.parametrize("raw", NUMBERS)
def test_numbers_of_64_bits_are_taken(raw: bytes) -> None:
    assert parse_json(raw) == json.loads(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e400",
        b"-1e400",
        b"18446744073709551616",
        b"-9223372036854775809",
        b"1" * 400,
        b"1" * 5000,
        b"1" * 100_000,
        b'[{"a":1e999}]',
    ],
    ids=lambda raw: raw[:20].decode(),
)
def test_numbers_that_do_not_fit_are_bad(raw: bytes) -> None:
    with pytest.raises(BadData):
        parse_json(raw)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_msgpack_numbers_that_are_not_finite_are_bad(number: float) -> None:
    for raw in (struct.pack(">Bd", 0xCB, number), struct.pack(">Bf", 0xCA, number)):
        with pytest.raises(BadData):
            parse_msgpack(raw)
        with pytest.raises(BadData):
            parse_msgpack(b"\x91\x81\xa1a" + raw)


@pytest.mark.parametrize("number", [1 << 64, -(1 << 63) - 1])
def test_integers_of_65_bits_are_bad(number: int) -> None:
    with pytest.raises(BadData):
        check_value([number])


@pytest.mark.parametrize("levels", [1, MOST_LEVELS])
def test_32_levels_are_taken(levels: int) -> None:
    parse_json(nest(levels))
    parse_msgpack(nest_msgpack(levels))
    parse_json(b'{"a":' * levels + b"1" + b"}" * levels)


@pytest.mark.parametrize("levels", [MOST_LEVELS + 1, 200, 1000, 100_000])
def test_33_levels_and_any_more_are_bad(levels: int) -> None:
    with pytest.raises(BadData):
        parse_json(nest(levels))
    with pytest.raises(BadData):
        parse_msgpack(nest_msgpack(levels))
    with pytest.raises(BadData):
        parse_json(b'{"a":' * levels + b"1" + b"}" * levels)
    with pytest.raises(BadData):
        parse_msgpack(b"\x81\xa1a" * levels + b"\x01")


def test_levels_are_counted_in_depth_and_not_in_all() -> None:
    parse_json(b"[" + b",".join([nest(MOST_LEVELS - 1)] * 100) + b"]")


@pytest.mark.parametrize(
    "raw",
    [
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'{"\xff":1}',
        rb'"\ud800"',
        rb'"\udc00"',
        rb'"\ud800\ud800"',
        rb'"\ud800x"',
        rb'{"\ud800":1}',
        b'"\x00"',
        b"[1,]",
        b"1 2",
        b"",
        b" ",
        b"\xef\xbb\xbf1",
        b"'a'",
        b"undefined",
        b"{1:2}",
    ],
)
def test_json_that_is_none_is_bad(raw: bytes) -> None:
    with pytest.raises(BadData):
        parse_json(raw)


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"\xa1\xff", "bad UTF-8"),
        (b"\xa3\xed\xa0\x80", "surrogate"),
        (b"\x81\x01\x02", "integer key"),
        (b"\x81\xc0\x02", "nil key"),
        (b"\x81\xc4\x01a\x02", "bytes key"),
        (b"\x81\x90\x02", "list key"),
        (b"\x81\x80\x02", "map key"),
        (b"\x91\xc4\x01a", "bytes inside"),
        (b"\x81\xa1a\xc4\x00", "bytes inside a map"),
        (b"\xd4\x05\x00", "ext"),
        (b"\xc7\x00\x05", "empty ext"),
        (b"\xd6\xff\x00\x00\x00\x00", "timestamp of 32 bits"),
        (b"\xd7\xff" + b"\x00" * 8, "timestamp of 64 bits"),
        (b"\xd7\xff" + b"\xff" * 8, "timestamp that is none"),
        (b"\xc7\x0c\xff" + b"\x00" * 12, "timestamp of 96 bits"),
        (b"\x91\xd4\x05\x00", "ext inside"),
        (b"\xc1", "the byte that is never used"),
        (b"", "nothing"),
        (b"\x92\x01", "truncated"),
        (b"\x01\x01", "two objects"),
        (b"\xdd\xff\xff\xff\xff", "four billion elements"),
        (b"\xc6\xff\xff\xff\xff", "four gigabytes"),
    ],
)
def test_msgpack_that_has_no_place_in_json_is_bad(raw: bytes, what: str) -> None:
    with pytest.raises(BadData):
        parse_msgpack(raw)


def test_bytes_are_taken_on_top() -> None:
    assert parse_msgpack(b"\xc4\x02\x00\xff") == b"\x00\xff"


@pytest.mark.parametrize("value", [b"a", {1: 2}, (1,), {1, 2}, 1j, object()])
def test_types_that_are_not_of_json_are_bad(value: object) -> None:
    with pytest.raises(BadData):
        check_value(value)


def test_a_key_that_comes_twice_is_taken_once() -> None:
    assert parse_json(b'{"a":1,"a":2}') == {"a": 2}
