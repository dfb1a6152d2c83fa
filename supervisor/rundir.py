"""The run directory: where a cluster keeps its control socket and its journal.

A cluster holds a POSIX lock on the file `hubbub.lock` in its directory for as long as
its supervisor lives. Such a lock dies with the process, even by SIGKILL, and a forked
child does not inherit it, so it is the one honest sign of a living cluster; pid files
are never believed. (The price: the lock is lost if this process ever closes another
descriptor of that file. Nobody else here opens it.)

Whatever is taken over or removed was first opened without following symlinks, belongs
to this user and is closed to everybody else; only names of our own are unlinked.
"""

import contextlib
import fcntl
import json
import os
import secrets
import stat
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hubbub.supervisor import journal
from hubbub.supervisor.refusal import Refusal

LOCK: Final = "hubbub.lock"
CONTROL: Final = "control.sock"
FACTS: Final = "cluster.json"
NAMES: Final = (CONTROL, journal.NAME, journal.OLD, FACTS, FACTS + ".new")
"""Every name a cluster uses, but the lock, which is removed last."""

PATH_LIMIT: Final = 107
"""Longest path of a Unix socket, bytes (sun_path less its NUL)."""

# Non-blocking: a fifo of that name must not stop us.
_SAFELY = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class NotRunning(Exception):
    """There is no living cluster where one was looked for; the text says so."""


class RunDir:
    """A run directory whose lock we hold.

    Use `take` to get one.
    """

    def __init__(self, path: Path, folder: int, lock: int, made: bool) -> None:
        self.path = path
        self._folder = folder
        self._lock = lock
        self._made = made
        self.predecessor_ports: set[int] = set()
        """Ports of clusters that were killed and whose files were removed."""

    @property
    def control(self) -> Path:
        """Path of the control socket."""
        return self.path / CONTROL

    def publish(self, facts: dict[str, object]) -> None:
        """Write `cluster.json`: who holds the directory, for people and `find`."""
        text = json.dumps({**facts, "made": self._made}) + "\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _SAFELY
        fd = os.open(FACTS + ".new", flags, 0o600, dir_fd=self._folder)
        with os.fdopen(fd, "w") as file:
            file.write(text)
        os.replace(
            FACTS + ".new", FACTS, src_dir_fd=self._folder, dst_dir_fd=self._folder
        )

    def release(self) -> None:
        """Remove our files, the directory if we made it, and give up the lock."""
        _remove(self._folder)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(LOCK, dir_fd=self._folder)
        if self._made:
            with contextlib.suppress(OSError):  # somebody else's file is in it
                os.rmdir(self.path)
        os.close(self._folder)
        os.close(self._lock)
        root = default_root()
        if self.path.parent == root:
            with contextlib.suppress(OSError, Refusal), _locked(root, patience=0.0):
                os.rmdir(root)  # refuses while another cluster is in it


def default_root() -> Path:
    """Return the directory under which each cluster of this user gets its own."""
    base = os.environ.get("XDG_RUNTIME_DIR") or ""
    with contextlib.suppress(OSError):
        # After `sudo` it may name another user's, or one that is not there.
        if base.startswith("/") and os.stat(base).st_uid == os.geteuid():
            return Path(base) / "hubbub"
    return Path(tempfile.gettempdir()) / f"hubbub-{os.geteuid()}"


def take(configured: str) -> RunDir:
    """Take a run directory: the configured one, or a new one in the default root.

    Files of clusters that were killed are removed on the way; their last journal is
    kept like that of a clean stop.

    Raises:
        Refusal: it is taken, unsafe, or cannot be made; says which.
    """
    try:
        if configured:
            return _take_named(Path(os.path.abspath(configured)))
        root = default_root()
        with _locked(root):
            ports = _clear_siblings(root)
            rundir = _take_named(root / secrets.token_hex(4))
            rundir.predecessor_ports |= ports
            return rundir
    except OSError as error:
        name = configured or default_root()
        raise Refusal(
            f"the run directory {name} cannot be used: {error.strerror or error}"
        ) from error


def find(run_dir: str | None = None) -> Path:
    """Return the run directory of a living cluster of another process.

    Args:
        run_dir: where to look; without it HUBBUB_RUN_DIR, without that the most
            recent living cluster in the default root.

    Raises:
        NotRunning: there is none.
    """
    named = run_dir or os.environ.get("HUBBUB_RUN_DIR")
    if named:
        path = Path(os.path.abspath(named))
        if holder(path) is None:
            raise NotRunning(f"no cluster is running in {path}")
        return path
    living = []
    with contextlib.suppress(OSError, Refusal):
        root = default_root()
        os.close(_open_folder(root))
        for path in root.iterdir():
            if holder(path) is not None:
                living.append(((path / LOCK).lstat().st_mtime, path))
    if not living:
        raise NotRunning("no cluster of this user is running")
    return max(living)[1]


def holder(path: Path) -> int | None:
    """Return the pid of the cluster that lives in `path`; None: none does."""
    try:
        folder = _open_folder(path)
    except (OSError, Refusal):
        return None
    try:
        lock = os.open(LOCK, os.O_RDONLY | _SAFELY, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)
    try:
        return _locked_by(lock)
    finally:
        os.close(lock)


def _take_named(path: Path) -> RunDir:
    """Make `path` if need be, check it, lock it, clear it."""
    if len(os.fsencode(path / CONTROL)) > PATH_LIMIT:
        raise Refusal(
            f"the path of the run directory {path} is too long for a Unix socket "
            f"({PATH_LIMIT} bytes with /{CONTROL}); choose a shorter one"
        )
    made = False
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
        made = True
    folder = _open_folder(path)
    try:
        lock, fresh = _take_lock(folder)
        if lock is None:
            raise Refusal(
                f"the run directory {path} is taken by a running cluster"
                f" (pid {holder(path)})"
            )
        if fresh and not made and (strange := _present(folder)):
            os.unlink(LOCK, dir_fd=folder)
            os.close(lock)
            raise Refusal(f"the run directory {path} holds a {strange} not of ours")
    except BaseException:
        os.close(folder)
        raise
    facts = _facts(folder)
    rundir = RunDir(path, folder, lock, made or facts.get("made") is True)
    if not fresh:
        rundir.predecessor_ports = _clear(path, folder, facts)
    return rundir


def _open_folder(path: Path) -> int:
    """Open a directory that is real, ours and closed to everybody else."""
    if path.is_symlink():
        raise Refusal(f"{path} is a symbolic link, not a directory")
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _SAFELY)
    facts = os.fstat(fd)
    if facts.st_uid == os.geteuid() and not facts.st_mode & 0o077:
        return fd
    os.close(fd)
    if facts.st_uid != os.geteuid():
        raise Refusal(f"the directory {path} belongs to another user")
    mode = stat.S_IMODE(facts.st_mode)
    raise Refusal(
        f"the directory {path} is open to other users (mode {mode:04o}); chmod 700 it"
    )


def _take_lock(folder: int) -> tuple[int | None, bool]:
    """Return the lock's descriptor (None: a living cluster has it), is it new."""
    while True:
        fresh = True
        flags = os.O_RDWR | _SAFELY
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


def _locked_by(fd: int) -> int | None:
    """Return who holds a lock on this file, without touching it."""
    # struct flock of 64-bit Linux: type, whence, start, length, pid.
    question = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = struct.unpack(
        "hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, question)
    )
    return None if kind == fcntl.F_UNLCK else int(pid)


@contextlib.contextmanager
def _locked(root: Path, patience: float = 3.0) -> Iterator[None]:
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
    folder = _open_folder(root)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.stat(root), os.fstat(folder)):
            return folder
    except (BlockingIOError, FileNotFoundError):  # held, or just removed
        pass
    os.close(folder)
    return None


def _clear_siblings(root: Path) -> set[int]:
    """Remove what killed clusters left in the default root; return their ports."""
    ports: set[int] = set()
    for path in root.iterdir():
        try:
            folder = _open_folder(path)
        except (OSError, Refusal):
            continue
        try:
            if not _exists(LOCK, folder):
                os.rmdir(path)  # refuses unless it is empty
                continue
            lock, _ = _take_lock(folder)
            if lock is not None:
                ports |= _clear(path, folder, _facts(folder))
                os.unlink(LOCK, dir_fd=folder)
                os.close(lock)
                os.rmdir(path)
        except OSError:
            continue  # not empty, or half removed: nothing of ours is in the way
        finally:
            os.close(folder)
    return ports


def _clear(path: Path, folder: int, facts: dict[str, object]) -> set[int]:
    """Remove a killed cluster's files but the lock; return its port."""
    journal.keep(path)
    _remove(folder)
    port = facts.get("port")
    return {port} if isinstance(port, int) else set()


def _remove(folder: int) -> None:
    for name in NAMES:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _present(folder: int) -> str | None:
    """Return a name of ours that is in a directory we have not used before."""
    return next((name for name in NAMES if _exists(name, folder)), None)


def _exists(name: str, folder: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        return True
    return False


def _facts(folder: int) -> dict[str, object]:
    """Read `cluster.json`; an unreadable one says nothing."""
    try:
        fd = os.open(FACTS, os.O_RDONLY | _SAFELY, dir_fd=folder)
        with os.fdopen(fd, "rb") as file:
            facts = json.loads(file.read(64 * 1024))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
