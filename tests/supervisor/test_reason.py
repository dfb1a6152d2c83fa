"""Reasons, in words."""

import pytest

from hubbub.settings import Settings
from hubbub.supervisor.reason import reason, signal_name, stack_text
from hubbub.supervisor.slot import Exit, Kind


def end(
    kind: Kind,
    code: int | None = None,
    signal: int | None = None,
    killed: bool = False,
) -> Exit:
    return Exit(1, kind, code, signal, killed, 1.0)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (end(Kind.CRASH, code=1), "exited with code 1"),
        (end(Kind.CRASH, signal=9), "killed (SIGKILL); out of memory?"),
        (end(Kind.CRASH, signal=11), "killed by SIGSEGV"),
        (end(Kind.CRASH, signal=40), "killed by signal 40"),
        (end(Kind.WATCHDOG, signal=9), "no heartbeat for 5 s: killed"),
        (end(Kind.BOOT, signal=9), "not ready within 10 s: killed"),
        (end(Kind.CHANNEL, signal=9), "its channel is closed: killed"),
        (end(Kind.PLANNED, code=0), "drained"),
        (end(Kind.PLANNED, signal=9, killed=True), "killed: it was not done in time"),
        (end(Kind.CONFIGURATION, code=3), "exited with code 3: do not restart me"),
    ],
)
def test_reason_of_each_end(how: Exit, text: str) -> None:
    assert reason(how, Settings()) == text


def test_reason_quotes_what_was_wrong_with_the_channel() -> None:
    text = reason(end(Kind.CHANNEL), Settings(), "does not read its channel")
    assert text == "does not read its channel: killed"


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_reason(kind: Kind) -> None:
    assert reason(end(kind, code=1), Settings())


def test_signal_names() -> None:
    assert (signal_name(None), signal_name(15)) == (None, "SIGTERM")


def test_entry_of_a_stopped_process_says_why_it_has_no_stack() -> None:
    late = end(Kind.WATCHDOG, signal=9)
    assert stack_text(late, "Thread 1", stopped=False) == "Thread 1"
    assert "SIGSTOP" in (stack_text(late, "", stopped=True) or "")
    assert stack_text(late, "", stopped=False) == "none: the process wrote none in time"
    assert stack_text(end(Kind.CRASH, code=1), "", stopped=True) is None
