"""Write lines to a file descriptor without ever waiting for whoever reads it.

stderr is shared with every process of the cluster and often with others, so its
flags (O_NONBLOCK belongs to the open file description) must stay as they are, and
looking before the write is no promise: between a poll that says "room" and the
write a sibling may take the room. Each line therefore goes through an open file
description of its own, which lives for that one write:

- pipe or terminal: opened again through /proc with O_NONBLOCK;
- socket: MSG_DONTWAIT, which is a matter of the call;
- file: plainly, because disks are not readers (and the shared offset must be used).

Opening costs some 5 µs a line. Keeping the descriptor instead would be wrong: a
process that closes all descriptors that are not its own would leave a number that
soon is a client's socket.
"""

import errno
import os
import select
import socket
import stat

LONGEST = 4096
"""Most bytes of a line: what a pipe takes whole or not at all (PIPE_BUF)."""


class Sink:
    """The far end of a log."""

    def __init__(self, fd: int) -> None:
        """Write to `fd`, which stays the caller's."""
        self._fd = fd
        self._torn = False
        self.dropped = 0
        """Lines that could not be written."""

    def write(self, line: bytes) -> bool:
        """Write one line, which ends in a line feed, now or not at all.

        Returns:
            Whether the whole line went out; if not, it is counted as dropped.
        """
        if self._torn:  # a full disk took half a line: end it before the next
            line = b"\n" + line
        try:
            written = self._write(line)
        except OSError:
            written = 0
        if written == len(line):
            self._torn = False
            return True
        self._torn = (
            self._torn if written == 0 else line[written - 1 : written] != b"\n"
        )
        self.dropped += 1
        return False

    def _write(self, line: bytes) -> int:
        kind = stat.S_IFMT(os.fstat(self._fd).st_mode)
        if kind == stat.S_IFSOCK:
            return self._send(line)
        if kind not in (stat.S_IFIFO, stat.S_IFCHR):
            return os.write(self._fd, line)
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            own = os.open(f"/proc/self/fd/{self._fd}", flags)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a pipe that nobody reads
                raise
            return self._write_after_look(line)
        try:
            return os.write(own, line)
        finally:
            os.close(own)

    def _send(self, line: bytes) -> int:
        borrowed = socket.socket(fileno=self._fd)
        try:
            return borrowed.send(line, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        finally:
            borrowed.detach()

    def _write_after_look(self, line: bytes) -> int:
        """Write where nothing can be opened again (no /proc, no right, no fd left).

        Almost as good: only a sibling that takes the last room between look and
        write could make this one wait.
        """
        look = select.poll()
        look.register(self._fd, select.POLLOUT)
        ready = look.poll(0)
        if not ready or ready[0][1] & (select.POLLERR | select.POLLHUP):
            return 0
        return os.write(self._fd, line)
