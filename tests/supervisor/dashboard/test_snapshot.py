"""The snapshot: its names are an interface."""

import json
from typing import Any

import pytest

from hubbub.server.stats.layout import FIELDS
from hubbub.server.stats.layout import State as Said
from hubbub.settings import Settings
from hubbub.supervisor.dashboard.snapshot import Cluster, snapshot
from hubbub.supervisor.link import Identity
from hubbub.supervisor.slot import Event, Slot

SETTINGS = Settings()
WALL, NOW = 1_700_000_100.0, 500.0


def cluster(announced: bool = True, stopping: bool = False) -> Cluster:
    return Cluster(
        pid=77,
        version="1.2.3",
        run_dir="/run/x",
        public="http://127.0.0.1:8080",
        dashboard=None,
        started_at=WALL - 100,
        uptime=100.0,
        now=NOW,
        wall=WALL,
        announced=announced,
        stopping=stopping,
        journal_lost=0,
    )


def ready(index: int) -> Slot:
    slot = Slot(index, SETTINGS.restarts)
    slot.want(0)
    slot.handle(Event.FORK, 0)
    slot.handle(Event.HELLO, 0, generation=1)
    slot.handle(Event.READY, 0, generation=1)
    return slot


def reading(**values: int) -> dict[str, int]:
    return {field.name: 0 for field in FIELDS} | values


def taken(
    slots: list[Slot],
    about: Cluster | None = None,
    readings: dict[Identity, dict[str, int]] | None = None,
) -> Any:
    pids = {Identity(0, 1): 4711}
    cpu = {Identity(0, 1): 12.345}
    about = about or cluster()
    return snapshot(about, SETTINGS, slots, pids, readings or {}, cpu)


def test_cluster_has_the_agreed_fields() -> None:
    assert taken([ready(0)])["cluster"] == {
        "state": "ready",
        "pid": 77,
        "version": "1.2.3",
        "run_dir": "/run/x",
        "urls": {"public": "http://127.0.0.1:8080", "dashboard": None},
        "generation": 1,
        "started_at": WALL - 100,
        "uptime_s": 100.0,
        "ready": 1,
        "slots": 1,
        "journal_lost": 0,
    }


def test_worker_has_the_agreed_fields_and_units() -> None:
    read = reading(
        state=Said.READY,
        started_at=int((WALL - 9) * 1e9),
        heartbeat=int((NOW - 0.25) * 1e9),
        connections=3,
        rooms=2,
        memory_private=1000,
        memory_shared=2000,
        delay_p50=100,
        delay_p99=1500,
        delay_max=2000,
        slow_outbox=1,
        slow_stalled=2,
        messages_in=5,
        delivered=6,
        fds=7,
        accepting=1,
    )
    row = taken([ready(0)], readings={Identity(0, 1): read})["workers"][0]
    expected = {
        "slot": 0,
        "pid": 4711,
        "generation": 1,
        "state": "ready",
        "started_at": WALL - 9,
        "uptime_s": 9.0,
        "connections": 3,
        "rooms": 2,
        "memory": {
            "private": 1000,
            "shared": 2000,
            "soft": 256 << 20,
            "hard": 384 << 20,
        },
        "cpu_percent": 12.3,
        "loop_delay_ms": {"p50": 0.1, "p99": 1.5, "max": 2.0},
        "messages_in": 5,
        "delivered": 6,
        "outbox_bytes": 0,
        "bus_bytes": 0,
        "slow_closed": 3,
        "slow_closed_by": {"outbox": 1, "budget": 0, "stalled": 2},
        "heartbeat_age_ms": 250,
        "fds": 7,
        "accepting": True,
        "restarts": {"planned": 0, "crash": 0, "watchdog": 0, "memory": 0},
        "last_exit": None,
    }
    assert {name: row[name] for name in expected} == expected


def test_snapshot_is_json_whatever_state_a_slot_is_in() -> None:
    empty = Slot(1, SETTINGS.restarts)
    crashed = ready(2)
    crashed.handle(Event.EXITED, 1, generation=1, signal=9)
    failed = ready(3)
    failed.handle(Event.EXITED, 1, generation=1, code=3)
    rolling = ready(4)
    rolling.handle(Event.RENEW, 1)
    late = ready(5)
    late.handle(Event.HEARTBEAT_LATE, 1, generation=1)
    whole = taken([empty, crashed, failed, rolling, late])
    json.dumps(whole, allow_nan=False)
    states = [(row["slot"], row["state"]) for row in whole["workers"]]
    assert states == [
        (1, "waiting"),
        (2, "waiting"),
        (3, "failed"),
        (4, "ready"),
        (4, "starting"),
        (5, "late"),
    ]
    assert whole["workers"][1]["last_exit"]["signal"] == "SIGKILL"
    assert whole["workers"][1]["restarts"]["crash"] == 1
    assert whole["workers"][2]["failed"]


def test_worker_that_drains_by_itself_is_shown_as_draining() -> None:
    read = reading(state=Said.DRAINING)
    row = taken([ready(0)], readings={Identity(0, 1): read})["workers"][0]
    assert row["state"] == "draining"


@pytest.mark.parametrize(
    ("announced", "stopping", "all_ready", "state"),
    [
        (False, False, False, "starting"),
        (True, False, False, "degraded"),
        (True, False, True, "ready"),
        (True, True, True, "stopping"),
    ],
)
def test_state_of_the_cluster(
    announced: bool, stopping: bool, all_ready: bool, state: str
) -> None:
    slots = [ready(0), ready(1) if all_ready else Slot(1, SETTINGS.restarts)]
    assert taken(slots, cluster(announced, stopping))["cluster"]["state"] == state
