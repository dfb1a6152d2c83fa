"""Fuzzed bytes on links: the link is cut, the others do not notice, nothing stays."""

import os
from collections.abc import Iterator
from random import Random

import msgspec
import pytest

from hubbub.server.bus.wire import (
    GAP,
    HELLO,
    PUBLISH,
    BusError,
    FrameReader,
    encode,
)
from hubbub.server.dialects.message import Dialect, Kind, Message
from hubbub.server.rooms.hub import Hub
from hubbub.server.rooms.room import Room
from tests.fuzz.commands import command_json
from tests.fuzz.frames import payload
from tests.fuzz.links import stream
from tests.fuzz.mutation import cut
from tests.fuzz.seed import each
from tests.server.bus.conftest import CLUSTER, Worker, World
from tests.server.reactor.conftest import Rig

pytestmark = pytest.mark.slow
MOST = 4096
_TYPES: dict[int, tuple[type | tuple[type, ...], ...]] = {
    HELLO: (int, int, str),
    PUBLISH: (str, int, str, bytes),
    GAP: (int, (list, type(None))),
}


def read(pieces: list[bytes]) -> list[tuple[int, list[object]]] | None:
    """Return the frames in `pieces`; None if it is no stream of frames."""
    reader = FrameReader(MOST)
    found: list[tuple[int, list[object]]] = []
    try:
        for piece in pieces:
            found += reader.feed(piece)
    except BusError:
        return None
    return found


def test_fuzzed_link_is_the_same_frames_however_it_is_read() -> None:
    count = refused = 0

    def check(random: Random) -> None:
        nonlocal count, refused
        data = stream(random)
        found = read([data])
        assert read(cut(random, data, 20)) == found
        if found is None:
            refused += 1
            return
        count += len(found)
        for kind, fields in found:
            for value, types in zip(fields, _TYPES[kind], strict=True):
                assert isinstance(value, types)

    each("links", 4000, check)
    assert count > 1000
    assert refused > 1000


class Ear(Hub):
    """A hub that keeps what the mesh says, whatever it is."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[bytes] = []

    def publish(self, name: str, message: Message, author: object) -> None:
        self.heard.append(message.payload)


@pytest.fixture
def world() -> Iterator[World]:
    made = World(3)
    yield made
    made.end()


def start(world: World, slot: int) -> tuple[Worker, Ear]:
    """Return a worker with members of the lobby, and what it hears."""
    worker, ear = world.start(slot), Ear()
    worker.mesh._hub = worker.hub = ear  # type: ignore[assignment]
    worker.want("lobby")
    return worker, ear


def test_fuzzed_link_is_cut_and_the_others_go_on(world: World) -> None:
    """Two workers talk; a third, in whose name the test speaks, has gone mad."""
    (a, heard_by_a), (c, heard_by_c) = start(world, 0), start(world, 2)
    world.link(a, c)
    world.settle()
    world.interest.claim(1, 1)
    heard_by_a.rooms = {"here": Room("here")}
    hello = encode(HELLO, 1, 1, CLUSTER)
    begun = a.reactor.descriptors, len(os.listdir("/proc/self/fd"))
    said = cuts = 0

    def check(random: Random) -> None:
        nonlocal said, cuts
        end = world.raw(a, slot=1)
        for piece in cut(random, hello + stream(random)):
            try:
                end.send(piece)
            except BrokenPipeError:
                break
            a.tick()
            said += 1
            for speaker, listener, ear in ((a, c, heard_by_c), (c, a, heard_by_a)):
                speaker.say(f"number {said}")
                speaker.tick()
                listener.tick()
                assert ear.heard.count(b"number %d" % said) == 1, "the healthy link"
                ear.heard.clear()
        end.close()
        a.tick()
        cuts += any(loss[2].startswith("bad frame") for loss in a.lost)
        assert all(loss[:2] == (1, 1) for loss in a.lost), "another link was lost"
        a.lost.clear()
        assert a.reported == []
        assert a.counters.errors == 0
        assert 0 <= a.counters.bus_gaps < 1 << 63
        assert (a.reactor.descriptors, len(os.listdir("/proc/self/fd"))) == begun

    each("mesh", 200, check)
    assert cuts > 50


def test_fuzzed_payload_of_a_mad_peer_costs_its_own_batch_alone() -> None:
    """Frames of the right shape whose payload is not what its kind says."""
    rig = Rig()
    mad = [rig.client("mad", dialect=dialect) for dialect in Dialect]
    sane = [rig.client("lobby", dialect=dialect) for dialect in Dialect]
    said = 0

    def check(random: Random) -> None:
        nonlocal said
        kind = random.choice(tuple(Kind))
        content = random.choice((command_json, payload, stream))(random)
        rig.hub.publish("mad", Message(kind, content[:2000], "m"), None)
        said += 1
        rig.say(f"number {said}")
        rig.settle()
        for client in sane:
            ((_, heard),) = client.frames()
            assert b"number %d" % said in heard
        for client in mad:
            client.frames()
            assert not client.ended

    each("payloads", 400, check)
    assert 10 < len(rig.reported) == rig.counters.errors
    expected = (UnicodeDecodeError, msgspec.DecodeError, OverflowError, RecursionError)
    assert all(isinstance(error, expected) for error in rig.reported)
    rig.end()
