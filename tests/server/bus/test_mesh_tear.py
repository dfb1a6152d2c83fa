"""A worker that ends in the middle of a frame: its peers take nothing of it."""

import threading
from collections.abc import Callable

import pytest

from hubbub.server.bus.wire import HELLO, FrameReader, encode, torn_frame
from hubbub.settings import Limits

from .conftest import CLUSTER, Worker, World

MOST = 6 * Limits().message + 4096
"""Longest frame here, as the mesh has it."""
WHOLE = len(torn_frame(MOST, MOST)) + 1
OFFSETS = [*range(1, 65), 4096, WHOLE // 2, WHOLE - 1]


def read_while(tear: Callable[[], None], *peers: Worker) -> None:
    """Tear in a thread, because it waits for its peers; these read meanwhile."""
    tearing = threading.Thread(target=tear)
    tearing.start()
    while tearing.is_alive():
        for peer in peers:
            peer.tick()
    tearing.join()


def test_torn_frame_is_one_that_a_reader_would_wait_for() -> None:
    assert MOST - 64 < WHOLE <= MOST
    length = int.from_bytes(torn_frame(MOST, 4), "big")
    assert length == WHOLE - 4
    assert len(torn_frame(MOST, None)) == WHOLE // 2
    assert 512 * 1024 - 64 < len(torn_frame(1 << 24, 1 << 24)) < 512 * 1024
    for offset in OFFSETS:
        part = torn_frame(MOST, offset)
        assert len(part) == offset
        assert FrameReader(MOST).feed(part) == []


@pytest.mark.parametrize("offset", OFFSETS)
def test_peers_discard_what_they_have_and_go_on(world: World, offset: int) -> None:
    a, b, c = (world.start(slot) for slot in range(3))
    for worker in (b, c):
        worker.want("lobby", "torn")
        world.link(a, worker)
    world.link(b, c)
    world.settle()
    a.say("before")
    a.mesh.flush()
    read_while(lambda: a.mesh.tear(offset), b, c)
    world.kill(a)
    world.settle()
    assert b.heard() == c.heard() == ["before"]
    assert b.lost == c.lost == [(0, 1, "ended by the peer", 0)]
    assert b.reported == c.reported == []
    next_one = world.start(0, generation=2)
    for worker in (b, c):
        worker.mesh.gone(0, 1)
        world.link(next_one, worker)
    next_one.say("after")
    c.say("between us")
    world.settle()
    assert sorted(b.heard()) == ["after", "between us"]
    assert c.heard() == ["after"]


def test_what_waits_is_written_first_and_whole(world: World) -> None:
    a, b = world.start(0), world.start(1)
    b.want("lobby")
    world.link(a, b)
    world.settle()
    texts = [f"{number} " + "." * 4000 for number in range(12)]
    for text in texts:
        a.say(text)
        a.mesh.flush()
    link = a.mesh._peers[1].link
    assert link is not None
    assert link.blocked
    read_while(lambda: a.mesh.tear(40), b)
    world.kill(a)
    world.settle()
    assert b.heard() == texts


def test_peer_that_does_not_read_holds_up_the_end_for_a_moment_only(
    world: World,
) -> None:
    a = world.start(0)
    end = world.raw(a, slot=1)
    end.send(encode(HELLO, 1, 1, CLUSTER))
    a.tick()
    a.mesh.tear(None)
    world.kill(a)
    reader = FrameReader(MOST)
    got = []
    while data := end.recv(1 << 20):
        got += reader.feed(data)
    assert [kind for kind, _ in got] == [HELLO]
