"""Frames as a mass client sees them, against wsproto's codec as a second opinion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, Message, Ping

from hubbub.loadtest.swarm.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    BadFrame,
    cut,
    head_size,
    masked,
)

SIZES = (0, 1, 125, 126, 127, 65535, 65536, 70000)


def served(opcode: int, payload: bytes) -> bytes:
    """Return a server's frame: as a client's, without the mask."""
    data = masked(opcode, payload)
    head = head_size(len(payload))
    return bytes((data[0], data[1] & 0x7F)) + data[2:head] + payload


@pytest.mark.parametrize("size", SIZES)
def test_independent_server_reads_what_is_sent(size: int) -> None:
    server = Connection(ConnectionType.SERVER)
    payload = bytes(index % 251 for index in range(size))
    server.receive_data(masked(BINARY, payload) + masked(PING, b"here"))
    *parts, ping = server.events()
    assert all(isinstance(part, BytesMessage) for part in parts)
    assert b"".join(part.data for part in parts if isinstance(part, Message)) == payload
    assert ping == Ping(payload=b"here")


@pytest.mark.parametrize("size", SIZES)
def test_frames_of_an_independent_server_are_cut(size: int) -> None:
    server = Connection(ConnectionType.SERVER)
    payload = bytes(size)
    data = server.send(BytesMessage(data=payload))  # type: ignore[arg-type]
    data += server.send(Ping(payload=b"?"))
    assert cut(data) == ([(BINARY, payload), (PING, b"?")], b"")
    assert len(data) == head_size(size) + size + head_size(1) + 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from([BINARY, CLOSE, PING, PONG, 1]), st.binary(max_size=300)
        ),
        max_size=8,
    ),
    st.lists(st.integers(1, 400), max_size=30),
)
def test_frames_come_whole_however_reads_divide_them(
    frames: list[tuple[int, bytes]], steps: list[int]
) -> None:
    data = b"".join(served(*frame) for frame in frames)
    found, tail = [], b""
    for step in [*steps, len(data)]:
        part, data = data[:step], data[step:]
        whole, tail = cut(tail + part)
        found += whole
    assert found == frames
    assert tail == b""


@pytest.mark.parametrize("size", SIZES)
def test_frame_without_its_last_byte_is_kept(size: int) -> None:
    data = served(BINARY, bytes(size))[:-1]
    assert cut(data) == ([], data)


@pytest.mark.parametrize(
    "data",
    [
        masked(BINARY, b"masked"),
        b"\x02\x01a",  # The first of several fragments.
        b"\xc2\x01a",  # Compressed, as nobody has asked for.
        b"\x82\x7f" + (1 << 40).to_bytes(8, "big"),
    ],
)
def test_what_no_server_may_send_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        cut(served(BINARY, b"fine") + data)


def test_length_that_has_not_come_whole_is_waited_for() -> None:
    for data in (b"\x82", b"\x82\x7e", b"\x82\x7e\x01", b"\x82\x7f" + bytes(7)):
        assert cut(data) == ([], data)
