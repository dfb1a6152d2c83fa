import pytest

from hubbub.loadtest.scenarios.slow_readers import SlowReaders
from tests.loadtest.scenarios.conftest import (
    MadeUpStage,
    Play,
    assert_kept,
    marks,
    plan_of,
)


def test_a_tenth_sleeps_and_never_who_speaks() -> None:
    plan = plan_of("slow-readers", clients=60, rooms=12)
    seats = list(SlowReaders().seats(plan))
    assert [seat.name for seat in seats if seat.speaks] == list(range(12))
    asleep = [seat.name for seat in seats if seat.sleeps]
    assert asleep == [19, 29, 39, 49, 59]


async def test_server_whose_status_is_out_of_reach_is_told() -> None:
    stage = MadeUpStage(plan_of("slow-readers"))
    slow = SlowReaders()
    await slow.look(stage)
    await slow.sum_up(stage)
    assert stage.notes == ["what the server did with slow readers is out of reach"]


async def test_only_those_of_this_run_are_counted() -> None:
    stage = MadeUpStage(plan_of("slow-readers", clients=40))
    slow = SlowReaders()
    list(slow.seats(stage.plan))
    limits = {"outbox": 7, "budget": 0, "stalled": 1}
    stage.says = {"workers": [{"slow_closed_by": limits}, {"slow_closed_by": limits}]}
    await slow.look(stage)
    limits["outbox"] += 2
    await slow.sum_up(stage)
    note = "the server closed 4 of 4 slow readers (outbox 18, stalled 2)"
    assert stage.notes == [note]


@pytest.mark.slow
def test_others_miss_nothing_while_some_stop_reading(play: Play) -> None:
    found = play(
        "slow-readers", clients=40, rooms=1, rate=300.0, duration=4.0, size=8192
    )
    assert_kept(found)
    assert len(marks(found, "4 clients stop reading")) == 1
    assert found.notes == [
        "the server closed 4 of 4 slow readers (outbox 4)",
        "4 connections ended as was to be expected (ended asleep)",
    ]
    assert found.series[-1].connected == 36
