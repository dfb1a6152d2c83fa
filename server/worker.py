"""A worker: where reactor, bus and rooms meet, and the tasks around them.

The zygote forks a process and calls `run_worker` in it. Everything that is not
per-message is ordinary structured trio here: the channel to the supervisor, the
heartbeat, the drain.
"""

import faulthandler
import json
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import random, randrange

import trio

from hubbub.codes import Close, Exit
from hubbub.logs import make_log
from hubbub.server import fault
from hubbub.server.bus.mesh import Mesh
from hubbub.server.ceilings import Ceilings
from hubbub.server.dialects.encoder import Encoder
from hubbub.server.keeper import Keeper
from hubbub.server.memory import Memory, lift_limit, limit_data
from hubbub.server.pulse import Pulse
from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.reactor.drain import drain
from hubbub.server.reactor.fanout import Fanout
from hubbub.server.reactor.listener import Listener
from hubbub.server.reactor.reactor import Reactor
from hubbub.server.reactor.session import Sessions
from hubbub.server.reactor.sweep import Sweep
from hubbub.server.rooms.hub import Hub
from hubbub.server.stats.counters import Counters
from hubbub.server.stats.interest import Interest
from hubbub.server.stats.layout import State
from hubbub.server.stats.scoreboard import Scoreboard
from hubbub.server.websocket.frames import encode_close
from hubbub.server.websocket.reader import RequestReader
from hubbub.settings import SPARE_FILES, Settings, most_connections

_CHANNEL_MESSAGE = 65536
_LEAVE_GRACE = 1.0
"""Seconds for clients to read 1013 while the memory may still grow."""
_ORPHAN_GRACE = 1.0
"""Seconds from the supervisor's death to ours: with the exit it must be under 2."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What a worker is born with; descriptors are its own."""

    slot: int
    generation: int
    slots: int
    settings: Settings
    cluster: str
    """Random id of the cluster: a link's hello must carry it."""
    listener: int
    scoreboard: int
    interest: int
    channel: int
    """Packets to and from the supervisor; its end means that the supervisor died."""
    dump: int
    """Where SIGUSR2 writes the Python stack."""


class Worker:
    """The composition root of one worker process."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        settings = spec.settings
        self.log = make_log(f"worker {spec.slot}/{spec.generation}")
        self._board = Scoreboard(spec.scoreboard)
        self._record = self._board.record(spec.slot, spec.generation)
        self._interest = Interest(spec.interest)
        self._interest.claim(spec.slot, spec.generation)
        self._channel = socket.socket(fileno=spec.channel)
        self._channel.setblocking(False)
        self._counters = Counters()
        self._hub = Hub()
        self._exit_code = int(Exit.CLEAN)
        self._serial = 0
        open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = most_connections(settings, open_files)
        self._reactor = Reactor(settings.limits, self._counters, self._report)
        self._mesh = Mesh(
            spec.slot,
            spec.generation,
            spec.cluster,
            settings.limits.message,
            settings.limits.link,
            self._reactor,
            self._hub,
            self._interest,
            lambda room: self._sessions.tell_gap(room),
            self._link_lost,
        )
        encoder = Encoder(settings.compression_least)
        self._fanout = Fanout(
            self._reactor, self._hub, self._mesh, encoder, self._report
        )
        self._sessions = Sessions(
            settings,
            spec.slot,
            spec.generation,
            # Random and made after the fork: no two workers share it (10 digits
            # of base 16; a member name is prefix-serial).
            f"{randrange(1 << 40):010x}",
            most,
            self._reactor,
            self._hub,
            self._interest,
            self._mesh,
            self._fanout,
            encoder,
            self._refused,
            lambda: self._board.degraded,
        )
        self._reactor.attach(self._sessions, self._fanout)
        self._listener = Listener(
            socket.socket(fileno=spec.listener),
            spec.slot,
            self._board,
            self._record,
            self._reactor,
            most + SPARE_FILES // 2,
            self._adopt,
        )
        self._sweep = Sweep(self._reactor, self._sessions, settings)
        ceilings = Ceilings(settings.memory.soft, settings.memory.hard, random())
        self._keeper = Keeper(ceilings, self._reactor, self._hub, self._tell)
        self._pulse = Pulse(
            self._record,
            self._counters,
            self._reactor,
            self._hub,
            Memory(),
            self.log,
            self._keeper.judge,
        )

    # What the parts call

    def _adopt(self, fd: int) -> None:
        self._serial += 1
        reader = RequestReader(self.spec.settings.limits)
        now = self._reactor.now
        self._reactor.adopt(Connection(fd, self._serial, reader, now))

    def report_crash(self, error: BaseException) -> None:
        """Log what ended this worker."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self.log.error("worker_failed", error=repr(error), at=_place(error))

    def _report(self, error: BaseException) -> None:
        self.log.error("handler_failed", error=repr(error), at=_place(error))

    def _refused(self, status: int, reason: str) -> None:
        self.log.info("handshake_refused", status=status, reason=reason)

    def _link_lost(self, slot: int, generation: int, reason: str, missed: int) -> None:
        self._tell(
            {
                "type": "link_lost",
                "slot": slot,
                "generation": generation,
                "reason": reason,
                "missed": missed,
            }
        )

    def _tell(self, message: dict[str, object]) -> None:
        try:
            self._channel.send(json.dumps(message).encode())
        except OSError as error:
            # The supervisor is gone or far behind; its end of the channel tells
            # which, and the channel's task acts on it.
            self.log.warning("supervisor_not_told", error=error.strerror)

    def collapse(self) -> None:
        """Say goodbye in plain code, outside of the loop that ran out of memory."""
        self.log.error("memory_error")
        goodbye = encode_close(Close.OVERLOAD)
        for connection in self._reactor.connections.values():
            if connection.phase == Phase.OPEN and connection.outbox is None:
                with suppress(OSError):
                    os.write(connection.fd, goodbye)

    # Tasks

    async def run(self) -> int:
        """Serve until drained, told to end, or orphaned; return the exit code."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._reactor.run)
            nursery.start_soon(self._listener.run)
            nursery.start_soon(self._sweep.run)
            nursery.start_soon(self._reactor.throttle.run)
            nursery.start_soon(self._pulse.run)
            nursery.start_soon(self._wait_terminated, nursery)
            nursery.start_soon(self._wait_outgrown, nursery)
            nursery.start_soon(self._wait_channel, nursery)
            self._listener.start()
            self._record.set("state", State.READY)
            self._record.set("heartbeat", time.monotonic_ns())
            self._tell({"type": "ready"})
        return self._exit_code

    async def _wait_channel(self, nursery: trio.Nursery) -> None:
        handlers: dict[str, Callable[[dict[str, object], list[int]], object]] = {
            "link": self._connect,
            "gone": self._gone,
            "fault": self._fault,
        }
        while True:
            await trio.lowlevel.wait_readable(self._channel)
            try:
                data, fds, _, _ = socket.recv_fds(self._channel, _CHANNEL_MESSAGE, 4)
            except BlockingIOError:
                continue
            except OSError:
                data, fds = b"", []
            if not data:
                nursery.start_soon(self._orphaned, nursery)
                return
            message = json.loads(data)
            if message["type"] == "drain":
                nursery.start_soon(
                    self._drain, nursery, int(message["code"]), float(message["grace"])
                )
            else:
                handlers[message["type"]](message, fds)

    def _connect(self, message: dict[str, object], fds: list[int]) -> None:
        slot, generation = message["slot"], message["generation"]
        assert isinstance(slot, int)
        assert isinstance(generation, int)
        if not fds:
            # At the limit of open files a passed descriptor vanishes (unix(7)).
            self._link_lost(slot, generation, "no free descriptor", 0)
            return
        self._mesh.connect(slot, generation, fds[0])

    def _gone(self, message: dict[str, object], fds: list[int]) -> None:
        slot, generation = message["slot"], message["generation"]
        assert isinstance(slot, int)
        assert isinstance(generation, int)
        self._mesh.gone(slot, generation)

    def _fault(self, message: dict[str, object], fds: list[int]) -> None:
        if not self.spec.settings.faults:
            return
        self.log.warning("fault_on_request", fault=message["fault"])
        if message["fault"] == "leak":
            self._nursery.start_soon(fault.leak, float(str(message["bytes"])))
        else:
            fault.commit(message, self._mesh.tear)

    async def _wait_outgrown(self, nursery: trio.Nursery) -> None:
        """Leave at once: the hard ceiling is no place to be polite."""
        await self._keeper.outgrown.wait()
        self.log.error("memory_outgrown")
        self._exit_code = int(Exit.OUTGROWN)
        self._sessions.draining = True
        self._record.set("state", State.DRAINING)
        self._listener.close()
        with trio.move_on_after(_LEAVE_GRACE):
            await drain(self._reactor, Close.OVERLOAD, 0, 0)
        nursery.cancel_scope.cancel()

    async def _wait_terminated(self, nursery: trio.Nursery) -> None:
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            async for _ in signals:
                grace = self.spec.settings.drain.grace
                nursery.start_soon(self._drain, nursery, Close.GOING_AWAY, grace)

    async def _drain(self, nursery: trio.Nursery, code: int, grace: float) -> None:
        if self._sessions.draining:
            return
        self._sessions.draining = True
        self._record.set("state", State.DRAINING)
        self._listener.close()
        limits = self.spec.settings.drain
        with trio.move_on_after(grace):
            await drain(self._reactor, code, limits.pace, limits.rate)
        nursery.cancel_scope.cancel()

    async def _orphaned(self, nursery: trio.Nursery) -> None:
        """The supervisor died: an unsupervised cluster is not left running."""
        self._sessions.draining = True
        # The listener first: who still holds it makes the next start's bind fail.
        self._listener.close()
        self.log.warning("supervisor_died")
        self._exit_code = int(Exit.FAILED)
        with trio.move_on_after(_ORPHAN_GRACE):
            await drain(self._reactor, Close.RESTART, _ORPHAN_GRACE / 2, 0)
        nursery.cancel_scope.cancel()


def _place(error: BaseException) -> str:
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    if where is None:
        return ""
    return f"{where.tb_frame.f_code.co_qualname}:{where.tb_lineno}"


def run_worker(spec: WorkerSpec) -> int:
    """Be a worker until the end; return the exit code for the process.

    Args:
        spec: what it is born with. The process is freshly forked: no threads, no
            event loop, its standard signal handlers in place.

    Returns:
        0 drained, 1 crashed or orphaned, 75 out of memory.
    """
    with open(spec.dump, "wb", buffering=0, closefd=False) as dump:
        faulthandler.register(signal.SIGUSR2, file=dump, all_threads=True, chain=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        board = Scoreboard(spec.scoreboard)
        board.record(spec.slot, spec.generation).publish(
            {
                "pid": os.getpid(),
                "generation": spec.generation,
                "state": State.STARTING,
                "started_at": time.time_ns(),
                "heartbeat": time.monotonic_ns(),
            }
        )
        worker = Worker(spec)
        limit_data(spec.settings.memory.hard)
        code = int(Exit.FAILED)
        try:
            code = trio.run(worker.run)
        except* MemoryError:
            # trio survives it badly, so nothing is tried but to say goodbye.
            lift_limit()
            worker.collapse()
            code = int(Exit.OUTGROWN)
        except* Exception as error:
            # The one place where a worker's bug becomes an exit code.
            worker.report_crash(error)
        finally:
            worker.log.flush(final=True)
        return code
