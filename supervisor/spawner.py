"""The supervisor's side of the zygote: fork it, ask it, replace it.

A zygote that dies takes nobody along: workers live on, requests it had not served show
as channels that end before a hello, and another zygote is forked after the usual pause.
Only where nothing was ever imported, or nobody is left to serve, is there no point in
going on; that is the fleet's to decide.
"""

import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

from hubbub.settings import Restarts
from hubbub.supervisor import restarts, zygote
from hubbub.supervisor.channel import Channel, Message, Nonsense, pair
from hubbub.supervisor.chronicle import Chronicle
from hubbub.supervisor.loop import Loop

ANSWER: Final = 2.0
"""Longest time in which a zygote that is asked for workers may fork none, seconds."""


class Spawner:
    """Keeps one zygote running.

    Args:
        nest: what every zygote is born with; its `channel` is filled in here.
        settings: restart settings; `boot` bounds the import.
        loop: where its channel is watched.
        chronicle: where its life is told.
        failed: called with the reason when a zygote cannot import the server.
    """

    def __init__(
        self,
        nest: Callable[[int], zygote.Nest],
        settings: Restarts,
        loop: Loop,
        chronicle: Chronicle,
        failed: Callable[[str], None],
    ) -> None:
        self._nest = nest
        self._settings = settings
        self._loop = loop
        self._chronicle = chronicle
        self._log = chronicle.log
        self._journal = chronicle.journal
        self._failed = failed
        self._channel: Channel | None = None
        self._tally = restarts.Tally()
        self._started_at = 0.0
        self._ready_at: float | None = None
        self._wanted = True
        self._condemned = False
        self._asked: set[tuple[int, int]] = set()
        self._answered_at = 0.0
        self.pid: int | None = None
        """Process id of the living zygote."""
        self.due: float | None = None
        """When the next zygote is due, seconds; None: none is."""
        self.given_up = False
        """Whether zygotes died so often that only the longest pause is left."""

    @property
    def ready(self) -> bool:
        """Whether a worker can be asked for now."""
        return self.pid is not None and self._ready_at is not None

    def tick(self, now: float, granted: float) -> None:
        """Fork a zygote if one is due; end one that is late.

        Args:
            now: monotonic time, seconds.
            granted: since when lateness counts, seconds (see `watchdog`).
        """
        if self.due is not None and now >= self.due:
            self._fork(now)
        elif self.pid is not None and self._ready_at is None:
            if now - max(self._started_at, granted) >= self._settings.boot:
                self.kill("not ready in time")
        elif self._asked and now - max(self._answered_at, granted) >= ANSWER:
            self.kill("does not fork")

    def _fork(self, now: float) -> None:
        self.due = None
        self._started_at = now
        try:
            ours, theirs = pair()
        except OSError as error:
            self._short(now, error)
            return
        channel = Channel(ours, self._loop)
        # A copy of what waits in the buffers would be written by the child again.
        zygote.flush()
        nest = self._nest(theirs.fileno())
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            channel.watch(self._hear)
            pid = os.fork()
            if pid == 0:
                _become_zygote(nest)
        except OSError as error:
            channel.close()
            theirs.close()
            self._short(now, error)
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.pid, self._channel, self._condemned = pid, channel, False
        self._journal.write("zygote_start", pid=pid)

    def request(
        self, slot: int, generation: int, channel: socket.socket, dump: int
    ) -> None:
        """Ask for a worker; both descriptors are handed over.

        If the zygote is gone, nothing happens but that the worker's channel ends.
        """
        fds = (channel.detach(), dump)
        if self._channel is None:
            for fd in fds:
                os.close(fd)
            return
        if not self._asked:
            self._answered_at = time.monotonic()
        self._asked.add((slot, generation))
        message = {"type": "spawn", "slot": slot, "generation": generation}
        if not self._channel.send(message, fds):
            self.kill("does not read its requests")

    def answered(self, slot: int, generation: int) -> None:
        """Note that a worker that was asked for is there, or never will be."""
        self._asked.discard((slot, generation))
        self._answered_at = time.monotonic()

    def forgive(self, now: float) -> None:
        """Forget the zygotes that died; fork one now if none lives."""
        self._tally, self.given_up = restarts.Tally(), False
        if self._wanted and self.pid is None:
            self.due = now

    def kill(self, reason: str) -> None:
        """SIGKILL the zygote; it is reaped like any other child."""
        if self.pid is not None and not self._condemned:
            self._condemned = True
            self._log.warning("zygote_killed", pid=self.pid, reason=reason)
            self._journal.write("zygote_killed", pid=self.pid, reason=reason)
            self._signal()

    def retire(self) -> None:
        """Want no other zygote after this one."""
        self._wanted, self.due = False, None

    def stop(self) -> None:
        """Want no zygote any more."""
        self.retire()
        if self.pid is not None:
            self._signal()

    def _signal(self) -> None:
        if self.pid is not None:
            # Exact without a pidfd: it is our child, and only `reaped` follows.
            os.kill(self.pid, signal.SIGKILL)

    def reaped(self, now: float, code: int | None, number: int | None) -> None:
        """Note that the zygote is gone; the supervisor has reaped it."""
        self._hear()
        if self._channel is not None:
            self._channel.close()
        self._journal.write("zygote_exit", pid=self.pid, code=code, signal=number)
        self.pid = None
        end = f"exit code {code}" if number is None else signal.Signals(number).name
        self._ended(now, end)

    def _short(self, now: float, error: OSError) -> None:
        self._chronicle.shortage("zygote", error)
        self._ended(now, f"could not be started: {error.strerror}", counts=False)

    def _ended(self, now: float, why: str, counts: bool = True) -> None:
        lived = 0.0 if self._ready_at is None else now - self._ready_at
        self._channel, self._ready_at = None, None
        self._asked.clear()
        if not self._wanted:
            return
        self._tally, wait = restarts.after_exit(
            self._tally,
            self._settings,
            now,
            lived=lived,
            chance=random.random(),
            counts=counts,
        )
        self.given_up = wait is None
        if wait is None:
            wait = self._settings.cap
        self._log.warning("zygote_gone", reason=why, next_in=round(wait, 3))
        self.due = now + wait

    def _hear(self) -> None:
        if self._channel is None:
            return
        try:
            for message in self._channel.receive():
                self._heard(message)
        except Nonsense as error:
            self.kill(str(error))

    def _heard(self, message: Message) -> None:
        if message.get("type") == "ready":
            self._ready_at = time.monotonic()
            took = round(self._ready_at - self._started_at, 3)
            self._journal.write("zygote_ready", pid=self.pid, took=took)
        elif message.get("type") == "failed":
            reason = str(message.get("reason"))
            trace = message.get("traceback")
            self._journal.write("zygote_failed", reason=reason, stack=trace)
            self._failed(reason)


def _become_zygote(nest: zygote.Nest) -> None:
    """Run the zygote in this process, which is a copy of the supervisor, and end it."""
    status = 1
    try:
        status = zygote.main(nest)
    except BaseException:
        # The last frame of this process: nothing may return into the supervisor's.
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)
