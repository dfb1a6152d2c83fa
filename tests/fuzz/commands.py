"""Commands of the native dialect: of wrong types, depths and sizes, in both forms."""

import json
from random import Random
from typing import Final

import msgpack

from tests.fuzz.mutation import mutate

ROOMS: Final = ("fuzz", "fuzz-2", "", ".", "..", "a" * 164, "a" * 165, "a/b", "ź", "$")
_TYPES: Final = ("join", "publish", "leave", "ping", "presence", "history", "", "x")
_TEXTS: Final = ("", "text", "zażółć 👍🏽", "\x00\x1b[2J", '"}{', "a" * 3000, "�")
_NUMBERS: Final = (
    *(0, -1, 1.5, 1e308, 5e-324, -0.0, 1 << 31, (1 << 63) - 1, -(1 << 63)),
    *(1 << 63, (1 << 64) - 1),
)
_RAW_JSON: Final = (
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\xed\xa0\x80"',
    b'"\xff"',
    b'{"\xff":1}',
    b"1e400",
    b"-1e400",
    b"NaN",
    b"Infinity",
    b"1" * 400,
    b"1" * 5000,
    b"18446744073709551616",
    b"-9223372036854775809",
    b"0." + b"1" * 3000,
    b"[" * 32 + b"]" * 32,
    b"[" * 33 + b"]" * 33,
    b"[" * 200 + b"]" * 200,
    b"[" * 60000,
    b'{"a":' * 40 + b"1" + b"}" * 40,
    b'{"a":1,"a":2}',
    b'{"__proto__":{"x":1}}',
    b" \n\t[ 1 , 2 ]\r\n ",
    b"01",
    b"[1,]",
    b"'a'",
    b"",
)
_RAW_MSGPACK: Final = (
    b"\xc1",
    b"\xa2\xff\xfe",
    b"\xd9\x02\xed\xa0",
    b"\xdd\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\x91" * 31 + b"\x90",
    b"\x91" * 32 + b"\x90",
    b"\x91" * 60000 + b"\x90",
    b"\x81\x01\x02",
    b"\x81\x90\x01",
    b"\x81\xc4\x01a\x01",
    b"\x91\xc4\x01a",
    b"\xcb\x7f\xf8" + bytes(6),
    b"\xcb\x7f\xf0" + bytes(6),
    b"\xd6\xff" + bytes(4),
    b"\xd7\xff" + b"\xff" * 8,
    b"\xc7\x0c\xff" + b"\xff" * 12,
    b"\xd4\x05\x00",
    b"\xcf" + b"\xff" * 8,
    b"\xd3\x80" + bytes(7),
    b"\xc4\x03\x00\xff\xfe",
    b"",
)


def value(random: Random, levels: int = 4) -> object:
    """Return what both forms can carry."""
    way = random.randrange(8 if levels else 5)
    if way == 0:
        return random.choice((None, True, False))
    if way in (1, 2):
        return random.choice(_NUMBERS)
    if way in (3, 4):
        return random.choice(_TEXTS)
    items = [value(random, levels - 1) for _ in range(random.randrange(4))]
    if way == 5:
        return items
    return {random.choice(("a", "id", "type", "ź", "")): item for item in items}


def _command(random: Random) -> dict[str, object]:
    command: dict[str, object] = {"type": random.choice(_TYPES)}
    if random.random() < 0.8:
        command["room"] = random.choice(ROOMS)
    if random.random() < 0.7:
        command["id"] = random.choice((1, "a", "a" * 64, "a" * 65, *_NUMBERS, None))
    if random.random() < 0.8:
        command["data"] = value(random)
    if random.random() < 0.2:
        command["since"] = value(random, 1)
    if random.random() < 0.2:
        command["encoding"] = random.choice(("base64", "", "hex", 1))
    if random.random() < 0.2:
        command[random.choice(("type", "id", "room", "key", "x"))] = value(random)
    return command


def _head(random: Random) -> dict[str, object]:
    return {
        "type": random.choice(("publish", "join")),
        "room": random.choice(ROOMS[:2]),
        "id": 1,
    }


def command_json(random: Random) -> bytes:
    """Return the payload of one message in the JSON form, good or bad."""
    way = random.randrange(6)
    if way < 2:
        text = json.dumps(_head(random))[:-1]
        return text.encode() + b',"data":' + random.choice(_RAW_JSON) + b"}"
    plain = json.dumps(_command(random), ensure_ascii=random.random() < 0.5)
    data = plain.encode("utf-8", "surrogatepass")
    if way == 2:
        return mutate(random, data)
    if way == 3 and random.random() < 0.3:
        return random.choice(_RAW_JSON)
    return data


def command_msgpack(random: Random) -> bytes:
    """Return the payload of one message in the MessagePack form, good or bad."""
    way = random.randrange(6)
    if way < 2:
        head: bytes = msgpack.packb(_head(random))
        return b"\x84" + head[1:] + b"\xa4data" + random.choice(_RAW_MSGPACK)
    data: bytes = msgpack.packb(_command(random), use_bin_type=True)
    if way == 2:
        return mutate(random, data)
    if way == 3 and random.random() < 0.3:
        return random.choice(_RAW_MSGPACK)
    return data
