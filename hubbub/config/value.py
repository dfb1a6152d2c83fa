"""Turn what people write into values, and values back into what people write.

Pure: text or parsed TOML in, a value of the setting's own type out, ValueError
with the second half of a sentence ("needs a whole number, not "x"") otherwise.
"""

import ipaddress
import json
import math
import re
from collections.abc import Callable

from hubbub.escape import quoted

from .table import Entry, Kind, Value

_NUMBER = re.compile(r"[+-]?[0-9]{1,24}(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,24}")
_QUANTITY = re.compile(r"([0-9]{1,24}(?:\.[0-9]{1,24})?) ?([A-Za-z]+)")
_SIZES: dict[str, float] = {
    "b": 1,
    "kb": 1e3,
    "mb": 1e6,
    "gb": 1e9,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
_SPANS: dict[str, float] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNITS = {Kind.SIZE: _SIZES, Kind.DURATION: _SPANS}
_SWITCHES = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_ORIGIN = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://"
    r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::([0-9]{1,5}))?"
)


def from_text(entry: Entry, text: str) -> Value:
    """Convert the text of a variable or flag.

    Raises:
        ValueError: The text does not fit the setting.
    """
    text = text.strip()
    if entry.kind is Kind.SWITCH:
        if text.lower() not in _SWITCHES:
            raise ValueError(f"needs {entry.kind.value}, not {quoted(text)}")
        return _SWITCHES[text.lower()]
    if entry.kind is Kind.LIST:
        parts = tuple(part.strip() for part in text.split(","))
        return _checked(entry, parts if text else ())
    if entry.kind is Kind.TEXT:
        return _checked(entry, text)
    return _checked(entry, _number(entry, text))


def from_toml(entry: Entry, value: object) -> Value:
    """Convert a value of a parsed file, where strings and numbers are apart.

    Raises:
        ValueError: The value does not fit the setting.
    """
    kind = entry.kind
    if kind is Kind.SWITCH and isinstance(value, bool):
        return value
    if kind is Kind.TEXT and isinstance(value, str):
        return _checked(entry, value)
    if kind is Kind.LIST and isinstance(value, list):
        texts = tuple(one for one in value if isinstance(one, str))
        if len(texts) == len(value):
            return _checked(entry, texts)
    if kind in (Kind.SIZE, Kind.DURATION) and isinstance(value, str):
        return _checked(entry, _number(entry, value))
    if not isinstance(value, bool):
        if kind in (Kind.COUNT, Kind.SIZE) and isinstance(value, int):
            return _checked(entry, value)
        if kind in (Kind.NUMBER, Kind.DURATION) and isinstance(value, int | float):
            return _checked(entry, _float(value))
    raise ValueError(f"needs {kind.value}, not {_described(value)}")


def _number(entry: Entry, text: str) -> int | float:
    whole = entry.kind in (Kind.COUNT, Kind.SIZE)
    if (_WHOLE if whole else _NUMBER).fullmatch(text):
        return int(text) if whole else float(text)
    units = _UNITS.get(entry.kind, {})
    found = _QUANTITY.fullmatch(text)
    if found and found[2].lower() in units:
        number = float(found[1]) * units[found[2].lower()]
        if entry.kind is Kind.DURATION:
            return round(number, 9)
        if number.is_integer():
            return int(number)
    raise ValueError(f"needs {entry.kind.value}, not {quoted(text)}")


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _checked(entry: Entry, value: Value) -> Value:
    """Return `value` if it is within the bounds and rules of its setting."""
    if isinstance(value, int | float):
        # The negated form refuses NaN, which compares false with everything.
        if not (entry.low is None or value >= entry.low) or not value <= entry.high:
            raise ValueError(f"must be {_bounds(entry)}, not {_shown(entry, value)}")
    elif check := _CHECKS.get(entry.key):
        check(value)
    return value


def _shown(entry: Entry, value: int | float) -> str:
    number = f"{value:g}" if isinstance(value, float) else f"{value:.24g}"
    return f"{number} {entry.unit}".strip()


def _bounds(entry: Entry) -> str:
    if entry.low is None:
        return f"at most {_shown(entry, int(entry.high))}"
    if entry.high >= 1e15:
        return f"at least {_shown(entry, entry.low)}"
    high = _shown(entry, int(entry.high))
    return f"from {entry.low:g} to {high}"


def _described(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the string {quoted(value)}"
    if isinstance(value, int | float):
        return f"the number {value:.24g}" if value == value else "nan"
    if isinstance(value, dict):
        return "a table"
    return "a list" if isinstance(value, list) else "a date or time"


def _check_host(host: Value) -> None:
    text = str(host)
    if text.startswith("["):
        raise ValueError("takes an IPv6 address without brackets, such as ::1")
    if not re.fullmatch(r"[A-Za-z0-9_.:%-]{1,253}", text):
        raise ValueError(f"needs an address or a host name, not {quoted(text)}")


def _check_path(path: Value) -> None:
    text = str(path)
    if not text.isprintable():
        raise ValueError(f"needs a path of printable characters, not {quoted(text)}")


def _check_origins(origins: Value) -> None:
    for origin in origins if isinstance(origins, tuple) else ():
        if problem := origin_problem(origin):
            raise ValueError(problem)


def origin_problem(origin: str) -> str | None:
    """Say why no page can have this origin, or None if one can.

    An origin is a scheme, a host and perhaps a port (RFC 6454 section 6.2): one
    that can never match is an error at start rather than a riddle later.
    """
    if origin == "*":
        return 'takes no "*": leave the list empty to admit any origin'
    if origin == "null":
        return 'takes no "null": any page can make its origin null'
    found = _ORIGIN.fullmatch(origin)
    if not found or int(found[1] or 1) not in range(1, 65536):
        return f"needs scheme://host or scheme://host:port, not {quoted(origin)}"
    return None


_CHECKS: dict[str, Callable[[Value], None]] = {
    "host": _check_host,
    "run_dir": _check_path,
    "origins": _check_origins,
}


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def to_toml(value: Value) -> str:
    """Write a value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(to_toml(one) for one in value) + "]"
    if isinstance(value, str):
        # A JSON string is a TOML string, except that TOML wants DEL escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def to_people(entry: Entry, value: Value) -> str:
    """Write a value as a sentence shows it: 64 KiB, 0.5 s, 100."""
    if entry.kind is Kind.SIZE and isinstance(value, int) and value:
        for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
            if value % size == 0:
                return f"{value // size} {unit}"
        return f"{value} bytes"
    if entry.kind is Kind.DURATION:
        return f"{value:g} s"
    return str(value)
