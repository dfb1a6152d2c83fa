"""The logger as the rest of Hubbub uses it."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hubbub.logs import Log, open_log
from hubbub.logs.render import json_form
from hubbub.logs.sink import LONGEST, Sink

TALK = """
from hubbub.logs import make_log
log = make_log("supervisor", cluster="c1")
log.info("listening", port=80, room="a\\x1b[2J\\nb")
"""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def log(pipe: tuple[int, int]) -> Log:
    return open_log("worker 0/3", pipe[1], json_form, cluster="c1")


def events(pipe: tuple[int, int]) -> list[dict[str, object]]:
    return [json.loads(line) for line in os.read(pipe[0], 1 << 16).splitlines()]


def test_event_carries_time_level_process_and_bound_fields(
    log: Log, pipe: tuple[int, int]
) -> None:
    log.bind(slot=0).warning("slow", room="lobby")
    (found,) = events(pipe)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(found.pop("timestamp"))
    )
    assert found == {
        "level": "warning",
        "process": "worker 0/3",
        "event": "slow",
        "cluster": "c1",
        "slot": 0,
        "room": "lobby",
    }


@pytest.mark.parametrize("level", ["info", "warning", "error", "critical"])
def test_level_is_the_method(log: Log, pipe: tuple[int, int], level: str) -> None:
    getattr(log, level)("x")
    assert events(pipe)[0]["level"] == level


def test_debug_is_not_written_by_default(log: Log, pipe: tuple[int, int]) -> None:
    log.debug("x")
    log.info("y")
    assert [one["event"] for one in events(pipe)] == ["y"]


def test_field_cannot_replace_what_a_line_begins_with(
    log: Log, pipe: tuple[int, int]
) -> None:
    log.info("real", event="forged", level="forged", timestamp="forged")
    (found,) = events(pipe)
    assert found["event"] == "real"
    assert found["level"] == "info"
    assert found["timestamp"] != "forged"


def test_stack_is_a_field_of_one_line(log: Log, pipe: tuple[int, int]) -> None:
    try:
        raise ValueError("bad\ninput")
    except ValueError:
        log.error("failed", exc_info=True)
    (found,) = events(pipe)
    assert "test_log.py" in str(found["exception"])
    assert str(found["exception"]).endswith("ValueError: bad\ninput\n")


def test_flood_is_cut_and_counted(log: Log, pipe: tuple[int, int]) -> None:
    for number in range(1000):
        log.info("flood", number=number)
    log.info("other")
    log.flush(final=True)
    found = events(pipe)
    assert [one["event"] for one in found] == ["flood"] * 10 + ["other", "suppressed"]
    assert found[-1]["of"] == "flood"
    assert found[-1]["count"] == 990
    log.flush(final=True)
    log.info("end")
    assert [one["event"] for one in events(pipe)] == ["end"]


def test_dropped_lines_are_counted_and_told_later(
    log: Log, pipe: tuple[int, int]
) -> None:
    filler = Sink(pipe[1])
    while filler.write(b"x" * (LONGEST - 1) + b"\n"):
        pass
    log.info("one")
    log.info("two")
    # Each call tried to tell of the lines before it, too.
    assert log.dropped == 3
    os.read(pipe[0], 1 << 16)
    log.info("three")
    found = events(pipe)
    assert [one["event"] for one in found] == ["lines_dropped", "three"]
    assert found[0]["count"] == 2


def test_logger_is_as_good_after_a_fork(log: Log, pipe: tuple[int, int]) -> None:
    log.info("parent")
    if (child := os.fork()) == 0:
        os.closerange(3, pipe[1])  # as a worker does with what is not its own
        log.info("child")
        os._exit(0 if log.dropped == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [one["event"] for one in events(pipe)] == ["parent", "child"]


def test_stderr_that_is_no_terminal_gets_json() -> None:
    done = subprocess.run([sys.executable, "-c", TALK], stderr=subprocess.PIPE)
    found = json.loads(done.stderr)
    assert found["process"] == "supervisor"
    assert found["room"] == "a\x1b[2J\nb"


@pytest.mark.parametrize("plain", [True, False])
def test_stderr_that_is_a_terminal_gets_text(plain: bool) -> None:
    environ = {**os.environ, "TERM": "xterm"}
    environ.pop("NO_COLOR", None)
    if plain:
        environ["NO_COLOR"] = "1"
    master, slave = pty.openpty()
    talk = TALK.replace("log.info", "log.warning")
    subprocess.run([sys.executable, "-c", talk], stderr=slave, env=environ)
    text = os.read(master, 4096).decode()
    os.close(master)
    os.close(slave)
    assert 'listening  cluster=c1 port=80 room="a\\x1b[2J\\nb"' in text
    assert ("\x1b" in text) is not plain


@pytest.mark.parametrize("target", ["/dev/full", "closed"])
def test_process_outlives_a_stderr_that_takes_nothing(target: str) -> None:
    talk = TALK + "print(log.dropped)"
    shell = "2>&-" if target == "closed" else f"2>{target}"
    done = subprocess.run(
        f"\"{sys.executable}\" -c '{talk}' {shell}",
        shell=True,
        stdout=subprocess.PIPE,
        check=True,
    )
    assert done.stdout == b"1\n"
