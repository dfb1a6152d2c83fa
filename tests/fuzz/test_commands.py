"""Fuzzed commands: refused by name, or carried by every dialect."""

import json
from random import Random

import msgpack
import pytest

from hubbub.codes import ERRORS
from hubbub.server.dialects.encoder import ENCODERS
from hubbub.server.dialects.message import Dialect, Kind
from hubbub.server.dialects.native import BadCommand, decode_command, decode_data
from hubbub.server.rooms.name import valid_room
from tests.fuzz.commands import command_json, command_msgpack
from tests.fuzz.seed import each

pytestmark = pytest.mark.slow
MAKERS = {Dialect.JSON: command_json, Dialect.MSGPACK: command_msgpack}


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def check_id(id: object) -> None:
    assert id is None or type(id) in (str, int)
    if isinstance(id, str):
        assert len(id) <= 64
    elif isinstance(id, int):
        assert -(1 << 63) <= id < 1 << 63


@pytest.mark.parametrize("dialect", MAKERS, ids=["json", "msgpack"])
def test_fuzzed_command_is_refused_or_fits_every_dialect(dialect: Dialect) -> None:
    refused: set[str] = set()
    kinds: set[int] = set()

    def check(random: Random) -> None:
        raw = MAKERS[dialect](random)
        try:
            command = decode_command(dialect, raw)
            check_id(command.id)
            message = decode_data(dialect, command, "member")
        except BadCommand as bad:
            refused.add(bad.code)
            check_id(bad.id)
            return
        kinds.add(message.kind)
        room = command.room if valid_room(command.room) else "lobby"
        (opcode, plain), (_, text), (_, packed) = (
            encode(room, message) for encode in ENCODERS
        )
        # What a browser would fail with 1007, or a parser refuse, must never get out.
        if opcode == 1:
            plain.decode()
        seen = json.loads(text.decode(), parse_constant=refuse)
        assert seen["type"] == "message"
        unpacked = msgpack.unpackb(packed, strict_map_key=True)
        assert unpacked["room"] == room
        if message.kind == Kind.JSON:
            json.loads(plain.decode(), parse_constant=refuse)

    each(f"commands {dialect}", 5000, check)
    wrong = "bad_json" if dialect == Dialect.JSON else "bad_msgpack"
    assert refused == {wrong, "bad_command", "bad_data"} <= set(ERRORS)
    assert kinds == set(Kind)
