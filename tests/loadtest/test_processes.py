"""Processes of mass clients, as the run sees them: born, heard, and none left over."""

import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import trio

from hubbub.loadtest.processes import Process, start
from hubbub.loadtest.swarm.client import Seat
from hubbub.loadtest.swarm.swarm import Orders

pytestmark = pytest.mark.slow

Starter = Callable[..., list[Process]]


def orders(**changes: Any) -> Orders:
    given: dict[str, Any] = {
        "address": ("127.0.0.1", 9),
        "host": "x",
        "prefix": "/rooms/load.",
        "size": 100,
        "rate": 1.0,
        "seats": (Seat(0, 0),),
        "returns": None,
        "forgiven": frozenset(),
        "seed": 1,
    }
    return Orders(**(given | changes))


@pytest.fixture
def starting() -> Iterator[Starter]:
    made: list[Process] = []

    def go(count: int = 1, cpu: int | None = None, **changes: Any) -> list[Process]:
        started = start([orders(**changes) for _ in range(count)], cpu)
        made.extend(started)
        return started

    yield go
    for process in made:
        if is_there(process.pid):
            process.end()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def play(process: Process, script: Callable[[], Awaitable[None]]) -> list[str]:
    """Run a script beside what a process tells; return the kinds of that.

    Processes are forked outside of trio, as the run does it.
    """
    kinds: list[str] = []

    async def hear() -> None:
        async for told in process.listen():
            kinds.append(told["is"])

    async def main() -> None:
        process.open()
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(hear)
                await script()
                nursery.cancel_scope.cancel()

    trio.run(main)
    return kinds


def test_process_does_as_it_is_told_and_answers(starting: Starter) -> None:
    (process,) = starting()

    async def script() -> None:
        await process.tell({"do": "ramp", "start": 0, "end": 0})
        await process.tell({"do": "totals"})
        told = await process.wait_for("totals")
        assert told == {"is": "totals", "senders": {}}
        await process.tell({"do": "settle", "senders": {}, "until": 0})
        final = await process.wait_for("final")
        assert final is not None
        # Nobody listens at the address of its orders.
        assert final["errors"] == {"connect_ECONNREFUSED": 1}
        await process.tell({"do": "end"})
        assert await process.wait_for("nothing more") is None

    assert {"totals", "final"} <= set(play(process, script))
    process.end()
    assert not is_there(process.pid)


def test_process_that_is_not_needed_any_more_ends(starting: Starter) -> None:
    # Each is ended while the ones forked after it live on.
    for process in starting(count=3):
        before = time.monotonic()
        process.end()
        assert time.monotonic() - before < 4
        assert not is_there(process.pid)


def test_run_hears_that_a_process_was_killed(starting: Starter) -> None:
    (process,) = starting()

    async def script() -> None:
        os.kill(process.pid, signal.SIGKILL)
        assert await process.wait_for("totals") is None
        assert process.ended
        await process.tell({"do": "totals"})
        assert await process.wait_for("final") is None

    play(process, script)


def test_process_that_stumbles_says_why(
    starting: Starter, capfd: pytest.CaptureFixture[str]
) -> None:
    (process,) = starting()

    async def script() -> None:
        await process.tell({"do": "settle"})
        assert await process.wait_for("final") is None

    play(process, script)
    process.end()
    assert "KeyError: 'senders'" in capfd.readouterr().err


def test_ctrl_c_is_for_the_run_alone(starting: Starter) -> None:
    (process,) = starting()

    async def script() -> None:
        os.kill(process.pid, signal.SIGINT)
        await process.tell({"do": "totals"})
        assert await process.wait_for("totals") is not None

    play(process, script)


def test_process_runs_where_it_is_told_to(starting: Starter) -> None:
    cpu = max(os.sched_getaffinity(0))
    (process,) = starting(cpu=cpu)

    async def script() -> None:
        await process.tell({"do": "totals"})
        await process.wait_for("totals")
        assert os.sched_getaffinity(process.pid) == {cpu}

    play(process, script)


def test_each_answer_is_waited_for_once(starting: Starter) -> None:
    (process,) = starting()

    async def script() -> None:
        for _ in range(2):
            assert "totals" not in process.last
            await process.tell({"do": "totals"})
            assert await process.wait_for("totals") is not None

    play(process, script)
