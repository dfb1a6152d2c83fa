"""Readings of workers, from a real scoreboard."""

import os
from collections.abc import Iterator

import pytest

from hubbub.server.stats.layout import State as Said
from hubbub.server.stats.scoreboard import Scoreboard
from hubbub.settings import Restarts
from hubbub.supervisor.gauges import Gauges
from hubbub.supervisor.link import Identity
from hubbub.supervisor.slot import Event, Slot


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    board = Scoreboard.create(1)
    yield board
    os.close(board.fd)


@pytest.fixture
def slot() -> Slot:
    slot = Slot(0, Restarts())
    slot.want(0)
    slot.handle(Event.FORK, 0)
    return slot


def publish(board: Scoreboard, generation: int, **values: int) -> None:
    facts = {"pid": 1, "generation": generation, "state": Said.READY}
    board.record(0, generation).publish({**facts, **values})


def test_reading_of_an_earlier_generation_is_nobodys(
    board: Scoreboard, slot: Slot
) -> None:
    gauges = Gauges([slot], board)
    assert gauges.readings() == {}
    publish(board, 3, heartbeat=5)  # same parity, another worker
    assert gauges.readings() == {}
    assert gauges.heartbeat(0, 1) == 0.0
    publish(board, 1, heartbeat=2_500_000_000)
    assert gauges.readings()[Identity(0, 1)]["generation"] == 1
    assert gauges.heartbeat(0, 1) == 2.5


def test_cpu_percent_is_the_difference_of_two_samples(
    board: Scoreboard, slot: Slot
) -> None:
    gauges = Gauges([slot], board)
    who = Identity(0, 1)
    publish(board, 1, cpu=1_000_000_000)
    gauges.sample(10.0)
    assert gauges.cpu_percent == {}
    publish(board, 1, cpu=2_000_000_000)
    gauges.sample(10.9)  # too early
    assert gauges.cpu_percent == {}
    gauges.sample(12.0)
    assert gauges.cpu_percent == {who: pytest.approx(50.0)}
    gauges.sample(13.0)
    assert gauges.cpu_percent == {who: 0.0}
