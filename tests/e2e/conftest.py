"""Real clusters for tests: started by the command, ended and inspected to the last
process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

COMMAND = Path(sys.executable).with_name("hubbub")
PATIENCE = 15.0


def wait_for(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Return the first true value of `condition`; fail after `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {patience} s in vain"
        time.sleep(0.01)


class Cluster:
    """One `hubbub serve`, on a free port, with a run directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.run_dir = folder / "run"
        self.log = folder / "log"
        self.state = folder / "state"
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._log_start = 0
        self._seen: dict[int, psutil.Process] = {}

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
        runtime = self.log.parent / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        return kept | {
            "XDG_STATE_HOME": str(self.state),
            "XDG_RUNTIME_DIR": str(runtime),
        }

    def start(self, *args: str, port: int = 0, wait: bool = True) -> "Cluster":
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                [
                    COMMAND,
                    "serve",
                    "--port",
                    str(port),
                    "--run-dir",
                    self.run_dir,
                    *args,
                ],
                stderr=log,
                stdout=log,
                cwd=self.log.parent,
                env=self.environment(),
            )
        if wait:
            wait_for(self.is_ready)
            self.port = int(self.status()["cluster"]["urls"]["public"].split(":")[2])
        return self

    def run(
        self, *args: str, timeout: float = 20, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run another hubbub command against this cluster."""
        return subprocess.run(
            [COMMAND, *args],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.log.parent,
            env=self.environment() | {"HUBBUB_RUN_DIR": str(self.run_dir)},
            check=False,
            **more,
        )

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        if "listening" not in self.log_text():
            return False
        self.processes()
        return True

    def log_text(self) -> str:
        """Return what the latest start has logged."""
        return self.log.read_text()[self._log_start :]

    def status(self) -> dict[str, Any]:
        done = self.run("status", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def worker(self, slot: int) -> dict[str, Any]:
        found: dict[str, Any] = self.status()["workers"][slot]
        return found

    def journal(self) -> list[dict[str, Any]]:
        live = self.run_dir / "journal.jsonl"
        kept = self.state / "hubbub" / "journal.jsonl"
        text = (live if live.exists() else kept).read_text()
        return [json.loads(line) for line in text.splitlines()]

    def processes(self) -> list[psutil.Process]:
        """Return every live process of the cluster, and remember it."""
        assert self.process is not None
        try:
            root = psutil.Process(self.process.pid)
            for found in [root, *root.children(recursive=True)]:
                self._seen[found.pid] = found
        except psutil.NoSuchProcess:
            pass
        return [
            p
            for p in self._seen.values()
            if p.is_running() and p.status() != psutil.STATUS_ZOMBIE
        ]

    def send_signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.processes()
        self.process.send_signal(number)

    def wait(self, patience: float = 40) -> int:
        assert self.process is not None
        return self.process.wait(patience)

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    def end(self) -> None:
        """End it whatever happened, then check that nothing is left."""
        if self.process is None:
            return
        self.processes()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        try:
            wait_for(lambda: not self.processes(), 3)
        finally:
            for left in self.processes():
                left.kill()
        assert "Traceback" not in self.log.read_text()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that is not started yet."""
    made = Cluster(tmp_path)
    yield made
    made.end()


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[Callable[[str], Cluster]]:
    """Make clusters by name; all are ended."""
    made: dict[str, Cluster] = {}

    def make(name: str) -> Cluster:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return made.setdefault(name, Cluster(folder))

    yield make
    for cluster in made.values():
        cluster.end()
