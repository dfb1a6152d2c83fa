"""The interest table: which worker has members of which room, in shared memory.

Each slot has a bitmap of 2**20 bits; a room's bit is a stable hash of its name. A
worker sets the bit with a room's first local member, before it answers the join,
and clears it with the last; a publisher tests its peers' bits and writes to those
that are set. So there is no interest message and no race: whatever is published
after the answer finds the bit. A false hit costs one write. The table belongs to
the slot (it passes to a successor); the generation word says whose it is, and the
supervisor wipes it when a slot's worker dies.

It lives in `stats` because the supervisor, which may not import the bus, wipes it.
"""

import mmap
import os
from zlib import crc32

BITS = 1 << 20
_HEADER = 64
_STRIDE = _HEADER + BITS // 8


def room_bit(name: str) -> int:
    """Return the bit of a room: the same in every process, unlike `hash()`."""
    return crc32(name.encode()) & (BITS - 1)


class Interest:
    """The bitmaps of all slots.

    Args:
        fd: a memfd made by `create`; it is borrowed, not closed.
    """

    __slots__ = ("_counts", "_map", "_words", "bytes", "fd", "slots")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, os.fstat(fd).st_size)
        self.bytes = memoryview(self._map)
        self._words: memoryview[int] = self.bytes.cast("Q")
        self.slots = len(self._map) // _STRIDE
        self._counts: dict[int, int] = {}

    @classmethod
    def create(cls, slots: int) -> "Interest":
        """Make the shared memory for `slots` slots, nobody interested in anything."""
        fd = os.memfd_create("hubbub-interest")
        os.ftruncate(fd, slots * _STRIDE)
        return cls(fd)

    def offset(self, slot: int) -> int:
        """Return where `slot`'s bitmap begins in `bytes`."""
        return slot * _STRIDE + _HEADER

    def claim(self, slot: int, generation: int) -> None:
        """Say that `slot`'s bitmap is now kept by the worker of `generation`."""
        self._words[slot * _STRIDE // 8] = generation

    def generation(self, slot: int) -> int:
        """Return the generation that keeps `slot`'s bitmap; 0: nobody does."""
        return self._words[slot * _STRIDE // 8]

    def add(self, slot: int, bit: int) -> None:
        """Count one more room with `bit` on this worker; set the bit with the first."""
        count = self._counts.get(bit, 0)
        self._counts[bit] = count + 1
        if not count:
            self.bytes[slot * _STRIDE + _HEADER + (bit >> 3)] |= 1 << (bit & 7)

    def remove(self, slot: int, bit: int) -> None:
        """Count one room with `bit` less; clear the bit with the last."""
        count = self._counts[bit] - 1
        if count:
            self._counts[bit] = count
            return
        del self._counts[bit]
        at = slot * _STRIDE + _HEADER + (bit >> 3)
        self.bytes[at] &= ~(1 << (bit & 7)) & 0xFF

    def test(self, slot: int, bit: int) -> int:
        """Return non-zero if `slot` has (or may have) members of a room with `bit`."""
        return self.bytes[slot * _STRIDE + _HEADER + (bit >> 3)] & (1 << (bit & 7))

    def wipe(self, slot: int) -> None:
        """Clear `slot`'s bitmap and its generation: its worker is gone.

        The generation goes first: a publisher that still sees a bit finds nobody to
        keep the message for.
        """
        self._words[slot * _STRIDE // 8] = 0
        start = slot * _STRIDE + _HEADER
        self.bytes[start : start + BITS // 8] = bytes(BITS // 8)
