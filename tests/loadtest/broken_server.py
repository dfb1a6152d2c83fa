"""A small room server with a fault that is switched on: what a load test must catch.

    python broken_server.py FAULT [--every N] [--victims all|crowd|canaries]

Members of the room at a path hear what the others say. Every N-th message, counted over
all rooms, is treated as the fault says. It prints its port, serves until stdin ends,
and then prints what it has done as JSON: [kind, room, sender, number, members] each.

It is made of another WebSocket library than anything that it is to test, and knows of
the messages only where their room, sender and number are.
"""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from struct import Struct

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

_HEAD = Struct("<4xIIQ")
_LATE = 0.3
"""Seconds after which a join is in force, where that is the fault."""
_CROWD_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""Mass clients all send the key of RFC 6455's example; other clients make one up."""

Mark = tuple[int, int, int]
"""Room, sender, number."""


class Member:
    """One connection."""

    def __init__(self, room: str, canary: bool) -> None:
        self.room = room
        self.canary = canary
        self.joined = asyncio.get_running_loop().time()
        self.started: set[int] = set()
        self.held: dict[int, tuple[Mark, bytes]] = {}
        self._out: list[bytes] = []
        self._ready = asyncio.Event()

    def give(self, payload: bytes) -> None:
        self._out.append(payload)
        self._ready.set()

    async def pump(self, connection: ServerConnection) -> None:
        while True:
            await self._ready.wait()
            out, self._out = self._out, []
            self._ready.clear()
            for payload in out:
                try:
                    await connection.send(payload)
                except ConnectionClosed:
                    return


class Server:
    """All rooms."""

    def __init__(self, fault: str, every: int, victims: str) -> None:
        self.done: Counter[tuple[str, int, int, int]] = Counter()
        self._fault = fault
        self._every = every
        self._victims = victims
        self._said = 0
        self._left = asyncio.Event()
        self._rooms: dict[str, dict[Member, ServerConnection]] = {}
        self._members: dict[ServerConnection, Member] = {}

    # Connections

    def admit(self, connection: ServerConnection, request: Request) -> None:
        """Make somebody a member before the answer says so."""
        member = Member(
            request.path, request.headers["Sec-WebSocket-Key"] != _CROWD_KEY
        )
        self._members[connection] = member
        self._rooms.setdefault(member.room, {})[member] = connection

    async def serve(self, connection: ServerConnection) -> None:
        member = self._members.pop(connection)
        pump = asyncio.create_task(member.pump(connection))
        try:
            async for payload in connection:
                assert isinstance(payload, bytes)
                self._relay(member, payload)
        except ConnectionClosed:
            pass
        finally:
            pump.cancel()
            del self._rooms[member.room][member]
            for mark, _ in member.held.values():
                self._did("lost", mark)
            self._left.set()

    async def empty(self) -> None:
        """Wait until everybody has left."""
        while any(self._rooms.values()):
            self._left.clear()
            await self._left.wait()

    # Messages

    def _relay(self, origin: Member, payload: bytes) -> None:
        self._said += 1
        hit = self._said % self._every == 0
        mark: Mark = _HEAD.unpack_from(payload)
        room = self._rooms[origin.room]
        for member in list(room):
            if member is origin:
                continue
            if self._is_victim(member):
                self._deliver(member, mark, payload, hit)
            else:
                member.give(payload)
        if hit:
            self._beyond(origin, mark, payload)

    def _is_victim(self, member: Member) -> bool:
        return self._victims == "all" or (self._victims == "canaries") == member.canary

    def _beyond(self, origin: Member, mark: Mark, payload: bytes) -> None:
        """Do what reaches beyond the room's other members."""
        if self._fault == "echo":
            self._did("misrouted", mark)
            origin.give(payload)
        elif self._fault == "mix":
            paths = sorted(path for path in self._rooms if self._rooms[path])
            other = paths[(paths.index(origin.room) + 1) % len(paths)]
            for member in self._rooms[other]:
                if self._is_victim(member):
                    self._did("misrouted", mark)
                    member.give(payload)
        elif self._fault == "die":
            os._exit(1)
        elif self._fault == "close":
            # Somebody else in the room, so that what is said now reaches the others.
            member = next(m for m in self._rooms[origin.room] if m is not origin)
            self._rooms[origin.room][member].transport.abort()
            self._fault = "none"

    def _deliver(self, member: Member, mark: Mark, payload: bytes, hit: bool) -> None:
        """Give one member what it is to get, or something else."""
        fault, sender = self._fault, mark[1]
        now = asyncio.get_running_loop().time()
        if fault == "drop" and hit:
            self._did("lost", mark)
        elif fault == "duplicate" and hit:
            self._did("duplicated", mark)
            member.give(payload)
            member.give(payload)
        elif fault == "corrupt" and hit:
            self._did("corrupted", mark)
            member.give(payload[:-1] + bytes((payload[-1] ^ 1,)))
        elif fault == "garble" and hit:
            self._did("corrupted", (_room_of(member), 0, 0))
            self._did("lost", mark)
            member.give(b"\0" + payload[1:])
        elif fault == "cut" and hit:
            self._did("corrupted", (_room_of(member), 0, 0))
            self._did("lost", mark)
            member.give(payload[:-1])
        elif fault == "last":
            # One message behind: the last one never comes.
            earlier = member.held.pop(sender, None)
            member.held[sender] = mark, payload
            if earlier:
                member.give(earlier[1])
        elif fault == "never" and sender not in member.started:
            member.started.add(sender)
            self._did("lost", mark)
        elif fault == "late" and now - member.joined < _LATE:
            self._did("lost", mark)
        elif (fault == "reorder" and hit) or (
            fault == "swap" and sender not in member.started
        ):
            member.started.add(sender)
            member.held[sender] = mark, payload
        else:
            member.give(payload)
            if sender in member.held:
                self._did("reordered", member.held[sender][0])
                member.give(member.held.pop(sender)[1])

    def _did(self, kind: str, mark: Mark) -> None:
        self.done[kind, *mark] += 1


def _room_of(member: Member) -> int:
    return int(member.room.rpartition(".")[2])


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("fault")
    parser.add_argument("--every", type=int, default=1000)
    parser.add_argument("--victims", default="all")
    given = parser.parse_args()
    server = Server(given.fault, given.every, given.victims)
    async with serve(
        server.serve,
        "127.0.0.1",
        0,
        process_request=server.admit,
        compression=None,
        ping_interval=None,
        max_size=None,
    ) as listening:
        print(listening.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await server.empty()
        done = [[*mark, count] for mark, count in server.done.items()]
        print(json.dumps(done), flush=True)
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
