"""The hello of a link: who may speak on it, and from when on."""

import socket
from contextlib import suppress

import pytest

from hubbub.server.bus.wire import HELLO, PUBLISH, Body, FrameReader, encode

from .conftest import CLUSTER, World


def message(text: str) -> bytes:
    return encode(PUBLISH, "lobby", 1, "m", text.encode())


def frames(end: socket.socket) -> list[tuple[int, Body]]:
    """Return the frames that have come to a raw end."""
    reader, got = FrameReader(1 << 20), []
    with suppress(BlockingIOError):
        while data := end.recv(65536):
            got += reader.feed(data)
    return got


@pytest.mark.parametrize(
    "hello",
    [
        encode(HELLO, 2, 1, CLUSTER),
        encode(HELLO, 1, 2, CLUSTER),
        encode(HELLO, 1, 1, "another cluster"),
    ],
    ids=["slot", "generation", "cluster"],
)
def test_a_stranger_is_cut_at_its_hello(world: World, hello: bytes) -> None:
    a = world.start(0)
    world.interest.claim(1, 1)
    end = world.raw(a, slot=1)
    end.send(hello + message("x"))
    a.tick()
    assert a.heard() == []
    assert a.lost == [(1, 1, "bad frame: hello of a stranger", 0)]


def test_a_link_is_greeted_when_the_last_one_was_read_to_its_end(world: World) -> None:
    """Who is greeted may speak: what it said before must have been heard by then."""
    a = world.start(0)
    world.interest.claim(1, 1)
    last = world.raw(a, slot=1)
    last.send(encode(HELLO, 1, 1, CLUSTER))
    a.tick()
    link = world.raw(a, slot=1)
    a.tick()
    assert frames(link) == []
    assert frames(last) == [(HELLO, [0, 1, CLUSTER])]
    last.send(message("on its way when the link was cut"))
    last.close()
    a.tick()
    assert a.heard() == ["on its way when the link was cut"]
    assert frames(link) == [(HELLO, [0, 1, CLUSTER])]
