"""What memory a worker has of its own, read cheaply, and giving back what is free.

Resident minus shared pages of /proc/self/statm (proc_pid_statm(5)), less its value
at birth: the zygote's copy-on-write pages count in it. 20 µs a reading.
"""

import ctypes
import os
import resource
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None)
_TRIM_FROM: Final = 4 << 20
"""Bytes of outboxes at their peak from which it is worth asking for them back."""


_ROOM = 128 << 20
"""Bytes that the kernel's limit is above the hard ceiling: it counts what is reserved,
stacks of threads included."""


def limit_data(hard: int) -> None:
    """Have the kernel refuse memory well above the hard ceiling (RLIMIT_DATA).

    A backstop for what grows faster than readings are taken. Shared memory does not
    count (setrlimit(2)).

    Args:
        hard: the ceiling, bytes; 0: none, nothing is limited.
    """
    if hard:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + hard + _ROOM
        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        if most == resource.RLIM_INFINITY or limit < most:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def lift_limit() -> None:
    """Take the kernel's limit back, for the last words of who has met it."""
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def trim() -> None:
    """Give free memory back to the kernel (malloc_trim(3)): a few milliseconds.

    A C library without it (musl gives memory back by itself) is asked nothing.
    """
    malloc_trim = getattr(_LIBC, "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


class Tide:
    """Tells when outboxes have been full and are not any more.

    What they held lies free between what stays, and the allocator keeps it: after 30
    slow consumers 1.6 MB a worker, for ever.
    """

    def __init__(self) -> None:
        self._peak = 0

    def turned(self, outbox_bytes: int) -> bool:
        """Take a reading; return whether it is worth to trim now."""
        self._peak = max(self._peak, outbox_bytes)
        if self._peak < _TRIM_FROM or outbox_bytes > self._peak // 4:
            return False
        self._peak = outbox_bytes
        return True


class Memory:
    """This process's memory since it was made."""

    def __init__(self) -> None:
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._birth = 0
        self._birth = self.read()[0]

    def read(self) -> tuple[int, int]:
        """Return private bytes since birth, and resident bytes shared with others."""
        fields = os.pread(self._fd, 256, 0).split()
        resident, shared = int(fields[1]), int(fields[2])
        private = (resident - shared) * self._page - self._birth
        return max(0, private), shared * self._page
