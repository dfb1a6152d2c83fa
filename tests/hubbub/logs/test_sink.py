"""Lines go out whole, or not at all, and never wait."""

import contextlib
import os
import pty
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubbub.logs.sink import LONGEST, Sink

LINE = b"x" * (LONGEST - 1) + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):  # the test has closed it
            os.close(end)


def test_file_gets_lines(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        sink = Sink(file.fileno())
        assert sink.write(b"one\n")
        assert sink.write(b"two\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert sink.dropped == 0


def test_two_processes_share_the_offset_of_a_file(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        sink = Sink(file.fileno())
        sink.write(b"parent\n")
        if (child := os.fork()) == 0:
            os._exit(0 if sink.write(b"child\n") else 1)
        assert os.waitpid(child, 0)[1] == 0
        sink.write(b"parent\n")
    assert (tmp_path / "log").read_bytes() == b"parent\nchild\nparent\n"


def test_full_disk_drops_and_counts() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    sink = Sink(fd)
    assert not sink.write(b"one\n")
    assert not sink.write(b"two\n")
    assert sink.dropped == 2
    os.close(fd)


def test_line_that_a_full_disk_tore_does_not_spoil_the_next(tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (tmp_path / "log").open("wb") as file:
        sink = Sink(file.fileno())
        # A file size limit stops a write in its middle, as a full disk does (EFBIG;
        # Python ignores SIGXFSZ).
        resource.setrlimit(resource.RLIMIT_FSIZE, (6, limit[1]))
        try:
            results = [sink.write(b"one\n"), sink.write(b"two\n"), sink.write(b"x\n")]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert results == [True, False, False]
        assert sink.write(b"three\n")
        assert sink.write(b"four\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntw\nthree\nfour\n"
    assert sink.dropped == 2


def test_closed_pipe_drops_and_counts(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    sink = Sink(writer)
    assert sink.write(b"one\n")
    os.close(reader)
    assert not sink.write(b"two\n")
    assert sink.dropped == 1


def test_stuck_pipe_drops_and_recovers(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    sink = Sink(writer)
    written = 0
    while sink.write(LINE):
        written += 1
    assert written == 16  # what a pipe holds: 64 KiB
    assert sink.dropped == 1
    assert not sink.write(b"short\n")
    assert os.read(reader, 1 << 16) == LINE * written
    assert sink.write(b"again\n")
    assert os.read(reader, 100) == b"again\n"
    assert os.get_blocking(writer)  # shared with others: not ours to change


@pytest.mark.parametrize("size", [1, 100, 1000, LONGEST])
def test_stuck_pipe_is_never_torn(pipe: tuple[int, int], size: int) -> None:
    reader, writer = pipe
    sink = Sink(writer)
    line = b"y" * (size - 1) + b"\n"
    written = 0
    while sink.write(line):
        written += 1
    assert os.read(reader, 1 << 17) == line * written


def test_pipe_is_looked_at_where_it_cannot_be_opened(
    pipe: tuple[int, int],
) -> None:
    reader, writer = pipe
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    sink = Sink(writer)
    # No descriptor is free: nothing can be opened again.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limit[1]))
    try:
        written = 0
        while sink.write(LINE):
            written += 1
        os.close(reader)
        gone = sink.write(b"x\n")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert written == 16
    assert not gone


def test_terminal_that_nobody_reads_drops() -> None:
    master, slave = pty.openpty()
    sink = Sink(slave)
    for _ in range(1000):
        if not sink.write(LINE):
            break
    assert sink.dropped == 1
    os.close(slave)
    os.close(master)


def test_terminal_that_is_gone_drops() -> None:
    master, slave = pty.openpty()
    sink = Sink(slave)
    os.close(master)
    assert not sink.write(b"x\n")
    os.close(slave)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_socket_that_nobody_reads_drops(kind: socket.SocketKind) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    sink = Sink(ours.fileno())
    for _ in range(10_000):
        if not sink.write(LINE):
            break
    assert sink.dropped == 1
    theirs.close()
    assert not sink.write(b"x\n")
    assert ours.fileno() >= 0
    ours.close()


def test_closed_descriptor_drops(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    os.close(writer)
    assert not Sink(writer).write(b"x\n")


def test_no_descriptor_stays_open(pipe: tuple[int, int]) -> None:
    before = os.listdir("/proc/self/fd")
    Sink(pipe[1]).write(b"x\n")
    assert os.listdir("/proc/self/fd") == before
