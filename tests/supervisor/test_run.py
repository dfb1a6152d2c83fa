"""The supervisor as a whole: real processes, forked and killed."""

import itertools
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Start = Callable[..., "Cluster"]  # noqa: F821 - the class is in conftest

pytestmark = pytest.mark.slow

FAST = {"late": 0.5, "dump": 0.5}
"""A watchdog that tests can wait for."""


# Start and stop


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


def test_processes_have_names_and_exactly_their_own_descriptors(start: Start) -> None:
    cluster = start().ready()
    names = set()
    for pid in cluster.pids():
        names.add(Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode())
    assert names == {
        "hubbub: supervisor",
        "hubbub: zygote",
        "hubbub: worker 0/1",
        "hubbub: worker 1/1",
    }
    zygote = cluster.zygote()
    # Standard three, channel, listener, scoreboard, interest.
    assert len(os.listdir(f"/proc/{zygote}/fd")) == 7
    for row in cluster.workers():
        # Standard three, listener, scoreboard (mapped: twice), interest, channel,
        # dump; the fake's link to its peer and its file.
        assert len(os.listdir(f"/proc/{row['pid']}/fd")) == 11
        assert os.getsid(row["pid"]) == zygote
    tasks = os.listdir(f"/proc/{cluster.process.pid}/task")
    assert len(tasks) == 1


def test_workers_are_linked_with_each_other(start: Start) -> None:
    cluster = start(workers=3).ready()
    for slot in range(3):
        others = sorted([other, 1] for other in range(3) if other != slot)
        cluster.wait_worker(slot, state="ready")

        def peers(slot: int = slot) -> list[list[int]]:
            told = cluster.told(slot, 1)
            return sorted(t["peer"] for t in told if t["type"] == "linked")

        cluster.until(lambda peers=peers, others=others: peers() == others)


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
    cluster.wait_log("reload is not available yet; nothing is changed")


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


# Deaths


def test_killed_worker_is_replaced_and_the_others_do_not_notice(start: Start) -> None:
    cluster = start().ready()
    victim, other = cluster.workers()
    os.kill(victim["pid"], signal.SIGKILL)
    new = cluster.wait_worker(0, state="ready", generation=2)
    assert new["restarts"]["crash"] == 1
    assert new["last_exit"]["reason"] == "killed (SIGKILL); out of memory?"
    assert cluster.workers()[1]["pid"] == other["pid"]
    gone = cluster.journal("exit", slot=0)[0]
    ready = cluster.journal("ready", slot=0)[1]
    assert ready["at"] - gone["at"] < 1.0
    told = [t for t in cluster.told(1, 1) if t["type"] in ("gone", "link")]
    assert told[1:] == [
        {"type": "gone", "slot": 0, "generation": 1},
        {"type": "link", "slot": 0, "generation": 2},
    ]


def test_all_workers_killed_at_once_are_all_replaced(start: Start) -> None:
    cluster = start(workers=3).ready()
    for row in cluster.workers():
        os.kill(row["pid"], signal.SIGKILL)
    for slot in range(3):
        cluster.wait_worker(slot, state="ready", generation=2)


def test_killed_zygote_is_replaced_and_workers_are_untouched(start: Start) -> None:
    cluster = start().ready()
    pids = [row["pid"] for row in cluster.workers()]
    zygote = cluster.zygote()
    os.kill(zygote, signal.SIGKILL)
    gone = cluster.wait_journal("zygote_exit", pid=zygote)
    cluster.until(lambda: cluster.zygote() != zygote)
    assert cluster.journal("zygote_ready")[-1]["at"] - gone["at"] < 1.0
    assert [row["pid"] for row in cluster.workers()] == pids
    os.kill(pids[0], signal.SIGKILL)
    cluster.wait_worker(0, state="ready", generation=2)


def test_zygote_and_worker_killed_together_are_both_replaced(start: Start) -> None:
    cluster = start().ready()
    os.kill(cluster.zygote(), signal.SIGKILL)
    os.kill(cluster.workers()[0]["pid"], signal.SIGKILL)
    cluster.wait_worker(0, state="ready", generation=2)


def test_stopped_zygote_is_killed_when_it_does_not_fork(start: Start) -> None:
    cluster = start(restarts={"boot": 0.5}).ready()
    zygote = cluster.zygote()
    os.kill(zygote, signal.SIGSTOP)
    os.kill(cluster.workers()[0]["pid"], signal.SIGKILL)
    cluster.wait_journal("zygote_exit", pid=zygote)
    row = cluster.wait_worker(0, state="ready")
    assert row["generation"] > 1


def test_worker_that_leaves_by_itself_is_replaced(start: Start) -> None:
    cluster = start(faults=True).ready()
    cluster.ask(type="fault", slot=1, fault="exit", code=0)
    row = cluster.wait_worker(1, state="ready", generation=2)
    assert row["restarts"] == {"planned": 1, "crash": 0, "watchdog": 0, "memory": 0}


def test_strangers_are_reaped(start: Start) -> None:
    cluster = start().ready()
    # A process whose parent is gone falls to the subreaper.
    zygote = cluster.zygote()
    os.kill(zygote, signal.SIGKILL)
    cluster.wait_journal("zygote_exit", pid=zygote)
    os.kill(cluster.workers()[0]["pid"], signal.SIGKILL)
    cluster.wait_worker(0, state="ready", generation=2)
    states = [
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        for pid in cluster.pids()
    ]
    assert "Z" not in states


# Workers that do not work


def test_worker_that_never_gets_ready_is_killed_and_tried_again(start: Start) -> None:
    cluster = start({"1/1": "never ready"}, restarts={"boot": 0.5})
    cluster.ready()
    (end,) = cluster.journal("exit", slot=1)
    assert (end["kind"], end["generation"]) == ("boot", 1)
    assert cluster.workers()[1]["generation"] == 2


def test_crash_loop_fails_its_slot_alone(start: Start) -> None:
    cluster = start({"1": "exit 1"}, restarts={"pause": 0.02})
    failed = cluster.wait_log("slot_failed")
    assert failed["slot"] == 1
    assert cluster.workers()[1]["state"] == "failed"
    assert cluster.workers()[0]["state"] == "ready"
    assert cluster.ask(type="status")["cluster"]["state"] == "degraded"
    starts = cluster.journal("start", slot=1)
    assert len(starts) == 6
    gaps = [b["at"] - a["at"] for a, b in itertools.pairwise(starts)]
    assert gaps[-1] > gaps[0] + 0.2


def test_every_slot_failed_is_exit_code_70(start: Start) -> None:
    cluster = start({"0": "kill", "1": "exit 1"}, restarts={"pause": 0.01})
    assert cluster.wait() == 70
    assert not cluster.pids()
    assert not cluster.run_dir.exists()


def test_exit_code_three_at_boot_of_every_worker_is_ours(start: Start) -> None:
    cluster = start({"0": "exit 3", "1": "exit 3"})
    assert cluster.wait() == 3
    assert len(cluster.journal("start")) <= 2


def test_exit_code_three_of_one_worker_leaves_the_others(start: Start) -> None:
    cluster = start({"0": "exit 3"})
    cluster.wait_log("slot_failed")
    assert cluster.wait_worker(1, state="ready")


def test_server_that_cannot_be_imported_is_exit_code_three(start: Start) -> None:
    cluster = start(entry="no_such_module:run")
    assert cluster.wait() == 3
    line = cluster.wait_log("server_not_importable")
    assert line["reason"].startswith("ModuleNotFoundError: No module named")
    assert not cluster.pids()


@pytest.mark.parametrize("word", ["nonsense", "close channel"])
def test_worker_whose_channel_is_of_no_use_is_replaced(start: Start, word: str) -> None:
    cluster = start({"1/1": word}).ready()
    row = cluster.wait_worker(1, state="ready", generation=2)
    assert row["last_exit"]["kind"] == "channel"


# The watchdog


def test_stopped_worker_is_killed_and_the_journal_says_so(start: Start) -> None:
    cluster = start(watchdog=FAST).ready()
    os.kill(cluster.workers()[1]["pid"], signal.SIGSTOP)
    row = cluster.wait_worker(1, state="ready", generation=2)
    assert row["restarts"]["watchdog"] == 1
    (end,) = cluster.journal("exit", slot=1)
    assert end["kind"] == "watchdog"
    assert "SIGSTOP" in end["stack"]
    assert cluster.workers()[0]["generation"] == 1


def test_blocked_worker_leaves_its_stack_in_the_journal(start: Start) -> None:
    cluster = start(watchdog=FAST, faults=True).ready()
    cluster.ask(type="fault", slot=0, fault="block", seconds=60)
    cluster.wait_worker(0, state="ready", generation=2)
    (end,) = cluster.journal("exit", slot=0)
    assert end["kind"] == "watchdog"
    assert "in block_on_purpose" in end["stack"]


def test_worker_that_comes_back_in_time_lives(start: Start) -> None:
    cluster = start(watchdog={"late": 0.5, "dump": 10.0}, faults=True).ready()
    cluster.ask(type="fault", slot=0, fault="block", seconds=1.0)
    back = cluster.wait_journal("heartbeat_back", slot=0)
    assert "in block_on_purpose" in back["stack"]
    assert cluster.workers()[0]["generation"] == 1


def test_supervisor_that_was_stopped_grants_a_fresh_deadline(start: Start) -> None:
    cluster = start(watchdog=FAST).ready()
    stopped = [cluster.process.pid, *(row["pid"] for row in cluster.workers())]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    select.select([], [], [], 1.6)  # the point is that time passes
    # The supervisor first: it sees heartbeats that are late by more than its limit.
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    assert [row["state"] for row in cluster.workers()] == ["ready", "ready"]
    assert [row["generation"] for row in cluster.workers()] == [1, 1]
    assert not cluster.journal("heartbeat_late")


# Links


def test_cut_link_is_made_again(start: Start) -> None:
    cluster = start(faults=True).ready()

    def links(slot: int) -> int:
        return sum(t["type"] == "linked" for t in cluster.told(slot, 1))

    cluster.until(lambda: links(0) == links(1) == 1)
    cluster.ask(type="fault", slot=0, fault="raise")  # the fake cuts its links
    cluster.until(lambda: links(0) == links(1) == 2)
    assert [e["news"] for e in cluster.journal("link_lost")] == [True, False]


# The supervisor's own death, and what it leaves


def test_nothing_outlives_a_killed_supervisor(start: Start) -> None:
    cluster = start(workers=3).ready()
    # One is stopped, and cannot see its channel close.
    os.kill(cluster.workers()[2]["pid"], signal.SIGSTOP)
    before = cluster.pids()
    assert len(before) == 5
    pidfds = [os.pidfd_open(pid) for pid in before]
    cluster.signal(signal.SIGKILL)
    for pidfd in pidfds:
        assert select.select([pidfd], [], [], 2.0)[0]
        os.close(pidfd)
    cluster.wait_nobody()


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


# Refusals


def refused(cluster: "Cluster") -> str:  # noqa: F821
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


# The control socket


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


def test_worker_module_is_imported_in_the_zygote_alone() -> None:
    script = (
        "import sys, hubbub.supervisor.run;"
        "bad = {'trio', 'structlog', 'click', 'msgpack', 'hubbub.server.worker'};"
        "print(sorted(bad & set(sys.modules)))"
    )
    output = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert output == "[]\n"


def test_connection_to_the_listener_reaches_its_queue(start: Start) -> None:
    url = start().wait_log("listening")["url"]
    host, _, port = url.removeprefix("http://").rpartition(":")
    socket.create_connection((host, int(port)), 5).close()
