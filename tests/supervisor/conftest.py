"""A real cluster of fake workers, for tests that fork and kill."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hubbub.supervisor import control_client

HERE = Path(__file__).parent
PATIENCE = 20.0
"""How long a condition may take to come true, seconds; it is reached when broken."""

Row = dict[str, Any]


def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait for a condition of another process; return what it returned."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, what or condition
        select.select([], [], [], 0.01)
    return found


class Cluster:
    """A supervisor with fake workers.

    Its working directory is its own and inherited by all its processes: that is how
    they are counted, whatever they call themselves.
    """

    def __init__(
        self,
        folder: Path,
        plan: dict[str, str],
        entry: str,
        name: str,
        **settings: object,
    ) -> None:
        self.folder = folder
        self.told_folder = folder / "told"
        self.told_folder.mkdir(exist_ok=True)
        self.run_dir = folder / name
        changes = {"port": 0, "workers": 2, "run_dir": str(self.run_dir), **settings}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "driver.py"), json.dumps(changes), entry],
            stdout=subprocess.PIPE,
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(HERE),
                "FAKE_PLAN": json.dumps(plan),
                "FAKE_TOLD": str(self.told_folder),
                "XDG_STATE_HOME": str(folder / "state"),
            },
        )
        assert self.process.stdout is not None
        self._out = self.process.stdout
        self._rest = b""
        self.log: list[Row] = []

    # What it says

    def read_log(self, timeout: float = 0.0) -> bool:
        """Take what was logged; return False at the end."""
        if not select.select([self._out], [], [], timeout)[0]:
            return True
        data = os.read(self._out.fileno(), 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.log += [json.loads(line) for line in lines]
        return bool(data)

    def wait_log(self, event: str, count: int = 1) -> Row:
        """Wait for the `count`-th line of an event."""
        deadline = time.monotonic() + PATIENCE
        while len(found := [e for e in self.log if e["event"] == event]) < count:
            left = deadline - time.monotonic()
            assert left > 0, (event, self.log)
            if not self.read_log(left):
                break
        assert len(found) >= count, (event, self.log)
        return found[count - 1]

    def ask(self, **request: object) -> Row:
        return control_client.ask(self.run_dir, request, 5)

    def workers(self) -> list[Row]:
        rows: list[Row] = self.ask(type="status")["workers"]
        return rows

    def ready(self) -> "Cluster":
        self.wait_log("listening")
        return self

    def wait_worker(self, slot: int, **facts: object) -> Row:
        """Wait until the row of a slot has these facts."""

        def there() -> Row | None:
            row = next(row for row in self.workers() if row["slot"] == slot)
            return row if facts.items() <= row.items() else None

        found: Row = until(there, f"slot {slot} {facts}")
        return found

    def journal(self, event: str, **facts: object) -> list[Row]:
        """Return the entries of an event, also after the end."""
        entries: list[Row] = []
        for folder in (self.run_dir, self.folder / "state" / "hubbub"):
            path = folder / "journal.jsonl"
            if path.exists():
                entries = [json.loads(line) for line in path.read_text().splitlines()]
                break
        return [e for e in entries if {"event": event, **facts}.items() <= e.items()]

    def wait_journal(self, event: str, **facts: object) -> Row:
        found: list[Row] = until(lambda: self.journal(event, **facts), event)
        return found[0]

    def told(self, slot: int, generation: int) -> list[Row]:
        """Return what a worker was told."""
        path = self.told_folder / f"{slot}-{generation}"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines()]

    def zygote(self) -> int:
        pid: int = self.journal("zygote_ready")[-1]["pid"]
        return pid

    def pids(self) -> set[int]:
        """Return every process of this cluster."""
        found = set()
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    if os.readlink(f"/proc/{name}/cwd") == str(self.folder):
                        found.add(int(name))
                except OSError:
                    continue
        return found

    # What is done to it

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Read it to its end; return its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self.read_log(max(0.0, deadline - time.monotonic())):
            assert time.monotonic() < deadline, self.log
        return self.process.wait(PATIENCE)

    def wait_nobody(self) -> None:
        until(lambda: not self.pids(), "processes remain")

    until = staticmethod(until)

    def clean_up(self) -> None:
        self.process.kill()
        self.process.wait()
        self._out.close()
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Cluster]]:
    """Start clusters; whatever is left of them afterwards is killed."""
    clusters: list[Cluster] = []

    def start(
        plan: dict[str, str] | None = None,
        entry: str = "fake_worker:run_worker",
        name: str = "run",
        **settings: object,
    ) -> Cluster:
        cluster = Cluster(tmp_path, plan or {}, entry, name, **settings)
        clusters.append(cluster)
        return cluster

    yield start
    for cluster in clusters:
        cluster.clean_up()
