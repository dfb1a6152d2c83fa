import pytest

from hubbub.loadtest.results import Results
from hubbub.loadtest.scenarios.kill import Kill
from hubbub.people.problem import Refused
from tests.e2e.conftest import Cluster
from tests.loadtest.scenarios.conftest import (
    MadeUpStage,
    Play,
    assert_kept,
    marks,
    plan_of,
)


def restarts(found: Results) -> int:
    last = found.series[-1].server
    assert last is not None
    return sum(worker.restarts for worker in last.workers)


@pytest.mark.slow
def test_survivors_miss_nothing_while_workers_die(play: Play) -> None:
    found = play("kill", rate=5.0, duration=4.0, processes=2)
    assert_kept(found)
    killed, back = marks(found, "killed"), marks(found, "all back after")
    assert killed
    assert restarts(found) == len(killed)
    assert len(back) == len(killed)
    assert found.notes[0].startswith(f"{len(killed)} worker")
    assert any("ended as was to be expected (lost)" in note for note in found.notes)


@pytest.mark.slow
def test_one_worker_takes_everybody_with_it(play: Play) -> None:
    found = play("kill", duration=2.0, workers=1)
    assert found.lost == found.duplicated == found.closed == 0
    assert found.errors == {}
    assert len(marks(found, "all back after")) == len(marks(found, "killed")) > 0


def test_slots_that_have_died_often_are_spared_for_a_while() -> None:
    kill = Kill()
    for second in (0.0, 1.0, 2.0, 3.0):
        kill._kills.append((second, 7))
    kill._kills.append((3.0, 5))
    assert kill._spared(4.0) == {7}
    assert kill._spared(31.5) == set()


async def test_more_ends_than_the_dead_served_are_held_against_survivors() -> None:
    stage = MadeUpStage(plan_of("kill"))
    kill = Kill()
    kill._killed, kill._served, stage.ended = 1, 50, 50
    await kill.sum_up(stage)
    assert stage.errors == {}
    stage.ended = 53
    await kill.sum_up(stage)
    assert stage.errors == {"lost_by_survivors": 3}


@pytest.mark.slow
def test_only_a_cluster_within_reach_is_accepted(
    cluster: Cluster, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.start("--workers", "1")
    monkeypatch.setenv("HUBBUB_RUN_DIR", str(cluster.run_dir.parent / "nowhere"))
    with pytest.raises(Refused, match="scenario kill acts on the workers"):
        play("kill", url=cluster.url("").rstrip("/"))


@pytest.mark.slow
def test_given_cluster_of_ours_is_accepted(
    cluster: Cluster, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.start("--workers", "2")
    monkeypatch.setenv("HUBBUB_RUN_DIR", str(cluster.run_dir))
    found = play("kill", url=cluster.url(""), duration=2.0, clients=20, rate=10.0)
    killed = len(marks(found, "killed"))
    assert killed > 0
    died = [sum(row["restarts"].values()) for row in cluster.status()["workers"]]
    assert sum(died) == killed
