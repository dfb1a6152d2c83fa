"""The view on a terminal: refreshed in place."""

import os
from typing import TextIO

from rich.console import Console, ConsoleDimensions
from rich.live import Live

from hubbub.loadtest.view.layout import History, render
from hubbub.loadtest.view.progress import Progress


class LiveView:
    """Shows a run on a terminal, in place.

    Draws when it is fed, and only then: no thread, no timer of its own. A terminal
    that goes away ends the drawing, not the run.
    """

    def __init__(self, title: str, stream: TextIO) -> None:
        """Prepare to show a run.

        Args:
            title: what is run, for the first line.
            stream: the terminal.
        """
        self._title = title
        self._stream = stream
        self._history = History()
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=self._console, auto_refresh=False, vertical_overflow="crop"
        )
        self._gone = False
        if hasattr(stream, "reconfigure"):
            # A terminal without a sign shows a "?" rather than nothing.
            stream.reconfigure(errors="replace")

    def __enter__(self) -> "LiveView":
        """Begin to show: hide the cursor."""
        try:
            self._live.start()
        except (OSError, ValueError):
            self._gone = True
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the last look on the terminal, and its cursor shown again."""
        try:
            self._live.stop()
            if not self._gone:
                self._console.print()  # What follows stands apart from it.
        except (OSError, ValueError):
            self._gone = True

    def update(self, progress: Progress) -> None:
        """Draw how the run stands."""
        self._history.add(progress)
        if self._gone:
            return
        try:
            width, height = self._size()
            self._console.size = ConsoleDimensions(width, height)
            look = render(
                self._title,
                progress,
                self._history,
                width,
                height,
                ascii_only=self._console.options.ascii_only,
            )
            self._live.update(look, refresh=True)
        except (OSError, ValueError):
            # EIO after a hangup, EPIPE, or a stream closed behind us.
            self._gone = True

    def _size(self) -> tuple[int, int]:
        """Return columns and lines of our terminal.

        Rich itself would ask whatever terminal the standard streams have.
        """
        try:
            columns, lines = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            columns, lines = 0, 0
        # A terminal nobody told its size, as in some containers, says 0.
        return columns or 80, lines or 24
