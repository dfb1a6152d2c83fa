"""The table of all settings, read off the dataclasses of `hubbub.settings`.

A setting is known by its key, `port` or `limits.message`; the variable is the key
in capitals behind HUBBUB_ (HUBBUB_LIMITS_MESSAGE).
"""

import difflib
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from hubbub.settings import Settings

Value = int | float | bool | str | tuple[str, ...]


class Kind(Enum):
    """What sort of value a setting takes."""

    COUNT = "a whole number"
    SIZE = 'a size, such as 65536 or "64KiB"'
    NUMBER = "a number"
    DURATION = 'a duration in seconds, such as 0.5 or "500ms"'
    SWITCH = "true or false"
    TEXT = "a string"
    LIST = "a list of strings"


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting."""

    key: str
    """Dotted name, as in the file."""
    kind: Kind
    """What sort of value it takes."""
    default: Value
    """Its value when nobody says otherwise."""
    doc: str
    """A line of documentation."""
    unit: str
    """Unit of its value, or empty."""
    low: float | None
    """Smallest value; None: any."""
    high: float
    """Largest value."""

    @property
    def variable(self) -> str:
        """Name of the environment variable that sets it."""
        return "HUBBUB_" + self.key.upper().replace(".", "_")


def _kind(kind: object, unit: str) -> Kind:
    if kind is bool:
        return Kind.SWITCH
    if kind is int:
        return Kind.SIZE if unit == "bytes" else Kind.COUNT
    if kind is float:
        return Kind.DURATION if unit == "seconds" else Kind.NUMBER
    return Kind.TEXT if kind is str else Kind.LIST


def _entry(prefix: str, one: "Field[Any]") -> Entry:
    meta: Mapping[str, Any] = one.metadata
    default: Any = one.default
    return Entry(
        key=prefix + one.name,
        kind=_kind(one.type, meta["unit"]),
        default=default,
        doc=meta["doc"],
        unit=meta["unit"],
        low=meta["low"],
        high=meta["high"],
    )


def _groups() -> dict[str, type[Any]]:
    return {
        one.name: one.type
        for one in fields(Settings)
        if isinstance(one.type, type) and is_dataclass(one.type)
    }


def _entries() -> dict[str, Entry]:
    found = [_entry("", one) for one in fields(Settings) if one.name not in GROUPS]
    for name, group in GROUPS.items():
        found += [_entry(f"{name}.", one) for one in fields(group)]
    return {entry.key: entry for entry in found}


GROUPS = _groups()
"""Sections of the file: name and dataclass."""

ENTRIES = _entries()
"""Every setting by its key, in the order of `hubbub.settings`."""

VARIABLES = {entry.variable: entry for entry in ENTRIES.values()}
"""Every setting by its environment variable."""


def flatten(settings: Settings) -> dict[str, Value]:
    """Return the values of a tree of settings by their keys."""
    found: dict[str, Value] = {}
    for key in ENTRIES:
        group, _, name = key.rpartition(".")
        found[key] = getattr(getattr(settings, group) if group else settings, name)
    return found


def build(values: Mapping[str, Value]) -> Settings:
    """Return the tree of settings that has these values; others keep defaults."""
    top: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {name: {} for name in GROUPS}
    for key, value in values.items():
        group, _, name = key.rpartition(".")
        (inner[group] if group else top)[name] = value
    return Settings(**top, **{name: GROUPS[name](**inner[name]) for name in GROUPS})


def nearest(name: str, known: list[str]) -> str | None:
    """Return the known name that was probably meant, or None.

    The last part of a dotted name weighs on its own too: `message` was meant as
    `limits.message`.
    """
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    if close:
        return close[0]
    leaves = {one.rpartition(".")[2]: one for one in reversed(known)}
    leaf = name.rpartition(".")[2]
    close = difflib.get_close_matches(leaf, list(leaves), n=1, cutoff=0.7)
    return leaves[close[0]] if close else None
