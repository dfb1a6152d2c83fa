"""The native dialect: commands, answers and messages, in JSON or MessagePack.

Pure: bytes of a message in, a Command out; facts in, frames out. What one client
sends never reaches another unchecked (see `value`).
"""

import base64
from collections.abc import Mapping

import msgspec

from hubbub.codes import ERRORS
from hubbub.server.dialects.message import Dialect, Kind, Message
from hubbub.server.dialects.value import parse_json, parse_msgpack
from hubbub.server.websocket.frames import BINARY, TEXT, encode_frame

SUBPROTOCOLS = {"hubbub.v1.json": Dialect.JSON, "hubbub.v1.msgpack": Dialect.MSGPACK}

Id = str | int | None
_MOST_ID = 64


class Command(msgspec.Struct):
    """What a client asks for.

    Fields that a type of command does not use are ignored, so that clients of later
    versions are understood as far as they can be.
    """

    type: str
    id: Id = None
    """The client's, echoed in the answer: up to 64 characters or 64 bits."""
    room: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    since: msgspec.Raw = msgspec.Raw(b"")
    """A position; rooms without a log answer that nothing was recovered."""
    encoding: str = ""
    """"base64": `data` is a string that holds bytes (JSON only)."""


class _Id(msgspec.Struct):
    id: Id = None


class BadCommand(Exception):
    """A command that cannot be carried out.

    Attributes:
        code: its row in `codes.ERRORS`.
        id: the command's id as far as it could be read.
    """

    def __init__(self, code: str, id: Id = None) -> None:
        super().__init__(code)
        self.code = code
        self.id = id


_json = msgspec.json.Decoder(Command)
_msgpack = msgspec.msgpack.Decoder(Command)
_json_id = msgspec.json.Decoder(_Id)
_msgpack_id = msgspec.msgpack.Decoder(_Id)
_encode_json = msgspec.json.Encoder().encode
_encode_msgpack = msgspec.msgpack.Encoder().encode


def decode_command(dialect: int, payload: bytes) -> Command:
    """Return the command in the payload of one message.

    Raises:
        BadCommand: `bad_json`/`bad_msgpack` where it does not parse, `bad_command`
            where a field has a wrong type.
    """
    is_json = dialect == Dialect.JSON
    try:
        command = (_json if is_json else _msgpack).decode(payload)
    except msgspec.ValidationError:
        raise BadCommand("bad_command", _find_id(is_json, payload)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadCommand("bad_json" if is_json else "bad_msgpack") from None
    _check_id(command.id)
    return command


def _find_id(is_json: bool, payload: bytes) -> Id:
    try:
        found = (_json_id if is_json else _msgpack_id).decode(payload).id
        _check_id(found)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadCommand):
        return None
    return found


def _check_id(id: Id) -> None:
    if isinstance(id, str):
        if len(id) > _MOST_ID:
            raise BadCommand("bad_command")
    elif id is not None and not -(1 << 63) <= id < 1 << 63:
        raise BadCommand("bad_command")


def decode_data(dialect: int, command: Command, sender: str) -> Message:
    """Return the message that a publish carries.

    Raises:
        BadCommand: there is no data, or it does not fit every dialect.
    """
    raw = bytes(command.data)
    if not raw:
        raise BadCommand("bad_command", command.id)
    try:
        value = parse_json(raw) if dialect == Dialect.JSON else parse_msgpack(raw)
        if command.encoding:
            if command.encoding != "base64" or not isinstance(value, str):
                raise BadCommand("bad_command", command.id)
            value = base64.b64decode(value, validate=True)
    except ValueError:
        raise BadCommand("bad_data", command.id) from None
    if isinstance(value, str):
        return Message(Kind.TEXT, value.encode(), sender)
    if isinstance(value, bytes):
        return Message(Kind.BINARY, value, sender)
    return Message(
        Kind.JSON, raw if dialect == Dialect.JSON else _encode_json(value), sender
    )


def encode_event(dialect: int, event: Mapping[str, object]) -> bytes:
    """Return an answer or announcement as the frame of `dialect`."""
    if dialect == Dialect.JSON:
        return encode_frame(TEXT, _encode_json(event))
    return encode_frame(BINARY, _encode_msgpack(event))


def encode_error(dialect: int, code: str, id: Id = None) -> bytes:
    """Return the `error` message for a row of `codes.ERRORS`."""
    row = ERRORS[code]
    event: dict[str, object] = {"type": "error"}
    if id is not None:
        event["id"] = id
    event |= {"code": code, "reason": row.reason, "retry": row.temporary}
    return encode_event(dialect, event)


def encode_message_json(room: str, message: Message) -> tuple[int, bytes]:
    """Return opcode and payload of `message` as JSON members of `room` get it."""
    head = f'{{"type":"message","room":"{room}","from":"{message.sender}","data":'
    if message.kind == Kind.JSON:
        body = message.payload + b"}"
    elif message.kind == Kind.TEXT:
        body = _encode_json(message.payload.decode()) + b"}"
    else:
        body = b'"' + base64.b64encode(message.payload) + b'","encoding":"base64"}'
    return TEXT, head.encode() + body


def encode_message_msgpack(room: str, message: Message) -> tuple[int, bytes]:
    """Return opcode and payload of `message` as MessagePack members get it."""
    data: object = message.payload
    if message.kind == Kind.JSON:
        data = msgspec.json.decode(message.payload)
    elif message.kind == Kind.TEXT:
        data = message.payload.decode()
    event = {"type": "message", "room": room, "from": message.sender, "data": data}
    return BINARY, _encode_msgpack(event)
