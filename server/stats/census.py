"""The census: how many members each room has, over all workers, in shared memory.

Each slot has an open-addressing table of (key, count), written by its worker alone
and read by all: so the number in the answer to a join is the whole room's, and no
worker is asked. The key is 64 bits of blake2b over the room's name; an entry of
count 0 is free to be taken again. A reader that meets an entry in the very moment it
changes hands may count another room's members, once: the number is for people, and
no decision hangs on it.
"""

from hashlib import blake2b
from typing import Final

from hubbub.server.stats.interest import (
    BITMAP_BYTES,
    CENSUS_ENTRIES,
    Interest,
)

_MASK: Final = CENSUS_ENTRIES - 1
_MOST_PROBES: Final = 64
"""Entries looked at before a room is left uncounted; a table three quarters full
needs 9 on average."""


def room_key(name: str) -> int:
    """Return the key of a room: never 0, the same in every process."""
    digest = blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


class Census:
    """Counts of members, by room and slot.

    Args:
        interest: the shared memory, of which the census is a part.
        slot: this worker's slot.
    """

    __slots__ = ("_bases", "_slot", "_words")

    def __init__(self, interest: Interest, slot: int) -> None:
        self._words = interest.words
        self._slot = slot
        self._bases = [
            (interest.offset(s) + BITMAP_BYTES) // 8 for s in range(interest.slots)
        ]

    def open(self, name: str) -> int:
        """Take a place for a room with its first local member.

        Returns:
            The place, for `store`; 0 where the table has none left near the room's
            key: then totals are unknown while that room exists.
        """
        words, base, key = self._words, self._bases[self._slot], room_key(name)
        for probe in range(_MOST_PROBES):
            at = base + 2 * ((key + probe) & _MASK)
            if not words[at + 1]:
                words[at] = key
                words[at + 1] = 1
                return at
        words[2 * self._slot + 1] += 1
        return 0

    def store(self, place: int, count: int) -> None:
        """Store how many members the room of `place` has here; 0 gives it back."""
        if place:
            self._words[place + 1] = count
            if not count:
                self._tidy(place)
        elif not count:
            self._words[2 * self._slot + 1] -= 1

    def _tidy(self, place: int) -> None:
        """Make entries that nothing lies behind as good as never used.

        Else a table in which a million rooms came and went would have no end for a
        probe to find, and each join would look at 64 entries a slot.
        """
        words, base = self._words, self._bases[self._slot]
        at = (place - base) // 2
        if words[base + 2 * ((at + 1) & _MASK)]:
            return
        while words[place] and not words[place + 1]:
            words[place] = 0
            at = (at - 1) & _MASK
            place = base + 2 * at

    def total(self, name: str) -> int | None:
        """Return the members of a room on all workers; None where it is not known."""
        words, key = self._words, room_key(name)
        total = 0
        for slot, base in enumerate(self._bases):
            if words[2 * slot + 1]:
                return None
            for probe in range(_MOST_PROBES):
                at = base + 2 * ((key + probe) & _MASK)
                found = words[at]
                if found == key and words[at + 1]:
                    total += words[at + 1]
                    break
                if not found:
                    # An entry is emptied only when nothing lies behind it.
                    break
        return total
