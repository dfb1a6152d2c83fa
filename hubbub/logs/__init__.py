"""Structured logs: readable on a terminal, JSON lines elsewhere, always to stderr.

`make_log("supervisor")` is the way in. What every part of Hubbub may rely on:

- A log call never raises and never waits. What the other end does not take at
  once (a full disk, a closed pipe, a reader that stopped) is dropped and counted.
- One event is one line of at most 4,096 bytes, and nothing in it gets out raw: a
  stranger's room name can neither forge a line nor repaint a terminal.
- An event logged more often than ten times a second is cut and its rest counted.
- No thread, no lock, no file descriptor of its own: a logger is as good after a
  fork as before it.
"""

from .log import Log, make_log, open_log

__all__ = ["Log", "make_log", "open_log"]
