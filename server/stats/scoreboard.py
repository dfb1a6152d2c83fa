"""The scoreboard: figures of every worker in shared memory.

Writers announce, readers never ask. Two records a slot, by parity of the
generation, so that an incumbent and its successor each have their own. Every word
is an aligned 64-bit store through `memoryview.cast("Q")`, which was never seen
torn (struct.pack_into zeroes a field before it writes it). Words that belong
together are published under a sequence word: odd while they change, so that a
reader takes them only between two equal even readings. A writer that is killed in
between leaves it odd; a reader gives up after a few tries and keeps the last good
reading.
"""

import mmap
import os
from collections.abc import Mapping

from hubbub.server.stats.layout import (
    DEGRADED,
    FIELDS,
    HEADER_WORDS,
    INDEX,
    MAGIC,
    RECORD_WORDS,
    VERSION,
    State,
)

Reading = dict[str, int]
"""One consistent reading of a record: field name to value, in the table's units."""

_TRIES = 8


class VersionMismatch(RuntimeError):
    """The shared memory was laid out by another version of Hubbub."""


class Record:
    """One worker's words, for the worker that owns them.

    `set` stores one independent word at once; `publish` stores words that belong
    together.
    """

    __slots__ = ("_base", "_words")

    def __init__(self, words: "memoryview[int]", base: int) -> None:
        self._words = words
        self._base = base

    def get(self, name: str) -> int:
        """Return the word of field `name` as it stands."""
        return self._words[self._base + INDEX[name]]

    def set(self, name: str, value: int) -> None:
        """Store `value` in field `name`; visible to every reader at once."""
        self._words[self._base + INDEX[name]] = value

    def publish(self, values: Mapping[str, int]) -> None:
        """Store fields that belong together; readers see all of them or none."""
        words, base = self._words, self._base
        sequence = words[base] | 1
        words[base] = sequence
        for name, value in values.items():
            words[base + INDEX[name]] = value
        words[base] = sequence + 1

    def wipe(self) -> None:
        """Empty the record: no worker holds it."""
        self.publish({field.name: 0 for field in FIELDS})


class Scoreboard:
    """All records of a cluster.

    Args:
        fd: a memfd made by `create`; it is borrowed, not closed.

    Raises:
        VersionMismatch: the memory has another layout.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, os.fstat(fd).st_size)
        self._words: memoryview[int] = memoryview(self._map).cast("Q")
        if self._words[0] != MAGIC or self._words[1] != VERSION:
            raise VersionMismatch(f"scoreboard version {self._words[1]}, not {VERSION}")
        self.slots = self._words[2]
        self._good: dict[tuple[int, int], Reading] = {}

    @classmethod
    def create(cls, slots: int) -> "Scoreboard":
        """Make the shared memory for `slots` slots, all records empty."""
        fd = os.memfd_create("hubbub-scoreboard")
        os.ftruncate(fd, 8 * (HEADER_WORDS + 2 * slots * RECORD_WORDS))
        with mmap.mmap(fd, 8 * HEADER_WORDS) as header:
            words = memoryview(header).cast("Q")
            words[0], words[1], words[2] = MAGIC, VERSION, slots
            words.release()
        return cls(fd)

    @property
    def degraded(self) -> bool:
        """Whether the cluster has fewer workers than it should; the supervisor says."""
        return bool(self._words[DEGRADED])

    @degraded.setter
    def degraded(self, degraded: bool) -> None:
        self._words[DEGRADED] = degraded

    def record(self, slot: int, generation: int) -> Record:
        """Return the record of one worker for writing."""
        return Record(self._words, self._offset(slot, generation & 1))

    def word(self, slot: int, parity: int, name: str) -> int:
        """Return one word, as fresh as the memory is."""
        return self._words[self._offset(slot, parity) + INDEX[name]]

    def read(self, slot: int, parity: int) -> Reading | None:
        """Return a consistent reading of a record, None where no worker is.

        Guarantees:
            Never a half-written record: if the writer stays in the middle of one,
            the last good reading is returned again.
        """
        words, base = self._words, self._offset(slot, parity)
        for _ in range(_TRIES):
            before = words[base]
            if before & 1:
                continue
            values = words[base + 1 : base + 1 + len(FIELDS)].tolist()
            if words[base] == before:
                reading = {f.name: v for f, v in zip(FIELDS, values, strict=True)}
                if reading["state"] == State.EMPTY:
                    self._good.pop((slot, parity), None)
                    return None
                self._good[slot, parity] = reading
                return reading
        return self._good.get((slot, parity))

    def _offset(self, slot: int, parity: int) -> int:
        return HEADER_WORDS + (2 * slot + parity) * RECORD_WORDS
