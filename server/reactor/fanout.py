"""Fan-out: what a room received this tick becomes one buffer for each member.

A message is encoded once per dialect present in the room, what came within one tick
is joined, and every member's write gets the same bytes object. Big rooms are served
in slices with a checkpoint between them. A room has one flush at a time: while
slices remain, new messages wait for the next.
"""

import os
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from hubbub.server.dialects.encoder import VARIANTS, Encoder
from hubbub.server.dialects.message import Message
from hubbub.server.reactor.connection import Connection
from hubbub.server.reactor.outbox import SEALED
from hubbub.server.reactor.reactor import Reactor
from hubbub.server.reactor.throttle import congested
from hubbub.server.rooms.hub import FULL, Hub
from hubbub.server.rooms.room import Batch, Member, Room

_SLICE = 256
"""Members served between two looks at the clock."""

_write = os.write


class Bus(Protocol):
    """The mesh, as the reactor sees it."""

    def publish(self, bit: int, room: str, message: Message) -> None:
        """Gather `message` for every worker that has members of `room`."""

    def flush(self) -> None:
        """Write what was gathered, one write a link; never waits."""


class Fanout:
    """Serves the rooms that have something to say."""

    def __init__(
        self,
        reactor: Reactor,
        hub: Hub,
        bus: Bus,
        encoder: Encoder,
        report: Callable[[BaseException], None],
    ) -> None:
        self._reactor = reactor
        self._hub = hub
        self._report = report
        self._bus = bus
        self._encode = encoder.encode
        self._waiting: list[Room] = []
        self._answers: list[tuple[Connection, bytes]] = []

    def answer(self, connection: Connection, data: bytes) -> None:
        """Send an acknowledgement once this tick's publishes are with the bus."""
        self._answers.append((connection, data))

    @property
    def full(self) -> bool:
        """Whether rooms must be flushed before more is read."""
        return self._hub.pending_bytes > self._hub.full

    def flush(self, deadline: float) -> bool:
        """Write what this tick has gathered: bus, acknowledgements, rooms.

        Returns:
            Whether rooms remain, because `deadline` has passed.
        """
        self._bus.flush()
        if self._answers:
            answers, self._answers = self._answers, []
            for connection, data in answers:
                self._reactor.send(connection, data)
        hub = self._hub
        rooms = self._waiting
        if hub.dirty:
            # A room waits once, however much comes while its slices are served: a
            # place for each of its batches would put the others behind all of them.
            rooms = list(dict.fromkeys(rooms + hub.dirty)) if rooms else hub.dirty
            hub.dirty = []
            hub.full = FULL
        elif not rooms:
            return False
        self._waiting = []
        take_single = hub.take_single
        for served, room in enumerate(rooms, 1):
            single = take_single(room)
            if single is not None:
                self._serve_small(room, *single)
            elif not self._serve_room(room, deadline):
                # The others go first next time: one huge room delays nobody twice.
                self._waiting = [*rooms[served:], room]
                break
            if not served & 7 and monotonic() >= deadline:
                self._waiting = rooms[served:]
                break
        return bool(self._waiting)

    def _serve_small(self, room: Room, message: Message, author: Member | None) -> None:
        """Send one message to the few members of a room: `_serve`, made short."""
        reactor = self._reactor
        found: Any = room.members  # A hub's members are this worker's connections.
        members: tuple[Connection, ...] = found
        frames: dict[int, bytes] = {}
        data, variant = b"", -1
        delivered = behind = 0
        try:
            for member in members:
                if member is author:
                    continue
                if member.variant != variant:
                    variant = member.variant
                    if variant not in frames:
                        frames[variant] = self._encode(variant, room.name, (message,))
                    data = frames[variant]
                if member.outbox is None:
                    try:
                        sent = _write(member.fd, data)
                    except BlockingIOError:
                        sent = 0
                    except OSError:
                        reactor.drop(member)
                        continue
                    if sent < len(data):
                        behind += 1
                        reactor.push(member, data, sent)
                elif member.outbox is SEALED:
                    continue
                else:
                    behind += 1
                    reactor.push(member, data)
                delivered += 1
        except MemoryError:
            raise
        except Exception as error:
            self._lost(error)
        reactor.counters.delivered += delivered
        if behind and author is not None and congested(members, reactor.now):
            reactor.throttle.wait_for(members, (author,))

    def _lost(self, error: Exception) -> None:
        """One room's batch is lost, and said so; the others go on."""
        self._reactor.counters.errors += 1
        self._report(error)

    def _serve_room(self, room: Room, deadline: float) -> bool:
        batch = room.batch
        room.batch = None
        while True:
            if batch is None:
                batch = self._hub.take(room)
                if batch is None:
                    return True
            try:
                done = self._serve(batch, deadline)
            except MemoryError:
                raise
            except Exception as error:
                self._lost(error)
                done = True
            if not done:
                room.batch = batch
                return False
            batch = None

    def _serve(self, batch: Batch, deadline: float) -> bool:
        special = batch.special()
        frames: list[bytes | None] = [None] * VARIANTS
        found: Any = batch.members
        members: tuple[Connection, ...] = found
        count = len(batch.messages)
        reactor = self._reactor
        delivered = behind = 0
        send, push = reactor.send, reactor.push
        encode = self._encode
        while batch.at < len(members):
            served = members[batch.at : batch.at + _SLICE]
            batch.at += len(served)
            for member in served:
                if member in special:
                    share = batch.share(member)
                    if share and member.outbox is not SEALED:
                        delivered += len(share)
                        send(member, encode(member.variant, batch.room, share))
                    continue
                data = frames[member.variant]
                if data is None:
                    data = frames[member.variant] = encode(
                        member.variant, batch.room, batch.messages
                    )
                if member.outbox is None:
                    # `send`, written out: this line is what a room server does.
                    try:
                        sent = _write(member.fd, data)
                    except BlockingIOError:
                        sent = 0
                    except OSError:
                        reactor.drop(member)
                        continue
                    if sent < len(data):
                        behind += 1
                        push(member, data, sent)
                elif member.outbox is SEALED:
                    continue
                else:
                    behind += 1
                    push(member, data)
                delivered += count
            if batch.at < len(members) and monotonic() >= deadline:
                break
        reactor.counters.delivered += delivered
        if behind and congested(members, reactor.now):
            reactor.throttle.wait_for(members, batch.authors)
        return batch.at == len(members)
