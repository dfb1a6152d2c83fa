"""What the operating system says about a process."""

import mmap
import os
import time

import pytest

from hubbub.loadtest.bench.machine import (
    Machine,
    Usage,
    cpu_seconds,
    describe,
    private_bytes,
    settle,
    usage,
    waits,
)


def test_cpu_seconds_are_those_the_process_knows_of_itself() -> None:
    before = time.process_time()
    seen = cpu_seconds(os.getpid())
    after = time.process_time()
    assert before <= seen <= after


def test_cpu_seconds_of_several_are_their_sum() -> None:
    one = cpu_seconds(os.getpid())
    assert cpu_seconds(os.getpid(), os.getpid()) >= 2 * one


def test_process_that_is_gone_has_no_cpu_seconds() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(OSError):  # noqa: PT011 - EINVAL or ESRCH, by kernel
        cpu_seconds(child)


def test_private_bytes_grow_with_what_is_written() -> None:
    before = private_bytes(os.getpid())
    with mmap.mmap(-1, 8 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(b"x" * (8 << 20))
        grown = private_bytes(os.getpid()) - before
    assert 7 << 20 <= grown < 24 << 20


def test_others_are_what_is_not_ours() -> None:
    before = Usage(wall=10.0, everybody=100.0, ours=5.0)
    cpus = os.cpu_count() or 1
    after = Usage(wall=12.0, everybody=100.0 + 2.0 * cpus, ours=5.0 + 0.5 * cpus)
    assert after.others_since(before) == 0.75
    # Ticks are coarse: ours can be a little more than all.
    assert Usage(12.0, 101.0, 6.5).others_since(before) == 0.0


def test_usage_counts_this_process_and_its_children() -> None:
    before = usage()
    child = os.fork()
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    after = usage()
    assert after.ours - before.ours >= 0.09
    assert after.everybody >= before.everybody
    assert after.wall > before.wall


def test_sleeping_is_waiting() -> None:
    before = waits(os.getpid())
    for _ in range(3):
        time.sleep(0.001)
    assert waits(os.getpid()) >= before + 3


def test_settle_returns_when_no_time_is_used_any_more() -> None:
    used = iter([0.0, 0.09, 0.09, 0.12, 0.12, 0.1201])
    settle(lambda: next(used))
    assert list(used) == []


def test_machine_is_described() -> None:
    here = describe()
    assert isinstance(here, Machine)
    assert here.cpus == len(os.sched_getaffinity(0))
    assert here.kernel.startswith("Linux ")
    assert here.python.startswith("CPython 3.")
