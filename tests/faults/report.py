"""The report of a scenario: what was done, each figure beside its limit."""

from dataclasses import dataclass, field

_WIDEST = 40
"""Characters of a column; what is longer moves the rest of its line."""


@dataclass(frozen=True)
class Line:
    """One figure."""

    name: str
    measured: str
    limit: str
    """Empty: for information."""
    good: bool


@dataclass
class Report:
    """Figures of one run of a scenario, in the order in which they were taken."""

    name: str
    done: str
    """What was broken, in a few words."""
    crowd: str = ""
    """Who was connected meanwhile."""
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Examples of what was wrong."""
    finished: bool = False
    """Whether the scenario came to its end."""

    def tell(self, name: str, value: object, unit: str = "") -> None:
        """Print a figure that has no limit."""
        self.lines.append(Line(name, _text(value, unit), "", True))

    def at_most(self, name: str, value: float, limit: float, unit: str = "") -> None:
        """Print a figure that may be `limit` and no more."""
        good = value <= limit  # False for NaN: nothing measured proves nothing.
        text = f"≤ {_text(limit, unit)}"
        self.lines.append(Line(name, _text(value, unit), text, good))

    def at_least(self, name: str, value: float, limit: float, unit: str = "") -> None:
        """Print a figure that may be `limit` and no less."""
        good = value >= limit
        text = f"≥ {_text(limit, unit)}"
        self.lines.append(Line(name, _text(value, unit), text, good))

    def equal(self, name: str, value: object, wanted: object) -> None:
        """Print a figure that must be `wanted`."""
        text = _text(wanted, "")
        self.lines.append(Line(name, _text(value, ""), text, value == wanted))

    @property
    def failed(self) -> list[Line]:
        return [line for line in self.lines if not line.good]

    def head(self) -> str:
        """Return the one line that says how it went."""
        count = len(self.failed)
        how = f"{count} of {len(self.lines)} FAILED" if count else "ok"
        if not self.finished:
            how = "broke off"
        return f"{self.name}: {self.done}: {how}"

    def text(self) -> str:
        """Return the block that is printed."""
        rows = [(one.name, one.measured, one.limit) for one in self.lines]
        wide = [
            max((min(len(row[at]), _WIDEST) for row in rows), default=0)
            for at in range(3)
        ]
        head = [self.head()]
        if self.crowd:
            head.append(f"  {self.crowd}")
        body = [
            f"  {one.name:<{wide[0]}}  {one.measured:>{wide[1]}}  "
            f"{one.limit:<{wide[2]}}  {_verdict(one)}".rstrip()
            for one in self.lines
        ]
        return "\n".join([*head, *body, *(f"  ! {note}" for note in self.notes)])


def _verdict(line: Line) -> str:
    if not line.good:
        return "FAILED"
    return "ok" if line.limit else ""


def _text(value: object, unit: str) -> str:
    if isinstance(value, float):
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        text = f"{value:.{digits}f}"
    elif isinstance(value, int) and not isinstance(value, bool):
        text = f"{value:,}"
    else:
        text = str(value)
    return f"{text} {unit}".rstrip()
