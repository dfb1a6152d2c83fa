"""Latencies as counts in buckets that widen with the value. Pure.

Recording is one index and one addition, so that a receiver can afford it for every
message; figures come from the counts afterwards. A bucket is at most 1/128 of its
value wide, so a percentile is at most 0.8 % too large.
"""

from collections.abc import Iterator, Sequence
from typing import Final

_BITS: Final = 7
_LINEAR: Final = 1 << (_BITS + 1)
"""Microseconds below which each has a bucket of its own."""
LONGEST: Final = 1 << 32
"""Microseconds counted at most: over an hour."""
BUCKETS: Final = _LINEAR + (32 - _BITS - 1) * (1 << _BITS)


def bucket(us: int) -> int:
    """Return the bucket of a latency of `us` microseconds."""
    if us < _LINEAR:
        return max(0, us)
    shift = min(us, LONGEST - 1).bit_length() - _BITS - 1
    return (shift << _BITS) + (min(us, LONGEST - 1) >> shift)


def upper(index: int) -> int:
    """Return the largest latency in microseconds that bucket `index` holds."""
    if index < _LINEAR:
        return index
    shift = (index >> _BITS) - 1
    return (((index & ((1 << _BITS) - 1)) + (1 << _BITS) + 1) << shift) - 1


class Histogram:
    """Counts by bucket.

    Attributes:
        counts: by bucket; recording is `counts[bucket(us)] += 1`.
    """

    __slots__ = ("counts",)

    def __init__(self, counts: Sequence[int] | None = None) -> None:
        self.counts = list(counts) if counts is not None else [0] * BUCKETS

    @property
    def total(self) -> int:
        """How many latencies were recorded."""
        return sum(self.counts)

    def add(self, other: "Histogram") -> None:
        """Add the counts of another one."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]

    def since(self, earlier: "Histogram") -> "Histogram":
        """Return what was recorded after `earlier` was copied from this one."""
        pairs = zip(self.counts, earlier.counts, strict=True)
        return Histogram([now - then for now, then in pairs])

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Give (largest latency in microseconds, count) of buckets not empty."""
        for index, count in enumerate(self.counts):
            if count:
                yield upper(index), count

    def percentile(self, part: float) -> float:
        """Return the latency in milliseconds that `part` (0 to 1) do not exceed.

        0 where nothing was recorded.
        """
        wanted = max(1, -(-self.total * part // 1))
        seen = 0
        for us, count in self.pairs():
            seen += count
            if seen >= wanted:
                return us / 1000
        return 0.0

    def summary(self) -> dict[str, float]:
        """Return the percentiles of a report, in milliseconds."""
        return {
            "p50": self.percentile(0.5),
            "p90": self.percentile(0.9),
            "p99": self.percentile(0.99),
            "p999": self.percentile(0.999),
            "max": self.percentile(1.0),
        }

    def sparse(self) -> dict[int, int]:
        """Return the counts by bucket, without the empty ones: short to send."""
        return {index: count for index, count in enumerate(self.counts) if count}

    @classmethod
    def from_sparse(cls, counts: dict[int, int]) -> "Histogram":
        """Return the histogram that `sparse` told of."""
        made = cls()
        for index, count in counts.items():
            made.counts[index] = count
        return made
