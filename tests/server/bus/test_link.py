"""A link alone: what it writes, keeps and gives back."""

import os
import socket
from collections.abc import Iterator

import pytest

from hubbub.server.bus.link import Link, Missed
from hubbub.server.bus.wire import GAP, HELLO, PUBLISH, Body, encode
from hubbub.server.reactor.reactor import Reactor
from hubbub.server.stats.counters import Counters
from hubbub.settings import Limits

from .conftest import NoClients


class Keeper:
    """A receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.got: list[Body] = []
        self.ends: list[str] = []

    def receive(self, link: Link, kind: int, fields: Body) -> None:
        self.got.append(fields)

    def lost(self, link: Link, reason: str, torn: bool = False) -> None:
        self.ends.append(reason)


class Ends:
    """A link, and its far end in the test's hand."""

    def __init__(self) -> None:
        near, self.far = socket.socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        self.far.setblocking(False)
        self.keeper = Keeper()
        self.reactor = Reactor(Limits(), Counters(), lambda error: None)
        self.reactor.attach(NoClients(), NoClients())
        self.link = Link(near.detach(), 1, 1, self.reactor, self.keeper, 1 << 20)

    def read(self) -> bytes:
        """Return all that comes, letting the link write meanwhile."""
        data = b""
        while True:
            try:
                part = self.far.recv(1 << 20)
            except BlockingIOError:
                return data
            if not part:
                return data
            data += part
            self.reactor.tick()


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.link.close("over")
    ends.far.close()


def frame(number: int, size: int = 1000) -> bytes:
    return encode(PUBLISH, f"room{number % 7}", 1, "m", b"." * size)


@pytest.mark.parametrize("size", [10, 1000, 100_000])
def test_a_backlog_comes_out_whole_and_in_order(ends: Ends, size: int) -> None:
    frames = [frame(number, size) for number in range(2_000_000 // (size + 100))]
    link = ends.link
    for at in range(0, len(frames), 3):
        link.push(frames[at : at + 3])
        if not link.blocked:
            link.write()
    assert link.blocked
    unsent = link.size
    assert 0 < unsent < sum(map(len, frames))
    assert ends.read() == b"".join(frames)
    assert (link.size, link.blocked) == (0, False)
    assert ends.reactor.counters.bus_bytes == sum(map(len, frames))


def test_what_was_not_sent_whole_is_given_back(ends: Ends) -> None:
    frames = [frame(number) for number in range(100)]
    ends.link.push(frames)
    ends.link.write()
    missed = ends.link.cut()
    assert 0 < len(missed) < 100
    assert missed == frames[-len(missed) :]
    got = ends.read()
    whole = b"".join(frames[: -len(missed)])
    # The frame that was begun is missed: nobody gets a half.
    assert got[: len(whole)] == whole
    assert len(got) < len(whole) + len(missed[0])
    assert ends.link.size == 0


def test_a_link_that_was_cut_writes_no_more_but_reads_to_the_end(ends: Ends) -> None:
    ends.link.cut()
    ends.link.push([frame(1)])
    ends.link.write()
    assert ends.far.recv(100) == b""
    ends.far.send(encode(HELLO, 1, 1, "x"))
    ends.reactor.tick()
    assert ends.keeper.got == [[1, 1, "x"]]
    ends.far.close()
    ends.reactor.tick()
    assert ends.keeper.ends == ["ended by the peer"]


def test_a_peer_that_ends_its_side_is_sent_what_it_may_still_read(ends: Ends) -> None:
    ends.link.push([frame(1)])
    ends.far.shutdown(socket.SHUT_WR)
    ends.reactor.tick()
    assert ends.keeper.ends == ["ended by the peer"]
    assert ends.read() == frame(1)


def test_a_broken_link_is_lost_once(ends: Ends) -> None:
    ends.far.close()
    for _ in range(3):
        ends.link.push([frame(1)])
        ends.link.write()
        ends.reactor.tick()
    assert ends.keeper.ends == ["broken: Broken pipe"]
    assert ends.link.fd == -1
    assert ends.reactor.descriptors == 0
    assert len(ends.link.unsent()) == 3


def test_a_closed_links_number_is_given_back(ends: Ends) -> None:
    number = ends.link.fd
    ends.link.close("over")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


# Counting


def test_missed_frames_are_counted_by_room() -> None:
    missed = Missed(3)
    assert missed.add([frame(0), frame(1), frame(0)]) == 3
    assert missed.add([encode(HELLO, 1, 1, "x")]) == 0
    assert missed.add([]) == 0
    assert missed.rooms == {"room0", "room1"}
    assert missed.add([frame(2)]) == 1
    assert len(missed.rooms or ()) == 3
    assert missed.add([frame(3), frame(4)]) == 2
    assert not missed.rooms
    assert missed.add([frame(5)]) == 1
    assert missed.frames == 7


def test_a_gap_that_did_not_get_out_is_told_again() -> None:
    missed = Missed(3)
    assert missed.add([encode(GAP, 5, ["room1"]), frame(0)]) == 1
    assert (missed.frames, missed.rooms) == (6, {"room0", "room1"})
    assert missed.add([encode(GAP, 300, None)]) == 0
    assert (missed.frames, missed.rooms) == (306, None)
