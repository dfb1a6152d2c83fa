"""Every dialect with two independent client libraries, in one room, across workers."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
import trio
import trio_websocket

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.people import Native, plain

pytestmark = pytest.mark.slow

VALUES: list[Any] = [
    "text ☃ \U0001f600 \u0000",
    {"nested": [1, -2.5, True, None, {"deep": "é"}]},
    [],
    0,
    2**63,
    None,
    False,
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(Path(tmp_path_factory.mktemp("dialects")))
    made.start("--workers", "2", "--identify")
    yield made
    made.end()


class TrioNative:
    """A native session on trio-websocket."""

    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection
        self._json = connection.subprotocol == "hubbub.v1.json"

    async def send(self, command: dict[str, Any]) -> None:
        if self._json:
            await self._connection.send_message(json.dumps(command))
        else:
            await self._connection.send_message(msgpack.packb(command))

    async def receive(self) -> dict[str, Any]:
        data = await self._connection.get_message()
        return dict(json.loads(data) if self._json else msgpack.unpackb(data))


@asynccontextmanager
async def trio_native(cluster: Cluster, dialect: str) -> AsyncIterator[TrioNative]:
    async with trio_websocket.open_websocket_url(
        cluster.url("/ws"), subprotocols=[f"hubbub.v1.{dialect}"]
    ) as connection:
        session = TrioNative(connection)
        assert (await session.receive())["type"] == "welcome"
        yield session


@pytest.mark.parametrize("dialect", ["json", "msgpack"])
async def test_trio_websocket_speaks_every_native_dialect(
    cluster: Cluster, dialect: str
) -> None:
    room = f"trio-{dialect}"
    with trio.fail_after(20):
        async with (
            trio_native(cluster, dialect) as one,
            trio_native(cluster, dialect) as two,
        ):
            for session in (one, two):
                await session.send({"type": "join", "id": "j", "room": room})
                answer = await session.receive()
                assert (answer["type"], answer["id"]) == ("ok", "j")
            for value in VALUES:
                await one.send(
                    {"type": "publish", "id": 7, "room": room, "data": value}
                )
                assert await one.receive() == {"type": "ok", "id": 7}
                event = await two.receive()
                assert (event["type"], event["room"]) == ("message", room)
                assert event["data"] == value
            await two.send({"type": "leave", "id": "l", "room": room})
            assert await two.receive() == {"type": "ok", "id": "l", "room": room}
            await one.send({"type": "publish", "room": room, "data": "nobody"})
            await two.send({"type": "ping", "id": "p"})
            assert await two.receive() == {"type": "ok", "id": "p"}


@pytest.mark.parametrize("speaker_slot", [0, 1])
def test_each_member_gets_the_message_in_its_own_dialect(
    cluster: Cluster, speaker_slot: int
) -> None:
    room = f"mixed-{speaker_slot}"
    members = [Native(cluster.url("/ws"), kind) for kind in ("json", "msgpack")]
    for member in members:
        member.ask("join", room=room)
    in_json, in_msgpack = members
    listener = plain(cluster.url(f"/rooms/{room}"), 0)
    shouter = plain(cluster.url(f"/rooms/{room}"), speaker_slot)

    shouter.send("plain ☃")
    assert listener.recv(5) == "plain ☃"
    for member in members:
        assert member.receive()["data"] == "plain ☃"

    shouter.send(b"\x00\xff")
    assert listener.recv(5) == b"\x00\xff"
    event = in_json.receive()
    assert base64.b64decode(event["data"], validate=True) == b"\x00\xff"
    assert event["encoding"] == "base64"
    assert in_msgpack.receive()["data"] == b"\x00\xff"

    for speaker, other in ((in_json, in_msgpack), (in_msgpack, in_json)):
        for value in VALUES:
            assert speaker.ask("publish", room=room, data=value)["type"] == "ok"
            assert other.receive()["data"] == value
            heard = [one.recv(5) for one in (listener, shouter)]
            for text in heard:
                assert isinstance(text, str)
                assert value == (text if isinstance(value, str) else json.loads(text))
    in_msgpack.ask("publish", room=room, data=b"raw")
    assert listener.recv(5) == shouter.recv(5) == b"raw"
    assert base64.b64decode(in_json.receive()["data"]) == b"raw"
    senders = {in_json.welcome["connection"], in_msgpack.welcome["connection"]}
    assert len(senders) == 2


def test_errors_say_what_is_wrong_and_the_connection_lives(cluster: Cluster) -> None:
    session = Native(cluster.url("/ws"))

    def code(**command: Any) -> str:
        answer = session.ask(**command)
        assert answer["type"] == "error"
        assert answer["reason"]
        assert answer["retry"] is False
        return str(answer["code"])

    assert code(type="join", room="no/slash") == "bad_room"
    assert code(type="join", room="x" * 165) == "bad_room"
    assert code(type="leave", room="never-joined") == "not_member"
    assert code(type="dance") == "unknown_type"
    assert code(type="publish", room="r") == "bad_command"
    assert code(type="publish", room=5, data=1) == "bad_command"
    assert code(type="presence", room="r") == "not_available"
    assert code(type="history", room="r") == "not_available"
    assert session.ask("join", room="x" * 164)["type"] == "ok"
    assert code(type="join", room="x" * 164) == "already_member"
    for number in range(99):
        assert session.ask("join", room=f"r{number}")["type"] == "ok"
    assert code(type="join", room="one-too-many") == "too_many_rooms"
    session.send({"type": "leave", "room": "not-mine"})
    assert session.receive()["code"] == "not_member", "a failure is told without an id"
    session.socket.send("{not json")
    assert session.receive()["code"] == "bad_json"
    assert session.ask("ping")["type"] == "ok"
    session.close()


def test_empty_rooms_disappear(make_cluster: Callable[[str], Cluster]) -> None:
    alone = make_cluster("empty").start("--workers", "1")

    def rooms() -> int:
        return int(alone.worker(0)["rooms"])

    session = Native(alone.url("/ws"))
    for number in range(50):
        session.ask("join", room=f"short-lived-{number}")
        session.ask("leave", room=f"short-lived-{number}")
    session.ask("join", room="left-by-closing")
    wait_for(lambda: rooms() == 1)
    session.close()
    wait_for(lambda: rooms() == 0)


def test_identify_names_the_worker(cluster: Cluster) -> None:
    session = Native(cluster.url("/ws"), slot=1)
    assert session.welcome["worker"] == {"slot": 1, "generation": 1}
    session.close()


def test_unknown_subprotocol_is_refused(cluster: Cluster) -> None:
    with pytest.raises(Exception, match="400"):
        Native(cluster.url("/ws"), "v9000")
