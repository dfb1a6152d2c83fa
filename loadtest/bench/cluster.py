"""A cluster to measure: started on the servers' CPU, ended with everything it made."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubbub.loadtest.bench.machine import SERVED, cpu_seconds, pin, private_bytes
from hubbub.loadtest.bench.row import Invalid

_START = 20.0
"""Seconds a cluster has to get ready."""
_END = 40.0
_QUIET = ("--set", "heartbeat.interval=86400")
"""No pings: receivers that say nothing would get one after 25 s."""
UNLIMITED = ("--set", "limits.rate=0")
"""No limit of messages a second of one connection."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster."""

    port: int
    workers: tuple[int, ...]
    """Process ids, by slot."""

    def cpu_seconds(self) -> float:
        """Return the CPU time of all workers so far."""
        return cpu_seconds(*self.workers)

    def private_bytes(self) -> int:
        """Return the private memory of all workers."""
        return private_bytes(*self.workers)


@contextmanager
def serve(*flags: str, workers: int = 1) -> Iterator[Cluster]:
    """Run `hubbub serve` with `flags` on the servers' CPU; end it afterwards.

    Raises:
        Invalid: it did not start, or ended while it was measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        run_dir = ("--run-dir", str(Path(folder) / "run"))
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
        environment = kept | {"XDG_STATE_HOME": folder}
        command = [sys.executable, "-m", "hubbub", "serve", "--port", "0", *run_dir]
        log = Path(folder) / "log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [*command, "--workers", str(workers), *_QUIET, *flags],
                stderr=stderr,
                cwd=folder,
                env=environment,
                preexec_fn=lambda: pin(SERVED),
            )
        try:
            yield _ready(process, run_dir, log)
            if process.poll() is not None:
                raise Invalid("the cluster ended while it was measured")
        finally:
            process.terminate()
            try:
                process.wait(_END)
            except subprocess.TimeoutExpired:
                process.kill()  # Its workers follow within 2 s.
                process.wait()


def _ready(
    process: subprocess.Popen[bytes], run_dir: tuple[str, str], log: Path
) -> Cluster:
    end = time.monotonic() + _START
    status = [sys.executable, "-m", "hubbub", "status", "--json", *run_dir]
    while time.monotonic() < end and process.poll() is None:
        found = subprocess.run(status, capture_output=True, check=False)
        if found.returncode == 0:
            told = json.loads(found.stdout)
            if told["cluster"]["ready"]:
                port = told["cluster"]["urls"]["public"].rpartition(":")[2].strip("/")
                return Cluster(int(port), tuple(one["pid"] for one in told["workers"]))
        time.sleep(0.05)
    last = log.read_text().strip().rpartition("\n")[2]
    raise Invalid(f"the cluster did not start within {_START:.0f} s: {last}")
