"""The native dialect: what clients may say, and what they are answered."""

import base64
import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.codes import ERRORS
from hubbub.server.dialects import native, plain
from hubbub.server.dialects.message import Dialect, Kind, Message
from hubbub.server.dialects.native import BadCommand, Command
from hubbub.server.websocket.frames import encode_frame

JSON, MSGPACK = Dialect.JSON, Dialect.MSGPACK


def pack(dialect: int, value: object) -> bytes:
    if dialect == JSON:
        return json.dumps(value).encode()
    packed: bytes = msgpack.packb(value)
    return packed


def decode(dialect: int, value: object) -> Command:
    return native.decode_command(dialect, pack(dialect, value))


def refused(dialect: int, raw: bytes) -> tuple[str, object]:
    """Return code and id of the error for a command or its data."""
    with pytest.raises(BadCommand) as caught:
        native.decode_data(dialect, native.decode_command(dialect, raw), "m")
    assert caught.value.code in ERRORS
    return caught.value.code, caught.value.id


def payload_of(frame: bytes) -> tuple[int, bytes]:
    """Return opcode and payload of an unmasked, final frame."""
    size, at = frame[1], 2
    if size > 125:
        at = 4 if size == 126 else 10
        size = int.from_bytes(frame[2:at], "big")
    assert frame[0] & 0x80
    assert len(frame) == at + size
    return frame[0] & 15, frame[at:]


def read(dialect: int, frame: bytes) -> dict[str, Any]:
    opcode, payload = payload_of(frame)
    assert opcode == (1 if dialect == JSON else 2)
    event: dict[str, Any] = (
        json.loads(payload) if dialect == JSON else msgpack.unpackb(payload)
    )
    return event


def publish(dialect: int, value: object, **more: object) -> Message:
    """Return the message that a native publish of `value` makes."""
    command = {"type": "publish", "room": "lobby", "data": value, **more}
    return native.decode_data(dialect, decode(dialect, command), "m-1")


# Commands


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
def test_a_command_is_read(dialect: int) -> None:
    command = decode(dialect, {"type": "join", "id": 1, "room": "lobby"})
    assert (command.type, command.id, command.room) == ("join", 1, "lobby")
    assert not bytes(command.since)
    assert not bytes(command.data)


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
def test_all_but_the_type_may_be_left_out(dialect: int) -> None:
    command = decode(dialect, {"type": "ping"})
    assert (command.type, command.id, command.room) == ("ping", None, "")


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
def test_a_position_is_kept(dialect: int) -> None:
    since = {"epoch": "x", "offset": 12}
    command = decode(dialect, {"type": "join", "room": "lobby", "since": since})
    assert bytes(command.since) == pack(dialect, since)


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
@pytest.mark.parametrize("unknown", [1, [1], {"a": None}, "type", 1.5])
def test_unknown_fields_are_ignored(dialect: int, unknown: object) -> None:
    command = {"later": unknown, "type": "ping", "id": 7, "key": unknown}
    assert decode(dialect, command).id == 7


GOOD_IDS = [0, -1, (1 << 63) - 1, -(1 << 63), "", "a", "ż" * 64, "🎈" * 64, None]
BAD_IDS = [1 << 63, (1 << 64) - 1, "a" * 65, True, 1.0, [1], {"a": 1}]


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
@pytest.mark.parametrize("id", GOOD_IDS, ids=repr)
def test_ids_are_64_characters_or_64_bits(dialect: int, id: native.Id) -> None:
    assert decode(dialect, {"type": "ping", "id": id}).id == id
    # Echoed also where another field does not fit.
    assert refused(dialect, pack(dialect, {"type": 5, "id": id})) == ("bad_command", id)


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
@pytest.mark.parametrize("id", BAD_IDS, ids=repr)
def test_other_ids_are_refused_and_not_echoed(dialect: int, id: object) -> None:
    for kind in ("ping", 5):
        raw = pack(dialect, {"type": kind, "id": id})
        assert refused(dialect, raw) == ("bad_command", None)


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
@pytest.mark.parametrize(
    "wrong",
    [
        {"type": None},
        {"type": ["join"]},
        {"type": "join", "room": 5},
        {"type": "join", "room": None},
        {"type": "publish", "encoding": 64},
        {},
    ],
    ids=repr,
)
def test_a_field_of_a_wrong_type_is_a_bad_command(
    dialect: int, wrong: dict[str, object]
) -> None:
    raw = pack(dialect, {"id": 9, **wrong})
    assert refused(dialect, raw) == ("bad_command", 9)


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
@pytest.mark.parametrize("value", [None, 5, "join", [], True], ids=repr)
def test_what_is_no_object_is_a_bad_command(dialect: int, value: object) -> None:
    assert refused(dialect, pack(dialect, value)) == ("bad_command", None)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"join",
        b'{"type":"ping"',
        b'{"type":"ping"}}',
        b'{"type":"ping","id":NaN}',
        b'{"type":"\xff"}',
        rb'{"type":"\ud800"}',
        rb'{"type":"ping","id":"\ud800"}',
        b"[" * 100_000,
        b'{"x":' * 100_000,
        b'{"type":"ping","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type":"publish","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda raw: repr(raw[:30]),
)
def test_what_does_not_parse_is_bad_json(raw: bytes) -> None:
    code, id = refused(JSON, raw)
    # A hundred thousand levels where an object is due are refused as the first.
    assert code == "bad_json" or raw[:2] == b"[["
    assert id is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x81",
        b"\x81\xa4type\xa4pin",
        b"\x81\xa4type\xa4ping\x00",
        b"\x81\xa4type\xa1\xff",
        b"\xc1",
        b"\x82\xa4type\xa4ping\xa1x" + b"\x91" * 100_000 + b"\x01",
    ],
    ids=lambda raw: repr(raw[:30]),
)
def test_what_does_not_parse_is_bad_msgpack(raw: bytes) -> None:
    assert refused(MSGPACK, raw) == ("bad_msgpack", None)


@pytest.mark.parametrize("digits", [20, 400, 5000, 60_000])
def test_an_id_of_many_digits_is_a_bad_command(digits: int) -> None:
    raw = b'{"type":"ping","id":-' + b"1" * digits + b"}"
    assert refused(JSON, raw) == ("bad_command", None)


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
@given(raw=st.binary(max_size=48), start=st.integers(0, 24))
def test_any_bytes_are_a_command_or_refused(
    dialect: int, raw: bytes, start: int
) -> None:
    begin = pack(dialect, {"type": "publish", "id": 1})[:start]
    for message in (raw, begin + raw):
        try:
            command = native.decode_command(dialect, message)
            native.decode_data(dialect, command, "m")
        except BadCommand as bad:
            native.encode_error(dialect, bad.code, bad.id)


# Data


@pytest.mark.parametrize(
    "data",
    [
        b"1e400",
        b"18446744073709551616",
        b"1" * 5000,
        b"[" * 33 + b"]" * 33,
        b"[" * 500 + b"]" * 500,
        rb'{"\ud800":1}',
        b'"\xff"',
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_data_that_fits_not_every_dialect_is_bad_data(data: bytes) -> None:
    raw = b'{"type":"publish","id":"x","room":"lobby","data":' + data + b"}"
    code, id = refused(JSON, raw)
    if code == "bad_json":  # The parser looks at escapes and numbers on its way.
        assert b"\\u" in data
    else:
        assert (code, id) == ("bad_data", "x")


@pytest.mark.parametrize(
    "data",
    [
        [b"nested"],
        {"a": b"nested"},
        {1: 2},
        float("nan"),
        [float("inf")],
        msgpack.Timestamp(0),
        msgpack.ExtType(5, b"x"),
        [msgpack.ExtType(5, b"")],
    ],
    ids=repr,
)
def test_msgpack_data_that_fits_not_every_dialect_is_bad_data(data: object) -> None:
    command = {"type": "publish", "id": 5, "room": "lobby", "data": data}
    assert refused(MSGPACK, pack(MSGPACK, command)) == ("bad_data", 5)


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
def test_a_publish_without_data_is_a_bad_command(dialect: int) -> None:
    raw = pack(dialect, {"type": "publish", "id": 5, "room": "lobby"})
    assert refused(dialect, raw) == ("bad_command", 5)


@pytest.mark.parametrize(
    ("data", "encoding", "code"),
    [
        ("!", "base64", "bad_data"),
        ("YQ", "base64", "bad_data"),
        ("YQ==\n", "base64", "bad_data"),
        ("żó==", "base64", "bad_data"),
        (5, "base64", "bad_command"),
        (["YQ=="], "base64", "bad_command"),
        ("YQ==", "hex", "bad_command"),
    ],
)
def test_base64_that_is_none_is_refused(data: object, encoding: str, code: str) -> None:
    command = {"type": "publish", "id": 5, "data": data, "encoding": encoding}
    assert refused(JSON, pack(JSON, command)) == (code, 5)


# Between dialects

KINDS = [
    # kind, payload, JSON data, base64, MessagePack data
    (Kind.TEXT, b"hello", "hello", False, "hello"),
    (Kind.TEXT, b"", "", False, ""),
    (Kind.TEXT, '\u0000"\\ż🎈\u2028'.encode(), '\u0000"\\ż🎈\u2028', False, None),
    (Kind.TEXT, b'{"a":1}', '{"a":1}', False, '{"a":1}'),
    (Kind.BINARY, b"\x00\xff", base64.b64encode(b"\x00\xff").decode(), True, None),
    (Kind.BINARY, b"", "", True, b""),
    (Kind.JSON, b'{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}, False, None),
    (Kind.JSON, b"null", None, False, None),
    (Kind.JSON, b"18446744073709551615", (1 << 64) - 1, False, (1 << 64) - 1),
]


@pytest.mark.parametrize(("kind", "payload", "data", "base64ed", "packed"), KINDS)
def test_a_message_comes_out_of_every_dialect(
    kind: Kind, payload: bytes, data: object, base64ed: bool, packed: object
) -> None:
    message = Message(kind, payload, "m-1")
    event = {"type": "message", "room": "lobby", "from": "m-1"}
    encoding = {"encoding": "base64"} if base64ed else {}
    seen = read(JSON, encode_frame(*native.encode_message_json("lobby", message)))
    assert seen == {**event, "data": data, **encoding}
    if packed is None:
        packed = payload if kind == Kind.BINARY else data
    seen = read(MSGPACK, encode_frame(*native.encode_message_msgpack("lobby", message)))
    assert seen == {**event, "data": packed}
    opcode = 2 if kind == Kind.BINARY else 1
    assert plain.encode_message("lobby", message) == (opcode, payload)


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
def test_a_native_string_is_text(dialect: int) -> None:
    message = publish(dialect, "zażółć 🎈\n")
    assert (message.kind, message.payload) == (Kind.TEXT, "zażółć 🎈\n".encode())
    assert message.sender == "m-1"


def test_bytes_are_binary_whichever_way_they_came() -> None:
    for message in (
        publish(MSGPACK, b"\x00\xff"),
        publish(JSON, "AP8=", encoding="base64"),
    ):
        assert (message.kind, message.payload) == (Kind.BINARY, b"\x00\xff")


def test_json_values_keep_their_text() -> None:
    raw = b'{"type":"publish","room":"lobby","data":{"b" : 1.50,"a":[ ]}}'
    message = native.decode_data(JSON, native.decode_command(JSON, raw), "m")
    assert (message.kind, message.payload) == (Kind.JSON, b'{"b" : 1.50,"a":[ ]}')


@pytest.mark.parametrize("value", [0, -1.5, None, True, [], {}, {"a": ["b"]}])
def test_msgpack_values_become_json_text(value: object) -> None:
    message = publish(MSGPACK, value)
    assert message.kind == Kind.JSON
    assert json.loads(message.payload) == value


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
@given(value=VALUES)
def test_what_is_accepted_comes_out_equal_everywhere(
    dialect: int, value: object
) -> None:
    message = publish(dialect, value)
    out = [
        read(JSON, encode_frame(*native.encode_message_json("lobby", message))),
        read(MSGPACK, encode_frame(*native.encode_message_msgpack("lobby", message))),
    ]
    assert [event["data"] for event in out] == [value, value]
    _, text = plain.encode_message("lobby", message)
    shown = text.decode() if isinstance(value, str) else json.loads(text)
    assert shown == value


@given(st.binary())
def test_any_bytes_come_out_equal_everywhere(payload: bytes) -> None:
    message = publish(MSGPACK, payload)
    event = read(JSON, encode_frame(*native.encode_message_json("lobby", message)))
    again = publish(JSON, event["data"], encoding=event["encoding"])
    assert (again.kind, again.payload) == (Kind.BINARY, payload)
    event = read(
        MSGPACK, encode_frame(*native.encode_message_msgpack("lobby", message))
    )
    assert event["data"] == payload


# Answers


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
@pytest.mark.parametrize("code", ERRORS)
def test_every_error_has_its_reason(dialect: int, code: str) -> None:
    row = ERRORS[code]
    event = {"type": "error", "code": code, "reason": row.reason}
    event |= {"retry": row.temporary}  # type: ignore[dict-item]
    assert read(dialect, native.encode_error(dialect, code)) == event
    assert read(dialect, native.encode_error(dialect, code, "x")) == {
        **event,
        "id": "x",
    }


@pytest.mark.parametrize("dialect", [JSON, MSGPACK])
def test_an_id_of_nought_is_echoed(dialect: int) -> None:
    assert read(dialect, native.encode_error(dialect, "bad_room", 0))["id"] == 0
