"""The logger itself: structlog's bound logger over a sink that never blocks."""

import os
import sys
import time
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, cast

import structlog

from .flood import Flood
from .render import Form, coloured_form, json_form, line, readable_form
from .sink import Sink

_LEVELS = ("debug", "info", "warning", "error", "critical")
STDERR = 2


class Output:
    """What all loggers of one process share: where lines go, what is held back."""

    def __init__(self, fd: int, form: Form, least: str = "info") -> None:
        """Write lines in this form to `fd`, from level `least` up."""
        self.sink = Sink(fd)
        self.form = form
        self.flood = Flood()
        self.least = _LEVELS.index(least)
        self.untold = 0
        """Dropped lines that no later line has told of yet."""

    def write(self, data: bytes) -> bool:
        """Write a line; count it if that is not possible now."""
        if self.sink.write(data):
            return True
        self.untold += 1
        return False


class Log(structlog.BoundLoggerBase):
    """A logger with fields bound to it; `bind` returns one with more.

    Guarantees: no method raises, waits, or writes more than one line for its event.
    """

    def debug(self, event: str, /, **fields: object) -> None:
        """Log what only a developer wants to see."""
        self._log("debug", event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Log something that happened as it should."""
        self._log("info", event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Log something that an operator may want to look at."""
        self._log("warning", event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Log something that failed; `exc_info=True` or an exception adds its stack."""
        self._log("error", event, fields)

    def critical(self, event: str, /, **fields: object) -> None:
        """Log why the process cannot go on."""
        self._log("critical", event, fields)

    @property
    def dropped(self) -> int:
        """Lines that this process could not write: disk full, reader gone or stuck."""
        return self._output.sink.dropped

    def flush(self, final: bool = False) -> None:
        """Tell what was suppressed, if no later event has caused it to be told.

        Call it now and then, and once with `final` before the process ends.
        """
        self._tell_held_back(time.monotonic(), final)

    @property
    def _output(self) -> Output:
        return cast(Output, self._logger)

    def _log(self, level: str, event: str, fields: dict[str, object]) -> None:
        if _LEVELS.index(level) < self._output.least:
            return
        now = time.monotonic()
        self._tell_held_back(now, False)
        if self._output.flood.admit(event, now):
            self._emit(level, event, fields)

    def _tell_held_back(self, now: float, final: bool) -> None:
        for name, count in self._output.flood.take_suppressed(now, final):
            self._emit("warning", "suppressed", {"of": name, "count": count})
        if untold := self._output.untold:
            # If this line is dropped too, it adds itself: start from what it told.
            self._output.untold = 0
            if not self._emit("warning", "lines_dropped", {"count": untold}):
                self._output.untold = untold

    def _emit(self, level: str, event: str, fields: dict[str, object]) -> bool:
        (data,), _ = self._process_event(level, event, fields)
        return self._output.write(data)


def _add_stack(
    logger: Any, level: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    given = event_dict.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        event_dict["exception"] = "".join(traceback.format_exception(error))
    return event_dict


def _add_facts(
    logger: Any, level: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    event_dict["timestamp"] = now.removesuffix("+00:00") + "Z"
    event_dict["level"] = level
    event_dict.setdefault("process", "hubbub")
    return event_dict


def _render(logger: Any, level: str, event_dict: MutableMapping[str, Any]) -> bytes:
    return line(event_dict, cast(Output, logger).form)


def make_log(name: str, /, **fields: object) -> Log:
    """Make the logger of a process; it writes to stderr.

    Args:
        name: The process: "supervisor", "worker 0/3".
        fields: What every line shall carry besides.
    """
    if not _is_terminal(STDERR):
        return open_log(name, STDERR, json_form, **fields)
    coloured = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    form = coloured_form if coloured else readable_form
    return open_log(name, STDERR, form, **fields)


def open_log(name: str, fd: int, form: Form, /, **fields: object) -> Log:
    """Make a logger that writes to `fd` in this form.

    Args:
        name: The process.
        fd: A descriptor, which stays the caller's.
        form: `json_form`, `readable_form` or `coloured_form` of `hubbub.logs.render`.
        fields: What every line shall carry besides.
    """
    return Log(
        Output(fd, form),
        [_add_stack, _add_facts, _render],
        {**fields, "process": name},
    )


def _is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False
