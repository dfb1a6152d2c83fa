"""One process of mass clients: the reactor in its trio loop, and what it is told."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from time import monotonic_ns
from typing import Any, Final

import trio

from hubbub.loadtest.histogram import Histogram
from hubbub.loadtest.pacer import Pacer
from hubbub.loadtest.swarm import wire
from hubbub.loadtest.swarm.client import Client, Seat, State
from hubbub.loadtest.swarm.reactor import Reactor
from hubbub.loadtest.swarm.tally import Tally
from hubbub.loadtest.verify import Sender, missing_at_end

SLICE: Final = 0.005
"""Seconds of plain calls before other tasks get their turn."""
_SECOND: Final = 1.0
_MOST_CONNECTING: Final = 256
"""Connects under way at a time, of one process."""
_CONNECT_PATIENCE: Final = 10.0
_PAUSE: Final = 0.1
"""Seconds, at least, before a client that was refused tries again."""
_PONG_PATIENCE: Final = 5.0
QUIET: Final = 0.1
"""Seconds without a message after which no more are expected."""
_MOST_DEPARTED: Final = 50_000
"""Senders that have left whose last numbers are kept, of one process."""
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Orders:
    """What one process of mass clients is born with."""

    address: tuple[str, int]
    host: str
    """For the Host header."""
    prefix: str
    """Of the path; a room's name follows."""
    size: int
    """Bytes of a message."""
    rate: float
    """Messages a second of each client that speaks."""
    seats: Sequence[Seat]
    returns: float | None
    """Who loses its connection comes back after 0 to so many seconds; None: never."""
    forgiven: frozenset[str]
    """Why the scenario lets the server end connections, such as closed_4008."""
    seed: int


class Swarm:
    """The clients of one process, from the first connect to the last count."""

    def __init__(self, orders: Orders, channel: trio.SocketStream) -> None:
        self._orders = orders
        self._channel = channel
        self._sending = trio.Lock()
        self.tally = Tally(len(orders.seats))
        self._reactor = Reactor(
            orders.address,
            orders.host,
            lambda room: f"{orders.prefix}{room}",
            orders.size,
            self.tally,
            self._gone,
            self._left,
        )
        self._chance = random.Random(orders.seed)
        self.clients = [Client(seat) for seat in orders.seats]
        self._speakers = [c for c in self.clients if c.seat.speaks]
        self._pacer = Pacer(0, 0, 0, 0)
        self._due: list[tuple[int, int, Client]] = []
        """Who connects when: a heap of (ns, name, client)."""
        self._connecting: dict[Client, None] = {}
        self._fresh = set(self.clients)
        """Who has neither joined nor failed to, not even once."""
        self._told = Histogram(), Histogram()
        """Latencies and lags that the run has heard of."""
        self._stopping = False
        self._leaving: dict[Client, None] = {}
        self._departed: dict[int, tuple[int, int, int, int]] = {}
        """What is certain to have been sent by senders who have left."""
        self._departures: list[tuple[int, int, int, Client]] = []
        """Who leaves when, while the load is held: (ns, name, its join, client)."""

    # Time passes

    async def run(self) -> None:
        """Serve until told to end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drive)
            nursery.start_soon(self._tell_seconds)
            await self._obey()
            nursery.cancel_scope.cancel()
        self._reactor.close(self.clients)

    async def _drive(self) -> None:
        while True:
            end = monotonic_ns() + int(SLICE * _NS)
            while (now := monotonic_ns()) < end:
                self._act(now)
                next_due = min(end, self._next_due())
                self._reactor.wait(max(0, next_due - monotonic_ns()) / _NS)
            await trio.lowlevel.checkpoint()

    def _next_due(self) -> int:
        due = self._pacer.due if self._pacer.due < self._pacer.end else 1 << 62
        if self._due and len(self._connecting) < _MOST_CONNECTING:
            due = min(due, self._due[0][0])
        return due

    def _act(self, now: int) -> None:
        """Do what is due."""
        pacer, speak = self._pacer, self._reactor.speak
        while pacer.due <= now and pacer.due < pacer.end:
            turn, due = pacer.next()
            speak(self._speakers[turn], due)
        while self._departures and self._departures[0][0] <= now:
            *_, joined, client = heappop(self._departures)
            if client.state == State.JOINED and client.joined == joined:
                self._leaving[client] = None
                self._reactor.leave(client)
        for client in [c for c in self._connecting if c.state == State.JOINED]:
            del self._connecting[client]
            self._fresh.discard(client)
            self._stay(client, now)
        while self._due and self._due[0][0] <= now:
            if len(self._connecting) >= _MOST_CONNECTING:
                break
            *_, client = heappop(self._due)
            self._connecting[client] = None
            self._reactor.connect(client)
        for waiting in (self._connecting, self._leaving):
            if waiting:
                self._give_up(next(iter(waiting)), now)

    def _stay(self, client: Client, now: int) -> None:
        """Fix when a client that has joined leaves, if it is to."""
        if client.seat.stays and now < self._pacer.end:
            stay = self._chance.uniform(0.5, 1.5) * client.seat.stays
            leaves = now + int(stay * _NS)
            heappush(
                self._departures, (leaves, client.seat.name, client.joined, client)
            )

    def _give_up(self, first: Client, now: int) -> None:
        if now - first.began > _CONNECT_PATIENCE * _NS:
            self._reactor.end(first, "connect_timeout")

    def _left(self, client: Client) -> None:
        """A client's goodbye was answered: what it has said was taken, to the last."""
        del self._leaving[client]
        if client.number:
            self._departed[client.sender] = client.said
            if len(self._departed) > _MOST_DEPARTED:
                del self._departed[next(iter(self._departed))]
        self._return(client, monotonic_ns())

    def _gone(self, client: Client, why: str) -> None:
        """A client has lost its connection, or did not get one."""
        self._connecting.pop(client, None)
        self._leaving.pop(client, None)
        self._fresh.discard(client)
        if self._stopping:
            return
        if why in self._orders.forgiven or why == "ended_asleep":
            self.tally.forgive(why)
        else:
            self.tally.error(why)
            if not why.startswith(("connect_", "upgrade_", "goodbye_")):
                self.tally.closed += 1
        # Whoever is refused does not knock again without a pause.
        refused = why.startswith(("connect_", "upgrade_"))
        self._return(client, monotonic_ns(), _PAUSE if refused else 0)

    def _return(self, client: Client, now: int, least: float = 0.0) -> None:
        if self._orders.returns is None or self._stopping:
            return
        pause = least + self._chance.uniform(0, self._orders.returns)
        if client.seat.roams:
            client.room = self._chance.randrange(client.seat.roams)
        heappush(self._due, (now + int(pause * _NS), client.seat.name, client))

    # What it is told

    async def _obey(self) -> None:
        reader = wire.Reader()
        while True:
            data = await self._channel.receive_some(65536)
            if not data:
                return  # The run is gone: nobody is left to report to.
            for order in reader.feed(data):
                if order["do"] == "end":
                    self._stopping = True
                    return
                await self._do(order)

    async def _do(self, order: wire.Message) -> None:
        what = order["do"]
        if what == "ramp":
            self._ramp(order["start"], order["end"])
        elif what == "speak":
            self._pacer = Pacer(
                len(self._speakers), self._orders.rate, order["start"], order["end"]
            )
            self._departures.clear()
            for client in self.clients:
                if client.state == State.JOINED and client not in self._connecting:
                    self._stay(client, order["start"])
        elif what == "drop":
            now = monotonic_ns()
            for client in self.clients:
                if client.state == State.JOINED:
                    self._reactor.cut(client, reset=client.seat.name % 2 == 0)
                    self._return(client, now)
        elif what == "sleep":
            for client in self.clients:
                if client.seat.sleeps and client.state == State.JOINED:
                    self._reactor.sleep(client)
        elif what == "totals":
            await self._tell({"is": "totals", "senders": await self._totals()})
        elif what == "settle":
            await self._settle(order)

    def _ramp(self, start: int, end: int) -> None:
        pause = (end - start) / max(1, len(self.clients))
        for turn, client in enumerate(self.clients):
            heappush(self._due, (start + round(turn * pause), client.seat.name, client))

    async def _totals(self) -> dict[int, tuple[int, int, int, int]]:
        """Return what is certain to have been sent, verify.Sender by name.

        That is what senders who have left had said before they did, and what senders
        who have got a pong had said before they asked for it. A connection that breaks
        may take the last of its messages with it, without anybody being to blame.
        """
        asked = [c for c in self._speakers if c.number and c.state == State.JOINED]
        for client in asked:
            self._reactor.ask(client)
        until = monotonic_ns() + int(_PONG_PATIENCE * _NS)
        waiting = asked
        while waiting and monotonic_ns() < until:
            await trio.sleep(0.01)
            waiting = [client for client in waiting if client.asked]
        certain = dict(self._departed)
        for client in asked:
            if client.asked:
                self.tally.error("ping_unanswered")
            elif client.number and client.state == State.JOINED:
                certain[client.sender] = client.said
        return certain

    async def _settle(self, order: wire.Message) -> None:
        """Wait until nobody misses anything any more, then report."""
        rooms: dict[int, dict[int, Sender]] = {}
        for name, sender in order["senders"].items():
            rooms.setdefault(sender[0], {})[name] = Sender(*sender)
        missing, heard = self._missing(rooms), -1
        # What comes twice or too late comes after nothing is missing any more.
        while missing or heard != self.tally.received:
            if monotonic_ns() >= order["until"]:
                break
            heard = self.tally.received
            await trio.sleep(QUIET)
            missing = self._missing(rooms)
        now = monotonic_ns()
        for client, sender, count in missing:
            self.tally.ledger.missing(client, sender, count, now)
        await self._tell(self._figures("final"))

    def _missing(
        self, rooms: dict[int, dict[int, Sender]]
    ) -> list[tuple[Client, int, int]]:
        return [
            (client, sender, count)
            for client in self.clients
            if client.state == State.JOINED and not client.asleep
            for sender, count in missing_at_end(
                client.joined,
                client.last,
                rooms.get(client.room, {}),
                client.sender,
            ).items()
        ]

    # What it tells

    async def _tell(self, message: wire.Message) -> None:
        async with self._sending:
            await self._channel.send_all(wire.encode(message))

    async def _tell_seconds(self) -> None:
        while True:
            await trio.sleep(_SECOND / 4)
            await self._tell(self._figures("second"))

    def _figures(self, kind: str) -> dict[str, Any]:
        tally = self.tally
        latency, lag = self._told
        # In parts, each told once: the whole is ten times as long.
        self._told = Histogram(tally.latency.counts), Histogram(tally.lag.counts)
        return {
            "is": kind,
            "at": monotonic_ns(),
            "ramped": not self._fresh,
            "connected": tally.connected,
            "whole": tally.whole,
            "joins": tally.joins,
            "sent": tally.sent,
            "received": tally.received,
            "closed": tally.closed,
            "errors": tally.errors,
            "forgiven": tally.forgiven,
            "counts": tally.ledger.counts,
            "violations": tally.ledger.first,
            "latency": tally.latency.since(latency).sparse(),
            "lag": tally.lag.since(lag).sparse(),
            "cpu_s": time.process_time(),
        }
