"""What happens to good bytes on their way to becoming bad ones."""

from collections.abc import Sequence
from itertools import pairwise
from random import Random

_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x0D, 0x20, 0x3A, 0xED)
_WIDE = (0, 1, 125, 126, 127, 0x7FFF, 0xFFFF, 0x10000, (1 << 31) - 1, (1 << 32) - 1)


def mutate(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Return `data` changed in one to four ways.

    Args:
        random: of the case.
        data: what to change.
        others: what it may be spliced with.
    """
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        at = random.randrange(len(changed) + 1)
        size = random.choice((1, 1, 2, 4, 8, 64))
        way = random.randrange(9)
        if way == 0 and changed:
            changed[at % len(changed)] ^= 1 << random.randrange(8)
        elif way == 1 and changed:
            changed[at % len(changed)] = random.choice(_EDGES)
        elif way == 2:
            del changed[at:]
        elif way == 3:
            del changed[at : at + size]
        elif way == 4:
            changed[at:at] = random.randbytes(size)
        elif way == 5:
            times = random.choice((1, 1, 2, 20))
            changed[at:at] = bytes(changed[at : at + size]) * times
        elif way == 6:
            width = random.choice((2, 4, 8))
            number = random.choice(_WIDE) % (1 << 8 * width)
            changed[at : at + width] = number.to_bytes(width, "big")
        elif way == 7 and others:
            other = random.choice(others)
            changed[at:] = other[random.randrange(len(other) + 1) :]
        else:
            end = min(len(changed), at + size)
            changed[at:end] = bytes(reversed(changed[at:end]))
    return bytes(changed)


def cut(random: Random, data: bytes, most: int = 8) -> list[bytes]:
    """Return `data` in one to `most` pieces, none of them empty."""
    if len(data) < 2:
        return [data] if data else []
    places = {random.randrange(1, len(data)) for _ in range(random.randrange(most))}
    ends = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in pairwise(ends)]
