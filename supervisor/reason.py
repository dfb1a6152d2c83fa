"""Why a worker ended, in words. Pure."""

import signal

from hubbub.settings import Settings
from hubbub.supervisor.slot import Exit, Kind


def signal_name(number: int | None) -> str | None:
    """Return a signal's name; None for None."""
    if number is None:
        return None
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def reason(end: Exit, settings: Settings, trouble: str = "") -> str:
    """Say in one line why a worker ended.

    Args:
        end: how it ended.
        settings: the settings whose limits are quoted.
        trouble: what was wrong with its channel.
    """
    match end.kind:
        case Kind.WATCHDOG:
            return f"no heartbeat for {settings.watchdog.late:g} s: killed"
        case Kind.BOOT:
            return f"not ready within {settings.restarts.boot:g} s: killed"
        case Kind.CHANNEL:
            return f"{trouble or 'its channel is closed'}: killed"
        case Kind.CONFIGURATION:
            return "exited with code 3: do not restart me"
        case Kind.MEMORY:
            return "its memory was above the hard ceiling: left"
        case Kind.LEFT:
            return "drained by itself: somebody sent it SIGTERM?"
        case Kind.PLANNED:
            return "killed: it was not done in time" if end.killed else "drained"
        case Kind.NO_FORK:
            return "was not forked"
        case Kind.CRASH:
            if end.signal is None:
                return f"exited with code {end.code}"
            if end.signal == signal.SIGKILL:
                return "killed (SIGKILL); out of memory?"
            return f"killed by {signal_name(end.signal)}"


def stack_text(end: Exit, stack: str, stopped: bool) -> str | None:
    """Return the `stack` of a journal entry; None: there is nothing to say."""
    if end.kind is not Kind.WATCHDOG:
        return stack or None
    if stack:
        return stack
    if stopped:
        return "none: the process was stopped (SIGSTOP), so it could not write one"
    return "none: the process wrote none in time"
