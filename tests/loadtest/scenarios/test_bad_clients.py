import re

import pytest

from hubbub.loadtest.misdeeds import MISDEEDS
from hubbub.loadtest.results import Results
from hubbub.loadtest.scenarios.bad_clients import BadClients
from tests.loadtest.scenarios.conftest import (
    MadeUpStage,
    Play,
    assert_kept,
    marks,
    plan_of,
)


def answers(found: Results, kind: str) -> dict[str, int]:
    [note] = [note for note in found.notes if note.startswith(f"{kind}: ")]
    told = note.removeprefix(f"{kind}: ")
    return {
        answer: int(count) for answer, count in re.findall(r"([\w ]+) \((\d+)\)", told)
    }


@pytest.mark.slow
def test_healthy_crowd_misses_nothing_beside_bad_clients(play: Play) -> None:
    found = play("bad-clients", rate=5.0, duration=4.0)
    assert_kept(found)
    assert len(marks(found, "bad clients of 12 kinds begin")) == 1
    for kind, answer in {
        "no HTTP": "HTTP 400",
        "half a handshake": "left",
        "bad upgrade": "HTTP 426",
        "endless header": "HTTP 431",
        "garbage frames": "closed 1002",
        "unmasked frame": "closed 1002",
        "oversized frame": "closed 1009",
        "bad UTF-8": "closed 1007",
        "endless fragments": "closed 1009",
        "message flood": "held back",
        "ping flood": "held back",
    }.items():
        told = answers(found, kind)
        assert list(told) == [answer], kind
        assert told[answer] >= (1 if "flood" in kind else 5), kind


async def test_misdeed_without_an_answer_yet_is_told() -> None:
    stage = MadeUpStage(plan_of("bad-clients"))
    bad = BadClients()
    bad._answers = {"garbage": {"closed 1002": 2, "cut off": 3000}, "flood": {}}
    await bad.sum_up(stage)
    assert stage.notes == [
        "garbage: cut off (3,000), closed 1002 (2)",
        "flood: no answer yet",
    ]


def test_every_misdeed_has_a_name_of_its_own() -> None:
    assert len(set(MISDEEDS.values())) == len(MISDEEDS) == 12
