"""The supervisor as a whole: starts, stops, refusals, requests."""

import os
import resource
import select
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest

Start = Callable[..., Any]
"""Starts a cluster; see conftest."""

pytestmark = pytest.mark.slow

NO_RELOAD = "reload is not available yet: code and settings stay as they are"


def test_cluster_starts_serves_status_and_drains_on_sigterm(start: Start) -> None:
    cluster = start()
    line = cluster.wait_log("listening")
    assert line["workers"] == 2
    assert line["run_dir"] == str(cluster.run_dir)
    status = cluster.ask(type="status")
    assert status["cluster"]["state"] == "ready"
    assert status["cluster"]["urls"]["public"] == line["url"]
    assert [w["state"] for w in status["workers"]] == ["ready", "ready"]
    assert len(cluster.pids()) == 4  # supervisor, zygote, two workers
    cluster.signal(signal.SIGTERM)
    assert cluster.wait() == 0
    assert not cluster.pids()
    assert not cluster.run_dir.exists()
    assert cluster.told(0, 1)[-1] == {"type": "drain", "code": 1001, "grace": 30.0}
    kinds = [entry["kind"] for entry in cluster.journal("exit")]
    assert kinds == ["planned", "planned"]


def test_stop_by_control_socket(start: Start) -> None:
    cluster = start().ready()
    assert cluster.ask(type="stop") == {"ok": True}
    assert cluster.wait() == 0
    assert not cluster.pids()


def test_worker_that_will_not_drain_is_killed_after_the_grace(start: Start) -> None:
    cluster = start({"1": "will not drain"}, drain={"grace": 0.5}).ready()
    cluster.signal(signal.SIGINT)
    assert cluster.wait() == 0
    (stubborn,) = cluster.journal("exit", slot=1)
    assert stubborn["signal"] == "SIGKILL"
    assert stubborn["reason"] == "killed: it was not done in time"


def test_second_sigint_stops_at_once(start: Start) -> None:
    cluster = start({"1": "will not drain"}).ready()
    cluster.signal(signal.SIGINT)
    cluster.wait_log("draining")
    assert cluster.ask(type="status")["cluster"]["state"] == "stopping"
    cluster.signal(signal.SIGINT)
    assert cluster.wait() == 0
    assert not cluster.pids()


def test_stop_frees_the_port_at_once_though_a_worker_is_stopped(start: Start) -> None:
    cluster = start(drain={"grace": 0.3})
    url = cluster.wait_log("listening")["url"]
    os.kill(cluster.workers()[0]["pid"], signal.SIGSTOP)
    cluster.signal(signal.SIGTERM)
    assert cluster.wait() == 0
    port = int(url.rpartition(":")[2])
    start(port=port, name="next").ready()


def test_storm_of_harmless_signals_changes_nothing(start: Start) -> None:
    cluster = start().ready()
    before = cluster.pids()
    harmless = [
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGPIPE,
        signal.SIGWINCH,
        signal.SIGCHLD,
        signal.SIGHUP,
    ]
    for _ in range(50):
        for number in harmless:
            cluster.signal(number)
    assert cluster.ask(type="status")["cluster"]["state"] == "ready"
    assert cluster.pids() == before
    line = cluster.wait_log(NO_RELOAD)
    assert line["revived"] == []


def test_sighup_revives_a_failed_slot_with_a_clean_record(start: Start) -> None:
    plan = {f"1/{generation}": "exit 1" for generation in range(1, 7)}
    cluster = start(plan, restarts={"pause": 0.02})
    cluster.wait_log("slot_failed")
    before = cluster.workers()[0]
    cluster.signal(signal.SIGHUP)
    assert cluster.wait_log(NO_RELOAD)["revived"] == [1]
    row = cluster.wait_worker(1, state="ready", failed=None)
    assert row["generation"] == 7
    assert cluster.ask(type="status")["cluster"]["state"] == "ready"
    assert cluster.workers()[0]["pid"] == before["pid"]
    (entry,) = cluster.journal("slot_revived")
    assert entry["slot"] == 1
    # Its record is clean: one more exit is one, not the one too many.
    os.kill(row["pid"], signal.SIGKILL)
    cluster.wait_worker(1, state="ready", generation=8)


def test_sighup_while_stopping_revives_nobody(start: Start) -> None:
    cluster = start({"0": "exit 3", "1": "will not drain"}, drain={"grace": 1.0})
    cluster.wait_log("slot_failed")
    cluster.wait_worker(1, state="ready")
    cluster.signal(signal.SIGTERM)
    cluster.wait_log("draining")
    cluster.signal(signal.SIGHUP)
    assert cluster.wait() == 0
    assert len(cluster.journal("start")) == 2


@pytest.mark.parametrize("after", range(0, 300, 15))
def test_sigterm_during_the_start_always_ends_in_order(
    start: Start, after: int
) -> None:
    cluster = start()
    cluster.wait_log("starting")
    select.select([], [], [], after / 1000)  # where in the start is the point here
    cluster.signal(signal.SIGTERM)
    assert cluster.wait() == 0
    assert not cluster.pids()
    assert not cluster.run_dir.exists()


def test_next_start_clears_what_a_killed_one_left_and_takes_its_port(
    start: Start,
) -> None:
    first = start()
    port = int(first.wait_log("listening")["url"].rpartition(":")[2])
    first.signal(signal.SIGKILL)
    first.process.wait()
    second = start(port=port).ready()  # while the workers of the first still leave
    assert second.run_dir == first.run_dir
    second.signal(signal.SIGTERM)
    assert second.wait() == 0
    assert not second.run_dir.exists()


def refused(cluster: Any) -> str:
    assert cluster.wait() == 3
    (line,) = cluster.log
    return str(line["event"])


def test_taken_run_directory_is_one_sentence(start: Start) -> None:
    start().ready()
    assert "is taken by a running cluster (pid" in refused(start())


def test_taken_port_is_one_sentence(start: Start) -> None:
    port = int(start().wait_log("listening")["url"].rpartition(":")[2])
    other = start(port=port, name="other")
    assert refused(other).startswith(f"127.0.0.1:{port} is in use")
    assert not other.run_dir.exists()


def test_low_file_limit_is_one_sentence(start: Start) -> None:
    cluster = start(workers=256)
    resource.prlimit(cluster.process.pid, resource.RLIMIT_NOFILE, (100, 100))
    assert "limit of 100 open files is too low for 256 workers" in refused(cluster)


def test_faults_need_to_be_allowed(start: Start) -> None:
    cluster = start().ready()
    answer = cluster.ask(type="fault", slot=0, fault="exit")
    assert answer == {"error": "this cluster was not started with --faults"}


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"type": "what"}, "there is no request 'what'"),
        ({}, "there is no request None"),
        ({"type": "fault", "slot": 9, "fault": "raise"}, "there is no slot 9"),
        ({"type": "fault", "slot": 0, "fault": "what"}, "there is no fault 'what'"),
        ({"type": "fault", "slot": "0", "fault": "raise"}, "slot is a number"),
        (
            {"type": "fault", "slot": 0, "fault": "block", "seconds": "x"},
            "seconds is a number",
        ),
        (
            {"type": "fault", "slot": 0, "fault": "exit", "code": 256},
            "code is a number",
        ),
    ],
)
def test_wrong_request_is_answered_with_a_sentence(
    start: Start, request_: dict[str, object], sentence: str
) -> None:
    cluster = start(faults=True, workers=1).ready()
    assert str(cluster.ask(**request_)["error"]).startswith(sentence)


def test_status_is_answered_while_workers_are_stopped(start: Start) -> None:
    cluster = start().ready()
    for row in cluster.workers():
        os.kill(row["pid"], signal.SIGSTOP)
    assert cluster.ask(type="status")["cluster"]["ready"] == 2
    cluster.signal(signal.SIGTERM)
    cluster.signal(signal.SIGTERM)


def test_connection_to_the_listener_reaches_its_queue(start: Start) -> None:
    url = start().wait_log("listening")["url"]
    host, _, port = url.removeprefix("http://").rpartition(":")
    socket.create_connection((host, int(port)), 5).close()
