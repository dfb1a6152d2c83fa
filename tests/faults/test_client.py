"""What a client of the crowd makes of bytes: whole frames, and nothing else."""

import pytest

from hubbub.server.websocket.frames import BINARY, TEXT, encode_frame
from tests.faults.client import split

FRAMES = [
    (TEXT, b""),
    (TEXT, b"a" * 125),
    (BINARY, b"b" * 126),
    (TEXT, b"c" * 65535),
    (BINARY, b"d" * 65536),
    (9, b"ping"),
]


def test_frames_of_every_length_are_split() -> None:
    data = b"".join(encode_frame(opcode, payload) for opcode, payload in FRAMES)
    assert split(data) == (FRAMES, len(data))


@pytest.mark.parametrize(
    ("opcode", "payload"), FRAMES, ids=lambda value: str(value)[:9]
)
def test_a_part_of_a_frame_waits_for_the_rest(opcode: int, payload: bytes) -> None:
    whole = encode_frame(opcode, payload)
    first = encode_frame(TEXT, b"first")
    for cut in {0, 1, 2, 3, 9, len(whole) // 2, len(whole) - 1}:
        if cut < len(whole):
            frames, taken = split(first + whole[:cut])
            assert (frames, taken) == ([(TEXT, b"first")], len(first)), cut


def test_a_fragment_is_refused() -> None:
    with pytest.raises(AssertionError, match="fragmented"):
        split(b"\x01\x01x")
