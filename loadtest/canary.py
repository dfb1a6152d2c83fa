"""Canaries: a few clients of an independent implementation that check every promise.

Mass clients share one reactor, made for speed; a mistake in it could hide one of the
server. Canaries hear the same rooms through trio-websocket and look at each message in
full: its content, too. One of them also speaks, so that the crowd hears somebody else
than itself; one more sits in a room that nobody speaks in, and must not hear a thing.

trio-websocket needs several times the CPU of a mass client for a message. They
sit only where they can follow (seating.py).
"""

import errno
import random
import socket
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic_ns
from typing import Any, Final

import h11
import trio
import trio_websocket
from wsproto.utilities import ProtocolError

from hubbub.loadtest import message
from hubbub.loadtest.pacer import Pacer
from hubbub.loadtest.seating import MOST_SAID
from hubbub.loadtest.swarm.client import Seat, sender_of
from hubbub.loadtest.swarm.dialer import Dialer
from hubbub.loadtest.swarm.swarm import QUIET, Orders
from hubbub.loadtest.swarm.tally import Tally
from hubbub.loadtest.verify import Sender, missing_at_end

_PATIENCE: Final = 10.0
_PONG_PATIENCE: Final = 5.0
_PAUSE: Final = 0.1
"""Seconds, at least, before a canary that was refused tries again."""
_LOOK: Final = 0.25
_QUEUE: Final = 256
_READ: Final = 1 << 16
_NS: Final = 1_000_000_000
_ABNORMAL: Final = 1006

Figures = dict[str, Any]


class Canary:
    """A member of one room.

    Attributes:
        seat: what it does.
        room: where it sits.
        joined: when its join was answered, ns.
        last: number of the last message heard, by sender.
        socket: its connection, None while it has none.
        number: of the last message it sent in this life.
        sent: when that was, ns.
        spoke: when the first one was, ns.
    """

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.room = seat.room
        self.joined = 0
        self.last: dict[int, int] = {}
        self.socket: trio_websocket.WebSocketConnection | None = None
        self.number = 0
        self.sent = 0
        self.spoke = 0
        self._life = 0

    @property
    def name(self) -> str:
        """For people."""
        return f"canary {self.seat.name}"

    @property
    def sender(self) -> int:
        """Its name as a sender in this life."""
        return sender_of(self.seat.name, self._life)

    def renew(self) -> None:
        """Begin a new life: what the last one sent may not have arrived."""
        self.socket = None
        self.last = {}
        if self.number:
            self._life += 1
            self.number = self.sent = 0


class Canaries:
    """All canaries of a run.

    Args:
        orders: as for a process of mass clients.

    Attributes:
        canaries: all of them.
        tally: what they have counted.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self.canaries = [Canary(seat) for seat in orders.seats]
        self.tally = Tally()
        self._rate = min(orders.rate, MOST_SAID)
        self._dialer = Dialer(orders.address)
        self._chance = random.Random(orders.seed)
        self._fresh = set(self.canaries)
        """Who has neither joined nor failed to, not even once."""
        self._begin = trio.Event()
        self._pacers: list[Pacer] = []
        self._nursery: trio.Nursery | None = None

    async def run(self, tell: Callable[[Figures], None]) -> None:
        """Serve until cancelled.

        Args:
            tell: is given the figures four times a second.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for canary in self.canaries:
                nursery.start_soon(self._live, canary)
            while True:
                tell(self.figures())
                await trio.sleep(_LOOK)

    # What they are told

    def obey(self, order: Mapping[str, Any]) -> None:
        """Do what the processes of mass clients are told, where it is for canaries."""
        if order["do"] == "ramp":
            self._begin.set()
        elif order["do"] == "speak":
            for pacer in self._pacers:
                pacer.end = 0
            self._speak(order["start"], order["end"])

    def _speak(self, start: int, end: int) -> None:
        self._pacers = []
        for canary in self.canaries:
            if canary.seat.speaks and start < end and self._nursery is not None:
                pacer = Pacer(1, self._rate, start, end)
                self._pacers.append(pacer)
                self._nursery.start_soon(self._talk, canary, pacer)

    async def totals(self) -> dict[int, tuple[int, int, int, int]]:
        """Return what is certain to have been sent, verify.Sender by name."""
        certain = {}
        for canary in self.canaries:
            sender, ping = canary.sender, canary.socket
            if ping is None or not canary.number:
                continue
            try:
                with trio.fail_after(_PONG_PATIENCE):
                    await ping.ping()
            except trio_websocket.ConnectionClosed:
                continue  # Whoever listens says why.
            except trio.TooSlowError:
                self.tally.error("ping_unanswered")
                continue
            certain[sender] = canary.room, canary.number, canary.sent, canary.spoke
        return certain

    async def settle(
        self, senders: Mapping[int, tuple[int, int, int, int]], until: int
    ) -> None:
        """Wait until nobody misses anything any more; note what is missing then.

        Args:
            senders: what is certain to have been sent by everybody.
            until: how long to wait, ns.
        """
        rooms: dict[int, dict[int, Sender]] = {}
        for name, sender in senders.items():
            rooms.setdefault(sender[0], {})[name] = Sender(*sender)
        missing, heard = self._missing(rooms), -1
        while missing or heard != self.tally.received:
            if monotonic_ns() >= until:
                break
            heard = self.tally.received
            await trio.sleep(QUIET)
            missing = self._missing(rooms)
        now = monotonic_ns()
        for canary, name, count in missing:
            self.tally.ledger.missing(canary, name, count, now)

    def _missing(
        self, rooms: Mapping[int, Mapping[int, Sender]]
    ) -> list[tuple[Canary, int, int]]:
        return [
            (canary, name, count)
            for canary in self.canaries
            if canary.socket is not None
            for name, count in missing_at_end(
                canary.joined,
                canary.last,
                rooms.get(canary.room, {}),
                canary.sender,
            ).items()
        ]

    # What they do

    async def _live(self, canary: Canary) -> None:
        """Join, listen, and come back if that is what the scenario's clients do."""
        await self._begin.wait()
        while True:
            why = await self._sit(canary)
            self._fresh.discard(canary)
            self.tally.ledger.forget(canary)
            canary.renew()
            refused = why.startswith(("connect_", "upgrade_"))
            if self._is_forgiven(why):
                self.tally.forgive(why)
            else:
                self.tally.error(why)
                self.tally.closed += not refused
            if self._orders.returns is None:
                return
            pause = self._chance.uniform(0, self._orders.returns)
            await trio.sleep(pause + (_PAUSE if refused else 0))

    def _is_forgiven(self, why: str) -> bool:
        # trio-websocket does not tell in which way a connection was lost.
        return any(
            why == one or (why == "lost" and one.startswith("lost_"))
            for one in self._orders.forgiven
        )

    async def _sit(self, canary: Canary) -> str:
        """Hold one connection; return why it ended."""
        why = "lost"
        try:
            with trio.fail_after(_PATIENCE):
                stream = await self._connect()
        except trio.TooSlowError:
            return "connect_timeout"
        except OSError as error:
            return f"connect_{errno.errorcode.get(error.errno or 0, 'failed')}"
        try:
            async with stream, trio.open_nursery() as nursery:
                why = await self._listen(canary, stream, nursery)
                nursery.cancel_scope.cancel()
        except* trio_websocket.ConnectionRejected as group:
            why = f"upgrade_{_first(group).status_code}"
        except* (ProtocolError, h11.ProtocolError):
            # trio-websocket's own task stumbles over what is no HTTP, no WebSocket.
            why = "upgrade_failed" if canary.socket is None else "bad_frame"
        return why

    async def _connect(self) -> trio.SocketStream:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            error = self._dialer.connect(sock)
            if error == errno.EINPROGRESS:
                await trio.lowlevel.wait_writable(sock)
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "connect")
            return trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        except BaseException:
            sock.close()
            raise

    async def _listen(
        self, canary: Canary, stream: trio.SocketStream, nursery: trio.Nursery
    ) -> str:
        """Join and hear everything; return why it ended."""
        orders = self._orders
        opening = _Opening(nursery)
        with trio.move_on_after(_PATIENCE) as patience, opening.scope:
            joined = await trio_websocket.wrap_client_stream(
                opening,  # type: ignore[arg-type]
                stream,
                orders.host,
                f"{orders.prefix}{canary.room}",
                message_queue_size=_QUEUE,
                max_message_size=max(1 << 20, 2 * orders.size),
                receive_buffer_size=_READ,
            )
        if patience.cancelled_caught:
            return "upgrade_timeout"
        if opening.scope.cancelled_caught:
            return "upgrade_lost"
        canary.joined, canary.socket = monotonic_ns(), joined
        self._fresh.discard(canary)
        while True:
            try:
                payload = await joined.get_message()
            except trio_websocket.ConnectionClosed as closed:
                code = closed.reason.code if closed.reason else _ABNORMAL
                return "lost" if code == _ABNORMAL else f"closed_{code}"
            self._hear(canary, payload)

    def _hear(self, canary: Canary, payload: str | bytes) -> None:
        ledger, now = self.tally.ledger, monotonic_ns()
        if isinstance(payload, str):
            what = f"{canary.name} heard text"
            ledger.add("corrupted", canary.room, 0, 0, now, what)
        elif ledger.take(canary, payload, self._orders.size, now):
            self.tally.received += 1

    async def _talk(self, canary: Canary, pacer: Pacer) -> None:
        while pacer.due < pacer.end:
            await trio.sleep(max(0, pacer.due - monotonic_ns()) / _NS)
            if pacer.due < pacer.end:  # It may have been stopped meanwhile.
                pacer.next()
                await self._say(canary)

    async def _say(self, canary: Canary) -> None:
        """Say one message, if it can; it is due now, since nothing is measured here."""
        if canary.socket is None:
            return
        before, now = canary.sent, monotonic_ns()
        canary.number += 1
        canary.sent = now
        canary.spoke = now if canary.number == 1 else canary.spoke
        size, room, sender = self._orders.size, canary.room, canary.sender
        payload = message.encode(room, sender, canary.number, now, now, before, size)
        self.tally.sent += 1
        # Whole or not at all: a frame that is cut off would end the connection.
        with trio.move_on_after(_PATIENCE, shield=True):
            try:
                await canary.socket.send_message(payload)
            except trio_websocket.ConnectionClosed:
                pass  # Whoever listens says why.

    # What they tell

    def figures(self) -> Figures:
        """Return what was counted, as a process of mass clients tells it.

        Canaries are no clients in the sense of the plan: none counts as connected.
        """
        tally = self.tally
        return {
            "at": monotonic_ns(),
            "ramped": not self._fresh,
            "connected": 0,
            "whole": 1,
            "joins": 0,
            "sent": tally.sent,
            "received": tally.received,
            "closed": tally.closed,
            "errors": tally.errors,
            "forgiven": tally.forgiven,
            "counts": tally.ledger.counts,
            "violations": tally.ledger.first,
            "latency": {},
            "lag": {},
            "cpu_s": 0.0,
        }


class _Opening:
    """As much of a nursery as trio-websocket wants for a connection.

    It waits for the answer to its handshake even if the connection has ended; its task
    then has ended, too.

    Args:
        nursery: where the task runs.

    Attributes:
        scope: of the handshake; cancelled when the task is over.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self.scope = trio.CancelScope()
        self._nursery = nursery

    def start_soon(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task beside the others."""
        self._nursery.start_soon(self._run, task)

    async def _run(self, task: Callable[[], Awaitable[None]]) -> None:
        await task()
        self.scope.cancel()


def _first(
    group: BaseExceptionGroup[trio_websocket.ConnectionRejected],
) -> trio_websocket.ConnectionRejected:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
