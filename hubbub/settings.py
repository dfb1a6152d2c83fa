"""Every setting of a cluster: one frozen tree with its defaults.

Each field carries its documentation, unit and bounds, so that the loader, the
`hubbub config` command and the documentation read one table. Sizes are bytes,
durations are seconds. `hubbub.config` fills this tree from a file, the
environment and flags, and checks the relations between settings.
"""

from dataclasses import dataclass, field
from typing import Any


def setting(
    default: Any, doc: str, unit: str = "", low: float | None = None, high: float = 1e15
) -> Any:
    """Declare one setting: its default, a line of documentation, unit and bounds."""
    metadata = {"doc": doc, "unit": unit, "low": low, "high": high}
    return field(default=default, metadata=metadata)


KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, one link or one worker may cost."""

    message: int = setting(64 * KIB, "largest message", "bytes", 1, 1 << 31)
    fragments: int = setting(1024, "most fragments in one message", "", 1, 1 << 24)
    message_time: float = setting(
        30.0, "longest time one message may take", "seconds", 0.1
    )
    handshake: float = setting(
        5.0, "longest time an opening handshake may take", "seconds", 0.1
    )
    request_line: int = setting(8 * KIB, "longest HTTP line", "bytes", 256)
    header_bytes: int = setting(16 * KIB, "longest HTTP head", "bytes", 256)
    headers: int = setting(100, "most HTTP header fields", "", 8)
    rooms: int = setting(100, "most rooms one connection may be in", "", 1)
    connections: int = setting(
        0, "most connections of one worker; 0: what the file limit allows", "", 0
    )
    outbox: int = setting(MIB, "most unsent bytes of one connection", "bytes", KIB)
    outbox_budget: int = setting(
        64 * MIB, "most unsent bytes of all connections of a worker", "bytes", KIB
    )
    kernel_buffer: int = setting(
        64 * KIB, "SO_SNDBUF of a connection", "bytes", 4 * KIB, 1 << 30
    )
    stalled: float = setting(
        10.0, "longest time unsent bytes may not move", "seconds", 0.1
    )
    rate: float = setting(
        1000.0,
        "messages a second of one connection, above which it is read no faster; each "
        "KiB counts as one more; 0: no limit",
        "a second",
        0,
    )
    burst: float = setting(
        2000.0, "messages of one connection that may come at once before that", "", 1
    )
    flood: float = setting(
        10.0,
        "longest time one connection may stay above its rate",
        "seconds",
        0.1,
    )
    link: int = setting(8 * MIB, "most unsent bytes of a bus link", "bytes", 64 * KIB)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How silent clients are found."""

    interval: float = setting(25.0, "silence before a ping is sent", "seconds", 0.1)
    timeout: float = setting(10.0, "wait for any byte after a ping", "seconds", 0.1)


@dataclass(frozen=True, slots=True)
class Drain:
    """How a worker says goodbye."""

    pace: float = setting(10.0, "time over which closes are spread", "seconds", 0)
    rate: float = setting(5000.0, "closes a second, at least", "a second", 1)
    grace: float = setting(30.0, "hard end of a drain", "seconds", 0.1)


@dataclass(frozen=True, slots=True)
class Watchdog:
    """How a blocked worker is found and ended."""

    late: float = setting(5.0, "age of a heartbeat that is too old", "seconds", 0.5)
    dump: float = setting(1.0, "time a worker has to write its stack", "seconds", 0)


@dataclass(frozen=True, slots=True)
class Restarts:
    """When a slot is filled again after its worker ended unplanned."""

    pause: float = setting(0.1, "first pause before a restart", "seconds", 0)
    cap: float = setting(5.0, "longest pause before a restart", "seconds", 0)
    jitter: float = setting(0.2, "part of a pause left to chance", "", 0, 1)
    healthy: float = setting(30.0, "life after which the pause resets", "seconds", 0)
    intensity: int = setting(5, "unplanned exits a slot may have in a window", "", 1)
    window: float = setting(30.0, "length of that window", "seconds", 1)
    boot: float = setting(10.0, "time a worker has to get ready", "seconds", 0.5)


@dataclass(frozen=True, slots=True)
class Memory:
    """What one worker's private memory may grow to."""

    soft: int = setting(
        256 * MIB, "private memory of a worker above which it sheds; 0: any", "bytes", 0
    )
    hard: int = setting(
        384 * MIB,
        "private memory of a worker above which it leaves at once; 0: any",
        "bytes",
        0,
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective settings of one cluster."""

    host: str = setting("127.0.0.1", "address to listen on")
    port: int = setting(8080, "port to listen on; 0: any free one", "", 0, 65535)
    workers: int = setting(0, "worker processes; 0: one a CPU", "", 0, 256)
    run_dir: str = setting("", "run directory; empty: a private one")
    origins: tuple[str, ...] = setting(
        (), "Origin headers that may connect; empty: any"
    )
    compression: bool = setting(True, "compress for clients that offer it")
    compression_least: int = setting(
        256, "smallest message that is compressed", "bytes", 1
    )
    echo: bool = setting(False, "serve /echo (loopback only)")
    identify: bool = setting(False, "tell clients which worker serves them")
    faults: bool = setting(False, "allow `hubbub fault` (loopback only)")
    limits: Limits = field(default_factory=Limits)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    drain: Drain = field(default_factory=Drain)
    watchdog: Watchdog = field(default_factory=Watchdog)
    restarts: Restarts = field(default_factory=Restarts)
    memory: Memory = field(default_factory=Memory)


SPARE_FILES = 64
"""Descriptors a worker keeps back: logs, answering 503 to who is too many."""


def most_connections(settings: Settings, open_files: int) -> int:
    """Return how many connections one worker serves: as configured, if they fit.

    Args:
        settings: the settings; each other worker takes a descriptor for its link.
        open_files: the limit of open files of each process (RLIMIT_NOFILE).
    """
    fit = max(1, open_files - SPARE_FILES - settings.workers)
    return min(settings.limits.connections or fit, fit)
