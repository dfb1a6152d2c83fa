"""The view where there is no terminal: a line a second."""

from typing import TextIO

from hubbub.escape import plain
from hubbub.loadtest import wording
from hubbub.loadtest.results import VIOLATIONS
from hubbub.loadtest.view.progress import Progress


def line(progress: Progress) -> str:
    """Write how a run stands as one line."""
    found = progress.latency_ms
    parts = [
        f"{progress.elapsed:5.0f} s {progress.phase:5} {progress.fraction:4.0%}",
        f"{wording.count(progress.connected)} connected",
        f"{wording.short(progress.sent_s)}/s out",
        f"{wording.short(progress.received_s)}/s in",
    ]
    if found:
        figures = [found.p50, found.p99, found.max]
        told = "/".join(wording.digits(figure) for figure in figures)
        parts.append(f"p50/p99/max {told} ms")
    parts.append(f"lag {wording.latency(progress.lag_ms_max)}")
    counts = [(name, progress.totals.get(name, 0)) for name in (*VIOLATIONS, "closed")]
    parts += [f"{wording.count(number)} {name}" for name, number in counts if number]
    if errors := sum(progress.errors.values()):
        parts.append(wording.many(errors, "error"))
    return ", ".join(parts)


class PlainView:
    """Writes a line a second, and one for every note.

    A reader that goes away ends the writing, not the run.
    """

    def __init__(self, stream: TextIO) -> None:
        """Prepare to write to `stream`."""
        self._stream = stream
        self._last = (-1, "")
        self._note = ""
        self._gone = False

    def __enter__(self) -> "PlainView":
        """Begin."""
        return self

    def __exit__(self, *error: object) -> None:
        """End: every line is written already."""

    def update(self, progress: Progress) -> None:
        """Write how the run stands, once a second and when a phase begins."""
        lines = []
        if progress.note != self._note:
            self._note = progress.note
            if progress.note:
                lines.append(f"{progress.elapsed:5.0f} s {plain(progress.note)}")
        now = (int(progress.elapsed), progress.phase)
        if now != self._last:
            self._last = now
            lines.append(line(progress))
        if lines:
            self._write("".join(f"{one}\n" for one in lines))

    def _write(self, text: str) -> None:
        if self._gone:
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except (OSError, ValueError):
            self._gone = True
