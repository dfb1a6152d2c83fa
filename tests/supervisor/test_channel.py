"""Channels: order, descriptors, bounds, ends."""

import errno
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from hubbub.supervisor.channel import BACKLOG, LARGEST, Channel, Nonsense, pair
from hubbub.supervisor.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def ends(loop: Loop) -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = pair()
    channel = Channel(ours, loop)
    channel.watch(lambda: None)
    yield channel, theirs
    channel.close()
    theirs.close()


Ends = tuple[Channel, socket.socket]


def test_messages_arrive_whole_and_in_order(ends: Ends) -> None:
    channel, theirs = ends
    theirs.send(b'{"type":"hello","pid":7}')
    theirs.send(b'{"type":"ready"}')
    assert list(channel.receive()) == [{"type": "hello", "pid": 7}, {"type": "ready"}]
    assert list(channel.receive()) == []
    assert channel.send({"type": "gone"})
    assert json.loads(theirs.recv(1000)) == {"type": "gone"}


def test_descriptor_is_passed_and_ours_closed(ends: Ends) -> None:
    channel, theirs = ends
    reader, writer = os.pipe()
    channel.send({"type": "link"}, (writer,))
    _, fds, _, _ = socket.recv_fds(theirs, 1000, 2)
    os.write(fds[0], b"x")
    assert os.read(reader, 1) == b"x"
    os.close(fds[0])
    assert os.read(reader, 1) == b""  # ours is closed too
    os.close(reader)


def test_what_is_not_read_waits_and_goes_on_in_order(ends: Ends, loop: Loop) -> None:
    channel, theirs = ends
    sent = 0
    while channel.send({"number": sent, "pad": "x" * 2000}):
        sent += 1
    assert sent > BACKLOG
    assert not channel.send({"number": -1})
    got = []
    theirs.setblocking(False)
    while len(got) < sent:
        try:
            got.append(json.loads(theirs.recv(LARGEST))["number"])
        except BlockingIOError:
            loop.turn(1)
    assert got == list(range(sent))
    assert channel.send({"number": sent})


def test_closing_a_jammed_channel_closes_the_descriptors_that_wait(ends: Ends) -> None:
    channel, _ = ends
    reader, writer = os.pipe()
    while channel.send({"pad": "x" * 2000}, (os.dup(writer),)):
        pass
    os.close(writer)
    channel.close()
    # What the kernel has in flight is closed with the other end.
    ends[1].close()
    assert os.read(reader, 1) == b""
    os.close(reader)


class Refusing(socket.socket):
    """An end that the kernel refuses to take anything from, for so many tries."""

    tries = 2

    def send(self, data: Any, flags: int = 0) -> int:
        if self.tries:
            self.tries -= 1
            raise OSError(errno.ENOBUFS, "No buffer space available")
        return super().send(data, flags)


def test_want_of_memory_in_the_kernel_only_delays_a_message(loop: Loop) -> None:
    ours, theirs = pair()
    channel = Channel(Refusing(fileno=ours.detach()), loop)
    channel.watch(lambda: None)
    assert channel.send({"type": "drain"})
    assert channel.send({"type": "gone"})
    for _ in range(2):
        loop.turn(1)
    theirs.setblocking(False)
    said = [json.loads(theirs.recv(1000))["type"] for _ in range(2)]
    assert said == ["drain", "gone"]
    channel.close()
    theirs.close()


def test_end_is_seen_after_the_last_message(ends: Ends) -> None:
    channel, theirs = ends
    theirs.send(b'{"type":"hello"}')
    theirs.close()
    assert list(channel.receive()) == [{"type": "hello"}]
    assert channel.ended
    assert channel.send({"type": "drain"})  # nobody is there to be distrusted


def test_sending_to_a_dead_process_does_not_raise(ends: Ends) -> None:
    channel, theirs = ends
    theirs.close()
    assert channel.send({"type": "drain"})


def test_what_came_before_nonsense_counts(ends: Ends) -> None:
    channel, theirs = ends
    theirs.send(b'{"type":"hello"}')
    theirs.send(b"{nonsense")
    messages = channel.receive()
    assert next(messages) == {"type": "hello"}
    with pytest.raises(Nonsense):
        next(messages)


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b"7", b"\xff", b"[" * 60000, b'{"x":"' + b"y" * LARGEST + b'"}'],
)
def test_nonsense_is_named_whatever_it_is(ends: Ends, data: bytes) -> None:
    channel, theirs = ends
    theirs.send(data)
    with pytest.raises(Nonsense):
        list(channel.receive())
