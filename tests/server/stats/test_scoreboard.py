"""Figures in shared memory: what readers see while writers write and die."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hubbub.server.stats.counters import Counters
from hubbub.server.stats.layout import (
    FIELDS,
    HEADER_WORDS,
    INDEX,
    RECORD_WORDS,
    VERSION,
    State,
)
from hubbub.server.stats.scoreboard import Scoreboard, VersionMismatch


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    board = Scoreboard.create(3)
    yield board
    os.close(board.fd)


def test_every_process_sees_whether_the_cluster_is_degraded(
    board: Scoreboard,
) -> None:
    other = Scoreboard(board.fd)
    assert not other.degraded
    board.degraded = True
    assert other.degraded
    board.degraded = False
    assert not other.degraded


def all_fields(value: int) -> dict[str, int]:
    return {field.name: value for field in FIELDS}


def break_off(board: Scoreboard, slot: int, generation: int) -> None:
    """Leave a record half-written, as a writer does that is killed meanwhile."""
    with pytest.raises((ValueError, OverflowError)):
        board.record(slot, generation).publish({"pid": 666, "state": -1})


def test_an_empty_record_is_nobody(board: Scoreboard) -> None:
    for slot in range(3):
        assert board.read(slot, 0) is None
        assert board.read(slot, 1) is None


def test_what_is_published_is_read(board: Scoreboard) -> None:
    values = {field.name: n + 1 for n, field in enumerate(FIELDS)}
    board.record(1, 7).publish(values)
    assert board.read(1, 1) == values
    assert Scoreboard(board.fd).read(1, 1) == values


def test_a_slot_has_a_record_for_each_parity(board: Scoreboard) -> None:
    for slot in range(3):
        for generation in (4, 5):
            board.record(slot, generation).publish(all_fields(10 * slot + generation))
    for slot in range(3):
        for parity in (0, 1):
            assert board.read(slot, parity) == all_fields(10 * slot + 4 + parity)


def test_a_word_of_64_bits_comes_through(board: Scoreboard) -> None:
    record = board.record(0, 1)
    record.set("heartbeat", (1 << 64) - 1)
    assert record.get("heartbeat") == (1 << 64) - 1
    assert board.word(0, 1, "heartbeat") == (1 << 64) - 1


def test_a_word_is_fresh_while_a_record_is_half_written(board: Scoreboard) -> None:
    break_off(board, 0, 0)
    board.record(0, 0).set("heartbeat", 5)
    assert board.word(0, 0, "heartbeat") == 5


def test_a_half_written_record_keeps_the_last_good_reading(board: Scoreboard) -> None:
    board.record(0, 0).publish(all_fields(1))
    assert board.read(0, 0) == all_fields(1)
    break_off(board, 0, 0)
    for _ in range(3):
        assert board.read(0, 0) == all_fields(1)


def test_a_half_written_record_that_was_never_read_is_nobody(board: Scoreboard) -> None:
    break_off(board, 0, 0)
    assert board.read(0, 0) is None


def test_the_next_writer_mends_a_half_written_record(board: Scoreboard) -> None:
    board.record(0, 0).publish(all_fields(1))
    board.read(0, 0)
    break_off(board, 0, 0)
    board.record(0, 2).publish(all_fields(2))
    assert board.read(0, 0) == all_fields(2)


def test_a_record_is_wiped_even_if_half_written(board: Scoreboard) -> None:
    record = board.record(0, 0)
    record.publish(all_fields(1))
    board.read(0, 0)
    break_off(board, 0, 0)
    record.wipe()
    assert board.read(0, 0) is None
    # The reading that was kept is forgotten too.
    break_off(board, 0, 0)
    assert board.read(0, 0) is None


def test_all_counters_are_fields(board: Scoreboard) -> None:
    counters = Counters()
    for number, name in enumerate(Counters.__slots__):
        assert getattr(counters, name) == 0
        setattr(counters, name, number + 1)
    record = board.record(0, 0)
    record.set("state", State.READY)
    counters.publish(record)
    reading = board.read(0, 0)
    assert reading is not None
    assert [reading[name] for name in Counters.__slots__] == list(
        range(1, len(Counters.__slots__) + 1)
    )


def test_memory_of_another_version_is_refused(board: Scoreboard) -> None:
    other = VERSION + 1
    os.pwrite(board.fd, other.to_bytes(8, sys.byteorder), 8)
    with pytest.raises(VersionMismatch, match=f"version {other}"):
        Scoreboard(board.fd)


def test_memory_that_is_no_scoreboard_is_refused() -> None:
    fd = os.memfd_create("test")
    os.ftruncate(fd, 8 * (HEADER_WORDS + 2 * RECORD_WORDS))
    with pytest.raises(VersionMismatch):
        Scoreboard(fd)
    os.close(fd)


def test_the_field_table_fits_its_record() -> None:
    assert len(FIELDS) < RECORD_WORDS
    assert len(INDEX) == len(FIELDS)
    assert min(INDEX.values()) == 1


WRITER = """
import sys
from hubbub.server.stats.layout import FIELDS
from hubbub.server.stats.scoreboard import Scoreboard
record = Scoreboard(int(sys.argv[1])).record(0, 0)
names = [field.name for field in FIELDS]
n = 0
while True:
    n += 1
    record.publish(dict.fromkeys(names, n))
"""


def test_a_reader_never_sees_a_record_torn(board: Scoreboard) -> None:
    """Another process writes as fast as it can, and is killed in the middle."""
    words = board.record(0, 0)
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(board.fd)], pass_fds=(board.fd,)
        )
        try:
            while not words.get("pid"):
                assert writer.poll() is None
            seen: set[int] = set()
            for _ in range(1_000_000):
                reading = board.read(0, 0)
                values = set(reading.values() if reading else ())
                assert len(values) < 2
                if values <= seen:
                    os.sched_yield()  # The writer may wait for our CPU.
                seen |= values
                if len(seen) == 60:
                    break
            assert len(seen) == 60
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        reading = board.read(0, 0)
        assert reading
        assert len(set(reading.values())) == 1
        words.wipe()
        assert board.read(0, 0) is None
