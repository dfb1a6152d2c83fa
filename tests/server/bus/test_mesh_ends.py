"""Links that end: workers that die, others that follow them, and bad frames."""

import socket

import pytest

from hubbub.server.bus.wire import GAP, HELLO, PUBLISH, encode
from hubbub.server.dialects.message import Kind
from hubbub.server.rooms.room import Room

from .conftest import CLUSTER, Worker, World

Two = tuple[Worker, Worker]

HELLO_OF_B = encode(HELLO, 1, 1, CLUSTER)


def message(text: str) -> bytes:
    return encode(PUBLISH, "lobby", 1, "m", text.encode())


@pytest.fixture
def a(world: World) -> Worker:
    return world.start(0)


@pytest.fixture
def b(world: World, a: Worker) -> socket.socket:
    """Return the far end of a link to `a`, over which the test speaks."""
    world.interest.claim(1, 1)
    end = world.raw(a, slot=1)
    end.send(HELLO_OF_B)
    a.tick()
    return end


# The death of a worker


def test_what_a_worker_said_before_it_died_is_heard(world: World, two: Two) -> None:
    a, b = two
    world.link(a, b)
    world.settle()
    b.say("last words")
    b.mesh.flush()
    world.kill(b)
    a.mesh.gone(1, 1)
    world.settle()
    assert a.heard() == ["last words"]


def test_nothing_is_kept_for_a_worker_that_is_gone(world: World, two: Two) -> None:
    a, b = two
    a.say("to b, which has no link yet")
    a.tick()
    world.kill(b)
    a.mesh.gone(1, 1)
    next_b = world.start(1, generation=2)
    next_b.want("lobby")
    world.link(a, next_b)
    a.say("to its successor")
    world.settle()
    assert next_b.heard() == ["to its successor"]
    assert next_b.counters.bus_gaps == 0


@pytest.mark.parametrize("ticks", [0, 1])
def test_what_is_for_the_next_worker_arrives_though_the_last_ones_end_was_not_seen(
    world: World, two: Two, ticks: int
) -> None:
    a, b = two
    world.link(a, b)
    world.settle()
    world.kill(b)
    next_b = world.start(1, generation=2)
    next_b.want("lobby")
    for number in range(3):
        a.say(str(number))
        a.mesh.flush()  # Its link to the last b breaks under the first of these.
        for _ in range(ticks):
            a.tick()
    a.mesh.gone(1, 1)
    world.link(a, next_b)
    a.say("3")
    world.settle()
    assert next_b.heard() == ["0", "1", "2", "3"]
    assert next_b.counters.bus_gaps == 0


def test_a_gap_for_a_worker_is_not_told_to_its_successor(
    world: World, two: Two
) -> None:
    a, b = two
    world.link(a, b)
    world.settle()
    while not a.lost:
        a.say("." * 4000)
        a.mesh.flush()
    world.kill(b)
    next_b = world.start(1, generation=2)
    next_b.want("lobby")
    a.say("first")
    a.tick()
    a.mesh.gone(1, 1)
    world.link(a, next_b)
    world.settle()
    assert next_b.heard() == ["first"]


def test_a_link_to_a_worker_that_was_replaced_meanwhile_is_not_taken(
    world: World, two: Two
) -> None:
    """The supervisor's news of a worker may come later than its successor's bits."""
    a, b = two
    world.kill(b)
    next_b = world.start(1, generation=2)
    next_b.want("lobby")
    a.say("to the successor")
    a.tick()
    end = world.raw(a, slot=1, generation=1)
    assert end.recv(100) == b""
    a.mesh.gone(1, 1)
    world.link(a, next_b)
    world.settle()
    assert next_b.heard() == ["to the successor"]


def test_the_death_of_one_does_not_touch_the_others(world: World, two: Two) -> None:
    a, b = two
    c = world.start(2)
    c.want("lobby")
    for one, other in ((a, b), (b, c), (a, c)):
        world.link(one, other)
    world.settle()
    for number in range(10):
        if number == 5:
            world.kill(b)
        a.say(str(number))
        a.tick()
        c.tick()
    assert c.heard() == [str(number) for number in range(10)]
    assert a.heard() == []
    assert a.lost[0][:2] == (1, 1)


def test_a_slot_nobody_holds_gets_nothing(world: World, two: Two) -> None:
    a, b = two
    world.interest.claim(1, 0)  # wiped, but its bits still to be cleared
    a.say("to nobody")
    a.tick()
    assert a.counters.bus_missed == 0
    world.interest.claim(1, 1)
    world.link(a, b)
    world.settle()
    assert b.heard() == []


def test_a_peer_that_lives_on_without_a_link_is_told_what_it_missed(
    world: World, a: Worker, b: socket.socket
) -> None:
    world.workers[1] = peer = Worker(world.interest.fd, 1, 1, 65536)
    peer.want("lobby")
    b.close()
    a.say("into the broken link")
    a.mesh.flush()
    assert [(slot, missed) for slot, _, _, missed in a.lost] == [(1, 1)]
    a.say("kept for the next link")
    a.tick()
    world.link(a, peer)
    world.settle()
    assert peer.heard() == ["GAP", "kept for the next link"]
    assert peer.counters.bus_gaps == a.counters.bus_missed == 1


# Frames that are not what they should be

BAD = {
    "no length": b"\x00\x00\x00\x00\x01\x02",
    "too long": b"\x7f\xff\xff\xff\x01\x02",
    "another version": b"\x00\x00\x00\x10\x02\x02",
    "unknown type": b"\x00\x00\x00\x03\x01\x09\x90",
    "body that is cut": message("x")[:8] + message("y"),
    "noise": bytes(range(7, 200)),
    "second hello": HELLO_OF_B,
    "unknown kind": encode(PUBLISH, "lobby", 9, "m", b"x"),
    "kind below": encode(PUBLISH, "lobby", -1, "m", b"x"),
    "text that is none": encode(PUBLISH, "lobby", Kind.TEXT, "m", b"\xff"),
    "json that is no text": encode(PUBLISH, "lobby", Kind.JSON, "m", b'"\xed\xa0"'),
    "negative gap": encode(GAP, -1, None),
    "endless gap": encode(GAP, (1 << 64) - 1, None),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_frame_cuts_the_link_and_nothing_escapes(
    world: World, a: Worker, b: socket.socket, bad: str
) -> None:
    b.send(message("before"))
    a.tick()
    a.hub.rooms = {"here": Room("here")}
    b.send(BAD[bad] + message("after"))
    a.tick()
    assert a.reported == []
    assert [(slot, generation) for slot, generation, *_ in a.lost] == [(1, 1)]
    assert a.lost[0][2].startswith("bad frame: ")
    # Nobody knows for which rooms the rest was.
    assert a.hub.heard == [("lobby", "before"), ("here", "GAP")]
    assert a.reactor.descriptors == 0
    # The counters can still be published.
    assert 0 <= a.counters.bus_gaps < 1 << 63
    end = world.raw(a, slot=1)
    end.send(HELLO_OF_B + message("again"))
    a.tick()
    assert a.heard()[-1] == "again"


@pytest.mark.parametrize(
    "hello",
    [
        encode(HELLO, 2, 1, CLUSTER),
        encode(HELLO, 1, 2, CLUSTER),
        encode(HELLO, 1, 1, "another cluster"),
        message("traffic before the hello"),
        encode(GAP, 1, None),
    ],
    ids=["slot", "generation", "cluster", "publish", "gap"],
)
def test_a_stranger_is_not_listened_to(world: World, a: Worker, hello: bytes) -> None:
    end = world.raw(a, slot=1)
    end.send(hello + HELLO_OF_B + message("x"))
    a.tick()
    assert a.heard() == []
    assert a.lost[0][2].startswith("bad frame: ")


def test_a_link_that_ends_in_the_middle_of_a_frame_ends_quietly(
    a: Worker, b: socket.socket
) -> None:
    assert b.recv(100) == encode(HELLO, 0, 1, CLUSTER)  # unread, it were a reset
    b.send(message("whole") + message("half")[:9])
    b.close()
    a.tick()
    assert a.heard() == ["whole"]
    assert a.lost == [(1, 1, "ended by the peer", 0)]


def test_a_frame_of_64_kib_and_more_comes_through(world: World, two: Two) -> None:
    a, b = two
    world.link(a, b)
    text = "ż" * 30_000
    for _ in range(3):
        a.say(text)
        world.settle()
    assert b.heard() == [text] * 3
