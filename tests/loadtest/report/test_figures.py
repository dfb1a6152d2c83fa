"""Figures drawn from the results."""

from msgspec.structs import replace

from hubbub.loadtest.report.figures import Memory, memory
from hubbub.loadtest.results import Point, Server, Worker
from tests.loadtest.made_up import empty, results


def point(t: float, *workers: tuple[int, int, int]) -> Point:
    """Return a point with workers as (slot, private, restarts)."""
    rows = [
        Worker(slot=slot, private=private, connections=0, restarts=restarts)
        for slot, private, restarts in workers
    ]
    return Point(t=t, connected=0, sent=0, received=0, server=Server(workers=rows))


def test_memory_is_that_of_all_workers_at_its_most() -> None:
    series = [
        point(1.0, (0, 10, 3), (1, 20, 0)),
        point(2.0, (0, 40, 3), (1, 0, 1)),
        Point(t=3.0, connected=0, sent=0, received=0),
        point(4.0, (0, 30, 3), (1, 15, 2)),
    ]
    made = replace(results(), series=series)
    assert memory(made) == Memory(workers=2, private=45, restarts=2)


def test_slot_with_two_workers_is_one() -> None:
    """During a handover a slot has an incumbent and a successor."""
    series = [point(1.0, (0, 10, 0)), point(2.0, (0, 10, 1), (0, 12, 1))]
    found = memory(replace(results(), series=series))
    assert found is not None
    assert (found.workers, found.private, found.restarts) == (1, 22, 1)


def test_server_out_of_reach_has_no_memory() -> None:
    assert memory(results(workers=None)) is None
    assert memory(empty()) is None
