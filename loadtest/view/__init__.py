"""A load test while it runs: a live view on a terminal, else a line a second."""

from typing import TextIO

from rich.console import Console

from .live import LiveView
from .plain import PlainView
from .progress import PHASES, Progress, View

__all__ = ["PHASES", "LiveView", "PlainView", "Progress", "View", "open_view"]


def open_view(title: str, stream: TextIO) -> View:
    """Return the view that fits a stream: live on a terminal that can, else plain.

    Args:
        title: what is run, for the first line of the live view.
        stream: where to.
    """
    console = Console(file=stream)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveView(title, stream)
    return PlainView(stream)
