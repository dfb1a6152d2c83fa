"""Native messages under bad input: reliability row F13, in JSON and in MessagePack.

Bad input is answered with an `error` message and the session lives; only a flood of
it is closed. See test_frame_rows.py for what holds in every test.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest

from tests.e2e.raw import (
    BINARY,
    CLOSE,
    TEXT,
    Raw,
    Served,
    frame,
    join,
    native,
    serving,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A worker that takes 10^5 digits in one message."""
    limit = ("--set", "limits.message=256KiB")
    with serving(tmp_path_factory.mktemp("json"), *limit) as found:
        yield found


def publish(data: bytes) -> bytes:
    """Return the command that publishes a JSON text."""
    return b'{"type":"publish","id":7,"room":"odd","data":' + data + b"}"


def pack(data: bytes) -> bytes:
    """Return the command that publishes a MessagePack object."""
    head: bytes = msgpack.packb({"type": "publish", "id": 7, "room": "odd"})
    return bytes((head[0] + 1,)) + head[1:] + b"\xa4data" + data


DIGITS = b"9" * 100_000
BAD_JSON = {
    "nothing": b"",
    "a space": b" ",
    "no JSON": b"hello",
    "a byte order mark": b'\xef\xbb\xbf{"type":"ping"}',
    "two values": b'{"type":"ping"} {"type":"ping"}',
    "cut short": b'{"type":"ping"',
    "single quotes": b"{'type':'ping'}",
    "a comma too many": b'{"type":"ping",}',
    "a comment": b'{"type":"ping"/**/}',
    "65536 x [": b"[" * 65536,
    '20000 x {"a":': b'{"a":' * 20000,
    "deep and unused": b'{"type":"ping","x":' + b"[" * 60000 + b"]" * 60000 + b"}",
    "deep id": b'{"type":"ping","id":' + b"[" * 60000 + b"]" * 60000 + b"}",
    "deep data": publish(b"[" * 60000 + b"]" * 60000),
    "200 levels": publish(b"[" * 200 + b"]" * 200),
    "33 levels": publish(b'{"a":' * 33 + b"1" + b"}" * 33),
    "10^5 digits": DIGITS,
    "10^5 digits as id": b'{"type":"ping","id":' + DIGITS + b"}",
    "10^5 digits as data": publish(DIGITS),
    "10^5 digits as data, negative": publish(b"[-" + DIGITS + b"]"),
    "10^5 digits as type": b'{"type":' + DIGITS + b"}",
    "10^5 digits and a fraction": publish(DIGITS + b".5"),
    "10^5 digits as exponent": publish(b"1e" + DIGITS),
    "65 bits": publish(b"18446744073709551616"),
    "65 bits, negative": publish(b"-9223372036854775809"),
    "over a double": publish(b"1e400"),
    "lone high surrogate": publish(rb'"\ud800"'),
    "lone low surrogate": publish(rb'["\udc00"]'),
    "surrogates, wrong order": publish(rb'"\udc00\ud800"'),
    "a surrogate as key": publish(rb'{"\ud800":1}'),
    "a surrogate as room": rb'{"type":"join","room":"\ud800"}',
    "a surrogate as type": rb'{"type":"\ud800"}',
    "a surrogate as id": rb'{"type":"ping","id":"\ud800"}',
    "a surrogate unused": rb'{"type":"ping","x":"\ud800"}',
    "NaN": publish(b"NaN"),
    "Infinity": publish(b"[-Infinity]"),
    "NaN as id": b'{"type":"ping","id":NaN}',
    "a leading zero": publish(b"01"),
    "no digits": publish(b"[-]"),
    "a raw line feed": publish(b'"a\nb"'),
    "a raw NUL": publish(b'["\0"]'),
    "a bad escape": publish(rb'"\x41"'),
    "no data": b'{"type":"publish","room":"odd"}',
    "bad base64": b'{"type":"publish","room":"odd","data":"*","encoding":"base64"}',
    "null": b"null",
    "a list": b"[]",
    "no type": b"{}",
    "an unknown type": b'{"type":"__proto__"}',
    "type is a number": b'{"type":1}',
    "id is a fraction": b'{"type":"ping","id":1.5}',
    "id is too long": b'{"type":"ping","id":"' + b"x" * 65 + b'"}',
    "room is a number": b'{"type":"join","room":1}',
    **{
        f"room {name!r}": json.dumps({"type": "join", "room": name}).encode()
        for name in ("", "..", "a/b", "a b", "\0", "a\n", "\u202e", "$a", "x" * 165)
    },
}
BAD_MSGPACK = {
    "nothing": b"",
    "reserved byte": b"\xc1",
    "two objects": b"\x81\xa4type\xa4ping\x01",
    "cut short": b"\x81\xa4type\xa4pin",
    "60000 lists": b"\x91" * 60000 + b"\x01",
    "deep and unused": b"\x82\xa4type\xa4ping\xa1x" + b"\x91" * 60000 + b"\x01",
    "deep data": pack(b"\x91" * 60000 + b"\x01"),
    "33 levels": pack(b"\x91" * 33 + b"\x01"),
    "2^32 elements": pack(b"\xdd\xff\xff\xff\xff"),
    "2^32 pairs": pack(b"\xdf\xff\xff\xff\xff"),
    "2^32 characters": pack(b"\xdb\xff\xff\xff\xff"),
    "2^32 bytes": pack(b"\xc6\xff\xff\xff\xff"),
    "2^24 elements": pack(b"\xdd\x01\x00\x00\x00"),
    "an extension": pack(b"\xd4\x01\x00"),
    "a time": pack(b"\xd6\xff\x00\x00\x00\x01"),
    "NaN": pack(b"\xcb\x7f\xf8\0\0\0\0\0\0"),
    "Infinity": pack(b"\x91\xca\x7f\x80\0\0"),
    "bad UTF-8": pack(b"\xa1\xff"),
    "a surrogate": pack(b"\xa3\xed\xa0\x80"),
    "a number as key": pack(b"\x81\x01\x01"),
    "a list as key": pack(b"\x81\x91\x01\x01"),
    "bytes inside": pack(b"\x91\xc4\x01a"),
    "type is bytes": b"\x81\xa4type\xc4\x04ping",
    "nil": b"\xc0",
}


def ask(session: Raw, opcode: int, payload: bytes) -> dict[str, Any]:
    """Send a command; return the next event."""
    session.send(frame(opcode, payload))
    found, data = session.read_frame()
    assert found == opcode, data
    event: dict[str, Any] = (json.loads if opcode == TEXT else msgpack.unpackb)(data)
    return event


@pytest.mark.parametrize("dialect", ["json", "msgpack"])
def test_bad_input_is_answered_and_the_session_lives(
    served: Served, dialect: str
) -> None:
    opcode, table, ping = (
        (TEXT, BAD_JSON, b'{"type":"ping","id":"still here"}')
        if dialect == "json"
        else (BINARY, BAD_MSGPACK, b"\x82\xa4type\xa4ping\xa2id\xaastill here")
    )
    with native(served.port, dialect) as session:
        for name, payload in table.items():
            event = ask(session, opcode, payload)
            assert event["type"] == "error", name
            assert event["code"].startswith(("bad_", "unknown_type")), name
            assert event["reason"], name
            assert event["retry"] is False, name
            assert ask(session, opcode, ping) == {"type": "ok", "id": "still here"}
    served.lobby.check()


def test_an_error_names_the_command_it_is_about(served: Served) -> None:
    with native(served.port) as session:
        for payload, code in (
            (publish(b"[" * 200 + b"]" * 200), "bad_data"),
            (publish(b"1e400"), "bad_data"),
            (publish(DIGITS), "bad_data"),
            (b'{"type":"join","id":7,"room":".."}', "bad_room"),
            (b'{"type":"leave","id":7,"room":"elsewhere"}', "not_member"),
            (b'{"type":"nonsense","id":7}', "unknown_type"),
            (b'{"type":"join","id":7,"room":1}', "bad_command"),
        ):
            event = ask(session, TEXT, payload)
            assert (event["id"], event["code"]) == (7, code)
        assert ask(session, TEXT, b"[" * 65536)["code"] in ("bad_json", "bad_command")
        assert ask(session, TEXT, b"NaN")["code"] == "bad_json"
    served.lobby.check()


@pytest.mark.parametrize(
    "payload",
    [b"{", b"[" * 65536, publish(rb'"\ud800"'), publish(b"1e400"), b'{"type":"x"}'],
    ids=["json", "deep", "surrogate", "data", "type"],
)
def test_a_flood_of_bad_messages_is_closed(served: Served, payload: bytes) -> None:
    with native(served.port) as session:
        for _ in range(100):
            session.send(frame(TEXT, payload))
        *errors, (opcode, last) = session.read_frames()
        assert 3 <= len(errors) < 50
        assert all(json.loads(error)["type"] == "error" for _, error in errors)
        assert (opcode, last[:2]) == (CLOSE, (1008).to_bytes(2, "big"))
    served.lobby.check()


def test_who_is_mostly_right_is_not_closed(served: Served) -> None:
    with native(served.port) as session:
        for number in range(100):
            assert ask(session, TEXT, b"{")["code"] == "bad_json"
            assert session.ask(type="ping", id=number)["type"] == "ok"
    served.lobby.check()


@pytest.mark.parametrize(
    "data",
    [
        *(b'{"__proto__":{"a":1},"constructor":2}', rb'"\u0000\u2028\ufeff"'),
        *(b'{"a":1,"a":2}', b"[1e5,-0.0,1E-400,123456789.123456789e-5]"),
        *(b"18446744073709551615", b"-9223372036854775808", b"[" * 32 + b"]" * 32),
        *(rb'"\ud83d\ude00 \u00e9"', b" [ 1 , null , true ]\r\n", b'""', b"{}"),
        *(b"1.7976931348623157e308", '"☃ 😀"'.encode(), rb'{"\u0000":"\""}'),
    ],
)
def test_odd_values_reach_every_dialect_as_what_they_are(
    served: Served, data: bytes
) -> None:
    """Of a key that comes twice the last one counts, as for any reader of JSON."""
    value = json.loads(data)
    with (
        native(served.port) as sender,
        native(served.port) as other,
        native(served.port, "msgpack") as packed,
        join(served.port, "/rooms/odd") as plain,
    ):
        join_odd = {"type": "join", "id": 1, "room": "odd"}
        assert other.ask(**join_odd)["type"] == "ok"
        assert ask(packed, BINARY, msgpack.packb(join_odd))["type"] == "ok"
        assert ask(sender, TEXT, publish(data)) == {"type": "ok", "id": 7}
        assert other.event()["data"] == value
        opcode, payload = packed.read_frame()
        assert (opcode, msgpack.unpackb(payload)["data"]) == (BINARY, value)
        opcode, payload = plain.read_frame()
        text = payload.decode()
        assert opcode == TEXT
        assert (text if isinstance(value, str) else json.loads(text)) == value
    served.lobby.check()
