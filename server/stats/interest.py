"""The interest table: which worker has members of which room, in shared memory.

Each slot has a bitmap of 2**20 bits; a room's bit is a stable hash of its name. A
worker sets the bit with a room's first local member, before it answers the join,
and clears it with the last; a publisher tests its peers' bits and writes to those
that are set. So there is no interest message and no race: whatever is published
after the answer finds the bit. A false hit costs one write. The table belongs to
the slot (it passes to a successor); the generation word says whose it is, and the
supervisor wipes it when a slot's worker dies.

Beside the bitmap each slot has a part of the census (see there). Both live in
`stats` because the supervisor, which may not import the bus, wipes them.
"""

import mmap
import os
from typing import Final
from zlib import crc32

BITS: Final = 1 << 20
BITMAP_BYTES: Final = BITS // 8
CENSUS_ENTRIES: Final = 1 << 17
CENSUS_BYTES: Final = CENSUS_ENTRIES * 16
HEADER_BYTES: Final = mmap.PAGESIZE
STRIDE: Final = BITMAP_BYTES + CENSUS_BYTES
"""Bytes of one slot: whole pages, so that wiping gives them back to the kernel."""
MOST_SLOTS: Final = HEADER_BYTES // 16


def room_bit(name: str) -> int:
    """Return the bit of a room: the same in every process, unlike `hash()`."""
    return crc32(name.encode()) & (BITS - 1)


class Interest:
    """The bitmaps of all slots.

    Args:
        fd: a memfd made by `create`; it is borrowed, not closed.

    Attributes:
        bytes: the shared memory, for the publisher's test.
        words: the same as 64-bit words; two of the header belong to each slot: the
            generation, and the rooms that found no place in the census.
    """

    __slots__ = ("_map", "_shared", "bytes", "fd", "slots", "words")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, os.fstat(fd).st_size)
        self.bytes = memoryview(self._map)
        self.words: memoryview[int] = self.bytes.cast("Q")
        self.slots = (len(self._map) - HEADER_BYTES) // STRIDE
        self._shared: dict[int, int] = {}
        """Rooms of this worker by bit, where there is more than one."""

    @classmethod
    def create(cls, slots: int) -> "Interest":
        """Make the shared memory for `slots` slots, nobody interested in anything.

        Raises:
            ValueError: more than MOST_SLOTS slots.
        """
        if slots > MOST_SLOTS:
            raise ValueError(f"{slots} slots, at most {MOST_SLOTS}")
        fd = os.memfd_create("hubbub-interest")
        os.ftruncate(fd, HEADER_BYTES + slots * STRIDE)
        return cls(fd)

    def offset(self, slot: int) -> int:
        """Return where `slot`'s bitmap begins in `bytes`."""
        return HEADER_BYTES + slot * STRIDE

    def claim(self, slot: int, generation: int) -> None:
        """Say that `slot`'s bitmap is now kept by the worker of `generation`."""
        self.words[2 * slot] = generation

    def generation(self, slot: int) -> int:
        """Return the generation that keeps `slot`'s bitmap; 0: nobody does."""
        return self.words[2 * slot]

    def add(self, slot: int, bit: int) -> None:
        """Count one more room with `bit` on this worker; set the bit with the first.

        Only bits that rooms share are counted: there are few, and a dict of all
        would cost 90 bytes a room.
        """
        at, mask = self.offset(slot) + (bit >> 3), 1 << (bit & 7)
        if self.bytes[at] & mask:
            self._shared[bit] = self._shared.get(bit, 1) + 1
        else:
            self.bytes[at] |= mask

    def remove(self, slot: int, bit: int) -> None:
        """Count one room with `bit` less; clear the bit with the last."""
        count = self._shared.get(bit, 1) - 1
        if count > 1:
            self._shared[bit] = count
        elif count:
            del self._shared[bit]
        else:
            at = self.offset(slot) + (bit >> 3)
            self.bytes[at] &= ~(1 << (bit & 7)) & 0xFF

    def test(self, slot: int, bit: int) -> int:
        """Return non-zero if `slot` has (or may have) members of a room with `bit`."""
        return self.bytes[self.offset(slot) + (bit >> 3)] & (1 << (bit & 7))

    def wipe(self, slot: int) -> None:
        """Clear all that `slot`'s worker kept here: it is gone.

        The generation goes first: a publisher that still sees a bit finds nobody to
        keep the message for. The pages go back to the kernel (madvise(2),
        MADV_REMOVE: they read as zeroes afterwards).
        """
        self.words[2 * slot] = 0
        self._map.madvise(mmap.MADV_REMOVE, self.offset(slot), STRIDE)
        self.words[2 * slot + 1] = 0
