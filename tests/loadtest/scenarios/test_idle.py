import re

import pytest

from hubbub.loadtest.scenarios.idle import Idle
from tests.loadtest.scenarios.conftest import MadeUpStage, Play, plan_of


async def test_memory_out_of_reach_is_told() -> None:
    stage = MadeUpStage(plan_of("idle"))
    idle = Idle()
    await idle.look(stage)
    await idle.sum_up(stage)
    assert stage.notes == ["the memory of the server is out of reach"]


async def test_what_there_was_before_is_not_counted() -> None:
    stage = MadeUpStage(plan_of("idle"))
    idle = Idle()
    row = {"memory": {"private": 1_000_000}, "connections": 50}
    stage.says = {"workers": [row, row]}
    await idle.look(stage)
    after = {"memory": {"private": 1_500_000}, "connections": 1050}
    stage.says = {"workers": [after, after]}
    await idle.sum_up(stage)
    assert stage.notes == [
        "500 bytes of private memory for each of 2,000 connections",
    ]


@pytest.mark.slow
def test_nobody_speaks_and_memory_is_measured(play: Play) -> None:
    found = play("idle", clients=100, duration=1.0)
    assert found.connected == 100
    assert found.sent == found.received == 0
    assert found.errors == {}
    told = re.fullmatch(
        r"([\d,]+) bytes of private memory for each of (\d+) connections",
        found.notes[0],
    )
    assert told is not None
    # The connection that tried the server out may still have been there before.
    assert 99 <= int(told[2]) <= 100
    # A hundred do not make up for what a worker needs for the first one.
    assert 0 < int(told[1].replace(",", "")) < 50_000
