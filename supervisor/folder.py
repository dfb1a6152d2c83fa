"""Folders that are opened safely, and the locks on them.

A POSIX lock dies with its process, even by SIGKILL, and a forked child does not
inherit it, so it is the one honest sign of a living cluster. (The price: it is lost
if the process ever closes another descriptor of that file.)
"""

import contextlib
import fcntl
import os
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hubbub.supervisor.refusal import Refusal

LOCK: Final = "hubbub.lock"
# Non-blocking: a fifo of that name must not stop us.
SAFELY: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def open_folder(path: Path, guest: bool = False) -> int:
    """Open a directory that is real, ours and closed to everybody else.

    Args:
        path: where it is.
        guest: root may open it too; nothing will be changed in it.
    """
    if path.is_symlink():
        raise Refusal(f"{path} is a symbolic link, not a directory")
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | SAFELY)
    facts = os.fstat(fd)
    welcome = facts.st_uid == os.geteuid() or (guest and os.geteuid() == 0)
    if welcome and not facts.st_mode & 0o077:
        return fd
    os.close(fd)
    if not welcome:
        raise Refusal(f"the directory {path} belongs to another user")
    mode = stat.S_IMODE(facts.st_mode)
    raise Refusal(
        f"the directory {path} is open to other users (mode {mode:04o}); chmod 700 it"
    )


def take_lock(folder: int) -> tuple[int | None, bool]:
    """Return the lock's descriptor (None: a living cluster has it), is it new."""
    while True:
        fresh = True
        flags = os.O_RDWR | SAFELY
        try:
            lock = os.open(LOCK, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        except FileExistsError:
            fresh = False
            try:
                lock = os.open(LOCK, flags, dir_fd=folder)
            except FileNotFoundError:  # its holder left between the two lines
                continue
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None, False
        # Its holder may have removed it between open and lock: then it is no lock.
        with contextlib.suppress(FileNotFoundError):
            there = os.stat(LOCK, dir_fd=folder, follow_symlinks=False)
            if os.path.samestat(there, os.fstat(lock)):
                return lock, fresh
        os.close(lock)


def locked_by(fd: int) -> int | None:
    """Return who holds a lock on this file, without touching it."""
    # struct flock of 64-bit Linux: type, whence, start, length, pid.
    question = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = struct.unpack(
        "hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, question)
    )
    return None if kind == fcntl.F_UNLCK else int(pid)


@contextlib.contextmanager
def locked(root: Path, patience: float = 3.0) -> Iterator[None]:
    """Hold the default root, so that nobody clears what another is making.

    A lock on the directory itself leaves no file behind; it is held for milliseconds.
    """
    deadline = time.monotonic() + patience
    while (folder := _lock_root(root)) is None:
        if time.monotonic() >= deadline:
            raise Refusal(f"the directory {root} is held by another start")
        time.sleep(0.01)
    try:
        yield
    finally:
        os.close(folder)


def _lock_root(root: Path) -> int | None:
    """Make and lock the default root; None: somebody else was quicker."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(root, 0o700)
    folder = open_folder(root)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.stat(root), os.fstat(folder)):
            return folder
    except (BlockingIOError, FileNotFoundError):  # held, or just removed
        pass
    os.close(folder)
    return None


def exists(name: str, folder: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        return True
    return False
