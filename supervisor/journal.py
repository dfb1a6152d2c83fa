"""The journal: one JSON line for every start, ready and exit, with its reason.

Append-only and bounded: at 4 MiB the file becomes `journal.jsonl.1` and a new one
begins. Whatever goes wrong with it (a full disk, a file that cannot be written) is
counted and never raised: the record of an accident must not be the cause of one.
"""

import json
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Final

NAME: Final = "journal.jsonl"
OLD: Final = "journal.jsonl.1"
LIMIT: Final = 4 * 1024 * 1024
"""Size at which the file is put aside, bytes."""

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Journal:
    """An open journal.

    Args:
        folder: the directory it lies in.
        limit: size at which it is put aside, bytes.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder = folder
        self.lost = 0
        """Entries that could not be written."""
        self._limit = limit
        self._fd = -1
        self._torn = False

    def write(self, event: str, **fields: object) -> None:
        """Append one entry: the wall-clock time, the event, its fields."""
        entry = {"at": round(time.time(), 3), "event": event, **fields}
        line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        try:
            self._append(line)
        except OSError:
            self.lost += 1
            self.close()

    def _append(self, line: bytes) -> None:
        if self._fd < 0:
            self._fd = os.open(self.folder / NAME, _FLAGS, 0o600)
            if not stat.S_ISREG(os.fstat(self._fd).st_mode):
                raise OSError("not a regular file")
        if os.fstat(self._fd).st_size + len(line) > self._limit:
            os.replace(self.folder / NAME, self.folder / OLD)
            self.close()
            self._fd = os.open(self.folder / NAME, _FLAGS, 0o600)
        if self._torn:
            # The disk was full in the middle of a line; that one is lost, not two.
            line = b"\n" + line
        written = os.write(self._fd, line)
        self._torn = written < len(line)
        self.lost += self._torn

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def state_directory() -> Path:
    """Return the directory where the last journal is kept."""
    base = os.environ.get("XDG_STATE_HOME") or ""
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "hubbub"


def keep(folder: Path) -> str | None:
    """Copy the journal in `folder` to the state directory, in place of the last one.

    Returns:
        None, or why it could not be kept.
    """
    try:
        target = state_directory()
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (OLD, NAME):
            source = folder / name
            if source.is_file() and not source.is_symlink():
                part = target / f"{name}.{os.getpid()}"
                shutil.copyfile(source, part, follow_symlinks=False)
                part.chmod(0o600)
                part.replace(target / name)
            else:
                (target / name).unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        return str(error)
    return None
