"""What a worker's memory is read as, and when it is given back."""

import subprocess
import sys

from hubbub.server.memory import Memory, Tide

MIB = 1 << 20


def test_private_memory_is_what_was_taken_since_birth() -> None:
    memory = Memory()
    before, _ = memory.read()
    ballast = bytearray(b"x") * (32 * MIB)
    after, _ = memory.read()
    assert 31 * MIB < after - before < 34 * MIB
    assert len(ballast) == 32 * MIB


def test_the_tide_turns_once_when_much_has_gone() -> None:
    tide = Tide()
    readings = [0, 3 * MIB, 0, 5 * MIB, 8 * MIB, 3 * MIB, 2 * MIB, 0, 0, 4 * MIB, 0]
    turned = [reading for reading in readings if tide.turned(reading)]
    assert turned == [2 * MIB, 0]


def test_free_memory_goes_back_to_the_kernel() -> None:
    """In a process of its own: here, much may be free already."""
    found = subprocess.run(
        [sys.executable, "-c", _FREE], capture_output=True, text=True
    )
    full, left = (int(word) for word in found.stdout.split())
    assert full > 30 * MIB
    assert full - left > 16 * MIB


_FREE = """
from hubbub.server.memory import Memory, trim
memory = Memory()
pieces = [bytes(4096) + bytes(1) for _ in range(8192)]
kept = pieces[::64]
full, _ = memory.read()
del pieces
trim()
print(full, memory.read()[0])
"""
