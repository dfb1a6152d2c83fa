"""Values that every dialect can carry.

A fan-out must not fail after its `ok`, and one client's bytes must not make other
browsers fail with 1007: so what a client publishes is checked at entry.
"""

from math import isfinite
from typing import Any

import msgspec

MOST_LEVELS = 32


class BadData(ValueError):
    """A published value is not representable in every dialect."""


def check_value(value: object, levels: int = MOST_LEVELS) -> None:
    """Check that `value`, as a parser returned it, fits every dialect.

    Args:
        value: None, bool, int, float, str, list or dict, nested.
        levels: how many levels of lists and dicts it may have.

    Raises:
        BadData: numbers that are not finite or over 64 bits, keys that are no
            strings, bytes inside a value, other types, too many levels.
    """
    # A parser makes no subclasses: one look at the exact type is twice as fast.
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    known: Any = value  # as `kind` says; mypy does not follow it
    if kind is int:
        if not -(1 << 63) <= known < 1 << 64:
            raise BadData("integer over 64 bits")
    elif kind is float:
        if not isfinite(known):
            raise BadData("number that is not finite")
    elif kind is list or kind is dict:
        if not levels:
            raise BadData("too many levels")
        if kind is dict:
            for key in known:
                if type(key) is not str:
                    raise BadData("key that is no string")
            known = known.values()
        for item in known:
            if type(item) is not str:
                check_value(item, levels - 1)
    else:
        raise BadData(f"{kind.__name__} has no place in JSON")


def parse_json(raw: bytes) -> object:
    """Return the checked value of a JSON text.

    Raises:
        BadData: it does not parse (bad UTF-8 included) or does not fit.
    """
    try:
        value: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadData(str(error)) from None
    check_value(value)
    return value


def parse_msgpack(raw: bytes) -> object:
    """Return the checked value of a MessagePack object; bytes are allowed on top.

    Raises:
        BadData: it does not parse or does not fit.
    """
    try:
        value: object = msgspec.msgpack.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadData(str(error)) from None
    except TypeError:
        raise BadData("key that is no string") from None
    if type(value) is not bytes:
        check_value(value)
    return value
