"""The shared listening socket, and accepting from it so that workers stay even.

One inherited socket, not SO_REUSEPORT: replacing workers then loses no connect. It
sits in each reactor's own epoll; accept credits decide who listens. A worker that
stands above the mean (by the scoreboard) by more than a small slack takes the
listener out of its epoll and looks again every few milliseconds. Nobody may be left
waiting because those that listen are busy or stopped: the length of the accept queue
is readable on the listener (tcp(7), TCP_INFO: tcpi_unacked), and who sees it
non-empty and not moving accepts a batch anyway.
"""

import errno
import socket
import struct
from collections.abc import Callable
from time import monotonic, monotonic_ns

import trio

from hubbub.server.reactor.reactor import Reactor
from hubbub.server.stats.layout import State
from hubbub.server.stats.scoreboard import Record, Scoreboard

_BATCH = 16
_LOOK = 0.005
_QUIET_LOOK = 0.03
"""Seconds between looks while nobody has accepted for a second: an idle cluster is
to be idle. Two looks are still well under the 100 ms a connect may wait."""
_MOST_LISTENERS = 4
"""With many workers only the least loaded listen: each connect wakes all of them."""
_STUCK_LOOKS = 10
_PAUSE = 0.1
_UNACKED = 8 + 4 * 4
_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def queue_length(listener: socket.socket) -> int:
    """Return how many connections wait to be accepted."""
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED + 4)
    length: int = struct.unpack_from("I", info, _UNACKED)[0]
    return length


def slack(mean: float) -> float:
    """Return how far above the mean a worker may stand and still listen."""
    return max(8.0, 0.02 * mean)


class Listener:
    """Accepts connections for one worker.

    Args:
        listener: the inherited socket, non-blocking.
        most: connections over which it stops accepting for a moment; up to here
            they are accepted, to be answered with 503.
        adopt: called with the number of each new socket.
    """

    def __init__(
        self,
        listener: socket.socket,
        slot: int,
        board: Scoreboard,
        record: Record,
        reactor: Reactor,
        most: int,
        adopt: Callable[[int], None],
    ) -> None:
        self._socket = listener
        self._slot = slot
        self._board = board
        self._record = record
        self._reactor = reactor
        self._most = most
        self._adopt = adopt
        self._accepted = 0
        self._left = trio.Event()
        self._paused_until = 0.0
        self._closed = False

    def start(self) -> None:
        """Take part in accepting."""
        self._record.set("accepting", 1)
        self._listen()

    def close(self) -> None:
        """Stop accepting for good; the socket is closed here."""
        if not self._closed:
            self._closed = True
            self._record.set("accepting", 0)
            self._record.set("listening", 0)
            self._reactor.unwatch(self._socket.fileno())
            self._socket.close()

    def ready(self, mask: int) -> None:
        """Accept a batch, or leave it to workers with fewer connections.

        Judged before each batch: a worker that everybody should overtake, because a
        newcomer is empty, takes not even one more.
        """
        if self._credit():
            self._accept()
        else:
            self._leave()

    async def run(self) -> None:
        """Look after the listener while this worker is not listening."""
        while True:
            await self._left.wait()
            self._left = trio.Event()
            await self._look()

    def _listen(self) -> None:
        self._record.set("listening", 1)
        self._reactor.watch(self._socket.fileno(), self)

    def _leave(self) -> None:
        self._record.set("listening", 0)
        self._reactor.unwatch(self._socket.fileno())
        self._left.set()

    def _accept(self) -> None:
        connections = self._reactor.connections
        for _ in range(_BATCH):
            if len(connections) >= self._most:
                self._pause()
                break
            try:
                client, _ = self._socket.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _FULL:
                    # accept(2): out of descriptors or memory. Those who wait stay
                    # in the queue; spinning on it would take the CPU from the rest.
                    self._pause()
                    break
                continue  # It was gone before it was accepted (ECONNABORTED).
            client.setblocking(False)
            self._accepted += 1
            self._adopt(client.detach())
        self._record.set("connections", len(connections))
        self._record.set("accepted", self._accepted)

    def _pause(self) -> None:
        self._reactor.counters.accept_pauses += 1
        self._paused_until = monotonic() + _PAUSE

    def _credit(self) -> bool:
        """Return whether this worker should listen."""
        if monotonic() < self._paused_until:
            return False
        own = len(self._reactor.connections)
        loads = self._loads()
        loads.append((own, self._slot))
        mean = sum(load for load, _ in loads) / len(loads)
        if own > mean + slack(mean):
            return False
        less = sum(1 for load in loads if load < (own, self._slot))
        return less < _MOST_LISTENERS

    def _loads(self) -> list[tuple[int, int]]:
        """Return (connections, slot) of the others that accept and were heard from."""
        board, recent = self._board, monotonic_ns() - 1_000_000_000
        return [
            (board.word(slot, parity, "connections"), slot)
            for slot in range(board.slots)
            if slot != self._slot
            for parity in (0, 1)
            if board.word(slot, parity, "state") == State.READY
            and board.word(slot, parity, "accepting")
            and board.word(slot, parity, "heartbeat") > recent
        ]

    def _total_accepted(self) -> int:
        board = self._board
        return sum(
            board.word(slot, parity, "accepted")
            for slot in range(board.slots)
            for parity in (0, 1)
        )

    async def _look(self) -> None:
        """Watch from outside until this worker may listen again."""
        waiting_looks = 0
        moved_at = monotonic()
        total = self._total_accepted()
        while True:
            quiet = not waiting_looks and monotonic() - moved_at > 1.0
            await trio.sleep(_QUIET_LOOK if quiet else _LOOK)
            if self._closed:
                return
            if self._credit():
                self._listen()
                return
            now_total = self._total_accepted()
            moved = now_total != total
            if moved:
                total, moved_at = now_total, monotonic()
            if monotonic() < self._paused_until or not queue_length(self._socket):
                waiting_looks = 0
                continue
            waiting_looks += 1
            stuck = waiting_looks >= 2 and not moved
            if stuck or waiting_looks >= _STUCK_LOOKS:
                # Outside a tick, and the last one may be long ago: the time a
                # handshake may take begins now.
                self._reactor.now = monotonic()
                self._accept()
                waiting_looks = 0
