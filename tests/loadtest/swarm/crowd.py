"""A swarm without its process, and a room server for it, all in one loop."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic_ns
from typing import Any

import trio
import trio_websocket

from hubbub.loadtest.swarm import wire
from hubbub.loadtest.swarm.client import Seat, State
from hubbub.loadtest.swarm.swarm import Orders, Swarm

SECOND = 1_000_000_000

Socket = trio_websocket.WebSocketConnection


class Rooms:
    """A room server.

    Attributes:
        port: where it listens.
        joins: paths and times, in their order.
        rooms: who is in a room.
        refuse: whether the next ones are turned away.
        mute: whether nothing is relayed.
    """

    def __init__(self) -> None:
        self.port = 0
        self.joins: list[tuple[str, int]] = []
        self.rooms: dict[str, list[Socket]] = {}
        self.refuse = False
        self.mute = False

    async def serve(self, request: trio_websocket.WebSocketRequest) -> None:
        self.joins.append((request.path, monotonic_ns()))
        if self.refuse:
            await request.reject(503)
            return
        # As it must be: a member first, then the answer that says so.
        members = self.rooms.setdefault(request.path, [])
        socket = request._connection
        members.append(socket)
        try:
            await request.accept()
            while True:
                said = await socket.get_message()
                for member in list(members) if not self.mute else ():
                    if member is not socket:
                        with suppress(trio_websocket.ConnectionClosed):
                            await member.send_message(said)
        except trio_websocket.ConnectionClosed:
            pass
        finally:
            members.remove(socket)

    def members(self) -> list[Socket]:
        return [member for members in self.rooms.values() for member in members]


class Crowd:
    """A swarm and what it tells."""

    def __init__(self, swarm: Swarm, stream: trio.SocketStream) -> None:
        self.swarm = swarm
        self.told: list[dict[str, Any]] = []
        self._stream = stream

    async def tell(self, do: str, **more: Any) -> None:
        await self._stream.send_all(wire.encode({"do": do, **more}))

    async def ramp(self) -> None:
        now = monotonic_ns()
        await self.tell("ramp", start=now, end=now)
        await until(lambda: self.all_there())

    def all_there(self) -> bool:
        return all(client.state == State.JOINED for client in self.swarm.clients)

    async def speak(self, seconds: float) -> None:
        now = monotonic_ns()
        end = now + int(seconds * SECOND)
        await self.tell("speak", start=now, end=end)

    async def answer(self, kind: str) -> dict[str, Any]:
        """Wait for a message of a kind; return it."""
        await until(lambda: any(one["is"] == kind for one in self.told))
        return next(one for one in self.told if one["is"] == kind)

    async def settle(self, seconds: float = 3.0, **senders: Any) -> dict[str, Any]:
        """Have everything counted; `senders` are those of other processes."""
        await self.tell("speak", start=0, end=0)
        await self.tell("totals")
        totals = (await self.answer("totals"))["senders"]
        totals |= {int(name[1:]): sender for name, sender in senders.items()}
        end = monotonic_ns() + int(seconds * SECOND)
        await self.tell("settle", senders=totals, until=end)
        return await self.answer("final")

    async def listen(self) -> None:
        reader = wire.Reader()
        async for data in self._stream:
            self.told += reader.feed(data)


async def until(condition: Callable[[], Any]) -> None:
    with trio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - of what has no event
            await trio.sleep(0.001)


@asynccontextmanager
async def crowd(port: int, *seats: Seat, **changes: Any) -> AsyncIterator[Crowd]:
    given: dict[str, Any] = {"rate": 20.0, "returns": None, "forgiven": frozenset()}
    orders = Orders(
        address=("127.0.0.1", port),
        host="hall.example",
        prefix="/rooms/load.",
        size=100,
        seats=seats,
        seed=1,
        **(given | changes),
    )
    ours, theirs = (
        trio.SocketStream(trio.socket.from_stdlib_socket(one)) for one in wire.pair()
    )
    made = Crowd(Swarm(orders, theirs), ours)
    async with ours, theirs, trio.open_nursery() as nursery:
        nursery.start_soon(made.listen)
        nursery.start_soon(made.swarm.run)
        yield made
        await made.tell("end")
        await until(lambda: len(nursery.child_tasks) == 1)
        nursery.cancel_scope.cancel()
