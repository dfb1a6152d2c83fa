"""The fleet: workers that die, hang or never work, as real processes."""

import itertools
import os
import resource
import select
import signal
from collections.abc import Callable
from typing import Any

import pytest

from hubbub.supervisor.switchboard import MOMENT

Start = Callable[..., Any]
"""Starts a cluster; see conftest."""

pytestmark = pytest.mark.slow

FAST = {"late": 0.5, "dump": 0.5}
"""A watchdog that tests can wait for."""


def test_workers_are_linked_with_each_other(start: Start) -> None:
    cluster = start(workers=3).ready()
    for slot in range(3):
        others = sorted([other, 1] for other in range(3) if other != slot)
        cluster.wait_worker(slot, state="ready")

        def peers(slot: int = slot) -> list[list[int]]:
            told = cluster.told(slot, 1)
            return sorted(t["peer"] for t in told if t["type"] == "linked")

        cluster.until(lambda peers=peers, others=others: peers() == others)


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


def test_worker_that_leaves_by_itself_is_replaced(start: Start) -> None:
    cluster = start(faults=True).ready()
    cluster.ask(type="fault", slot=1, fault="exit", code=0)
    row = cluster.wait_worker(1, state="ready", generation=2)
    assert row["restarts"] == {"planned": 1, "crash": 0, "watchdog": 0, "memory": 0}


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


@pytest.mark.parametrize("word", ["nonsense", "close channel"])
def test_worker_whose_channel_is_of_no_use_is_replaced(start: Start, word: str) -> None:
    cluster = start({"1/1": word}).ready()
    row = cluster.wait_worker(1, state="ready", generation=2)
    assert row["last_exit"]["kind"] == "channel"


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


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_peers_of_a_dead_worker_have_lost_no_link(start: Start, how: str) -> None:
    cluster = start(workers=4, faults=True, restarts={"intensity": 100}).ready()
    for generation in range(1, 6):
        row = cluster.wait_worker(0, state="ready", generation=generation)
        if how == "kill":
            os.kill(row["pid"], signal.SIGKILL)
        else:
            cluster.ask(type="fault", slot=0, fault="exit", code=1)
    cluster.wait_worker(0, state="ready", generation=6)
    select.select([], [], [], 2 * MOMENT)  # whatever was kept is told by then
    cluster.ask(type="fault", slot=0, fault="raise")  # the fake cuts its links
    cluster.until(lambda: len(cluster.journal("link_lost")) == 6)
    assert len(cluster.journal("exit")) == 5
    assert {e["peer"] for e in cluster.journal("link_lost", slot=1)} == {"0/6"}


def short_of_files(cluster: Any, spare: int) -> None:
    """Leave the supervisor that many free descriptors; the limit can be raised."""
    pid = cluster.process.pid
    used = [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
    limit = len(used) + spare
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))


def enough_files(cluster: Any) -> None:
    pid = cluster.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))


def test_supervisor_without_descriptors_waits_for_some(start: Start) -> None:
    cluster = start(workers=3).ready()
    victim = cluster.journal("start", slot=0)[0]["pid"]
    # Its channel, pidfd and dump pipe come free, but a new worker takes four at first.
    short_of_files(cluster, spare=0)
    os.kill(victim, signal.SIGKILL)
    entry = cluster.wait_journal("shortage", what="worker")
    assert entry["reason"] == "Too many open files"
    select.select([], [], [], 1.0)  # it tries again meanwhile, and tells it once
    assert len(cluster.journal("shortage")) == 1
    assert cluster.process.poll() is None
    assert not cluster.journal("start", slot=0, generation=2)
    enough_files(cluster)
    row = cluster.wait_worker(0, state="ready")
    assert row["restarts"]["crash"] == 1
    assert [row["generation"] for row in cluster.workers()][1:] == [1, 1]


def test_links_that_could_not_be_made_are_made_later(start: Start) -> None:
    cluster = start(workers=3).ready()
    cluster.until(lambda: len(cluster.told(2, 1)) == 4)
    victim = cluster.journal("start", slot=0)[0]["pid"]
    # Enough for a new worker, not for a pair of sockets beside it.
    short_of_files(cluster, spare=1)
    os.kill(victim, signal.SIGKILL)
    cluster.wait_journal("shortage", what="link")
    cluster.wait_journal("ready", slot=0, generation=2)
    enough_files(cluster)

    def linked(slot: int, peer: list[int]) -> bool:
        return {"type": "linked", "peer": peer} in cluster.told(slot, 1 + (slot == 0))

    for slot in (1, 2):
        cluster.until(lambda slot=slot: linked(slot, [0, 2]))
        cluster.until(lambda slot=slot: linked(0, [slot, 1]))


def test_zygote_that_could_not_be_forked_is_forked_later(start: Start) -> None:
    cluster = start().ready()
    zygote = cluster.zygote()
    short_of_files(cluster, spare=0)
    os.kill(zygote, signal.SIGKILL)
    cluster.wait_journal("shortage", what="zygote")
    enough_files(cluster)
    cluster.until(lambda: cluster.zygote() != zygote)


def test_cut_link_is_made_again(start: Start) -> None:
    cluster = start(faults=True).ready()

    def links(slot: int) -> int:
        return sum(t["type"] == "linked" for t in cluster.told(slot, 1))

    cluster.until(lambda: links(0) == links(1) == 1)
    cluster.ask(type="fault", slot=0, fault="raise")  # the fake cuts its links
    cluster.until(lambda: links(0) == links(1) == 2)
    assert [e["news"] for e in cluster.journal("link_lost")] == [True, False]
