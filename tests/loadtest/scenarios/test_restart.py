import pytest

from hubbub.loadtest.scenarios.restart import Restart
from tests.loadtest.scenarios.conftest import (
    MadeUpStage,
    Play,
    assert_kept,
    marks,
    plan_of,
)


@pytest.mark.slow
def test_every_worker_is_replaced_and_nobody_misses_anything(play: Play) -> None:
    found = play("restart", rate=5.0, duration=4.0, processes=2)
    assert_kept(found)
    last = found.series[-1].server
    assert last is not None
    assert [worker.restarts for worker in last.workers] == [1, 1]
    [begun], [back] = marks(found, "rolling restart"), marks(found, "all back after")
    assert begun < back
    assert found.notes[0].startswith("2 workers were replaced in ")
    assert found.notes[1].startswith("all clients were back after ")
    assert any("ended as was to be expected (closed 10" in note for note in found.notes)


async def test_restart_that_is_not_over_is_told() -> None:
    stage = MadeUpStage(plan_of("restart"))
    restart = Restart()
    await restart.sum_up(stage)
    assert stage.notes == []
    restart._begun = True
    await restart.sum_up(stage)
    assert stage.notes == ["the rolling restart was not over when the load ended"]
