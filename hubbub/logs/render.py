"""Make one line of one event: readable or JSON, escaped, of at most 4,096 bytes.

Pure. Values may be anything, strangers' text and broken objects included: nothing
here raises because of a value.
"""

import json
import math
from collections.abc import Callable, Mapping

from hubbub.escape import plain

from .sink import LONGEST

Fields = Mapping[str, object]
Form = Callable[[Fields], str]

FIRST = ("timestamp", "level", "process", "event")
"""Fields that begin every line, in this order."""

TAIL = "exception"
"""A field whose end tells more than its beginning: a stack."""

# How long a string may be: tried from the left until the line fits.
_CLIPS = (2400, 1200, 600, 300, 150, 75, 32)
_MOST_ITEMS = 64
_DEEPEST = 4
_COLOURS = {"warning": "33", "error": "31", "critical": "1;31"}


def json_form(fields: Fields) -> str:
    """Return the event as JSON, in ASCII: that escapes all that needs it."""
    return json.dumps(fields, separators=(",", ":"), allow_nan=False)


def readable_form(fields: Fields) -> str:
    """Return the event for people: time, level, process, event, then key=value."""
    return _readable(fields, f"{fields['level']!s:<8}")


def coloured_form(fields: Fields) -> str:
    """Return the event for people, with the level in colour where it matters."""
    level = str(fields["level"])
    code = _COLOURS.get(level)
    padded = f"{level:<8}"
    return _readable(fields, f"\x1b[{code}m{padded}\x1b[0m" if code else padded)


def line(fields: Fields, form: Form) -> bytes:
    """Return the event as one line, shortened as far as 4,096 bytes demand.

    Args:
        fields: The event; those of `FIRST` must be there.
        form: How to write it.

    Returns:
        UTF-8 that ends in the only line feed.
    """
    names = [*FIRST, *(name for name in fields if name not in FIRST)]
    for clip in _CLIPS:
        simple = {
            _clipped(name, 64): _simple(fields[name], clip, name == TAIL)
            for name in names
        }
        if len(found := _encoded(form(simple))) <= LONGEST:
            return found
    simple = {name: _simple(fields[name], _CLIPS[-1], False) for name in FIRST}
    return _encoded(form({**simple, "clipped": True}))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _readable(fields: Fields, level: str) -> str:
    start = f"{fields['timestamp']} {level} {plain(str(fields['process']))}: "
    rest = [
        f"{plain(str(name))}={_shown(value)}"
        for name, value in fields.items()
        if name not in FIRST
    ]
    return start + "  ".join([plain(str(fields["event"])), " ".join(rest)]).rstrip()


def _shown(value: object) -> str:
    if not isinstance(value, str):
        return plain(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    if value and value.isprintable() and not any(char in ' "=\\' for char in value):
        return value
    # Backslashes first, so that an escape cannot be forged.
    return '"' + plain(value.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _simple(value: object, clip: int, tail: bool, depth: int = 0) -> object:
    """Return what JSON can hold of a value."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _clipped(str(value), clip, tail)
    if isinstance(value, int):
        # str() of a huge integer raises; hex() does not.
        return int(value) if abs(value) < 1 << 64 else _clipped(hex(value), clip)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if depth < _DEEPEST:
        if isinstance(value, dict):
            return {
                _text(key, clip): _simple(value[key], clip, tail, depth + 1)
                for key in list(value)[:_MOST_ITEMS]
            }
        if isinstance(value, list | tuple | set | frozenset):
            items = list(value)[:_MOST_ITEMS]
            return [_simple(item, clip, tail, depth + 1) for item in items]
    return _text(value, clip)


def _text(value: object, clip: int) -> str:
    if isinstance(value, str):
        return _clipped(value, clip)
    try:
        if isinstance(value, BaseException):
            return _clipped(f"{type(value).__name__}: {value}", clip)
        return _clipped(repr(value), clip)
    except MemoryError:
        raise
    except Exception as error:  # an object whose own repr fails is still told of
        return f"<{type(value).__name__}: {type(error).__name__} in its repr>"


def _clipped(text: str, clip: int, tail: bool = False) -> str:
    if len(text) <= clip:
        return text
    return "…" + text[1 - clip :] if tail else text[: clip - 1] + "…"
