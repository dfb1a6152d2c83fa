"""Made-up looks at a run."""

from typing import Any

from hubbub.loadtest.results import Spread
from hubbub.loadtest.view.progress import Progress


def look(**changes: Any) -> Progress:
    """Return a look at the middle of a run."""
    given: dict[str, Any] = {
        "phase": "hold",
        "fraction": 0.4,
        "elapsed": 9.25,
        "clients": 10_000,
        "connected": 9_998,
        "sent_s": 12_345.0,
        "received_s": 1_234_567.0,
        "latency_ms": Spread(p50=0.81, p99=2.13, max=14.2),
        "totals": {"sent": 111_000, "received": 11_100_000, "lost": 0},
        "errors": {},
        "lag_ms_max": 0.9,
        "workers": [worker(slot) for slot in range(2)],
    }
    return Progress(**(given | changes))


def worker(slot: int, **changes: Any) -> dict[str, object]:
    """Return a worker as the status of a cluster has it."""
    return {
        "slot": slot,
        "pid": 4000 + slot,
        "state": "ready",
        "connections": 5000,
        "memory": {"private": 40 << 20},
        "restarts": {"planned": 0, "crash": slot},
        "cpu_percent": 71.3,
        "loop_delay_ms": {"p99": 1.25},
    } | changes
