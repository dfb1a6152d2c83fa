"""What the supervisor holds of one worker: its channel, its pidfd, its dump pipe."""

import contextlib
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from hubbub.supervisor.channel import Channel, pair
from hubbub.supervisor.link import Identity
from hubbub.supervisor.loop import READ, Loop

STACK_LIMIT: Final = 64 * 1024
"""Longest stack kept, bytes; what is over it is read and dropped."""


class Process:
    """One worker's descriptors, from the request for it until it is reaped.

    Args:
        identity: whose they are.
        loop: where they are watched.
        hear: called when there is something to receive on its channel.

    `their_channel` and `their_dump` are the worker's ends, for the zygote.

    Raises:
        OSError: descriptors or memory are short; nothing is left of it.
    """

    def __init__(
        self, identity: Identity, loop: Loop, hear: Callable[[], None]
    ) -> None:
        self._loop = loop
        with ExitStack() as undo:
            ours, self.their_channel = pair()
            self.channel = Channel(ours, loop)
            undo.callback(self.channel.close)
            undo.callback(self.their_channel.close)
            self._dump, self.their_dump = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            undo.callback(os.close, self.their_dump)
            undo.callback(self._close_dump)
            self.channel.watch(hear)
            loop.add(self._dump, READ, self._readable)
            undo.pop_all()
        # The worker's end blocks: faulthandler drops what a full pipe refuses.
        os.set_blocking(self.their_dump, True)
        self.identity = identity
        self.pid: int | None = None
        """Process id, once it said hello."""
        self.deaf_at: float | None = None
        """When its channel ended, seconds."""
        self.stopped = False
        """Whether it was found stopped (SIGSTOP) when it was killed."""
        self.trouble = ""
        """What is wrong with its channel."""
        self._pidfd = -1
        self._stack = b""

    def born(self, pid: int) -> None:
        """Note its process id; nobody but us can have reaped it."""
        self.pid = pid
        # Without it, the number will do: it is nobody else's until we reap it.
        with contextlib.suppress(OSError):
            self._pidfd = os.pidfd_open(pid)

    def signal(self, number: int) -> None:
        """Send a signal; to a process that has ended it is none."""
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, number)
        elif self.pid is not None and not self.channel.closed:
            os.kill(self.pid, number)

    def dump(self) -> None:
        """Ask for its stack; one of an earlier time is forgotten."""
        self.read_stack()
        self._stack = b""
        self.signal(signal.SIGUSR2)

    def kill(self) -> None:
        """SIGKILL it, noting first whether it was stopped."""
        self.stopped = self._state() in ("T", "t")
        self.signal(signal.SIGKILL)

    @property
    def stack(self) -> str:
        """What it wrote when it was asked for its stack."""
        return self._stack.decode("utf-8", "replace")

    def read_stack(self) -> None:
        """Take what is in the dump pipe."""
        while self._dump >= 0:
            try:
                data = os.read(self._dump, STACK_LIMIT)
            except BlockingIOError:
                return
            if not data:
                self._close_dump()
                return
            self._stack = (self._stack + data)[:STACK_LIMIT]

    def _readable(self, events: int) -> None:
        self.read_stack()

    def _state(self) -> str:
        """Return the kernel's letter for what it is doing."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[0].decode()
        except (OSError, IndexError):
            return ""

    def _close_dump(self) -> None:
        if self._dump >= 0:
            self._loop.remove(self._dump)
            os.close(self._dump)
            self._dump = -1

    def close(self) -> None:
        """Close everything; it was reaped, or never was."""
        self.channel.close()
        self._close_dump()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
