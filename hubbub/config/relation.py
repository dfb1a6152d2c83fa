"""Relations between settings that each make sense alone.

Each row says which settings it is about, when it holds, and what to tell people
when it does not. Pure, apart from one figure of the kernel.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubbub.settings import KIB, Settings

from .problem import ConfigError
from .table import ENTRIES, flatten
from .value import is_loopback, to_people

OVERHEAD = KIB
"""What a frame and a dialect's envelope may add to a message, in bytes."""

LEAST_LATE = 1.0
"""Four missed heartbeats (one every 0.25 s): below, a busy second is a death."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One rule between settings."""

    keys: tuple[str, ...]
    """The settings concerned; {0}, {1} in the sentence are these with values."""
    holds: Callable[[Settings], bool]
    """Whether the settings keep the rule."""
    sentence: str
    """What is wrong when they do not, and why it matters."""


RELATIONS = (
    Relation(
        ("limits.outbox", "limits.outbox_budget"),
        lambda s: s.limits.outbox <= s.limits.outbox_budget,
        "{0} must not be above {1}: one connection could use up what all share",
    ),
    Relation(
        ("limits.message", "limits.outbox"),
        lambda s: s.limits.message + OVERHEAD <= s.limits.outbox,
        "{0} and 1 KiB of framing must fit into {1}: "
        "a member that is busy for a moment could never be sent such a message",
    ),
    Relation(
        ("limits.message", "limits.link"),
        lambda s: s.limits.message + OVERHEAD < s.limits.link,
        "{0} and 1 KiB of framing must be less than {1}: "
        "one message would cut the link between two workers",
    ),
    Relation(
        ("limits.request_line", "limits.header_bytes"),
        lambda s: s.limits.request_line <= s.limits.header_bytes,
        "{0} must not be above {1}: the line is part of the head",
    ),
    Relation(
        ("heartbeat.timeout", "heartbeat.interval"),
        lambda s: s.heartbeat.timeout <= s.heartbeat.interval,
        "{0} must not be above {1}: the next ping would be due before the verdict",
    ),
    Relation(
        ("drain.pace", "drain.grace"),
        lambda s: s.drain.pace <= s.drain.grace,
        "{0} must not be above {1}: the drain would end before all are told",
    ),
    Relation(
        ("watchdog.late",),
        lambda s: s.watchdog.late >= LEAST_LATE,
        "{0} must be at least 1 s: a worker beats every 0.25 s, "
        "and a busy moment is not a death",
    ),
    Relation(
        ("restarts.pause", "restarts.cap"),
        lambda s: s.restarts.pause <= s.restarts.cap,
        "{0} must not be above {1}: the first pause is the shortest",
    ),
    Relation(
        ("echo", "host"),
        lambda s: not s.echo or is_loopback(s.host),
        "echo lifts the limits and is for this machine only, but {1} is not loopback",
    ),
    Relation(
        ("faults", "host"),
        lambda s: not s.faults or is_loopback(s.host),
        "faults lets anybody with the run directory break workers "
        "and is for this machine only, but {1} is not loopback",
    ),
)


def check(settings: Settings, sources: Mapping[str, str]) -> None:
    """Check all relations.

    Args:
        settings: Settings whose values each are within their own bounds.
        sources: Where each came from, by key.

    Raises:
        ConfigError: The first relation that does not hold; its source is that of
            the setting somebody gave, never a default.
    """
    values = flatten(settings)
    for relation in RELATIONS:
        if relation.holds(settings):
            continue
        shown = [
            f"{key} ({to_people(ENTRIES[key], values[key])})" for key in relation.keys
        ]
        given = [sources[key] for key in relation.keys if sources[key] != "default"]
        raise ConfigError(given[0] if given else "", relation.sentence.format(*shown))


def check_kernel(
    settings: Settings, sources: Mapping[str, str], figure: Path | None = None
) -> None:
    """Check that the kernel grants the socket buffer: it cuts a wish silently.

    Args:
        settings: The effective settings.
        sources: Where each came from, by key.
        figure: The file with the kernel's limit; the real one if None.

    Raises:
        ConfigError: `limits.kernel_buffer` is above net.core.wmem_max.
    """
    try:
        most = int((figure or Path("/proc/sys/net/core/wmem_max")).read_text())
    except (OSError, ValueError):
        return  # not shown in some containers: nothing to compare with
    if settings.limits.kernel_buffer > most:
        source = sources["limits.kernel_buffer"]
        raise ConfigError(
            "" if source == "default" else source,
            f"limits.kernel_buffer ({settings.limits.kernel_buffer} bytes) is above "
            f"what this kernel grants: net.core.wmem_max is {most}",
        )
