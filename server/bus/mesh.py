"""The mesh: a link to every other worker, one write a link and tick.

For each slot there is a peer: the worker that holds the slot now, by the interest
table's generation. What is published for a peer whose link is not there yet waits
for it, bounded; what is published for a worker that is gone is nobody's. So nothing
is lost between workers that run, and the death and return of one never touches what
the others say to each other.
"""

import os
from collections.abc import Callable
from typing import cast

from hubbub.server.bus.link import Link, Missed
from hubbub.server.bus.wire import (
    GAP,
    HELLO,
    MOST_ROOMS,
    PUBLISH,
    Body,
    BusError,
    encode,
    torn_frame,
)
from hubbub.server.dialects.message import Kind, Message
from hubbub.server.reactor.reactor import Reactor
from hubbub.server.rooms.hub import Hub
from hubbub.server.stats.interest import Interest

_FRAME_ROOM = 4096
"""Bytes that a bus frame may be longer than the longest message."""
_GROWTH = 6
"""How much longer a message may become between its client and the bus: `[false]` in
MessagePack has one byte a value, in JSON six."""
_MOST_MISSED = 1 << 48
_KINDS = frozenset(Kind)
_BINARY = int(Kind.BINARY)


class Peer:
    """What is known of, and waits for, the worker in another slot.

    Attributes:
        generation: whom `queue` and `missed` are for.
        link: the link to it, open or opening; None: none yet, or lost.
        tick: frames of this tick.
        queue: frames of earlier ticks, while there is no open link.
        missed: what this generation was not sent and has not been told of.
    """

    __slots__ = ("generation", "link", "missed", "queue", "size", "slot", "tick")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.generation = 0
        self.link: Link | None = None
        self.tick: list[bytes] = []
        self.queue: list[bytes] = []
        self.size = 0
        self.missed = Missed(MOST_ROOMS)

    def turn_to(self, generation: int) -> None:
        """Another worker holds the slot: what waited for the last is nobody's."""
        self.generation = generation
        self.link = None
        self.queue = []
        self.size = 0
        self.missed = Missed(MOST_ROOMS)


class Mesh:
    """All links of this worker.

    Args:
        slot: this worker's slot.
        generation: this worker's generation.
        cluster: the cluster's id, checked in every hello.
        most_message: longest message that clients may send, bytes.
        limit: most unsent bytes of a link.
        tell_gap: called with a room whose members missed messages.
        lost: called with slot, generation, reason and frames missed when a link to
            a worker is lost that may still live.
    """

    def __init__(
        self,
        slot: int,
        generation: int,
        cluster: str,
        most_message: int,
        limit: int,
        reactor: Reactor,
        hub: Hub,
        interest: Interest,
        tell_gap: Callable[[str], None],
        lost: Callable[[int, int, str, int], None],
    ) -> None:
        self._hello = encode(HELLO, slot, generation, cluster)
        self._cluster = cluster
        self._most_frame = _GROWTH * most_message + _FRAME_ROOM
        self._limit = limit
        self._reactor = reactor
        self._counters = reactor.counters
        self._hub = hub
        self._interest = interest
        self._tell_gap = tell_gap
        self._lost = lost
        self._peers = {s: Peer(s) for s in range(interest.slots) if s != slot}
        self._bits = [(interest.offset(s), self._peers[s]) for s in self._peers]
        self._touched: list[Peer] = []
        self._ending: set[Link] = set()
        """Links that we have cut and still read."""

    # Sending

    def publish(self, bit: int, room: str, message: Message) -> None:
        """Gather `message` for every worker that has members of `room`.

        Raises:
            Nothing: what cannot be sent is counted and told to the peer.
        """
        if not self._bits:
            return  # The only worker of its cluster.
        frame: bytes | None = None
        table, at, mask = self._interest.bytes, bit >> 3, 1 << (bit & 7)
        for offset, peer in self._bits:
            if table[offset + at] & mask:
                if frame is None:
                    frame = encode(
                        PUBLISH, room, message.kind, message.sender, message.payload
                    )
                if not peer.tick:
                    self._touched.append(peer)
                peer.tick.append(frame)

    def flush(self) -> None:
        """Write what was gathered, one write a link; never waits."""
        if self._touched:
            touched, self._touched = self._touched, []
            for peer in touched:
                frames, peer.tick = peer.tick, []
                self._send(peer, frames)

    def _send(self, peer: Peer, frames: list[bytes]) -> None:
        link = peer.link
        if link is not None and link.open and link.greeted:
            link.push(frames)
            if not link.blocked:
                link.write()
            generation = self._interest.generation(peer.slot)
            if link.fd >= 0 or generation == link.generation:
                # If it broke under this write, `lost` has counted the frames.
                if link.size > self._limit:
                    self._cut(peer, link)
                return
            # It broke because its worker is gone, and another holds the slot
            # already: these frames were for that one.
        generation = self._interest.generation(peer.slot)
        if generation != peer.generation:
            peer.turn_to(generation)
        if not generation:
            return
        size = sum(map(len, frames))
        if peer.size + size > self._limit:
            # No hole in the middle: the gap is told first, then comes the queue.
            self._miss(peer, peer.queue + frames)
            peer.queue = []
            peer.size = 0
            return
        peer.queue += frames
        peer.size += size

    def _miss(self, peer: Peer, frames: list[bytes]) -> int:
        missed = peer.missed.add(frames)
        self._counters.bus_missed += missed
        return missed

    def _cut(self, peer: Peer, link: Link) -> None:
        missed = self._miss(peer, link.cut())
        peer.link = None
        self._ending.add(link)
        self._lost(link.slot, link.generation, "over its limit", missed)

    # Links

    def connect(self, slot: int, generation: int, fd: int) -> None:
        """Take a fresh socket to the worker of `slot` and `generation`."""
        peer = self._peers[slot]
        if generation < peer.generation:
            # Its successor has been seen in the interest table already, and what
            # waits is for that one.
            os.close(fd)
            return
        if generation != peer.generation:
            peer.turn_to(generation)
        if peer.link is not None:
            # The other end has cut it; we have not read that far yet.
            self._miss(peer, peer.link.cut())
            self._ending.add(peer.link)
        peer.link = Link(fd, slot, generation, self._reactor, self, self._most_frame)
        self._greet(peer.link)

    def _greet(self, link: Link) -> None:
        """Say hello: from here on the peer sends on this link.

        Not before the last links from it have been read to their end: order is per
        publisher, whatever happens to links.
        """
        if any(_same_peer(link, other) for other in self._ending):
            return
        link.greeted = True
        link.push([self._hello])
        link.write()
        if link.open:
            self._begin(link)

    def tear(self, offset: int | None) -> None:
        """Write a large frame as far as `offset` to every peer, None: half of it.

        A fault on purpose: whoever calls it has to end before anything else is
        written, because that would be taken for the rest of the frame.
        """
        part = torn_frame(self._most_frame, offset)
        for peer in self._peers.values():
            if peer.link is not None and peer.link.open and peer.link.greeted:
                peer.link.tear(part)

    def gone(self, slot: int, generation: int) -> None:
        """That worker has ended: nothing waits for it any more."""
        peer = self._peers[slot]
        if peer.generation == generation:
            peer.turn_to(0)

    def receive(self, link: Link, kind: int, fields: Body) -> None:
        """Take one frame of a peer.

        Raises:
            BusError: a frame out of place.
        """
        if kind == PUBLISH and link.open:
            room, what, sender, payload = cast("tuple[str, int, str, bytes]", fields)
            if what not in _KINDS:
                raise BusError("unknown kind of message")
            if what != _BINARY and not payload.isascii():
                _check_text(payload)
            self._hub.publish(room, Message(what, payload, sender), None)
        elif kind == HELLO and not link.open:
            if fields != [link.slot, link.generation, self._cluster]:
                raise BusError("hello of a stranger")
            link.open = True
            if link.greeted:
                self._begin(link)
        elif kind == GAP and link.open:
            self._gap(fields)
        else:
            raise BusError("frame out of place")

    def _begin(self, link: Link) -> None:
        """Send what has waited for `link`."""
        peer = self._peers[link.slot]
        if peer.link is not link:
            return
        frames = peer.queue
        if peer.missed.frames:
            rooms = peer.missed.rooms
            named = None if rooms is None else sorted(rooms)
            frames = [encode(GAP, peer.missed.frames, named), *frames]
        peer.missed = Missed(MOST_ROOMS)
        peer.queue = []
        peer.size = 0
        if frames:
            self._send(peer, frames)

    def _gap(self, fields: Body) -> None:
        count, rooms = fields
        assert isinstance(count, int)
        if not 0 <= count < _MOST_MISSED:
            raise BusError("impossible count of frames")
        self._counters.bus_gaps += count
        if isinstance(rooms, list):
            names = [str(room) for room in rooms]
        else:
            names = list(self._hub.rooms)
        for name in names:
            self._tell_gap(name)

    def lost(self, link: Link, reason: str, torn: bool = False) -> None:
        """A link is closed: count what it did not carry, ask for another."""
        if torn:
            # Nobody knows what came after the bad frame, nor for whom.
            for name in list(self._hub.rooms):
                self._tell_gap(name)
        peer = self._peers[link.slot]
        missed = 0
        if peer.generation == link.generation:
            missed = self._miss(peer, link.unsent())
        if peer.link is link:
            peer.link = None
            self._lost(link.slot, link.generation, reason, missed)
        elif link in self._ending:
            self._ending.discard(link)
            if peer.link is not None and not peer.link.greeted:
                self._greet(peer.link)


def _check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError:
        # Passed on it would end the connections of all who get it, with 1007.
        raise BusError("text that is not UTF-8") from None


def _same_peer(link: Link, other: Link) -> bool:
    return (link.slot, link.generation) == (other.slot, other.generation)
