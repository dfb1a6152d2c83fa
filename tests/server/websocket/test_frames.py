"""Frames a server sends, and close payloads it receives, by section of RFC 6455."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbub.codes import CLOSES, Close
from hubbub.server.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAX_CONTROL_PAYLOAD,
    PING,
    PONG,
    TEXT,
    ProtocolError,
    encode_close,
    encode_frame,
    parse_close,
    valid_close_code,
)

bounded = settings(deadline=None, derandomize=True, max_examples=200)

# Section 5.2: base framing


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, "82 00"),
        (1, "82 01"),
        (125, "82 7d"),
        (126, "82 7e 00 7e"),
        (127, "82 7e 00 7f"),
        (255, "82 7e 00 ff"),
        (256, "82 7e 01 00"),
        (65535, "82 7e ff ff"),
        (65536, "82 7f 00 00 00 00 00 01 00 00"),
        (65537, "82 7f 00 00 00 00 00 01 00 01"),
        (1 << 24, "82 7f 00 00 00 00 01 00 00 00"),
    ],
)
def test_server_sends_the_shortest_form_of_each_length(size: int, head: str) -> None:
    payload = bytes(size)
    assert encode_frame(BINARY, payload) == bytes.fromhex(head) + payload


@pytest.mark.parametrize("size", range(126))
def test_server_sends_small_frames_with_a_head_of_two_bytes(size: int) -> None:
    assert encode_frame(TEXT, b"x" * size) == bytes((0x81, size)) + b"x" * size


@pytest.mark.parametrize("size", [0, 125, 126, 65536])
@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG])
def test_server_sends_final_unmasked_frames_without_reserved_bits(
    opcode: int, size: int
) -> None:
    frame = encode_frame(opcode, bytes(size))
    assert frame[0] == 0x80 | opcode
    assert frame[1] < 0x80


@pytest.mark.parametrize(
    ("opcode", "payload", "frame"),
    [
        (TEXT, b"Hello", "81 05 48 65 6c 6c 6f"),
        (PING, b"Hello", "89 05 48 65 6c 6c 6f"),
        (PONG, b"Hello", "8a 05 48 65 6c 6c 6f"),
        (CLOSE, b"", "88 00"),
    ],
)
def test_server_sends_the_examples_of_section_5_7(
    opcode: int, payload: bytes, frame: str
) -> None:
    assert encode_frame(opcode, payload) == bytes.fromhex(frame)


def test_a_frame_is_bytes_that_many_outboxes_can_share() -> None:
    assert type(encode_frame(TEXT, b"x")) is bytes
    assert type(encode_frame(BINARY, bytes(70_000))) is bytes


# Section 5.5.1: close


def test_server_sends_a_code_and_a_reason() -> None:
    assert encode_close(1001, "bye") == bytes.fromhex("88 05 03 e9") + b"bye"


def test_server_sends_a_code_without_a_reason() -> None:
    assert encode_close(4008) == bytes.fromhex("88 02 0f a8")


def test_server_answers_an_empty_close_frame_with_an_empty_one() -> None:
    assert encode_close(*parse_close(b"")) == bytes.fromhex("88 00")


@pytest.mark.parametrize("character", ["a", "é", "€", "😀"])
@pytest.mark.parametrize("before", range(118, 124))
def test_server_cuts_a_long_reason_at_a_character(before: int, character: str) -> None:
    reason = "x" * before + character * 8
    frame = encode_close(1008, reason)
    code, kept = parse_close(frame[2:])
    assert frame[1] == len(frame) - 2 <= MAX_CONTROL_PAYLOAD
    assert code == 1008
    assert reason.startswith(kept)
    left = MAX_CONTROL_PAYLOAD - 2 - len(kept.encode())
    assert 0 <= left < len(character.encode())


def test_server_sends_a_reason_of_exactly_123_bytes_whole() -> None:
    assert encode_close(1008, "x" * 123)[4:] == b"x" * 123


@pytest.mark.parametrize("code", list(Close))
def test_each_reason_of_the_table_of_codes_fits_a_close_frame(code: Close) -> None:
    reason = CLOSES[code].reason
    assert parse_close(encode_close(code, reason)[2:]) == (code, reason)


def test_server_receives_an_empty_close_frame() -> None:
    assert parse_close(b"") == (1005, "")


@pytest.mark.parametrize("byte", [0x00, 0x03, 0x88, 0xFF])
def test_server_receives_a_close_frame_of_one_byte(byte: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_close(bytes((byte,)))
    assert caught.value.code == Close.PROTOCOL_ERROR
    assert caught.value.reason == "close frame of one byte"


@pytest.mark.parametrize("reason", ["", "bye", "x" * 123, "κόσμε", "😀", "\x00"])
def test_server_receives_a_code_and_a_reason(reason: str) -> None:
    assert parse_close(b"\x03\xe8" + reason.encode()) == (1000, reason)


@pytest.mark.parametrize(
    "reason",
    [
        b"\xff",
        b"\x80",
        b"ok\xc3",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
    ],
)
def test_server_receives_a_reason_that_is_not_utf8(reason: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_close(b"\x03\xe8" + reason)
    assert caught.value.code == Close.INVALID_DATA


def test_server_judges_the_code_before_the_reason() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_close(b"\x00\x00\xff")
    assert caught.value.code == Close.PROTOCOL_ERROR


# Section 7.4: status codes

CODES = [
    (range(0, 1000), False, "not used"),
    (range(1000, 1004), True, "7.4.1"),
    (range(1004, 1007), False, "reserved, never on the wire"),
    (range(1007, 1012), True, "7.4.1"),
    (range(1012, 1015), True, "IANA: restart, try again later, bad gateway"),
    (range(1015, 1016), False, "reserved, never on the wire"),
    (range(1016, 3000), False, "for revisions of the protocol: none uses them yet"),
    (range(3000, 4000), True, "libraries and frameworks, by IANA"),
    (range(4000, 5000), True, "private use"),
    (range(5000, 65536), False, "no such codes"),
]


def test_the_classes_of_codes_cover_every_number_once() -> None:
    assert [code for codes, *_ in CODES for code in codes] == list(range(65536))


@pytest.mark.parametrize(("codes", "allowed", "why"), CODES)
def test_server_receives_every_code_of_a_class(
    codes: range, allowed: bool, why: str
) -> None:
    assert {valid_close_code(code) for code in codes} == {allowed}, why
    for code in codes[:5001]:
        payload = code.to_bytes(2, "big") + b"why"
        if allowed:
            assert parse_close(payload) == (code, "why")
            continue
        with pytest.raises(ProtocolError) as caught:
            parse_close(payload)
        assert caught.value.code == Close.PROTOCOL_ERROR


@pytest.mark.parametrize("code", list(Close))
def test_server_sends_only_codes_that_it_would_receive(code: Close) -> None:
    assert valid_close_code(code)


close_payloads = st.builds(
    lambda code, reason: code.to_bytes(2, "big") + reason,
    st.integers(900, 5100),
    st.binary(max_size=123) | st.text(max_size=30).map(str.encode),
)


@bounded
@given(st.binary(max_size=MAX_CONTROL_PAYLOAD) | close_payloads)
def test_a_close_payload_is_refused_or_means_what_it_says(payload: bytes) -> None:
    refused = None
    try:
        code, reason = parse_close(payload)
    except ProtocolError as error:
        refused = error.code
    else:
        assert encode_close(code, reason)[2:] == payload
    assert refused in (None, Close.PROTOCOL_ERROR, Close.INVALID_DATA)


@bounded
@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(3000, 4999))
def test_any_reason_arrives_as_itself_or_as_its_beginning(
    reason: str, code: int
) -> None:
    frame = encode_close(code, reason)
    assert len(frame) <= 2 + MAX_CONTROL_PAYLOAD
    assert frame[:2] == bytes((0x80 | CLOSE, len(frame) - 2))
    received, kept = parse_close(frame[2:])
    assert received == code
    assert reason.startswith(kept)
    assert kept == reason or len(kept.encode()) > MAX_CONTROL_PAYLOAD - 2 - 4


# Section 7.1.7: fail the connection


def test_an_error_has_the_usual_reason_of_its_code() -> None:
    error = ProtocolError(Close.TOO_BIG)
    assert (error.code, error.reason) == (1009, CLOSES[Close.TOO_BIG].reason)
    assert str(error) == "1009 message too big"


def test_an_error_may_have_a_reason_of_its_own() -> None:
    error = ProtocolError(Close.PROTOCOL_ERROR, "reserved bit set")
    assert (error.code, error.reason) == (1002, "reserved bit set")
    assert str(error) == "1002 reserved bit set"
