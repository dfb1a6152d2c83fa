"""The run directory: where a cluster keeps its control socket and its journal.

A cluster holds a POSIX lock on the file `hubbub.lock` in its directory for as long as
its supervisor lives (see `folder`); pid files are never believed.

Whatever is taken over or removed was first opened without following symlinks, belongs
to this user and is closed to everybody else; only names of our own are unlinked.
"""

import contextlib
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

from hubbub.supervisor import journal
from hubbub.supervisor.folder import (
    LOCK,
    SAFELY,
    exists,
    locked,
    locked_by,
    open_folder,
    take_lock,
)
from hubbub.supervisor.refusal import Refusal

CONTROL: Final = "control.sock"
FACTS: Final = "cluster.json"
NAMES: Final = (CONTROL, journal.NAME, journal.OLD, FACTS, FACTS + ".new")
"""Every name a cluster uses, but the lock, which is removed last."""

_SIGN: Final = ".at"
"""Suffix of files in the default root that name a run directory elsewhere."""

PATH_LIMIT: Final = 107
"""Longest path of a Unix socket, bytes (sun_path less its NUL)."""

_RUNTIMES: Final = Path("/run/user")
"""Where systemd puts the runtime directories of all users."""


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
        self._sign: Path | None = None
        self.predecessor_ports: set[int] = set()
        """Ports of clusters that were killed and whose files were removed."""

    @property
    def control(self) -> Path:
        """Path of the control socket."""
        return self.path / CONTROL

    def publish(self, facts: dict[str, object]) -> None:
        """Write `cluster.json`: who holds the directory, for people and `find`.

        Raises:
            Refusal: it cannot be written, the disk being full for one.
        """
        text = json.dumps({**facts, "made": self._made}) + "\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | SAFELY
        try:
            fd = os.open(FACTS + ".new", flags, 0o600, dir_fd=self._folder)
            with os.fdopen(fd, "w") as file:
                file.write(text)
            os.replace(
                FACTS + ".new", FACTS, src_dir_fd=self._folder, dst_dir_fd=self._folder
            )
        except OSError as error:
            raise _unusable(self.path, error) from error

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
        with contextlib.suppress(OSError, Refusal), locked(root, patience=0.0):
            if self._sign is not None:
                self._sign.unlink()
            os.rmdir(root)  # refuses while another cluster is in it

    def put_sign(self, root: Path) -> None:
        """Leave word in the default root of where this cluster is.

        It only serves to be found: a root that cannot be used is no reason not to
        run.
        """
        sign = root / (secrets.token_hex(4) + _SIGN)
        with contextlib.suppress(OSError):
            fd = os.open(sign, os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFELY, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(os.fsencode(self.path))
            self._sign = sign


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
        root = default_root()
        if configured:
            path, ports = Path(os.path.abspath(configured)), set[int]()
            with contextlib.suppress(OSError, Refusal), locked(root):
                ports = _clear_siblings(root)
            rundir = _take_named(path)
            rundir.predecessor_ports |= ports
            with contextlib.suppress(OSError, Refusal), locked(root):
                rundir.put_sign(root)
            return rundir
        with locked(root):
            ports = _clear_siblings(root)
            rundir = _take_named(root / secrets.token_hex(4))
            rundir.predecessor_ports |= ports
            return rundir
    except OSError as error:
        raise _unusable(configured or default_root(), error) from error


def _unusable(path: str | Path, error: OSError) -> Refusal:
    return Refusal(
        f"the run directory {path} cannot be used: {error.strerror or error}"
    )


def find(run_dir: str | None = None) -> Path:
    """Return the run directory of a living cluster of another process.

    Args:
        run_dir: where to look; without it HUBBUB_RUN_DIR, without that the most
            recent living cluster of this user, wherever its run directory is.

    Raises:
        NotRunning: there is none. Root, who may name any, is told of other users'.
    """
    named = run_dir or os.environ.get("HUBBUB_RUN_DIR")
    if named:
        path = Path(os.path.abspath(named))
        if holder(path) is None:
            raise NotRunning(f"no cluster is running in {path}")
        return path
    living = _living(default_root())
    if living:
        return max(living)[1]
    others = [str(path) for root in _other_roots() for _, path in _living(root)]
    raise NotRunning(
        "no cluster of this user is running"
        + ("; --run-dir can name " + " or ".join(others[:3]) if others else "")
    )


def _living(root: Path) -> list[tuple[float, Path]]:
    """Return the run directories of the clusters that `root` knows, and their age."""
    living = []
    with contextlib.suppress(OSError, Refusal):
        os.close(open_folder(root, guest=True))
        for entry in root.iterdir():
            path = _signed(entry) or entry
            if holder(path) is not None:
                living.append(((path / LOCK).lstat().st_mtime, path))
    return living


def _other_roots() -> list[Path]:
    """Return where other users' clusters are found; only root may look there."""
    if os.geteuid() != 0:
        return []
    roots = [*_RUNTIMES.glob("*/hubbub"), *Path(tempfile.gettempdir()).glob("hubbub-*")]
    return sorted(roots)


def holder(path: Path) -> int | None:
    """Return the pid of the cluster that lives in `path`; None: none does."""
    try:
        folder = open_folder(path, guest=True)
    except (OSError, Refusal):
        return None
    try:
        lock = os.open(LOCK, os.O_RDONLY | SAFELY, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)
    try:
        return locked_by(lock)
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
    folder = open_folder(path)
    try:
        lock, fresh = take_lock(folder)
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


def _clear_siblings(root: Path) -> set[int]:
    """Remove what killed clusters left in the default root; return their ports."""
    ports: set[int] = set()
    for entry in root.iterdir():
        path = _signed(entry)
        ports |= _clear_killed(path or entry, named=path is not None)
        if path is not None and holder(path) is None:
            entry.unlink()
    return ports


def _signed(entry: Path) -> Path | None:
    """Return the run directory that a sign in the default root names."""
    if entry.suffix != _SIGN:
        return None
    with contextlib.suppress(OSError):
        fd = os.open(entry, os.O_RDONLY | SAFELY)
        with os.fdopen(fd, "rb") as file:
            path = Path(os.fsdecode(file.read(4096)))
        return path if path.is_absolute() else None
    return None


def _clear_killed(path: Path, named: bool) -> set[int]:
    """Remove what a killed cluster left in `path`; return its port."""
    ports: set[int] = set()
    try:
        folder = open_folder(path)
    except (OSError, Refusal):
        return ports
    try:
        if not exists(LOCK, folder):
            if not named:
                os.rmdir(path)  # refuses unless it is empty
            return ports
        lock, _ = take_lock(folder)
        if lock is not None:
            facts = _facts(folder)
            ports = _clear(path, folder, facts)
            os.unlink(LOCK, dir_fd=folder)
            os.close(lock)
            if not named or facts.get("made") is True:
                os.rmdir(path)
    except OSError:
        pass  # not empty, or half removed: nothing of ours is in the way
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
    return next((name for name in NAMES if exists(name, folder)), None)


def _facts(folder: int) -> dict[str, object]:
    """Read `cluster.json`; an unreadable one says nothing."""
    try:
        fd = os.open(FACTS, os.O_RDONLY | SAFELY, dir_fd=folder)
        with os.fdopen(fd, "rb") as file:
            facts = json.loads(file.read(64 * 1024))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
