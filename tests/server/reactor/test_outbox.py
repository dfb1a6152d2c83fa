"""Bytes that wait for one socket."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.server.reactor.outbox import SEALED, Outbox


class Pipe:
    """A socket that takes little at a time, and its reader."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
        self.near.setblocking(False)
        self.far.setblocking(False)

    def close(self) -> None:
        self.near.close()
        self.far.close()

    def drain(self, box: Outbox) -> bytes:
        """Write and read in turn until the outbox is empty."""
        data = b""
        while box.size:
            before = box.size
            sent = box.write(self.near.fileno())
            assert 0 < sent == before - box.size
            part = self.far.recv(1 << 20)
            assert len(part) == sent
            data += part
        return data


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def chunk(number: int, size: int) -> bytes:
    return bytes([number & 255]) * size


@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=100),
    begun=st.integers(0, 3000),
)
def test_chunks_come_out_whole_and_in_order(sizes: list[int], begun: int) -> None:
    pipe = Pipe()
    try:
        chunks = [chunk(number, size) for number, size in enumerate(sizes)]
        begun = min(begun, sizes[0] - 1)
        box = Outbox(0.0)
        box.push(chunks[0], begun)
        for data in chunks[1:]:
            box.push(data)
        assert box.size == sum(sizes) - begun
        assert pipe.drain(box) == b"".join(chunks)[begun:]
    finally:
        pipe.close()


def test_an_outbox_that_was_empty_begins_anew(pipe: Pipe) -> None:
    box = Outbox(0.0)
    box.push(b"abc", 1)
    assert pipe.drain(box) == b"bc"
    box.push(b"def")
    assert pipe.drain(box) == b"def"
    box.push(b"ghi", 2)
    assert pipe.drain(box) == b"i"


def test_more_chunks_than_one_write_takes(pipe: Pipe) -> None:
    box = Outbox(0.0)
    for number in range(1000):
        box.push(chunk(number, 3))
    expected = b"".join(chunk(number, 3) for number in range(1000))
    assert pipe.drain(box) == expected


def test_a_full_socket_takes_nothing_and_nothing_is_lost(pipe: Pipe) -> None:
    box = Outbox(0.0)
    data = bytes(range(256)) * 1000
    box.push(data)
    box.write(pipe.near.fileno())
    with pytest.raises(BlockingIOError):
        box.write(pipe.near.fileno())
    assert 0 < box.size < len(data)
    got = pipe.far.recv(1 << 20)
    assert got + pipe.drain(box) == data


def test_a_broken_socket_raises(pipe: Pipe) -> None:
    box = Outbox(0.0)
    box.push(b"x")
    pipe.far.close()
    with pytest.raises(BrokenPipeError):
        box.write(pipe.near.fileno())


def test_cutting_keeps_the_chunk_that_was_begun(pipe: Pipe) -> None:
    box = Outbox(0.0)
    box.push(b"begun", 2)
    box.push(b"whole")
    box.push(b"whole too")
    assert box.cut() == 14
    assert box.size == 3
    box.push(b"!")
    assert pipe.drain(box) == b"gun!"


def test_cutting_keeps_nothing_where_nothing_was_begun(pipe: Pipe) -> None:
    box = Outbox(0.0)
    box.push(b"whole")
    box.push(b"whole too")
    assert box.cut() == 14
    assert box.size == 0
    box.push(b"!")
    assert pipe.drain(box) == b"!"


def test_cutting_after_a_partial_write_keeps_the_rest_of_its_chunk(pipe: Pipe) -> None:
    box = Outbox(0.0)
    chunks = [chunk(number, 1000) for number in range(200)]
    for data in chunks:
        box.push(data)
    sent = box.write(pipe.near.fileno())
    assert 0 < sent < 200_000
    dropped = box.cut()
    kept = box.size
    assert kept == -sent % 1000
    assert dropped + kept + sent == 200_000
    expected = b"".join(chunks)[: sent + kept]
    assert pipe.far.recv(1 << 20) + pipe.drain(box) == expected


def test_what_is_sealed_is_empty_and_ending() -> None:
    assert SEALED.ending
    assert SEALED.size == 0
