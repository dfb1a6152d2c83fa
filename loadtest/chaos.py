"""What is done to the workers of a cluster under load: they are killed and replaced.

The cluster is asked who they are, through its control socket. A signal goes through a
pidfd, and only after the cluster has said once more that the process is its worker:
a number that was given to somebody else meanwhile hits nobody.
"""

import os
import random
import signal
from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple, Protocol

import trio

from hubbub.loadtest.target import Target

_LOOK: Final = 0.05


class Clustered(Protocol):
    """Who can be asked about the workers."""

    @property
    def server(self) -> Target:
        """The cluster."""

    async def status(self) -> dict[str, Any] | None:
        """Return the cluster's status; None where it cannot be asked."""


class Worker(NamedTuple):
    """A worker that is ready."""

    slot: int
    generation: int
    pid: int
    connections: int
    """As it last said."""


async def workers(cluster: Clustered) -> list[Worker]:
    """Return the workers that are ready; none if the cluster cannot be asked."""
    status = await cluster.status()
    return [
        Worker(row["slot"], row["generation"], row["pid"], row["connections"])
        for row in (status or {"workers": ()})["workers"]
        if row["state"] == "ready" and row["pid"]
    ]


async def kill_one(
    cluster: Clustered, chance: random.Random, spared: Collection[int] = ()
) -> Worker | None:
    """Kill one worker with SIGKILL, left to chance.

    Args:
        cluster: whose.
        chance: which.
        spared: slots whose workers are left alone.

    Returns:
        The worker; None if there was none to kill.
    """
    found = [one for one in await workers(cluster) if one.slot not in spared]
    if not found:
        return None
    victim = chance.choice(found)
    return victim if await send(cluster, victim, signal.SIGKILL) else None


async def send(cluster: Clustered, worker: Worker, number: signal.Signals) -> bool:
    """Send a signal to a worker; return whether it still was one."""
    try:
        fd = os.pidfd_open(worker.pid)
    except OSError:
        return False
    try:
        if not await _is_there(cluster, worker):
            return False
        signal.pidfd_send_signal(fd, number)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


async def restart(cluster: Clustered, mark: Callable[[str], None]) -> int:
    """Replace all workers, one after the other, and wait until that is done.

    Args:
        cluster: whose.
        mark: is told what is done, step by step.

    Returns:
        How many have been replaced.
    """
    old = await workers(cluster)
    request: dict[str, object] = {"type": "restart"}
    answer = await trio.to_thread.run_sync(
        cluster.server.ask, request, abandon_on_cancel=True
    )
    if answer is not None and "error" not in answer:
        for worker in old:
            await replaced(cluster, worker)
        return len(old)
    # A cluster that cannot do it by itself still replaces whoever leaves.
    for worker in old:
        mark(f"worker {worker.slot} asked to leave (SIGTERM)")
        if await send(cluster, worker, signal.SIGTERM):
            await replaced(cluster, worker)
    return len(old)


async def replaced(cluster: Clustered, worker: Worker) -> None:
    """Wait until another worker is ready in its slot."""
    while True:
        for one in await workers(cluster):
            if one.slot == worker.slot and one.generation != worker.generation:
                return
        await trio.sleep(_LOOK)


async def _is_there(cluster: Clustered, worker: Worker) -> bool:
    mark = worker.slot, worker.generation, worker.pid
    return any(one[:3] == mark for one in await workers(cluster))
