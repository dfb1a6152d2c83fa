"""The live view, on pseudo terminals."""

import fcntl
import io
import os
import pty
import re
import select
import struct
import termios
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest

from hubbub.loadtest.view import LiveView, PlainView, open_view
from tests.loadtest.view.looks import look

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A pseudo terminal: what programs write to, and what they wrote."""

    def __init__(self, columns: int = 80, lines: int = 24, encoding: str = "utf-8"):
        self._master, slave = pty.openpty()
        self.stream: TextIO = os.fdopen(slave, "w", encoding=encoding)
        self.resize(columns, lines)

    def resize(self, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def written(self) -> str:
        """Return what was written since the last call."""
        self.stream.flush()
        data = b""
        while select.select([self._master], [], [], 0.05)[0]:
            data += os.read(self._master, 65536)
        return data.decode()

    def hang_up(self) -> None:
        """Close the other side, as a window that is closed."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def close(self) -> None:
        self.hang_up()
        try:
            self.stream.close()
        except OSError:
            pass  # What was still to be written had nobody to be read by.


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a terminal of today says of itself."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def open_terminal() -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def open_terminal(*args: int, encoding: str = "utf-8") -> Terminal:
        made.append(Terminal(*args, encoding=encoding))
        return made[-1]

    yield open_terminal
    for terminal in made:
        terminal.close()


OpenTerminal = Callable[..., Terminal]


def test_view_is_drawn_in_place(open_terminal: OpenTerminal) -> None:
    terminal = open_terminal()
    with LiveView("hubbub load", terminal.stream) as view:
        view.update(look(connected=1234))
        first = terminal.written()
        view.update(look(connected=5678))
        second = terminal.written()
    last = terminal.written()
    assert "1,234" in first
    assert "1,234" not in second
    assert "5,678" in second
    lines = ESCAPES.sub("", first).count("\n")
    assert second.count("\x1b[1A") == lines  # Back up to its first line.
    assert "\x1b[?25l" in first
    assert last.endswith("\x1b[?25h\r\n")
    assert "\x1b[?1049h" not in first  # No alternate screen: it stays readable.


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (20, 5), (3, 2), (1, 1), (0, 0)])
def test_terminal_of_any_size_is_drawn_on(
    open_terminal: OpenTerminal, size: tuple[int, int]
) -> None:
    terminal = open_terminal(*size)
    with LiveView("hubbub load", terminal.stream) as view:
        view.update(look())
        drawn = ESCAPES.sub("", terminal.written())
    columns, height = size if all(size) else (80, 24)
    lines = drawn.replace("\r", "").split("\n")
    assert max(map(len, lines)) <= columns
    assert len(lines) <= height
    assert lines[0].startswith("hubbub load"[: columns - 6] if columns > 20 else "")


def test_terminal_may_change_its_size(open_terminal: OpenTerminal) -> None:
    terminal = open_terminal(120, 40)
    with LiveView("hubbub load", terminal.stream) as view:
        view.update(look())
        wide = ESCAPES.sub("", terminal.written())
        terminal.resize(40, 10)
        view.update(look())
        narrow = ESCAPES.sub("", terminal.written())
    assert max(map(len, wide.splitlines())) > 80
    assert max(map(len, narrow.splitlines())) <= 40


def test_terminal_that_goes_away_does_not_end_the_run(
    open_terminal: OpenTerminal,
) -> None:
    terminal = open_terminal()
    with LiveView("hubbub load", terminal.stream) as view:
        view.update(look())
        terminal.hang_up()
        for second in range(5):
            view.update(look(elapsed=20.0 + second))


def test_terminal_that_is_gone_before_does_not_end_the_run(
    open_terminal: OpenTerminal,
) -> None:
    terminal = open_terminal()
    terminal.hang_up()
    with LiveView("hubbub load", terminal.stream) as view:
        view.update(look())


def test_terminal_without_our_signs_is_drawn_on(open_terminal: OpenTerminal) -> None:
    terminal = open_terminal(encoding="ascii")
    with LiveView("hubbub load  naïve", terminal.stream) as view:
        for second in range(3):
            view.update(look(elapsed=float(second), note="☃"))
    drawn = terminal.written()
    assert drawn.isascii()
    assert "na?ve" in drawn


def test_view_fits_the_stream(
    open_terminal: OpenTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = open_terminal()
    assert isinstance(open_view("", terminal.stream), LiveView)
    assert isinstance(open_view("", io.StringIO()), PlainView)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_view("", terminal.stream), PlainView)
