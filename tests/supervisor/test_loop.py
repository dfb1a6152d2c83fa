"""The poll loop and the signals."""

import os
import signal
from collections.abc import Iterator

import pytest

from hubbub.supervisor.loop import READ, Loop, Signals


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def test_callback_is_called_while_there_is_something_to_read(loop: Loop) -> None:
    reader, writer = os.pipe()
    calls: list[int] = []
    loop.add(reader, READ, calls.append)
    loop.turn(0)
    assert calls == []
    os.write(writer, b"x")
    loop.turn(1)
    loop.turn(1)
    assert calls == [READ, READ]
    loop.remove(reader)
    loop.remove(reader)
    loop.turn(0)
    assert len(calls) == 2
    os.close(reader)
    os.close(writer)


def test_event_of_a_removed_descriptor_never_hits_its_successor(loop: Loop) -> None:
    pipes = [os.pipe(), os.pipe()]
    newcomers: list[int] = []
    hits: list[str] = []

    def swap(mine: int, other: int) -> None:
        # Close the other one, whose event is fetched already; reuse its number.
        loop.remove(other)
        os.close(other)
        newcomer = os.open("/dev/null", os.O_RDONLY)
        assert newcomer == other
        os.dup2(spare[0], newcomer)
        loop.add(newcomer, READ, lambda events: hits.append("newcomer"))
        newcomers.append(newcomer)
        loop.remove(mine)

    spare = os.pipe()
    (one, _), (other, _) = pipes
    loop.add(one, READ, lambda events: swap(one, other))
    loop.add(other, READ, lambda events: swap(other, one))
    for _, writer in pipes:
        os.write(writer, b"x")
    loop.turn(1)
    assert hits == []
    os.write(spare[1], b"x")
    loop.turn(1)
    assert hits == ["newcomer"]
    loop.remove(newcomers[0])
    for fd in {*pipes[0], *pipes[1], *spare}:
        os.close(fd)


def test_signals_are_counted_and_end_a_poll(loop: Loop) -> None:
    with Signals() as signals:
        woken: list[int] = []
        loop.add(signals.fd, READ, woken.append)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGUSR1)
        loop.turn(5)
        assert woken
        counts = signals.take()
        assert counts[signal.SIGTERM] == 2
        assert counts[signal.SIGHUP] == 1
        assert signals.take() == {}
        loop.remove(signals.fd)


def test_signals_puts_back_what_it_found() -> None:
    before = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    with Signals():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    after = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)]
    assert after == before


def test_wait_is_cut_short_by_a_stop_and_by_nothing_else() -> None:
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.wait(0.001) is False
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.wait(60) is True
        assert signals.take()[signal.SIGINT] == 1
