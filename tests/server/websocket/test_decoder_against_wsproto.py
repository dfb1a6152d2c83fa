"""The decoder and wsproto, an independent codec, agree on whatever a client sends.

They differ on purpose in five ways, each with a test of its own at the end:

- 1014 (bad gateway) is registered with IANA: we take it, wsproto does not know it.
- wsproto has no limit on the size of a message, nor on its fragments.
- A frame that may not come here is refused at its second byte; wsproto first waits
  for the rest of its head and, out of order, for a byte of its payload.
- Half of an encoded surrogate cannot become text: refused at its second byte;
  wsproto leaves it to Python's decoder, which waits for the third.
"""

from collections.abc import Iterable, Iterator
from itertools import cycle
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import Frame, FrameProtocol, Opcode, ParseFailed

from hubbub.codes import Close
from hubbub.server.websocket.decoder import Decoder
from hubbub.server.websocket.frames import encode_close, encode_frame, parse_close
from hubbub.settings import Limits

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
pytestmark = pytest.mark.slow


def bounded(examples: int) -> settings:
    return settings(
        deadline=None,
        derandomize=True,
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow],
    )


MASK = bytes.fromhex("37fa213d")
NO_LIMITS = Limits(message=1 << 70, fragments=1 << 24)
LATE = 13
"""Bytes wsproto may need more than we do: a length of 8, a mask of 4, 1 of payload."""

Told = tuple[int, str | bytes | tuple[int, str]]
"""An event: a text is a string, a close is its code and reason."""


class Outcome(NamedTuple):
    """What a codec made of some bytes that came one by one, and after how many."""

    events: list[tuple[int, Told]]
    refused: int | None
    code: int | None
    why: str


# The two codecs, made to look alike


def tell(opcode: int, payload: bytes) -> Told:
    if opcode == TEXT:
        return opcode, payload.decode()
    return opcode, parse_close(payload) if opcode == CLOSE else payload


def ours(reads: Iterable[bytes], limits: Limits = NO_LIMITS) -> Outcome:
    decoder, at = Decoder(limits), 0
    events: list[tuple[int, Told]] = []
    for read in reads:
        at += len(read)
        events += [(at, tell(*event)) for event in decoder.feed(read)]
        if decoder.failure is not None:
            failure = decoder.failure
            return Outcome(events, at, failure.code, failure.reason)
    return Outcome(events, None, None, "")


def join(parts: list[Frame]) -> Told:
    if parts[0].opcode is Opcode.TEXT:
        return TEXT, "".join(str(part.payload) for part in parts)
    return BINARY, b"".join(
        part.payload for part in parts if isinstance(part.payload, bytes)
    )


def theirs(reads: Iterable[bytes], client: bool = False) -> Outcome:
    protocol, at = FrameProtocol(client, []), 0
    events: list[tuple[int, Told]] = []
    parts: list[Frame] = []
    for read in reads:
        at += len(read)
        protocol.receive_bytes(read)
        try:
            for frame in protocol.received_frames():
                if not frame.opcode.iscontrol():
                    parts.append(frame)
                    if frame.message_finished:
                        events.append((at, join(parts)))
                        parts = []
                elif isinstance(frame.payload, tuple):
                    code, reason = frame.payload
                    events.append((at, (CLOSE, (int(code), reason))))
                else:
                    events.append((at, (int(frame.opcode), frame.payload)))
        except ParseFailed as error:
            return Outcome(events, at, int(error.code), str(error))
    return Outcome(events, None, None, "")


def each_byte(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def in_reads(data: bytes, sizes: list[int]) -> list[bytes]:
    reads, at = [], 0
    for size in cycle(sizes):
        if at >= len(data):
            break
        reads.append(data[at : at + size])
        at += size
    return reads


# What clients send


def frame(
    opcode: int, payload: bytes = b"", fin: bool = True, mask: bytes = MASK
) -> bytes:
    first, size = opcode | (0x80 if fin else 0), len(payload)
    if size < 126:
        start = bytes((first, 0x80 | size))
    elif size < 65536:
        start = bytes((first, 0xFE)) + size.to_bytes(2, "big")
    else:
        start = bytes((first, 0xFF)) + size.to_bytes(8, "big")
    key = (mask * (size // 4 + 1))[:size]
    return start + mask + bytes(a ^ b for a, b in zip(payload, key, strict=True))


one_byte = st.binary(min_size=1, max_size=1)
masks = st.binary(min_size=4, max_size=4)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
chunks = st.lists(st.integers(1, 50), min_size=1, max_size=8)
controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
payloads = st.one_of(
    st.tuples(st.just(TEXT), texts.map(str.encode)),
    st.tuples(st.just(BINARY), st.binary(max_size=200)),
    st.tuples(st.just(TEXT), st.sampled_from([b"." * n for n in (125, 126, 300)])),
)
close_codes = st.sampled_from([*range(1000, 1004), *range(1007, 1014), 3000, 4999])
short_reasons = st.text("ab€😀", max_size=30)


class Conversation(NamedTuple):
    """Frames as they go over the wire, and what they mean."""

    frames: list[bytes]
    events: list[Told]


@st.composite
def conversations(draw: st.DrawFn, most: int = 6) -> Conversation:
    frames: list[bytes] = []
    events: list[Told] = []

    def send(opcode: int, payload: bytes, fin: bool = True) -> None:
        frames.append(frame(opcode, payload, fin, draw(masks)))

    for _ in range(draw(st.integers(0, most))):
        for control in draw(st.lists(controls, max_size=1)):
            send(*control)
            events.append(control)
        opcode, payload = draw(payloads)
        ends = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
        begin = 0
        for n, end in enumerate((*ends, len(payload))):
            # A cut may fall inside a character, and a fragment may be empty.
            send(CONTINUATION if n else opcode, payload[begin:end], n == len(ends))
            begin = end
            if n < len(ends):
                for control in draw(st.lists(controls, max_size=2)):
                    send(*control)
                    events.append(control)
        events.append(tell(opcode, payload))
    if draw(st.booleans()):
        code, reason = draw(st.just((1005, "")) | st.tuples(close_codes, short_reasons))
        send(CLOSE, encode_close(code, reason)[2:])
        events.append((CLOSE, (code, reason)))
        frames.append(draw(st.binary(max_size=20)))
    return Conversation(frames, events)


@bounded(300)
@given(conversations(), chunks)
def test_valid_conversations_are_decoded_alike(
    conversation: Conversation, sizes: list[int]
) -> None:
    data = b"".join(conversation.frames)
    for reads in ([data], in_reads(data, sizes)):
        mine = ours(reads)
        assert mine == theirs(reads)
        assert mine.refused is None
        assert [told for _, told in mine.events] == conversation.events


@bounded(40)
@given(
    st.sampled_from([TEXT, BINARY]),
    st.lists(st.sampled_from([0, 1, 125, 126, 65535, 65536, 70000]), max_size=3),
    masks,
    st.lists(st.integers(1, 65536), min_size=1, max_size=5),
)
def test_long_fragments_are_decoded_alike(
    opcode: int, sizes: list[int], mask: bytes, reads: list[int]
) -> None:
    assume(sum(reads) > 500)
    text = "aé€😀".encode() * 30_000
    parts: list[bytes] = []
    at = 0
    for size in sizes:
        part = text[at : at + size]
        parts.append(frame(CONTINUATION if parts else opcode, part, False, mask))
        at += size
    rest = text[at : at + (10 - at % 10) % 10]
    parts += frame(CONTINUATION if parts else opcode, rest, True, mask), frame(PING)
    chunked = in_reads(b"".join(parts), reads)
    mine = ours(chunked)
    assert mine == theirs(chunked)
    whole = tell(opcode, text[:at] + rest)
    assert [told for _, told in mine.events] == [whole, (PING, b"")]


# What nobody should send


def check_same_verdict(data: bytes, sizes: list[int]) -> None:
    """Check that both codecs tell the same events and refuse for the same reason."""
    mine, other = ours(each_byte(data)), theirs(each_byte(data))
    for reads in ([data], in_reads(data, sizes)):
        again = ours(reads)
        assert [told for _, told in again.events] == [told for _, told in mine.events]
        assert (again.code, again.why) == (mine.code, mine.why)
    if other.why == "CLOSE with unknown reserved code" and mine.code != other.code:
        # Bad gateway; after it the reason may be bad too.
        assert mine.code == Close.INVALID_DATA or " (8, (1014," in str(mine.events)
        return
    if mine.refused is None:
        assert other == mine
        return
    if mine.code == Close.INVALID_DATA:
        # After half a surrogate wsproto wants one byte more, of this frame or the next.
        rests = [b"", bytes(1), frame(CONTINUATION, b"\x80")]
    else:
        rests = [data[mine.refused :] + bytes(LATE)]
    others = [theirs(each_byte(data[: mine.refused] + rest)) for rest in rests]
    verdicts = [other for other in others if other.code == mine.code]
    assert verdicts, f"{mine} but {others}"
    assert verdicts[0].events == mine.events
    assert verdicts[0].refused is not None
    assert 0 <= verdicts[0].refused - mine.refused <= LATE


@st.composite
def wild_frames(draw: st.DrawFn) -> bytes:
    """Draw one frame that is built like one and may break any rule."""
    good = st.sampled_from([0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A])
    first = draw(good | good | good | st.integers(0, 255))
    payload = draw(
        st.binary(max_size=20)
        | texts.map(str.encode)
        | st.sampled_from([b"\xed\xa0", b"\xe2\x82", b"\xf4\x90", b"." * 130])
        | st.integers(0, 5001).map(lambda code: code.to_bytes(2, "big"))
    )
    size = len(payload)
    width = draw(st.sampled_from([0 if size < 126 else 2] * 9 + [2, 8]))
    if width == 8:
        size = draw(st.sampled_from([size, 65535, 65536, 1 << 40, 1 << 63]))
    masked = 0x80 * draw(st.sampled_from([1] * 15 + [0]))
    second = masked | (size if width == 0 else 126 if width == 2 else 127)
    start = bytes((first, second)) + (size.to_bytes(width, "big") if width else b"")
    return start + frame(BINARY, payload)[-len(payload) - 4 :]


@bounded(1000)
@given(st.lists(wild_frames(), max_size=8).map(b"".join), chunks)
def test_frames_that_break_rules_get_the_same_verdict(
    data: bytes, sizes: list[int]
) -> None:
    check_same_verdict(data, sizes)


@bounded(300)
@given(st.binary(max_size=300), chunks)
@example(b"\x81\x83" + MASK + b"\xda\x5a", [1])
def test_garbage_gets_the_same_verdict(data: bytes, sizes: list[int]) -> None:
    check_same_verdict(data, sizes)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """Draw a valid conversation in which one to three things went wrong."""
    frames = list(draw(conversations(most=3)).frames)
    for _ in range(draw(st.integers(1, 3))):
        assume(frames)
        where = draw(st.integers(0, len(frames) - 1))
        one = bytearray(frames[where])
        what = draw(st.sampled_from(["flip", "flip", "head", "drop", "swap", "cut"]))
        if what == "drop":
            del frames[where]
        elif what == "swap":
            frames.insert(0, frames.pop(where))
        elif one:
            most = 1 if what == "head" else 200
            at = draw(st.integers(0, min(len(one) - 1, most)))
            one[at : at + 1] = b"" if what == "cut" else draw(one_byte)
            frames[where] = bytes(one)
    return b"".join(frames)


@bounded(300)
@given(mutations(), chunks)
def test_conversations_gone_wrong_get_the_same_verdict(
    data: bytes, sizes: list[int]
) -> None:
    check_same_verdict(data, sizes)


def test_each_close_code_gets_the_same_verdict() -> None:
    for code in {*range(5100), 65535} - {1014}:
        data = frame(CLOSE, code.to_bytes(2, "big") + b"why")
        assert ours([data])[:3] == theirs([data])[:3], code


# What we send


@bounded(300)
@given(st.lists(payloads | controls, max_size=6), close_codes, texts, chunks)
def test_wsproto_understands_what_the_server_sends(
    sent: list[tuple[int, bytes]], code: int, reason: str, sizes: list[int]
) -> None:
    close = encode_close(code, reason)
    data = b"".join(encode_frame(*event) for event in sent) + close
    told = theirs(in_reads(data, sizes), client=True)
    assert told.refused is None
    assert [event for _, event in told.events] == [
        *(tell(*event) for event in sent),
        (CLOSE, parse_close(close[2:])),
    ]


# Where they differ on purpose


def test_bad_gateway_is_a_close_code() -> None:
    data = frame(CLOSE, encode_close(1014, "proxy")[2:])
    assert ours([data]).events == [(len(data), (CLOSE, (1014, "proxy")))]
    assert theirs([data]).code == Close.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "data",
    [
        b"\x82\xff" + (1 << 40).to_bytes(8, "big"),
        frame(TEXT, b"", False) + frame(CONTINUATION, b"", False) * 1024,
    ],
)
def test_limits_are_ours_alone(data: bytes) -> None:
    assert ours([data], Limits()).code == Close.TOO_BIG
    assert theirs([data]).code is None


@pytest.mark.parametrize(
    ("start", "bad", "waits"),
    [
        (b"", b"\xc1\xfe", 2),
        (b"", b"\x81\x7f", 8),
        (b"", b"\x80\x81", 5),
        (b"", b"\x80\x80", 4),
        (frame(TEXT, b"", False), b"\x81\x85", 5),
        (frame(TEXT, b"", False), b"\x81\xff", 13),
    ],
)
def test_a_frame_out_of_place_is_refused_at_its_second_byte(
    start: bytes, bad: bytes, waits: int
) -> None:
    sent = each_byte(start + bad)
    assert ours(sent).refused == len(start) + 2
    rest = b"\x00\x00\x00\x00\x00\x01" + bytes(12)
    assert theirs(each_byte(start + bad + rest)).refused == len(start) + 2 + waits


def test_half_a_surrogate_is_refused_at_its_second_byte() -> None:
    data = frame(TEXT, b"ok\xed\xa0\x80...")
    assert ours(each_byte(data)).refused == 6 + 4
    assert theirs(each_byte(data)).refused == 6 + 5
