"""The processes of mass clients, as the run sees them.

They are forked before trio runs here, so that no thread and no loop is copied, and end
when their end of the socket pair does: whatever becomes of the run, none is left.
"""

import gc
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import AsyncIterator, Sequence
from typing import Final, NoReturn

import trio

from hubbub.loadtest.swarm import wire
from hubbub.loadtest.swarm.swarm import Orders, Swarm

_PATIENCE: Final = 5.0
"""Seconds that a process has to end when the run is gone."""


class Process:
    """One process of mass clients.

    Args:
        orders: what it is born with.
        cpu: where it runs; None: anywhere.
        others: those forked before it.

    Attributes:
        pid: its number.
        last: the latest figures it has told, by kind of message.
    """

    def __init__(
        self, orders: Orders, cpu: int | None, others: Sequence["Process"] = ()
    ) -> None:
        ours, theirs = wire.pair()
        self.last: dict[str, wire.Message] = {}
        # Ctrl-C reaches the whole group; until it is ignored there, it must wait.
        old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self.pid = os.fork()
        if not self.pid:
            ours.close()
            for other in others:
                other._socket.close()  # Or it would not see the run end it.
            _be(orders, theirs, cpu)
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
        theirs.close()
        self._socket: socket.socket = ours
        self._stream: trio.SocketStream | None = None
        self._arrived = trio.Event()
        self.ended = False

    async def tell(self, message: wire.Message) -> None:
        """Send an order; a process that has ended does not hear it."""
        assert self._stream is not None
        try:
            await self._stream.send_all(wire.encode(message))
        except trio.BrokenResourceError:
            self.ended = True

    async def listen(self) -> AsyncIterator[wire.Message]:
        """Give what it tells, until it ends."""
        assert self._stream is not None
        reader = wire.Reader()
        while True:
            try:
                data = await self._stream.receive_some(1 << 18)
            except trio.BrokenResourceError:
                data = b""
            if not data:
                break
            for message in reader.feed(data):
                self.last[message["is"]] = message
                self._arrived.set()
                self._arrived = trio.Event()
                yield message
        self.ended = True
        self._arrived.set()

    async def wait_for(self, kind: str) -> wire.Message | None:
        """Return the next message of a kind not waited for yet; None if it ended."""
        while kind not in self.last and not self.ended:
            await self._arrived.wait()
        return self.last.pop(kind, None)

    def open(self) -> None:
        """Take the socket into the running loop."""
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(self._socket))

    def end(self) -> None:
        """Close the connection, which ends it, and wait for that; not for ever."""
        self._socket.close()
        watched = os.pidfd_open(self.pid)
        try:
            if not select.select([watched], (), (), _PATIENCE)[0]:
                os.kill(self.pid, signal.SIGKILL)
        finally:
            os.close(watched)
        os.waitpid(self.pid, 0)


def start(orders: Sequence[Orders], cpu: int | None) -> list[Process]:
    """Fork a process for each of `orders`, on `cpu` if one is given."""
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    gc.freeze()
    made: list[Process] = []
    for one in orders:
        made.append(Process(one, cpu, made))
    return made


def _be(orders: Orders, channel: socket.socket, cpu: int | None) -> NoReturn:
    """Be a process of mass clients, in the fork."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        trio.run(_serve, orders, channel)
        code = 0
    except BaseException:
        # The run notices that it is gone; this is all that can tell why.
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        # Nothing of the parent's that waits in a buffer may be written twice.
        os._exit(code)


async def _serve(orders: Orders, channel: socket.socket) -> None:
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(channel))
    try:
        await Swarm(orders, stream).run()
    except* trio.BrokenResourceError:
        pass  # The run is gone; so are we.
