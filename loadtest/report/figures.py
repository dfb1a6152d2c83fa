"""Figures that reports draw from the results beside those written there. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from hubbub.loadtest.results import Results, Worker


@dataclass(frozen=True, slots=True)
class Memory:
    """The server's memory and what became of its workers."""

    workers: int
    """Workers at the last look."""
    private: int
    """Memory that is their own, all together, at its most; bytes."""
    restarts: int
    """Workers that ended within the run."""


def memory(results: Results) -> Memory | None:
    """Return the server's memory, or None where its status was out of reach."""
    known = [point.server.workers for point in results.series if point.server]
    if not known:
        return None
    before, after = restarts(known[0]), restarts(known[-1])
    return Memory(
        workers=len(after),
        private=max(sum(worker.private for worker in workers) for workers in known),
        restarts=sum(
            max(0, number - before.get(slot, number)) for slot, number in after.items()
        ),
    )


def restarts(workers: Sequence[Worker]) -> dict[int, int]:
    """Return the restarts of each slot: two workers share one during a handover."""
    found: dict[int, int] = {}
    for worker in workers:
        found[worker.slot] = max(worker.restarts, found.get(worker.slot, 0))
    return found
