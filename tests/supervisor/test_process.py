"""What is held of one worker, with a real child in the worker's place."""

import os
import resource
import signal
from collections.abc import Iterator

import pytest

from hubbub.supervisor.link import Identity
from hubbub.supervisor.loop import Loop
from hubbub.supervisor.process import STACK_LIMIT, Process


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def process(loop: Loop) -> Iterator[Process]:
    process = Process(Identity(0, 1), loop, lambda: None)
    yield process
    process.close()
    process.their_channel.close()
    os.close(process.their_dump)


def test_stack_is_bounded_and_its_writer_never_blocked(
    process: Process, loop: Loop
) -> None:
    assert process.stack == ""
    for _ in range(8):
        os.write(process.their_dump, b"x" * (STACK_LIMIT // 2))
        loop.turn(1)
    assert process.stack == "x" * STACK_LIMIT


def test_stack_of_an_earlier_time_is_forgotten(process: Process) -> None:
    os.write(process.their_dump, b"old")
    process.dump()
    os.write(process.their_dump, b"new \xff")
    process.read_stack()
    assert process.stack == "new \ufffd"


def test_kill_notes_whether_the_process_was_stopped(process: Process) -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    process.born(child)
    process.signal(signal.SIGSTOP)
    os.waitpid(child, os.WUNTRACED)
    process.kill()
    assert process.stopped
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_signal_to_a_process_that_was_never_born_is_none(process: Process) -> None:
    process.kill()
    assert not process.stopped


def test_without_descriptors_nothing_is_made_and_nothing_left(loop: Loop) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    top = max(map(int, os.listdir("/proc/self/fd")))
    # No gap is left under the limit but `spare` numbers.
    fillers = [os.open("/dev/null", os.O_RDONLY)]
    while fillers[-1] <= top:
        fillers.append(os.open("/dev/null", os.O_RDONLY))
    before = os.listdir("/proc/self/fd")
    for spare in range(4):
        resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1] + 1 + spare, hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                Process(Identity(0, 1), loop, lambda: None)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert os.listdir("/proc/self/fd") == before
    for filler in fillers:
        os.close(filler)


def test_without_a_pidfd_signals_still_arrive(process: Process) -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        process.born(child)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    process.kill()
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_close_tells_the_other_side_and_is_harmless_twice(process: Process) -> None:
    process.close()
    process.close()
    assert process.their_channel.recv(1) == b""
