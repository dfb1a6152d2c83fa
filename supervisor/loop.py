"""The supervisor's one poll loop, and the signals it hears.

No threads, no protocol, no policy: descriptors have a callback each, and signals are
counted until somebody takes them. A handler may remove any descriptor, its own too; an
event that was fetched for a removed one is dropped, also when its number was given out
again within the same turn.
"""

import os
import select
import signal
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final

Callback = Callable[[int], None]
"""Called with the epoll events of its descriptor."""

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT

HEARD: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGCHLD,
    # Nothing follows from these two, but by default they would end the supervisor.
    signal.SIGUSR1,
    signal.SIGUSR2,
)


class Signals:
    """Counts signals from `__enter__` to `__exit__`.

    The handlers only count; the C-level wakeup descriptor ends a poll. Counting per
    signal is bounded whatever the storm, and two SIGTERMs stay two.
    """

    def __init__(self) -> None:
        self.fd, self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._counts: Counter[int] = Counter()
        self._before: dict[int, object] = {}
        self._wakeup_before = -1

    def __enter__(self) -> "Signals":
        for number in HEARD:
            self._before[number] = signal.signal(number, self._count)
        self._before[signal.SIGPIPE] = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self._wakeup_before = signal.set_wakeup_fd(
            self._wakeup, warn_on_full_buffer=False
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]
        os.close(self.fd)
        os.close(self._wakeup)

    def _count(self, number: int, frame: FrameType | None) -> None:
        self._counts[number] += 1

    def take(self) -> Counter[int]:
        """Return how often each signal came since the last call."""
        try:
            while len(os.read(self.fd, 4096)) == 4096:
                continue
        except BlockingIOError:
            pass
        counts, self._counts = self._counts, Counter()
        return counts

    def wait(self, seconds: float) -> bool:
        """Sleep; return True, at once, when somebody wants us to stop."""
        deadline = time.monotonic() + seconds
        while not (self._counts[signal.SIGTERM] or self._counts[signal.SIGINT]):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if select.select([self.fd], [], [], left)[0]:
                os.read(self.fd, 4096)
        return True


class Loop:
    """Descriptors and their callbacks."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._table: dict[int, tuple[int, Callback]] = {}
        self._turn = 0

    def add(self, fd: int, events: int, callback: Callback) -> None:
        """Call `callback` when `fd` has one of `events` (or an error)."""
        self._epoll.register(fd, events)
        self._table[fd] = (self._turn, callback)

    def change(self, fd: int, events: int) -> None:
        """Wait for other events of `fd`."""
        self._epoll.modify(fd, events)

    def remove(self, fd: int) -> None:
        """Forget `fd`; call it before the descriptor is closed. Twice is harmless."""
        if self._table.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def turn(self, timeout: float) -> None:
        """Wait for events, at most `timeout` seconds, and call their callbacks."""
        ready = self._epoll.poll(max(0.0, timeout), 64)
        self._turn += 1
        for fd, events in ready:
            since, callback = self._table.get(fd, (self._turn, None))
            if callback is not None and since < self._turn:
                callback(events)

    def close(self) -> None:
        """Close the epoll descriptor; callbacks are forgotten."""
        self._table.clear()
        self._epoll.close()
