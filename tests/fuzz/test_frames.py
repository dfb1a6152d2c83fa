"""Fuzzed frames: the same events however they come, nothing over a limit."""

import zlib
from random import Random

import pytest

from hubbub.codes import Close
from hubbub.server.websocket.decoder import Decoder, Event
from hubbub.server.websocket.deflate import inflate
from hubbub.server.websocket.frames import ProtocolError, parse_close
from hubbub.settings import Limits
from tests.fuzz.frames import TEXT, compress, payload, stream
from tests.fuzz.mutation import cut, mutate
from tests.fuzz.seed import each

pytestmark = pytest.mark.slow
LIMITS = Limits(message=4096, fragments=16)
CODES = {Close.PROTOCOL_ERROR, Close.INVALID_DATA, Close.TOO_BIG}


def decode(pieces: list[bytes], deflate: bool) -> tuple[list[Event], object, bool]:
    """Return the events, the code of the failure and whether more is expected."""
    decoder = Decoder(LIMITS, deflate)
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(piece)
        while decoder.more:
            events += decoder.feed(b"")
    failure = decoder.failure
    return events, failure and failure.code, decoder.in_progress


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_fuzzed_frames_are_the_same_events_however_they_come(deflate: bool) -> None:
    seen: set[object] = set()

    def check(random: Random) -> None:
        data = stream(random, deflate)
        if not data:
            return
        whole = decode([data], deflate)
        assert decode(cut(random, data, 30), deflate) == whole
        events, code, _ = whole
        seen.add(code)
        assert code is None or code in CODES
        for opcode, content in events:
            assert len(content) <= (LIMITS.message if opcode < 8 else 125)
            if opcode == TEXT:
                content.decode()
            elif opcode == 8:
                parse_close(content)
            else:
                assert opcode in (2, 9, 10)

    each(f"frames {deflate}", 2500, check)
    assert seen == CODES | {None}


def test_fuzzed_frames_byte_by_byte_are_the_same_events() -> None:
    def check(random: Random) -> None:
        data = stream(random, True)[:3000]
        pieces = [data[at : at + 1] for at in range(len(data))]
        assert decode(pieces, True) == decode([data] if data else [], True)

    each("bytes", 250, check)


def test_fuzzed_compression_never_inflates_beyond_the_limit() -> None:
    codes: set[Close] = set()

    def check(random: Random) -> None:
        data = compress(random.choice((payload(random), b"\x00" * 300_000)))
        if random.random() < 0.6:
            data = mutate(random, data)
        limit = random.choice((1, 100, 4096, 65536, 300_000))
        try:
            found = inflate(data, limit)
        except ProtocolError as error:
            codes.add(error.code)
            return
        assert len(found) <= limit
        reference = zlib.decompressobj(-15)
        assert found == reference.decompress(data + b"\x00\x00\xff\xff", limit + 1)

    each("inflate", 2000, check)
    assert codes == {Close.INVALID_DATA, Close.TOO_BIG}
