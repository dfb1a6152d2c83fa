"""What holds the memory of a worker that has outgrown a ceiling, in short.

Objects are counted in a sample of those that the garbage collector knows, with the
plain values (bytes, strings, numbers) that they hold: a leak is millions of something,
so a sample finds it, and half a second of searching would be a second of silence for
everybody connected. What the zygote had made before the fork is frozen (gc.freeze) and
not in it.
"""

import gc
import sys
from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Final

SAMPLE: Final = 50_000
"""Objects looked at."""
_TYPES: Final = 10
"""Types told."""
_CONTAINERS: Final = (list, dict, set, deque)
_VALUES: Final = (bytes, bytearray, str, int, float, memoryview)


def largest_types(objects: list[object] | None = None) -> list[dict[str, object]]:
    """Return the types that hold the most memory, largest first.

    Args:
        objects: among these; by default all that the collector knows.

    Returns:
        `type`, `count` and `bytes` of each; both are scaled up where objects were
        sampled.
    """
    found = _reachable() if objects is None else objects
    stride = len(found) // SAMPLE + 1
    counts: dict[str, list[int]] = {}
    seen: set[int] = set()
    for one in islice(found, 0, None, stride):
        _count(counts, one)
        for held in gc.get_referents(one):
            if isinstance(held, _VALUES) and id(held) not in seen:
                seen.add(id(held))
                _count(counts, held)
    largest = sorted(counts.items(), key=lambda item: item[1][1], reverse=True)
    return [
        {"type": name, "count": count * stride, "bytes": size * stride}
        for name, (count, size) in largest[:_TYPES]
    ]


def _reachable() -> list[object]:
    """Return what the collector knows, and what modules hold in plain containers.

    The containers that a module had before the fork are frozen, and out of the
    collector's sight; a leak into one of them is a usual one.
    """
    found = gc.get_objects()
    for module in list(sys.modules.values()):
        values = list(getattr(module, "__dict__", {}).values())
        found += [one for one in values if isinstance(one, _CONTAINERS) and one]
    return found


def _count(counts: dict[str, list[int]], one: object) -> None:
    kind = type(one)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    entry = counts.setdefault(name, [0, 0])
    entry[0] += 1
    entry[1] += sys.getsizeof(one, 0)


def last_words(
    private: int, ceiling: int, growth: int, figures: Mapping[str, int]
) -> dict[str, object]:
    """Return what a worker says when it has outgrown a ceiling.

    Args:
        private: its private memory, bytes.
        ceiling: what it has outgrown, bytes.
        growth: bytes a minute lately.
        figures: what else it holds: connections, rooms, outbox_bytes.
    """
    return {
        "private": private,
        "ceiling": ceiling,
        "growth_per_minute": growth,
        **figures,
        "types": largest_types(),
    }
