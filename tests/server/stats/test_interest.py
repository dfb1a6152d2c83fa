"""Who has members of which room, in shared memory."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.server.stats.interest import BITS, Interest, room_bit


@pytest.fixture
def table() -> Iterator[Interest]:
    table = Interest.create(4)
    yield table
    os.close(table.fd)


def test_a_bit_is_set_with_the_first_room_and_cleared_with_the_last(
    table: Interest,
) -> None:
    for bit in (0, 7, 8, 12345, BITS - 1):
        assert not table.test(2, bit)
        table.add(2, bit)
        assert table.test(2, bit)
        table.remove(2, bit)
        assert not table.test(2, bit)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_rooms_that_share_a_bit_are_counted(table: Interest, count: int) -> None:
    for _ in range(count):
        table.add(1, 99)
    for _ in range(count):
        assert table.test(1, 99)
        table.remove(1, 99)
    assert not table.test(1, 99)
    table.add(1, 99)
    assert table.test(1, 99)


def test_neighbours_are_left_alone(table: Interest) -> None:
    for slot in (0, 1, 2):
        for bit in (0, 15, 16, 17, BITS - 1):
            table.add(slot, bit)
    table.remove(1, 16)
    table.remove(1, 0)
    seen = {
        (slot, bit)
        for slot in range(4)
        for bit in (0, 1, 14, 15, 16, 17, 18, BITS - 2, BITS - 1)
        if table.test(slot, bit)
    }
    everywhere = {(slot, bit) for slot in (0, 1, 2) for bit in (0, 15, 16, 17)}
    ends = {(slot, BITS - 1) for slot in (0, 1, 2)}
    assert seen == (everywhere | ends) - {(1, 16), (1, 0)}


def test_the_publishers_own_test_finds_the_same_bits(table: Interest) -> None:
    """The mesh tests bytes itself: `offset` and `bytes` are what it uses."""
    table.add(3, 77777)
    for slot in range(4):
        byte = table.bytes[table.offset(slot) + (77777 >> 3)]
        assert bool(byte & 1 << (77777 & 7)) == (slot == 3)


def test_a_slot_says_who_keeps_it(table: Interest) -> None:
    assert [table.generation(slot) for slot in range(4)] == [0, 0, 0, 0]
    table.claim(2, 17)
    assert [table.generation(slot) for slot in range(4)] == [0, 0, 17, 0]


def test_wiping_a_slot_clears_it_and_no_other(table: Interest) -> None:
    for slot in range(4):
        table.claim(slot, slot + 1)
        for bit in (0, 1000, BITS - 1):
            table.add(slot, bit)
    table.wipe(2)
    assert [table.generation(slot) for slot in range(4)] == [1, 2, 0, 4]
    for slot in range(4):
        for bit in (0, 1000, BITS - 1):
            assert bool(table.test(slot, bit)) == (slot != 2)


def test_the_next_worker_of_a_wiped_slot_counts_from_nought(table: Interest) -> None:
    last = Interest(table.fd)
    for _ in range(3):
        last.add(1, 5)
    table.wipe(1)
    successor = Interest(table.fd)
    successor.add(1, 5)
    assert table.test(1, 5)
    successor.remove(1, 5)
    assert not table.test(1, 5)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_a_bit_is_set_while_a_room_has_it(steps: list[tuple[bool, int]]) -> None:
    table = Interest.create(1)
    try:
        rooms = [0] * 6
        for more, bit in steps:
            if more:
                table.add(0, bit)
                rooms[bit] += 1
            elif rooms[bit]:
                table.remove(0, bit)
                rooms[bit] -= 1
            assert [bool(table.test(0, b)) for b in range(6)] == list(map(bool, rooms))
    finally:
        os.close(table.fd)


def test_another_process_sees_a_bit_at_once(table: Interest) -> None:
    code = """
import sys
from hubbub.server.stats.interest import Interest
table = Interest(int(sys.argv[1]))
table.claim(1, 3)
table.add(1, 4242)
print("set", flush=True)
sys.stdin.readline()
assert table.test(0, 77)
table.remove(1, 4242)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(table.fd)],
        pass_fds=(table.fd,),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "set\n"
        assert table.test(1, 4242)
        assert table.generation(1) == 3
        table.add(0, 77)
        other.stdin.write("go on\n")
        other.stdin.close()
        assert other.wait(10) == 0
    assert not table.test(1, 4242)


def test_bits_are_the_same_in_every_process_and_release() -> None:
    assert room_bit("lobby") == 0x455F7
    assert room_bit("presence-x@y=z,1;2:3") == 0x1E287
    assert all(0 <= room_bit(str(n)) < BITS for n in range(1000))
