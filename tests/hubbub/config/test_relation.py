"""Each relation: the last pair that holds, the first that does not."""

from pathlib import Path

import pytest

from hubbub.config import ConfigError, load
from hubbub.config.load import from_assignment
from hubbub.config.relation import RELATIONS, check_kernel
from hubbub.config.table import ENTRIES

NOWHERE = Path("/nonexistent")

# (settings that hold, the one that no longer does, the sentence)
ROWS = [
    (
        ["limits.outbox=2MiB", "limits.outbox_budget=2MiB"],
        "limits.outbox_budget=2097151",
        "--set: limits.outbox (2 MiB) must not be above limits.outbox_budget "
        "(2097151 bytes): one connection could use up what all share",
    ),
    (
        ["limits.outbox=256KiB", "limits.message=255KiB"],
        "limits.message=261121",
        "--set: limits.message (261121 bytes) and 1 KiB of framing must fit into "
        "limits.outbox (256 KiB): a member that is busy for a moment could never be "
        "sent such a message",
    ),
    (
        ["limits.link=66561", "limits.message=64KiB"],
        "limits.link=65KiB",
        "--set: limits.message (64 KiB) and 1 KiB of framing must be less than "
        "limits.link (65 KiB): one message would cut the link between two workers",
    ),
    (
        ["limits.request_line=9000", "limits.header_bytes=9000"],
        "limits.request_line=9001",
        "--set: limits.request_line (9001 bytes) must not be above "
        "limits.header_bytes (9000 bytes): the line is part of the head",
    ),
    (
        ["heartbeat.interval=10"],
        "heartbeat.interval=9.9",
        "--set: heartbeat.timeout (10 s) must not be above heartbeat.interval "
        "(9.9 s): the next ping would be due before the verdict",
    ),
    (
        ["drain.grace=10"],
        "drain.grace=9",
        "--set: drain.pace (10 s) must not be above drain.grace (9 s): "
        "the drain would end before all are told",
    ),
    (
        ["watchdog.late=1"],
        "watchdog.late=0.9",
        "--set: watchdog.late (0.9 s) must be at least 1 s: a worker beats every "
        "0.25 s, and a busy moment is not a death",
    ),
    (
        ["restarts.pause=5"],
        "restarts.pause=5.1",
        "--set: restarts.pause (5.1 s) must not be above restarts.cap (5 s): "
        "the first pause is the shortest",
    ),
    (
        ["echo=true", "host=::1"],
        "host=::",
        "--set: echo lifts the limits and is for this machine only, "
        "but host (::) is not loopback",
    ),
    (
        ["faults=true", "host=localhost"],
        "host=example.com",
        "--set: faults lets anybody with the run directory break workers and is for "
        "this machine only, but host (example.com) is not loopback",
    ),
]


@pytest.mark.parametrize(("holding", "breaking", "sentence"), ROWS)
def test_relation_holds_up_to_its_edge(
    holding: list[str], breaking: str, sentence: str
) -> None:
    flags = [from_assignment(one) for one in holding]
    load(flags, environ={}, directory=NOWHERE)
    with pytest.raises(ConfigError) as caught:
        load([*flags, from_assignment(breaking)], environ={}, directory=NOWHERE)
    assert str(caught.value) == sentence


def test_every_relation_is_tested() -> None:
    assert len(ROWS) == len(RELATIONS)
    assert {key for one in RELATIONS for key in one.keys} <= set(ENTRIES)


def test_source_is_the_setting_that_somebody_gave() -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ={"HUBBUB_LIMITS_OUTBOX_BUDGET": "4KiB"}, directory=NOWHERE)
    assert caught.value.source == "HUBBUB_LIMITS_OUTBOX_BUDGET"


@pytest.mark.parametrize(
    ("figure", "fits"), [("65536\n", True), ("65535\n", False), ("?", True)]
)
def test_kernel_grants_the_socket_buffer(
    tmp_path: Path, figure: str, fits: bool
) -> None:
    path = tmp_path / "wmem_max"
    path.write_text(figure)
    found = load(environ={}, directory=tmp_path)
    if fits:
        check_kernel(found.settings, found.sources, path)
    else:
        with pytest.raises(ConfigError, match=r"^limits.kernel_buffer .* is 65535$"):
            check_kernel(found.settings, found.sources, path)


def test_kernel_without_the_figure_is_believed(tmp_path: Path) -> None:
    found = load(environ={}, directory=tmp_path)
    check_kernel(found.settings, found.sources, tmp_path / "absent")
