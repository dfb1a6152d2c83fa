"""Workers that block, crash or stop are noticed, explained and replaced."""

import os
import signal
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.people import plain

pytestmark = pytest.mark.slow

QUICK = ("--set", "watchdog.late=1.5s", "--set", "watchdog.dump=0.5s")


def exit_entry(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = wait_for(
        lambda: next((e for e in cluster.journal() if e["event"] == "exit"), None)
    )
    wait_for(lambda: cluster.worker(0)["generation"] == 2)
    wait_for(lambda: cluster.worker(0)["state"] == "ready")
    return found


@pytest.mark.parametrize(("fault", "blames"), [("block", "commit"), ("spin", "spin")])
def test_blocked_worker_is_replaced_with_its_stack_in_the_journal(
    cluster: Cluster, fault: str, blames: str
) -> None:
    cluster.start("--workers", "2", "--identify", "--faults", *QUICK)
    survivor, other = (plain(cluster.url("/rooms/lobby"), 1) for _ in range(2))
    started = time.monotonic()
    assert cluster.run("fault", "0", fault, "60s").returncode == 0
    entry = exit_entry(cluster)
    assert time.monotonic() - started < 8
    assert entry["kind"] == "watchdog"
    assert "worker.py" in entry["stack"]
    assert f"in {blames}\n" in entry["stack"]
    assert cluster.worker(0)["restarts"]["watchdog"] == 1
    survivor.send("unaffected")
    assert other.recv(5) == "unaffected"


def test_short_block_kills_nobody(cluster: Cluster) -> None:
    cluster.start("--workers", "1", "--faults", *QUICK)
    member = plain(cluster.url("/rooms/lobby?echo=1"))
    assert cluster.run("fault", "0", "block", "700ms").returncode == 0
    member.send("after the block")
    assert member.recv(5) == "after the block"
    wait_for(lambda: cluster.worker(0)["loop_delay_ms"]["max"] >= 400)
    assert cluster.worker(0)["generation"] == 1


def test_stopped_worker_is_replaced_and_gave_no_stack(cluster: Cluster) -> None:
    cluster.start("--workers", "2", *QUICK)
    os.kill(cluster.worker(0)["pid"], signal.SIGSTOP)
    entry = exit_entry(cluster)
    assert entry["kind"] == "watchdog"
    assert "Current thread" not in (entry["stack"] or "")


def test_a_hangup_for_everybody_ends_nobody(cluster: Cluster) -> None:
    cluster.start("--workers", "2")
    before = {process.pid for process in cluster.processes()}
    assert len(before) == 4
    for pid in before:
        os.kill(pid, signal.SIGHUP)
    wait_for(lambda: "reload is not available" in cluster.log_text())
    assert cluster.process is not None
    for pid in before - {cluster.process.pid}:
        # An ignored signal is dropped when it is sent: nothing is left to wait for.
        status = Path(f"/proc/{pid}/status").read_text()
        ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
        assert ignored & 1 << (signal.SIGHUP - 1)
    assert {process.pid for process in cluster.processes()} == before
    assert [worker["generation"] for worker in cluster.status()["workers"]] == [1, 1]


@pytest.mark.parametrize(
    ("fault", "code"), [(("raise",), 1), (("exit", "7"), 7)], ids=["raise", "exit"]
)
def test_crash_is_journalled_and_replaced(
    cluster: Cluster, fault: tuple[str, ...], code: int
) -> None:
    cluster.start("--workers", "2", "--faults")
    assert cluster.run("fault", "0", *fault).returncode == 0
    entry = exit_entry(cluster)
    assert (entry["kind"], entry["code"]) == ("crash", code)
    assert cluster.worker(0)["restarts"]["crash"] == 1


@pytest.mark.parametrize("offset", ["1", "5", "64", None])
def test_half_a_bus_frame_and_then_death_harms_nobody_else(
    cluster: Cluster, offset: str | None
) -> None:
    cluster.start("--workers", "3", "--identify", "--faults")
    one, two = (plain(cluster.url("/rooms/lobby"), slot) for slot in (1, 2))
    phantoms = [plain(cluster.url("/rooms/torn?echo=1"), slot) for slot in (1, 2)]
    arguments = ["truncate-bus"] if offset is None else ["truncate-bus", offset]
    assert cluster.run("fault", "0", *arguments).returncode == 0
    for number in range(50):
        one.send(f"{number}")
        assert two.recv(5) == f"{number}"
    entry = exit_entry(cluster)
    assert (entry["kind"], entry["signal"]) == ("crash", "SIGKILL")
    newcomer = plain(cluster.url("/rooms/lobby"), 0)
    newcomer.send("from its successor")
    assert one.recv(5) == two.recv(5) == "from its successor"
    for phantom in phantoms:
        phantom.send("first of all")
        assert phantom.recv(5) == "first of all"
    workers = cluster.status()["workers"]
    assert [worker["generation"] for worker in workers] == [2, 1, 1]
    assert [worker["errors"] for worker in workers] == [0, 0, 0]
    assert "bad frame" not in str(cluster.journal())


def test_faults_are_refused_unless_they_are_switched_on(cluster: Cluster) -> None:
    cluster.start("--workers", "1")
    done = cluster.run("fault", "0", "exit", "1")
    assert done.returncode != 0
    assert "--faults" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert cluster.worker(0)["generation"] == 1


@pytest.mark.parametrize("flag", ["--faults", "--echo"])
def test_dangerous_flags_need_loopback(cluster: Cluster, flag: str) -> None:
    cluster.start("--host", "0.0.0.0", flag, wait=False)
    assert cluster.wait(10) in (2, 3)
    assert "loopback" in cluster.log_text()


def test_healthz_says_degraded_until_a_hangup_revives_the_slot(
    cluster: Cluster,
) -> None:
    cluster.start("--workers", "2", "--faults", "--identify")

    def health() -> tuple[int, bytes]:
        with urlopen(f"http://127.0.0.1:{cluster.port}/healthz") as answer:
            return answer.status, answer.read()

    member = plain(cluster.url("/rooms/lobby?echo=1"), 0)
    assert health() == (200, b"ok\n")
    assert cluster.run("fault", "1", "exit", "3").returncode == 0
    wait_for(lambda: cluster.worker(1)["state"] == "failed")
    wait_for(lambda: health() == (200, b"degraded\n"), 1)
    cluster.send_signal(signal.SIGHUP)
    wait_for(lambda: cluster.worker(1)["state"] == "ready")
    wait_for(lambda: health() == (200, b"ok\n"), 1)
    member.send("through it all")
    assert member.recv(5) == "through it all"


def test_all_slots_failing_ends_the_cluster_with_70(cluster: Cluster) -> None:
    cluster.start("--workers", "1", "--set", "restarts.intensity=2")
    for generation in (1, 2, 3):
        wait_for(lambda g=generation: _generation(cluster) == g)
        os.kill(cluster.worker(0)["pid"], signal.SIGKILL)
    assert cluster.wait(10) == 70


def _generation(cluster: Cluster) -> int:
    worker = cluster.worker(0)
    return int(worker["generation"]) if worker["state"] == "ready" else 0


def test_port_in_use_and_run_directory_taken_are_one_sentence_each(
    cluster: Cluster,
) -> None:
    cluster.start("--workers", "1")
    taken = cluster.run("serve", "--port", "0")
    assert taken.returncode == 3
    assert len(taken.stderr.splitlines()) == 1, taken.stderr
    assert str(cluster.run_dir) in taken.stderr
    elsewhere = str(cluster.run_dir.with_name("other"))
    used = cluster.run("serve", "--port", str(cluster.port), "--run-dir", elsewhere)
    assert used.returncode == 3
    assert str(cluster.port) in used.stderr
    assert len(used.stderr.splitlines()) == 1, used.stderr
    assert not os.path.exists(elsewhere)
