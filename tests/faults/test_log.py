"""Logs that cannot be written: lines are lost, and nothing else is."""

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import COMMAND, Cluster
from tests.e2e.raw import ask_http
from tests.faults.conftest import MakeReport
from tests.faults.report import Report
from tests.faults.rig import Plan, Rig, sizes

pytestmark = pytest.mark.fault

_DISK = 64 * 1024
_LEFT = 4096
"""Bytes that are free on the disk when the scenario begins."""
_BACK = 5.0
"""Seconds in which logging goes on when there is space again."""
_BAD = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Unlogged(Cluster):
    """A cluster whose output goes elsewhere.

    Args:
        folder: of its other files.
        output: a descriptor for stdout and stderr, which stays the caller's.
    """

    def __init__(self, folder: Path, output: int) -> None:
        super().__init__(folder)
        self._output = output
        self.log.touch()

    def start(self, *args: str, port: int = 0, wait: bool = True) -> Cluster:
        run_dir = ("--run-dir", str(self.run_dir))
        self.process = subprocess.Popen(
            [COMMAND, "serve", "--port", str(port), *run_dir, *args],
            stdout=self._output,
            stderr=self._output,
            cwd=self.log.parent,
            env=self.environment(),
        )
        end = time.monotonic() + 15
        while True:
            assert self.process.poll() is None
            assert time.monotonic() < end, "not ready"
            done = self.run("status", "--json")
            found = json.loads(done.stdout) if done.returncode == 0 else {}
            if found and found["cluster"]["state"] == "ready":
                self.port = int(found["cluster"]["urls"]["public"].split(":")[2])
                return self


@contextmanager
def crowded(folder: Path, output: int, report: Report, plan: Plan) -> Iterator[Rig]:
    """Run a cluster that logs into `output`, with a crowd; then what is checked for
    every scenario, and for all of these."""
    cluster = Unlogged(folder, output)
    try:
        cluster.start("--workers", str(plan.workers), "--identify", "--faults")
        rig = Rig(cluster, plan, report)
        try:
            yield rig
            report.equal("restarts", [r["generation"] for r in rig.rows()], [1] * 4)
            rig.finish()
        finally:
            rig.crowd.close()
    finally:
        cluster.end()
    assert cluster.process is not None
    report.equal("exit code", cluster.process.returncode, 0)


def dropped(rig: Rig) -> int:
    """Return how many lines the workers could not write."""
    return sum(row["logs_dropped"] for row in rig.rows())


def complain(rig: Rig, until: Callable[[], object], patience: float) -> float:
    """Give workers something to log until a condition holds; return how long, s."""
    begun = time.monotonic()
    while not until():
        assert time.monotonic() - begun < patience, "waited in vain"
        rig.strangers += 1
        assert ask_http(rig.cluster.port, _BAD).status == 404
        rig.load(0.01)
    return time.monotonic() - begun


def check_unaffected(rig: Rig, begun: float) -> None:
    """Check that nobody noticed anything from `begun` on."""
    ended = time.monotonic()
    rig.settle()
    rig.report.equal("sessions closed", len(rig.crowd.history.ended(begun)), 0)
    slots = set(range(rig.plan.workers))
    rig.check_latency("everybody", [((begun, ended), slots)], 1.5)


def go_on(rig: Rig) -> None:
    """Check a cluster that cannot log at all, while it has something to log."""
    begun, before = time.monotonic(), dropped(rig)
    end = begun + rig.plan.after
    complain(rig, lambda: time.monotonic() > end, 60)
    complain(rig, lambda: dropped(rig) > before, 5)
    rig.report.at_least("lines dropped by workers", dropped(rig) - before, 1)
    check_unaffected(rig, begun)


@sizes
def test_s19_disk_that_is_always_full(
    reporting: MakeReport, tmp_path: Path, plan: Plan
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with (
        reporting("S19", "stderr is /dev/full") as report,
        crowded(tmp_path, full, report, plan) as rig,
    ):
        rig.calm()
        go_on(rig)
    os.close(full)


@sizes
def test_s19_reader_that_goes_away(
    reporting: MakeReport, tmp_path: Path, plan: Plan
) -> None:
    reader, writer = os.pipe()
    with (
        reporting("S19", "stderr is a pipe whose reader goes away") as report,
        crowded(tmp_path, writer, report, plan) as rig,
    ):
        rig.calm()
        os.close(reader)
        go_on(rig)
    os.close(writer)


@sizes
def test_s19_reader_that_stops_reading(
    reporting: MakeReport, tmp_path: Path, plan: Plan
) -> None:
    reader, writer = os.pipe()
    text: list[bytes] = []
    with (
        reporting("S19", "stderr is a pipe that nobody reads") as report,
        crowded(tmp_path, writer, report, plan) as rig,
    ):
        fill(writer)
        rig.calm()
        go_on(rig)
        reading = threading.Thread(
            target=lambda: text.extend(iter_pipe(reader)), daemon=True
        )
        reading.start()
        took = complain(rig, lambda: b"handshake_refused" in b"".join(text), 10)
        report.at_most("lines again, once it is read, after", took, _BACK, "s")
    os.close(writer)
    reading.join(10)
    os.close(reader)


def fill(writer: int) -> None:
    """Write into a pipe until it is full, whatever size it has."""
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writer, b" " * 511 + b"\n"):
            continue
    os.set_blocking(writer, True)


def iter_pipe(reader: int) -> Iterator[bytes]:
    """Yield what is written until everybody has closed it."""
    while data := os.read(reader, 65536):
        yield data


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"a small disk needs mount: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@sizes
def test_s19_disk_that_fills_up(
    reporting: MakeReport, tmp_path: Path, disk: Path, plan: Plan
) -> None:
    path, ballast = disk / "log", disk / "ballast"
    with path.open("ab") as log:
        words = "stderr is a file on a disk of 64 KiB, which fills up"
        with (
            reporting("S19", words) as report,
            crowded(tmp_path, log.fileno(), report, plan) as rig,
        ):
            rig.calm()
            ballast.write_bytes(bytes(_DISK - _LEFT - disk_used(disk)))
            begun = time.monotonic()
            took = complain(rig, lambda: dropped(rig) > 0, 60)
            report.tell("full after", took, "s")
            end = time.monotonic() + plan.after
            complain(rig, lambda: time.monotonic() > end, 60)
            report.at_least("lines dropped by workers", dropped(rig), 1)
            size = path.stat().st_size
            ballast.unlink()
            took = complain(rig, lambda: path.stat().st_size > size, 20)
            report.at_most("lines again, with space, after", took, _BACK, "s")
            told = complain(rig, lambda: b"lines_dropped" in path.read_bytes(), 10)
            report.at_most("and the loss told after", took + told, _BACK, "s")
            check_unaffected(rig, begun)
        torn = [line for line in path.read_bytes().splitlines() if not is_json(line)]
        assert len(torn) <= plan.workers + 1, torn


def disk_used(disk: Path) -> int:
    """Return how many bytes of a disk are taken."""
    facts = os.statvfs(disk)
    return (facts.f_blocks - facts.f_bfree) * facts.f_bsize


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return not line
    return True
