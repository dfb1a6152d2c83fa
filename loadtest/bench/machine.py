"""The machine under the figures: its CPUs, its file limit, and CPU time by process."""

import os
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hubbub.loadtest.bench.row import Invalid

_ALLOWED = sorted(os.sched_getaffinity(0))
SERVED = _ALLOWED[0]
"""The CPU of the servers and of the floor."""
GENERATING = _ALLOWED[-1]
"""The CPU of everything else."""
_OURS = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
_SETTLED = 20.0
_LOOK = 0.1
_IDLE = 0.1
"""Part of a CPU that a worker without work may use: heartbeat, sweep, memory."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What figures were taken on."""

    cpus: int
    """CPUs this process may use."""
    pinned: bool
    """Whether server and generator have a CPU each; else ratios mean little."""
    kernel: str
    python: str
    load: float
    """Load average of the last minute before the run: others disturb figures."""


def describe() -> Machine:
    """Return what this machine is."""
    return Machine(
        cpus=len(_ALLOWED),
        pinned=SERVED != GENERATING,
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        load=os.getloadavg()[0],
    )


def pin(cpu: int) -> None:
    """Run this process, and what it starts from now on, on `cpu` alone."""
    os.sched_setaffinity(0, {cpu})


def unpin() -> None:
    """Let this process run on every CPU that there was at the start."""
    os.sched_setaffinity(0, set(_ALLOWED))


def raise_file_limit() -> int:
    """Raise the limit of open files as far as it goes; return it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def cpu_seconds(*pids: int) -> float:
    """Return the user + system time of processes so far, to the nanosecond.

    The kernel's CPU clock of a process (clock_getcpuclockid(3)): all its threads,
    the running one up to now. /proc/PID/stat would count ticks of 10 ms.

    Raises:
        OSError: a process is gone.
    """
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


@dataclass(frozen=True, slots=True)
class Usage:
    """Where CPU time went, up to a moment; the difference of two is what counts."""

    wall: float
    everybody: float
    """Seconds of all CPUs in use, by whomever; what the host took away included."""
    ours: float
    """Seconds of this process and of its children that have ended."""

    def others_since(self, before: "Usage") -> float:
        """Return the part of all CPUs that others used since `before`, 0 to 1."""
        spent = self.everybody - before.everybody - (self.ours - before.ours)
        capacity = (self.wall - before.wall) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, spent / capacity))


def usage() -> Usage:
    """Return where CPU time went so far."""
    fields = [int(f) for f in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    user, nice, system, _, _, irq, softirq, steal = fields[:8]
    ticks = user + nice + system + irq + softirq + steal
    ours = (resource.getrusage(who) for who in _OURS)
    return Usage(
        wall=time.monotonic(),
        everybody=ticks / os.sysconf("SC_CLK_TCK"),
        ours=sum(one.ru_utime + one.ru_stime for one in ours),
    )


def waits(pid: int) -> int:
    """Return how often the main thread of a process has waited for something."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise Invalid("this kernel does not count context switches")


def settle(seconds: Callable[[], float]) -> None:
    """Wait until a process has done what it had to do.

    Args:
        seconds: gives its CPU time.

    Raises:
        Invalid: it was still busy after 20 s.
    """
    end = time.monotonic() + _SETTLED
    while time.monotonic() < end:
        before = seconds()
        time.sleep(_LOOK)
        if seconds() - before < _LOOK * _IDLE:
            return
    raise Invalid(f"a server was still busy after {_SETTLED:.0f} s without work")


def private_bytes(*pids: int) -> int:
    """Return the memory that would be free again if the processes ended (USS)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1]) * 1024
    return total
