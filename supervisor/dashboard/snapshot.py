"""The snapshot: what `hubbub status --json` says, and later every screen.

Pure: it puts readings of the scoreboard, the slot table and a few facts into one
structure. Its names are an interface that operators and tests rely on; fields may be
added, never renamed. A slot without a worker has a row too, so that what is missing can
be seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hubbub.server.stats.layout import State as Said
from hubbub.server.stats.scoreboard import Reading
from hubbub.settings import Settings
from hubbub.supervisor.health import ready
from hubbub.supervisor.link import Identity
from hubbub.supervisor.reason import reason, signal_name
from hubbub.supervisor.slot import Kind, Slot, State, Worker

_STATES = {
    State.GONE: "waiting",
    State.REQUESTED: "starting",
    State.CANCELLED: "draining",
    State.ALIVE: "starting",
    State.READY: "ready",
    State.SUSPECT: "late",
    State.DRAINING: "draining",
    State.KILLED: "killed",
}
_SLOW = ("outbox", "budget", "stalled")
_EMPTY: Reading = {}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Facts of the cluster that are in no table."""

    pid: int
    """Process id of the supervisor."""
    version: str
    run_dir: str
    public: str
    """URL that clients connect to."""
    dashboard: str | None
    """URL of the dashboard; None: there is none."""
    started_at: float
    """Wall clock, seconds since the epoch."""
    uptime: float
    """Seconds."""
    now: float
    """Monotonic time of this snapshot, seconds."""
    wall: float
    """The same moment on the wall clock, seconds since the epoch."""
    announced: bool
    """Whether every slot once had a ready worker."""
    stopping: bool
    journal_lost: int
    """Journal entries that could not be written."""


def snapshot(
    cluster: Cluster,
    settings: Settings,
    slots: Sequence[Slot],
    pids: Mapping[Identity, int | None],
    readings: Mapping[Identity, Reading],
    cpu_percent: Mapping[Identity, float],
) -> dict[str, object]:
    """Build the status of a cluster.

    Args:
        cluster: facts of the cluster.
        settings: its settings; reasons quote their limits.
        slots: the slot table.
        pids: process ids of the workers that said hello.
        readings: what the workers published.
        cpu_percent: their CPU use; 100 is one core.

    Returns:
        What JSON can hold: {"cluster": {…}, "workers": [{…}, …]}.
    """
    up = sum(ready(slot) for slot in slots)
    rows = [
        _row(cluster, settings, slot, worker, pids, readings, cpu_percent)
        for slot in slots
        for worker in slot.workers or (None,)
    ]
    return {
        "cluster": {
            "state": _state(cluster, up, len(slots)),
            "pid": cluster.pid,
            "version": cluster.version,
            "run_dir": cluster.run_dir,
            "urls": {"public": cluster.public, "dashboard": cluster.dashboard},
            "generation": 1,
            "started_at": cluster.started_at,
            "uptime_s": round(cluster.uptime, 3),
            "ready": up,
            "slots": len(slots),
            "journal_lost": cluster.journal_lost,
        },
        "workers": rows,
    }


def _state(cluster: Cluster, ready: int, slots: int) -> str:
    """Say in one word how the cluster is."""
    if cluster.stopping:
        return "stopping"
    if ready == slots:
        return "ready"
    return "degraded" if cluster.announced else "starting"


def _row(
    cluster: Cluster,
    settings: Settings,
    slot: Slot,
    worker: Worker | None,
    pids: Mapping[Identity, int | None],
    readings: Mapping[Identity, Reading],
    cpu_percent: Mapping[Identity, float],
) -> dict[str, object]:
    """Describe one worker, or a slot that has none."""
    generation = worker.generation if worker else slot.generation
    identity = Identity(slot.index, generation)
    read = (readings.get(identity, _EMPTY) if worker else _EMPTY).get
    state = _STATES[worker.state] if worker else _STATES[State.GONE]
    if slot.failed and worker is None:
        state = "failed"
    elif state == "ready" and read("state") == Said.DRAINING:
        state = "draining"
    started = read("started_at", 0) / 1e9
    beat = read("heartbeat", 0) / 1e9
    age = round(max(0.0, cluster.now - beat) * 1000) if beat else None
    slow = {name: read(f"slow_{name}", 0) for name in _SLOW}
    return {
        "slot": slot.index,
        "pid": pids.get(identity) if worker else None,
        "generation": generation,
        "state": state,
        "started_at": started or None,
        "uptime_s": round(max(0.0, cluster.wall - started), 3) if started else None,
        "connections": read("connections", 0),
        "rooms": read("rooms", 0),
        "memory": {
            "private": read("memory_private", 0),
            "shared": read("memory_shared", 0),
            "soft": settings.memory.soft or None,
            "hard": settings.memory.hard or None,
        },
        "cpu_percent": round(cpu_percent.get(identity, 0.0), 1) if worker else 0.0,
        "loop_delay_ms": {
            name: read(f"delay_{name}", 0) / 1000 for name in ("p50", "p99", "max")
        },
        "messages_in": read("messages_in", 0),
        "delivered": read("delivered", 0),
        "outbox_bytes": read("outbox_bytes", 0),
        "bus_bytes": read("bus_bytes", 0),
        "bus_missed": read("bus_missed", 0),
        "bus_gaps": read("bus_gaps", 0),
        "slow_closed": sum(slow.values()),
        "slow_closed_by": slow,
        "heartbeat_age_ms": age,
        "fds": read("fds", 0),
        "accepting": bool(read("accepting", 0)),
        "listening": bool(read("listening", 0)),
        "accepted": read("accepted", 0),
        "refused": read("refused", 0),
        "protocol_errors": read("protocol_errors", 0),
        "held": read("held", 0),
        "floods": read("floods", 0),
        "silent": read("silent", 0),
        "errors": read("errors", 0),
        "accept_pauses": read("accept_pauses", 0),
        "logs_dropped": read("logs_dropped", 0),
        "restarts": {
            "planned": slot.exits[Kind.PLANNED] + slot.exits[Kind.LEFT],
            "crash": sum(
                slot.exits[kind]
                for kind in (Kind.CRASH, Kind.CONFIGURATION, Kind.BOOT, Kind.CHANNEL)
            ),
            "watchdog": slot.exits[Kind.WATCHDOG],
            "memory": slot.exits[Kind.MEMORY],
        },
        "failed": slot.failed,
        "last_exit": _last_exit(slot, settings),
    }


def _last_exit(slot: Slot, settings: Settings) -> dict[str, object] | None:
    end = slot.last_exit
    if end is None:
        return None
    return {
        "generation": end.generation,
        "kind": end.kind.value,
        "code": end.code,
        "signal": signal_name(end.signal),
        "reason": reason(end, settings),
        "lived_s": round(end.lived, 3),
    }
