"""Scales of plots: where a value lies, and which values an axis names. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
"""Steps in seconds that people count in."""
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis: a range of values, and the ticks it names."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    """(value, label), in rising order, within the range."""
    logarithmic: bool = False

    def part(self, value: float) -> float:
        """Return where a value lies: 0 at the low end, 1 at the high one.

        Values beyond an end lie at that end.
        """
        low, high = self.low, self.high
        if self.logarithmic:
            low, high = math.log(low), math.log(high)
            value = math.log(max(value, self.low))
        return min(1.0, max(0.0, (value - low) / (high - low)))


def counts(most: float) -> Scale:
    """Return an axis of counts, from 0 to a round number not below `most`."""
    step = _round_step(max(most, 4.0) / 4)
    top = step * max(1, math.ceil(most / step - 1e-9))
    values = [step * index for index in range(round(top / step) + 1)]
    return Scale(0.0, top, tuple((one, _short(one)) for one in values))


def rates(most: float) -> Scale:
    """Return an axis of messages a second; less than one a second is possible."""
    if most < 1e-6 or most >= 4:
        return counts(most)
    step = _round_step(most / 4)
    values = [step * index for index in range(math.ceil(most / step - 1e-9) + 1)]
    return Scale(0.0, values[-1], tuple((value, f"{value:g}") for value in values))


def shares(most: float) -> Scale:
    """Return an axis of percent, from 0 to a round one not below `most`."""
    found = rates(most)
    ticks = tuple((value, f"{value:g}%") for value, _ in found.ticks)
    return Scale(found.low, found.high, ticks)


def portions(total: int) -> Scale:
    """Return the axis of percentiles: each nine more as wide as the one before.

    Its values are -log10(1 - portion): 1 is 90 %, 2 is 99 %, 3 is 99.9 %.

    Args:
        total: values measured; it ends where less than one of them would be.
    """
    end = min(7.0, max(1.0, math.log10(max(total, 2))))
    ticks = [(0.0, "0%"), (math.log10(2), "50%"), (1.0, "90%")]
    for index in range(2, math.floor(end + 1e-9) + 1):
        ticks.append(
            (float(index), f"{100 - 10 ** (2 - index):.{max(0, index - 2)}f}%")
        )
    return Scale(0.0, end, tuple(ticks))


def sizes(most: float) -> Scale:
    """Return an axis of bytes, its steps round in the unit that fits."""
    units = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))
    factor, unit = next((one for one in units if most >= one[0]), units[-1])
    step = _round_step(max(most, 4.0) / factor / 4)
    steps = max(1, math.ceil(most / factor / step - 1e-9))
    values = [step * index for index in range(steps + 1)]
    return Scale(
        0.0,
        values[-1] * factor,
        tuple(
            (value * factor, f"{value:g} {unit}" if value else "0") for value in values
        ),
    )


def times(end: float, most: int) -> Scale:
    """Return the time axis, from 0 to `end` seconds, of at most `most` labels."""
    end = max(end, 1.0)
    step = next((one for one in _TIMES if end / one <= most), math.ceil(end / most))
    values = [float(value) for value in range(0, math.floor(end + 1e-9) + 1, step)]
    return Scale(0.0, end, tuple((value, moment(value, step)) for value in values))


def latencies(values: Sequence[float], most: int = 7) -> Scale:
    """Return a logarithmic axis of milliseconds around `values`.

    Args:
        values: what it must hold; those not above a nanosecond lie at its low end.
        most: labels at most.
    """
    above = [value for value in values if value >= _LEAST]
    low = _edge(min(above, default=0.1), up=False)
    high = _edge(max(above, default=100.0), up=True)
    while high / low < 9.99:  # A decade at least: a narrower range exaggerates.
        low, high = _edge(low * 0.6, up=False), _edge(high * 1.5, up=True)
    for mantissas in ((1, 2, 5), (1, 3), (1,)):
        ticks = list(_between(low, high, mantissas))
        if len(ticks) <= most:
            break
    ticks = ticks[:: math.ceil(len(ticks) / most)]
    return Scale(low, high, tuple((one, tick(one)) for one in ticks), logarithmic=True)


def tick(milliseconds: float) -> str:
    """Write a round latency: 50 µs, 2 ms, 10 s."""
    if milliseconds < 0.0999:
        return f"{milliseconds * 1000:.3g} µs"
    if milliseconds < 999:
        return f"{milliseconds:.3g} ms"
    return f"{milliseconds / 1000:.6g} s"


def moment(seconds: float, step: float = 1) -> str:
    """Write a time of the run: 15 s, 2:30, 1:00:00."""
    if step < 60 and seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}"


def _short(count: float) -> str:
    """Write a round count: 0, 250, 7.5k, 2M."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{count / factor:.6g}{unit}"
    return f"{count:g}"


def _round_step(least: float) -> float:
    """Return the round number (1, 2, 2.5 or 5 times a power of ten) not below it."""
    power = 10.0 ** math.floor(math.log10(least))
    for factor in (1, 2, 2.5, 5, 10):
        if factor * power >= least * (1 - 1e-9):
            break
    return factor * power


def _edge(value: float, up: bool) -> float:
    """Return the nearest of 1, 2, 5 times a power of ten not below or not above."""
    power = math.floor(math.log10(value))
    around = [_power(m, p) for p in (power - 1, power, power + 1) for m in (1, 2, 5)]
    if up:
        return next(one for one in around if one >= value * (1 - 1e-9))
    return next(one for one in reversed(around) if one <= value * (1 + 1e-9))


def _between(low: float, high: float, mantissas: Sequence[int]) -> Iterator[float]:
    """Yield the round numbers from `low` to `high`."""
    for power in range(
        math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1
    ):
        for mantissa in mantissas:
            if (
                low * (1 - 1e-9)
                <= (one := _power(mantissa, power))
                <= high * (1 + 1e-9)
            ):
                yield one


def _power(mantissa: int, power: int) -> float:
    """Return mantissa x 10^power, without what binary fractions add."""
    return float(f"{mantissa}e{power}")
