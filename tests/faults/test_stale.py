"""What a cluster that was killed left on disk: the next start neither believes it nor
stumbles over it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.faults.conftest import MakeReport
from tests.faults.report import Report

pytestmark = pytest.mark.fault

_START = 3.0
"""Longest start, seconds."""
_WORKERS = ("--workers", "2")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that ran and was killed to the last process at one moment."""
    cluster = Cluster(tmp_path)
    cluster.start(*_WORKERS)
    kill_all(cluster)
    yield cluster
    cluster.end()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any cluster."""
    script = "import signal; signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", script])
    yield process
    process.kill()
    process.wait()


def kill_all(cluster: Cluster) -> None:
    """SIGKILL every process, stopped before, so that none sees another's end."""
    assert cluster.process is not None
    processes = cluster.processes()
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            process.send_signal(number)
    cluster.process.wait()
    psutil.wait_procs(processes, 5)
    assert (cluster.run_dir / "cluster.json").exists()


def check_start(cluster: Cluster, report: Report, port: int = 0) -> None:
    """Start it again; it serves in time, and takes away all that is its own."""
    begun = time.monotonic()
    cluster.start(*_WORKERS, port=port)
    report.at_most("serving again after", time.monotonic() - begun, _START, "s")
    report.equal("workers", cluster.status()["cluster"]["ready"], 2)
    cluster.send_signal(signal.SIGTERM)
    report.equal("exit code of its clean stop", cluster.wait(), 0)


def name_stranger(run_dir: Path, pid: int) -> None:
    """Every file that could hold a pid names a living stranger."""
    facts = json.loads((run_dir / "cluster.json").read_text())
    (run_dir / "cluster.json").write_text(json.dumps({**facts, "pid": pid}))
    (run_dir / "hubbub.lock").write_text(f"{pid}\n")


def garbage(run_dir: Path, pid: int) -> None:
    """The files are garbage."""
    for name in ("cluster.json", "journal.jsonl", "hubbub.lock"):
        (run_dir / name).write_bytes(os.urandom(4096))


def sockets_and_fifos(run_dir: Path, pid: int) -> None:
    """Sockets that nobody listens on and a fifo lie where files belong."""
    for name in ("control.sock", "journal.jsonl", "cluster.json.new"):
        (run_dir / name).unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(run_dir / name))
    (run_dir / "journal.jsonl.1").unlink(missing_ok=True)
    os.mkfifo(run_dir / "journal.jsonl.1")


def as_it_is(run_dir: Path, pid: int) -> None:
    """Everything is as the kill left it."""


STATES = [as_it_is, name_stranger, garbage, sockets_and_fifos]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_s31_stale_files(
    reporting: MakeReport,
    cluster: Cluster,
    stranger: subprocess.Popen[bytes],
    state: Callable[[Path, int], None],
) -> None:
    assert state.__doc__ is not None
    with reporting("S31", f"killed, and: {state.__doc__.rstrip('.')}") as report:
        state(cluster.run_dir, stranger.pid)
        check_start(cluster, report)
        left = [path.name for path in cluster.run_dir.glob("*")]
        report.equal("files left", left or "none", "none")
        report.equal("the stranger ended", stranger.poll() is not None, False)


def test_s31_symlinks_in_the_place_of_files(
    reporting: MakeReport, cluster: Cluster, tmp_path: Path
) -> None:
    with reporting("S31", "killed, and: its files are links to others'") as report:
        victim = tmp_path / "victim"
        victim.write_text("precious\n")
        for path in cluster.run_dir.iterdir():
            if path.name != "hubbub.lock":
                path.unlink()
                path.symlink_to(victim)
        check_start(cluster, report)
        report.equal("what they lead to", victim.read_text(), "precious\n")
        report.equal("links left", list(cluster.run_dir.glob("*")) or "none", "none")


def test_s31_symlink_in_the_place_of_the_run_directory(
    reporting: MakeReport, cluster: Cluster, tmp_path: Path
) -> None:
    words = "killed, and: the run directory is a link to another"
    with reporting("S31", words) as report:
        target = tmp_path / "target"
        cluster.run_dir.rename(target)
        before = {path.name: path.lstat().st_mtime_ns for path in target.iterdir()}
        cluster.run_dir.symlink_to(target)
        begun = time.monotonic()
        cluster.start(*_WORKERS, wait=False)
        report.equal("exit code", cluster.wait(10), 3)
        report.at_most("ended after", time.monotonic() - begun, _START, "s")
        lines = cluster.log_text().splitlines()
        naming = [line for line in lines if f"{cluster.run_dir} is a symbolic" in line]
        report.equal("lines that name the cause", len(naming), 1)
        after = {path.name: path.lstat().st_mtime_ns for path in target.iterdir()}
        report.equal("what it leads to is as it was", after == before, True)
        report.equal("the link is there", cluster.run_dir.is_symlink(), True)


def test_s31_port_of_a_predecessor_whose_workers_still_leave(
    reporting: MakeReport, tmp_path: Path
) -> None:
    words = "its supervisor killed a moment ago, the same port asked for"
    cluster = Cluster(tmp_path)
    with reporting("S31", words) as report:
        try:
            cluster.start(*_WORKERS)
            stopped = psutil.Process(cluster.worker(0)["pid"])
            stopped.suspend()  # it holds the port until it is killed, in 1.8 s
            cluster.send_signal(signal.SIGKILL)
            assert cluster.process is not None
            cluster.process.wait()
            report.equal("a worker holds the port", stopped.is_running(), True)
            check_start(cluster, report, port=cluster.port)
        finally:
            cluster.end()


def test_s31_port_of_a_stranger(
    reporting: MakeReport, cluster: Cluster, stranger: subprocess.Popen[bytes]
) -> None:
    with (
        reporting("S31", "killed, and: a stranger has the port now") as report,
        socket.create_server(("127.0.0.1", 0)) as holder,
    ):
        port = holder.getsockname()[1]
        name_stranger(cluster.run_dir, stranger.pid)
        facts = json.loads((cluster.run_dir / "cluster.json").read_text())
        facts["port"] = port  # so that it is waited for, as a predecessor's
        (cluster.run_dir / "cluster.json").write_text(json.dumps(facts))
        begun = time.monotonic()
        cluster.start(*_WORKERS, port=port, wait=False)
        report.equal("exit code", cluster.wait(10), 3)
        report.at_most("ended after", time.monotonic() - begun, _START + 1, "s")
        lines = cluster.log_text().splitlines()
        naming = [line for line in lines if f":{port} is in use" in line]
        report.equal("lines that name the cause", len(naming), 1)
        report.equal("the stranger ended", stranger.poll() is not None, False)
        wait_for(lambda: not cluster.processes())
        report.equal("run directory left", cluster.run_dir.exists(), False)
