"""`hubbub listen` and `hubbub publish`: what people type first."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import COMMAND, Cluster, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def listeners() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate()


def listen(cluster: Cluster, room: str) -> subprocess.Popen[str]:
    before = member_count(cluster)
    started = subprocess.Popen(
        [COMMAND, "listen", room, "--url", f"ws://127.0.0.1:{cluster.port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=cluster.environment(),
        text=True,
    )
    wait_for(lambda: member_count(cluster) == before + 1)
    return started


def member_count(cluster: Cluster) -> int:
    return sum(worker["connections"] for worker in cluster.status()["workers"])


def joined(cluster: Cluster) -> bool:
    return any(worker["rooms"] for worker in cluster.status()["workers"])


def test_listen_prints_what_publish_says_and_survives_a_crash(
    cluster: Cluster, listeners: list[subprocess.Popen[str]]
) -> None:
    cluster.start("--workers", "2")
    listener = listen(cluster, "lobby")
    listeners.append(listener)
    assert listener.stdout is not None
    wait_for(lambda: joined(cluster))
    assert cluster.run("publish", "lobby", "hello ☃").returncode == 0
    assert listener.stdout.readline() == "hello ☃\n"
    serving = next(w for w in cluster.status()["workers"] if w["connections"])
    os.kill(serving["pid"], signal.SIGKILL)
    wait_for(lambda: joined(cluster) and cluster.status()["cluster"]["ready"] == 2)
    assert cluster.run("publish", "lobby", "back again").returncode == 0
    assert listener.stdout.readline() == "back again\n"
    listener.send_signal(signal.SIGINT)
    _, said = listener.communicate(timeout=5)
    assert "Traceback" not in said


def test_listen_can_be_piped(cluster: Cluster) -> None:
    cluster.start("--workers", "1")
    line = f"{COMMAND} listen lobby --url ws://127.0.0.1:{cluster.port} | head -n 1"
    piped = subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", line],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=cluster.environment(),
        text=True,
    )
    wait_for(lambda: joined(cluster))
    assert cluster.run("publish", "lobby", "one").returncode == 0
    cluster.run("publish", "lobby", "two")
    out, said = piped.communicate(timeout=10)
    assert out == "one\n"
    assert "Traceback" not in said


def test_publish_says_in_one_sentence_what_is_wrong(cluster: Cluster) -> None:
    cluster.start("--workers", "1")
    bad = cluster.run("publish", "no/slash", "x")
    assert bad.returncode != 0
    assert len(bad.stderr.splitlines()) == 1
    nobody = cluster.run("publish", "lobby", "x", "--url", "ws://127.0.0.1:9")
    assert nobody.returncode == 1
    assert len(nobody.stderr.splitlines()) == 1


def test_stop_ends_the_cluster(cluster: Cluster) -> None:
    cluster.start("--workers", "2")
    done = cluster.run("stop")
    assert done.returncode == 0, done.stderr
    assert cluster.wait(2) == 0
    assert not cluster.run_dir.exists()
    again = cluster.run("stop")
    assert again.returncode != 0
    assert len(again.stderr.splitlines()) == 1


def test_commands_find_the_cluster_wherever_its_run_directory_is(
    cluster: Cluster,
) -> None:
    cluster.start("--workers", "1")
    bare = cluster.environment()
    assert "HUBBUB_RUN_DIR" not in bare

    def status() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [COMMAND, "status", "--json"],
            env=bare,
            capture_output=True,
            text=True,
            check=False,
        )

    assert str(cluster.run_dir) in status().stdout
    cluster.send_signal(signal.SIGKILL)
    cluster.wait()
    assert status().returncode == 1
    cluster.start("--workers", "1", port=cluster.port)
    assert str(cluster.run_dir) in status().stdout
    cluster.send_signal(signal.SIGTERM)
    assert cluster.wait() == 0
    assert not list((cluster.log.parent / "runtime").iterdir())
