"""Frames against the rules: reliability rows F1-F6, F10, F12 and F17.

Every offender is a raw socket in the room of two neighbours, on their worker. It
reads its close code before its end (`Raw.read_close`); afterwards the neighbours
still talk and have heard nothing else.
"""

from collections.abc import Iterator

import pytest

from tests.e2e.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    TEXT,
    Raw,
    Served,
    close,
    frame,
    head,
    join,
    native,
    serving,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("frame")) as found:
        yield found


@pytest.fixture
def member(served: Served) -> Iterator[Raw]:
    """A member of the lobby; afterwards the neighbours must not have noticed it."""
    with join(served.port) as made:
        yield made
    served.lobby.check()


def first(opcode: int, fin: bool = True, reserved: int = 0) -> int:
    """Return the first byte of a frame."""
    return (FIN if fin else 0) | reserved | opcode


# F1: unmasked; F2: reserved bits and opcodes


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
@pytest.mark.parametrize("size", [0, 2, 125])
def test_an_unmasked_frame_is_refused(member: Raw, opcode: int, size: int) -> None:
    member.send(head(first(opcode), size, mask=False), b"\x03\xe8"[:size])
    assert member.read_close() == 1002


@pytest.mark.parametrize("reserved", [0x40, 0x20, 0x10, 0x70])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
def test_a_reserved_bit_is_refused(member: Raw, opcode: int, reserved: int) -> None:
    member.send(head(first(opcode, reserved=reserved), 2), b"\x03\xe8")
    assert member.read_close() == 1002


def test_a_reserved_bit_on_a_continuation_is_refused(member: Raw) -> None:
    member.send(frame(TEXT, b"a", fin=False))
    member.send(head(first(CONTINUATION, reserved=0x40), 1), b"b")
    assert member.read_close() == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("fin", [True, False])
def test_a_reserved_opcode_is_refused(member: Raw, opcode: int, fin: bool) -> None:
    member.send(head(first(opcode, fin), 1), b"x")
    assert member.read_close() == 1002


# F3: control frames; F4: the order of fragments


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("second", [0x80 | 126, 0x80 | 127])
def test_a_long_control_frame_is_refused_by_its_first_two_bytes(
    member: Raw, opcode: int, second: int
) -> None:
    member.send(bytes((first(opcode), second)))
    assert member.read_close() == 1002


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_fragmented_control_frame_is_refused_by_its_first_two_bytes(
    member: Raw, opcode: int
) -> None:
    member.send(bytes((first(opcode, fin=False), 0x80)))
    assert member.read_close() == 1002


@pytest.mark.parametrize(
    "frames",
    [
        (frame(CONTINUATION, b"a"),),
        (frame(CONTINUATION, b"a", fin=False), frame(CONTINUATION, b"b")),
        (frame(TEXT, b"a", fin=False), frame(TEXT, b"b")),
        (frame(TEXT, b"a", fin=False), frame(BINARY, b"b", fin=False)),
        (frame(BINARY, b"", fin=False), frame(PING), frame(TEXT)),
    ],
    ids=["alone", "alone, open", "text in text", "binary in text", "empty"],
)
def test_fragments_out_of_order_are_refused(
    member: Raw, frames: tuple[bytes, ...]
) -> None:
    member.send(*frames)
    found = [(opcode, payload[:2]) for opcode, payload in member.read_frames()]
    pongs = [(PONG, b"")] if frame(PING) in frames else []
    assert found == [*pongs, (CLOSE, (1002).to_bytes(2, "big"))]


def test_a_complete_message_before_is_followed_by_no_second_chance(
    member: Raw,
) -> None:
    """What comes after the broken rule is never looked at."""
    member.send(frame(PING, b"first"), frame(CONTINUATION), frame(TEXT, b"late"))
    assert member.read_frame() == (PONG, b"first")
    assert member.read_close() == 1002


def test_control_frames_may_come_between_fragments(served: Served, member: Raw) -> None:
    for number, part in enumerate((b"one", b" two", b" three")):
        member.send(frame(CONTINUATION if number else TEXT, part, fin=False))
        member.send(frame(PING, part), frame(PONG, part))
        assert member.read_frame() == (PONG, part)
    member.send(frame(CONTINUATION))
    served.lobby.check(b"one two three")


# F5: closing

_GOOD_CODES = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
_BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", _GOOD_CODES)
def test_a_close_is_answered_with_its_code(member: Raw, code: int) -> None:
    member.send(close(code, "bye ☃".encode()))
    assert member.read_close() == code


@pytest.mark.parametrize("code", _BAD_CODES)
def test_a_code_that_may_not_be_sent_is_refused(member: Raw, code: int) -> None:
    member.send(close(code))
    assert member.read_close() == 1002


def test_an_empty_close_is_answered_with_an_empty_one(member: Raw) -> None:
    member.send(frame(CLOSE))
    assert list(member.read_frames()) == [(CLOSE, b"")]


def test_a_close_of_one_byte_is_refused(member: Raw) -> None:
    member.send(frame(CLOSE, b"\x03"))
    assert member.read_close() == 1002


@pytest.mark.parametrize(
    "reason", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"x" * 122 + b"\xe2"]
)
def test_a_close_reason_is_utf_8(member: Raw, reason: bytes) -> None:
    member.send(close(1000, reason))
    assert member.read_close() == 1007


def test_the_longest_close_reason_is_fine(member: Raw) -> None:
    member.send(close(1000, b"x" * 123))
    assert member.read_close() == 1000


def test_nothing_counts_after_a_close(served: Served, member: Raw) -> None:
    member.send(close(3001), frame(TEXT, b"late"), close(3002), frame(PING), b"\xff")
    served.lobby.check()  # What they say is not sent to it either.
    assert member.read_close() == 3001


def test_nothing_counts_after_the_servers_close(served: Served, member: Raw) -> None:
    member.send(frame(CONTINUATION))
    assert member.socket.recv(1) == b"\x88"
    member.send(close(1002), frame(TEXT, b"late"), frame(PING))
    served.lobby.check()
    assert member.read_rest()[1:3] == (1002).to_bytes(2, "big")


# F6: UTF-8

_BAD_TEXT = {
    "a byte that never is": b"\xff",
    "a lone continuation": b"\x80",
    "overlong slash": b"\xc0\xaf",
    "overlong NUL": b"\xc0\x80",
    "overlong, three bytes": b"\xe0\x80\xaf",
    "overlong, four bytes": b"\xf0\x80\x80\xaf",
    "high surrogate": b"\xed\xa0\x80",
    "low surrogate": b"\xed\xbf\xbf",
    "surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80",
    "over U+10FFFF": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "a sequence cut by ASCII": b"\xe2\x98a",
}


@pytest.mark.parametrize("bad", _BAD_TEXT.values(), ids=_BAD_TEXT)
def test_bad_utf_8_is_refused(served: Served, bad: bytes) -> None:
    text = "κόσμε ☃ ".encode()
    for sent in (
        (frame(TEXT, text + bad + text),),
        (frame(TEXT, bad),),
        (frame(TEXT, text, fin=False), frame(CONTINUATION, bad)),
        # Fail fast: neither the frame nor the message is complete.
        (head(FIN | TEXT, 1000), text + bad),
        (head(TEXT, 70), b"x" * 20 + bad),
        (frame(TEXT, text, fin=False), head(CONTINUATION, 5000), bad),
    ):
        with join(served.port) as member:
            member.send(*sent)
            assert member.read_close() == 1007
    with join(served.port) as member:
        member.send(frame(TEXT, text, fin=False))
        for number in range(len(bad)):
            member.send(frame(CONTINUATION, bad[number : number + 1], fin=False))
        assert member.read_close() == 1007
    served.lobby.check()


@pytest.mark.parametrize("cut", [b"\xc3", b"\xe2\x98", b"\xf0\x9f\x98"])
def test_text_that_ends_within_a_character_is_refused(member: Raw, cut: bytes) -> None:
    member.send(frame(TEXT, b"x", fin=False), frame(CONTINUATION, cut, fin=False))
    member.send(frame(PING))
    assert member.read_frame() == (PONG, b"")  # It may go on until it ends.
    member.send(frame(CONTINUATION))
    assert member.read_close() == 1007


def test_good_utf_8_may_be_cut_anywhere(served: Served, member: Raw) -> None:
    text = "Å ☃ 😀 \U0010ffff \ud7ff \ue000 \0".encode()
    for number in range(len(text)):
        opcode = CONTINUATION if number else TEXT
        member.send(frame(opcode, text[number : number + 1], fin=False))
    member.send(frame(CONTINUATION))
    served.lobby.check(text)


def test_binary_may_be_anything(served: Served, member: Raw) -> None:
    member.send(frame(BINARY, b"\xff\xc0", fin=False), frame(CONTINUATION, b"\xed\xa0"))
    served.lobby.check(b"\xff\xc0\xed\xa0")


# F10: unsolicited pongs; F12: the wrong type of message


def test_unsolicited_pongs_are_ignored(member: Raw) -> None:
    member.send(*(frame(PONG, str(number).encode()) for number in range(1000)))
    member.send(frame(PING, b"still there?"))
    assert member.read_frame() == (PONG, b"still there?")


@pytest.mark.parametrize("dialect", ["json", "msgpack"])
def test_a_native_message_of_the_wrong_type_is_refused(
    served: Served, dialect: str
) -> None:
    ping = b'{"type":"ping"}'
    wrong = BINARY if dialect == "json" else TEXT
    for parts in ((ping,), (b"",), (ping[:5], ping[5:])):
        with native(served.port, dialect) as session:
            *most, last = parts
            for part in most:
                session.send(frame(wrong, part, fin=False))
            session.send(frame(CONTINUATION if most else wrong, last))
            assert session.read_close() == 1003
    served.lobby.check()


# F17: what the server sends


@pytest.mark.parametrize(
    "size", [0, 1, 124, 125, 126, 127, 128, 65533, 65534, 65535, 65536]
)
def test_the_server_sends_unmasked_whole_frames_of_the_shortest_form(
    served: Served, size: int
) -> None:
    """`Raw.read_frame` checks mask bit, FIN, reserved bits and form of the length."""
    with join(served.port, "/rooms/sizes?echo=1") as member:
        for opcode in (TEXT, BINARY):
            member.send(frame(opcode, b"x" * size))
            assert member.read_frame() == (opcode, b"x" * size)
        member.send(frame(PING, b"y" * min(size, 125)))
        assert member.read_frame() == (PONG, b"y" * min(size, 125))
        member.send(close(4321))
        assert member.read_close() == 4321
    with native(served.port) as session:
        assert session.ask(type="join", id=1, room="sizes")["type"] == "ok"
        with join(served.port, "/rooms/sizes") as member:
            member.say("x" * size)
            assert session.event()["data"] == "x" * size
