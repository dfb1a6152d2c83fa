"""The subcommands against a real cluster, as real processes."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

pytestmark = pytest.mark.slow

HUBBUB = [sys.executable, "-m", "hubbub"]


def environment() -> dict[str, str]:
    """Return the environment without what would lead to another cluster."""
    return {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}


def read_line(stream: IO[bytes], deadline: float = 20.0) -> str:
    """Read one line from an unbuffered pipe, or fail when it does not come."""
    line = b""
    until = time.monotonic() + deadline
    while not line.endswith(b"\n"):
        left = until - time.monotonic()
        assert select.select([stream], [], [], max(left, 0))[0], f"no line: {line!r}"
        byte = stream.read(1)
        assert byte, f"the end instead of a line: {line!r}"
        line += byte
    return line.decode().rstrip("\n")


class Cluster:
    """A cluster of one worker in a run directory of its own."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.process = subprocess.Popen(
            [
                *HUBBUB,
                "serve",
                "--port",
                "0",
                "--workers",
                "1",
                "--faults",
                "--run-dir",
                str(run_dir),
            ],
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment(),
        )
        self.wait_event("listening")

    def wait_event(self, event: str) -> dict[str, object]:
        """Read the log up to a line of this event."""
        assert self.process.stderr
        while True:
            found: dict[str, object] = json.loads(read_line(self.process.stderr))
            if found["event"] == event:
                return found

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a subcommand to its end."""
        return subprocess.run(
            [*HUBBUB, *arguments, "--run-dir", str(self.run_dir)],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment(),
            timeout=60,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a subcommand."""
        return subprocess.Popen(
            [*HUBBUB, *arguments, "--run-dir", str(self.run_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment(),
        )

    def close(self) -> None:
        """End it, politely if that is still possible."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stderr
        self.process.stderr.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("run") / "r")
    yield found
    found.close()


@pytest.fixture
def listener(cluster: Cluster) -> Iterator[subprocess.Popen[bytes]]:
    process = cluster.start("listen", "lobby")
    assert process.stderr
    assert process.stdout
    assert read_line(process.stderr).startswith("hubbub: joined lobby")
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


def test_status_for_people_and_for_programs(cluster: Cluster) -> None:
    table = cluster.run("status")
    assert table.returncode == 0
    lines = table.stdout.splitlines()
    assert lines[0].startswith("ready  1/1 workers  http://127.0.0.1:")
    assert lines[2].split()[:2] == ["0", "ready"]
    assert all(len(line) <= 80 for line in lines)
    found = json.loads(cluster.run("status", "--json").stdout)
    assert found["cluster"]["pid"] == cluster.process.pid
    assert found["cluster"]["run_dir"] == str(cluster.run_dir)


def test_listener_hears_what_is_published(
    cluster: Cluster, listener: subprocess.Popen[bytes]
) -> None:
    assert listener.stdout
    done = cluster.run("publish", "lobby", "grüß\tdich")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert read_line(listener.stdout) == "grüß\tdich"
    done = cluster.run("publish", "lobby", "-", stdin="one\ntwo\n")
    assert done.returncode == 0
    assert [read_line(listener.stdout) for _ in range(2)] == ["one", "two"]


def test_listener_ends_quietly_with_its_reader(
    listener: subprocess.Popen[bytes],
) -> None:
    assert listener.stdout
    assert listener.stderr
    listener.stdout.close()
    assert listener.wait(20) == 0
    assert listener.stderr.read() == b""


def test_listener_ends_quietly_with_ctrl_c(listener: subprocess.Popen[bytes]) -> None:
    assert listener.stderr
    listener.send_signal(signal.SIGINT)
    assert listener.wait(20) == 130
    assert listener.stderr.read() == b""


def test_refused_publish_is_one_sentence(cluster: Cluster) -> None:
    done = cluster.run("publish", "no room", "x")
    assert done.returncode == 1
    assert done.stderr.startswith("hubbub: the server says: a room's name has ")
    assert done.stderr.count("\n") == 1


def test_listener_outlives_its_worker(
    cluster: Cluster, listener: subprocess.Popen[bytes]
) -> None:
    assert listener.stdout
    assert listener.stderr
    done = cluster.run("fault", "0", "exit", "1")
    assert done.returncode == 0
    assert "; connecting again in " in read_line(listener.stderr)
    while "joined lobby" not in read_line(listener.stderr):
        pass
    assert cluster.run("publish", "lobby", "back").returncode == 0
    assert read_line(listener.stdout) == "back"


def test_fault_in_a_slot_that_is_not_there_is_refused(cluster: Cluster) -> None:
    done = cluster.run("fault", "5", "raise")
    assert done.returncode == 1
    assert done.stderr == "hubbub: there is no slot 5; slots are 0 to 0\n"


def test_stop_waits_until_the_cluster_is_gone(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "r")
    done = cluster.run("stop")
    assert done.returncode == 0
    assert done.stdout == f"the cluster (pid {cluster.process.pid}) is gone\n"
    assert cluster.process.wait(1) == 0
    cluster.close()
    for arguments in (["stop"], ["status"], ["listen", "x"], ["publish", "x", "y"]):
        done = cluster.run(*arguments)
        assert done.returncode == 1
        assert done.stderr == f"hubbub: no cluster is running in {tmp_path / 'r'}\n"


def test_stop_that_takes_too_long_says_so(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "r")
    assert cluster.run("fault", "0", "block", "3s").returncode == 0
    done = cluster.run("stop", "--timeout", "0")
    assert done.returncode == 1
    assert "is still draining after 0 s" in done.stderr
    assert cluster.run("stop").returncode == 0
    cluster.close()
