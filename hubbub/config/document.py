"""Read hubbub.toml and know the line of every key.

The standard library's parser tells no lines, so the file is cut into statements
with the parser itself as the judge: lines are added until they parse, each behind
the table header it stands under. That is exact for every form that TOML has
(dotted and quoted keys, arrays over several lines, inline tables), where a
scanner of our own would be a second opinion.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hubbub.escape import quoted

from .problem import ConfigError
from .table import GROUPS

MOST_BYTES = 256 * 1024
"""Larger than any real file: a device or a mistake."""

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Assignment:
    """One setting as a file gives it."""

    key: str
    """Dotted name, known or not."""
    value: object
    """The value as TOML has it."""
    line: int
    """Number of the line it begins on, from 1."""


def read(path: Path, name: str) -> list[Assignment]:
    """Read a file of settings.

    Args:
        path: The file.
        name: What messages call it.

    Raises:
        ConfigError: The file cannot be read or is not TOML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(name, "there is no such file") from None
    except OSError as error:
        raise ConfigError(name, f"cannot be read: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise ConfigError(name, f"is larger than {MOST_BYTES // 1024} KiB")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}", "this line is not UTF-8") from None
    return parse(text, name)


def parse(text: str, name: str) -> list[Assignment]:
    """Parse the text of a file of settings.

    Raises:
        ConfigError: The text is not TOML.
    """
    try:
        tomllib.loads(text)
    except RecursionError:
        raise ConfigError(name, "is nested too deeply") from None
    except ValueError as error:
        raise _not_toml(str(error), text, name) from None
    return [
        Assignment(key, value, line)
        for line, table in _statements(text)
        for key, value in _leaves(table, "")
    ]


def _not_toml(message: str, text: str, name: str) -> ConfigError:
    found = _PLACE.search(message)
    what = _PLACE.sub("", message)
    what = quoted(what, 100)[1:-1]
    if found is None:
        return ConfigError(name, f"this is not TOML: {what}")
    line = found[1] or str(text.rstrip("\n").count("\n") + 1)
    column = f" (column {found[2]})" if found[2] else " (the file ends too early)"
    return ConfigError(f"{name}:{line}", f"this is not TOML: {what}{column}")


def _statements(text: str) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield each statement of a valid document with the line it begins on."""
    header = ""
    chunk: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        chunk.append(line + "\n")
        is_header = len(chunk) == 1 and line.lstrip(" \t").startswith("[")
        try:
            table = tomllib.loads(("" if is_header else header) + "".join(chunk))
        except ValueError:
            continue  # the value goes on: an array or a string over several lines
        if is_header:
            header = chunk[0]
        if is_header or "".join(chunk).strip():
            yield number - len(chunk) + 1, table
        chunk = []


def _leaves(table: dict[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        key = prefix + name
        if isinstance(value, dict) and key in GROUPS:
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value
