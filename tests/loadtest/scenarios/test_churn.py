import re

import pytest

from hubbub.loadtest.scenarios.churn import Churn
from tests.loadtest.scenarios.conftest import Play, assert_kept, plan_of


def test_everybody_leaves_several_times_in_a_run() -> None:
    seats = list(Churn().seats(plan_of("churn", clients=20, rooms=4, duration=4.0)))
    assert [seat.name for seat in seats] == list(range(20))
    assert {seat.room for seat in seats} == {0, 1, 2, 3}
    assert {seat.stays for seat in seats} == {0.8}
    assert {seat.roams for seat in seats} == {4}


def test_stays_are_no_longer_in_a_long_run() -> None:
    assert next(Churn().seats(plan_of("churn", duration=600.0))).stays == 3.0


@pytest.mark.slow
def test_nothing_is_lost_while_everybody_comes_and_goes(play: Play) -> None:
    found = play("churn", rate=5.0)
    assert_kept(found)
    joins = re.match(r"([\d,]+) joins in", found.notes[0])
    assert joins is not None
    # A stay of 0.6 s and a pause of 0.25 s, on average, in 3 s.
    assert int(joins[1].replace(",", "")) > 2 * found.clients
    assert len(found.notes) == 1


@pytest.mark.slow
def test_processes_know_of_each_others_senders(play: Play) -> None:
    assert_kept(play("churn", rate=5.0, processes=2, rooms=1, clients=20))
