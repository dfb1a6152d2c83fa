import pytest
import trio

from hubbub.loadtest.scenarios.reconnect_storm import ReconnectStorm
from tests.loadtest.scenarios.conftest import (
    MadeUpStage,
    Play,
    assert_kept,
    marks,
    plan_of,
)


@pytest.mark.slow
def test_all_drop_at_once_and_are_back_soon(play: Play) -> None:
    found = play("reconnect-storm", rate=5.0, processes=2)
    assert_kept(found)
    dropped, back = marks(found, "dropped"), marks(found, "all back after")
    assert len(dropped) == len(back) == 2
    assert dropped[0] < back[0] < dropped[1] < back[1]
    assert len(found.notes) == 1
    assert found.notes[0].startswith("all 60 clients were back after 0.")


async def test_who_is_not_back_in_the_end_is_told() -> None:
    stage = MadeUpStage(plan_of("reconnect-storm", clients=400, duration=0.3))
    storm = ReconnectStorm()
    stage.missing = {2: 7}
    with trio.move_on_after(1):
        await storm.act(stage)
    await storm.sum_up(stage)
    assert stage.notes == [
        "all 400 clients were back after 0.05 s",
        "393 of 400 clients were back when the load ended",
    ]
