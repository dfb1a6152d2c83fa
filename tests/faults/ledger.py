"""The ledger: what a cluster holds, taken before a fault and after.

Read from outside, from /proc; workers are asked nothing. What must be back: open
files of the supervisor and of the workers by kind, the processes, no zombies, and
private memory within a tolerance.
"""

import os
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psutil

from hubbub.supervisor import control_client
from tests.e2e.conftest import Cluster

MEMORY_PART = 0.15
"""How much more private memory all processes together may have."""
MEMORY_LEAST = 4 << 20
"""Or this much more, bytes: a tenth of four young workers is one page of an arena."""

_PATIENCE = 3.0
"""Seconds in which what a fault left behind must be gone."""


@dataclass(frozen=True)
class Resources:
    """What the processes of a cluster hold."""

    supervisor: Counter[str]
    """Its open files, by kind."""
    workers: Counter[str]
    """The open files of all workers, by kind."""
    processes: int
    """Supervisor, zygote and workers."""
    zombies: int
    private: int
    """Private memory of all processes, bytes."""
    by_slot: dict[int, int] = field(default_factory=dict)
    """Private memory of each slot's worker, bytes."""

    def difference(self, before: "Resources") -> dict[str, int]:
        """Return which counts differ from `before`, and by how much; empty: none."""
        found: dict[str, int] = {}
        for name in ("supervisor", "workers"):
            now, then = getattr(self, name), getattr(before, name)
            for kind in now.keys() | then.keys():
                if now[kind] != then[kind]:
                    found[f"{name} {kind}"] = now[kind] - then[kind]
        if self.processes != before.processes:
            found["processes"] = self.processes - before.processes
        if self.zombies:
            found["zombies"] = self.zombies
        return found

    def growth(self, before: "Resources") -> int:
        """Return how much private memory came on top of `before`, bytes."""
        return self.private - before.private

    def memory_limit(self) -> int:
        """Return how much may come on top of this, bytes."""
        return max(MEMORY_LEAST, int(self.private * MEMORY_PART))


def take(cluster: Cluster) -> Resources:
    """Return what `cluster` holds now."""
    assert cluster.process is not None
    supervisor = cluster.process.pid
    pids = {row["slot"]: row["pid"] for row in workers(cluster) if row["pid"]}
    inodes = _inodes()
    children = psutil.Process(supervisor).children(recursive=True)
    zombies = sum(_is_zombie(child) for child in children)
    files: Counter[str] = Counter()
    for pid in pids.values():
        files += open_files(pid, inodes)
    by_slot = {slot: private(pid) for slot, pid in pids.items()}
    others = {supervisor, *(child.pid for child in children)} - set(pids.values())
    return Resources(
        supervisor=open_files(supervisor, inodes),
        workers=files,
        processes=1 + len(children) - zombies,
        zombies=zombies,
        private=sum(by_slot.values()) + sum(private(pid) for pid in others),
        by_slot=by_slot,
    )


def settled(cluster: Cluster, before: Resources | None = None) -> Resources:
    """Return what `cluster` holds once it is what it was, or after some patience.

    Args:
        cluster: the cluster.
        before: what it was; None: until two looks agree.
    """
    end = time.monotonic() + _PATIENCE
    last = before or take(cluster)
    while True:
        now = take(cluster)
        if not now.difference(last) or time.monotonic() > end:
            return now
        last = before or now


def workers(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the status of every slot, at the cost of one question in this process."""
    status = control_client.ask(cluster.run_dir, {"type": "status"}, 5)
    return cast("list[dict[str, Any]]", status["workers"])


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _inodes() -> dict[str, str]:
    """Return what kind each socket of this network namespace is, by inode."""
    found: dict[str, str] = {}
    for kind in ("tcp", "tcp6", "unix"):
        path = Path(f"/proc/net/{kind}")
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        at = 6 if kind == "unix" else 9
        for line in lines:
            cells = line.split()
            found[cells[at]] = kind.removesuffix("6")
    return found


def open_files(pid: int, inodes: dict[str, str] | None = None) -> Counter[str]:
    """Return the open files of a process by kind: `tcp`, `unix`, `eventpoll`, …

    A process that has gone has none.
    """
    known = _inodes() if inodes is None else inodes
    found: Counter[str] = Counter()
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:
            continue  # It was closed while we looked.
        socket = re.fullmatch(r"socket:\[(\d+)\]", target)
        if socket:
            found[known.get(socket[1], "unbound socket")] += 1
        elif target.startswith("anon_inode:"):
            found[target.removeprefix("anon_inode:").strip("[]")] += 1
        elif target.startswith("pipe:"):
            found["pipe"] += 1
        elif target.startswith("/memfd:"):
            found["memfd"] += 1
        else:
            found["file"] += 1
    return found


def private(pid: int) -> int:
    """Return the private memory of a process, bytes; 0 if it has gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    sizes = re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+) kB", text, re.MULTILINE)
    return 1024 * sum(map(int, sizes))
