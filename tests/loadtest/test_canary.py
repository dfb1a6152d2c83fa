"""Canaries against servers that do what they are told to, on real sockets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic_ns
from typing import Any

import pytest
import trio
import trio_websocket

from hubbub.loadtest import canary
from hubbub.loadtest.canary import Canaries, Figures
from hubbub.loadtest.message import decode, encode, intact
from hubbub.loadtest.seating import MOST_SAID
from hubbub.loadtest.swarm.client import MOST_CLIENTS, Seat
from hubbub.loadtest.swarm.swarm import Orders

SIZE = 100
SECOND = 1_000_000_000
ANN = 1

Request = trio_websocket.WebSocketRequest
Socket = trio_websocket.WebSocketConnection
Script = Callable[[Request], Awaitable[None]]


def said(number: int, sender: int = ANN, room: int = 7) -> bytes:
    return encode(room, sender, number, 0, 0, 0, SIZE)


def listening(*payloads: bytes | str) -> Script:
    """Return a server that says something to everybody and then listens."""

    async def script(request: Request) -> None:
        socket = await request.accept()
        for payload in payloads:
            await socket.send_message(payload)
        await _drained(socket)

    return script


async def _drained(socket: Socket) -> None:
    try:
        while True:
            await socket.get_message()
    except trio_websocket.ConnectionClosed:
        pass


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            partial(trio_websocket.serve_websocket, script, "127.0.0.1", 0, None)
        )
        yield server.port
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def flying(
    port: int, *seats: Seat, begin: bool = True, **changes: Any
) -> AsyncIterator[tuple[Canaries, list[Figures]]]:
    """Run canaries; all end with the context."""
    given: dict[str, Any] = {"rate": 1.0, "returns": None, "forgiven": frozenset()}
    orders = Orders(
        address=("127.0.0.1", port),
        host="hall.example",
        prefix="/rooms/load.",
        size=SIZE,
        seats=seats or (Seat(50, 7),),
        seed=1,
        **(given | changes),
    )
    canaries, figures = Canaries(orders), list[Figures]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(canaries.run, figures.append)
        if begin:
            canaries.obey({"do": "ramp"})
        with trio.fail_after(10):
            yield canaries, figures
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110 - of what has no event
        await trio.sleep(0.001)


def counts(canaries: Canaries) -> dict[str, int]:
    ledger = canaries.tally.ledger
    return {kind: count for kind, count in ledger.counts.items() if count}


async def heard(*payloads: bytes | str) -> Canaries:
    """Let a canary in room 7 hear something, then one good message."""
    last = said(1, sender=99)
    async with serving(listening(*payloads, last)) as port, flying(port) as (one, _):
        (only,) = one.canaries
        await until(lambda: 99 in only.last)
    return one


async def test_canary_hears_what_is_right_without_a_word() -> None:
    canaries = await heard(said(1), said(2), said(1, sender=2), said(3))
    assert counts(canaries) == {}
    assert canaries.tally.received == 5
    assert canaries.tally.errors == {}


@pytest.mark.parametrize(
    ("payloads", "found"),
    [
        ((said(1), said(3)), {"lost": 1}),
        ((said(1), said(1)), {"duplicated": 1}),
        ((said(1), said(3), said(2)), {"reordered": 1}),
        ((said(1, room=8),), {"misrouted": 1}),
        ((said(1, sender=50),), {"misrouted": 1}),
        ((said(1)[:-1] + b"\0",), {"corrupted": 1}),
        ((b"hello",), {"corrupted": 1}),
        (("hello",), {"corrupted": 1}),
    ],
)
async def test_canary_names_what_is_wrong(
    payloads: tuple[bytes | str, ...], found: dict[str, int]
) -> None:
    assert counts(await heard(*payloads)) == found


async def test_canary_goes_where_its_orders_say() -> None:
    (request,) = await raw_answer(b"", {"upgrade_lost"})
    first, *headers = request.decode().split("\r\n")
    assert first == "GET /rooms/load.7 HTTP/1.1"
    assert "Host: hall.example" in headers


async def test_canaries_wait_for_the_ramp_and_tell_when_they_are_there() -> None:
    async with (
        serving(listening()) as port,
        flying(port, Seat(50, 7), Seat(51, 8), begin=False) as (canaries, figures),
    ):
        await until(lambda: figures)
        assert not figures[-1]["ramped"]
        assert all(one.socket is None for one in canaries.canaries)
        canaries.obey({"do": "ramp"})
        await until(lambda: figures[-1]["ramped"])
        assert all(one.socket is not None for one in canaries.canaries)
        assert figures[-1]["connected"] == 0


async def test_canary_that_is_closed_is_counted_and_stays_away() -> None:
    async def script(request: Request) -> None:
        await (await request.accept()).aclose(4008)

    async with serving(script) as port, flying(port) as (canaries, figures):
        await until(lambda: canaries.tally.closed)
        assert canaries.tally.errors == {"closed_4008": 1}
        await until(lambda: figures[-1]["closed"] == 1)
        assert figures[-1]["ramped"]


async def test_canary_that_is_closed_is_forgiven_where_the_scenario_forgives() -> None:
    async def script(request: Request) -> None:
        await (await request.accept()).aclose(4008)

    async with (
        serving(script) as port,
        flying(port, forgiven=frozenset({"closed_4008"})) as (canaries, _),
    ):
        await until(lambda: canaries.tally.forgiven)
        assert canaries.tally.forgiven == {"closed_4008": 1}
        assert (canaries.tally.closed, canaries.tally.errors) == (0, {})


@pytest.mark.parametrize("kind", ["lost", "lost_ECONNRESET"])
async def test_connection_that_is_lost_is_forgiven_however_it_was(kind: str) -> None:
    joined = trio.Event()

    async def script(request: Request) -> None:
        await request.accept()
        await joined.wait()
        await request._connection._stream.aclose()

    async with (
        serving(script) as port,
        flying(port, forgiven=frozenset({kind})) as (canaries, _),
    ):
        await until(lambda: canaries.canaries[0].socket)
        joined.set()
        await until(lambda: canaries.tally.forgiven)
        assert canaries.tally.forgiven == {"lost": 1}


async def test_canary_comes_back_as_another_and_hears_anew() -> None:
    joins: list[Socket] = []

    async def script(request: Request) -> None:
        joins.append(await request.accept())
        if len(joins) == 1:
            await joins[0].send_message(said(4))
            await joins[0].get_message()
            await joins[0].aclose(1012)
        else:
            await joins[1].send_message(said(9))
            await _drained(joins[1])

    async with (
        serving(script) as port,
        flying(port, Seat(50, 7), returns=0.0) as (canaries, _),
    ):
        (only,) = canaries.canaries
        canaries.obey({"do": "speak", "start": monotonic_ns(), "end": 0})
        await until(lambda: only.last)
        now = monotonic_ns()
        canaries.obey({"do": "speak", "start": now, "end": now + SECOND // 2})
        await until(lambda: only.last == {ANN: 9})
        assert only.sender == 50 + MOST_CLIENTS
        assert counts(canaries) == {}


async def test_canary_that_is_refused_says_how_and_tries_again_after_a_pause() -> None:
    times: list[float] = []

    async def script(request: Request) -> None:
        times.append(trio.current_time())
        await request.reject(503)

    async with serving(script) as port, flying(port, returns=0.0) as (canaries, _):
        await until(lambda: len(times) == 3)
    assert times[2] - times[0] >= 0.2
    assert canaries.tally.errors.keys() == {"upgrade_503"}
    assert canaries.tally.closed == 0


async def raw_answer(answer: bytes, kinds: set[str]) -> list[bytes]:
    """Answer with these bytes, or hang up; return the requests."""
    requests = []

    async def script(stream: trio.SocketStream) -> None:
        requests.append(await stream.receive_some(65536))
        if answer:
            await stream.send_all(answer)
            await trio.sleep_forever()
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(
            partial(trio.serve_tcp, script, 0, host="127.0.0.1")
        )
        port = listener.socket.getsockname()[1]
        async with flying(port) as (canaries, _):
            await until(lambda: canaries.tally.errors)
            assert canaries.tally.errors.keys() <= kinds
            assert canaries.tally.closed == 0
        nursery.cancel_scope.cancel()
    return requests


async def test_server_that_hangs_up_before_it_answers() -> None:
    await raw_answer(b"", {"upgrade_lost"})


async def test_server_that_answers_with_what_is_no_http() -> None:
    await raw_answer(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", {"upgrade_failed"})


async def test_server_that_sends_what_is_no_frame() -> None:
    async def script(request: Request) -> None:
        await request.accept()
        await request._connection._stream.send_all(b"\xff" * 10)
        await trio.sleep_forever()

    async with serving(script) as port, flying(port) as (canaries, _):
        await until(lambda: canaries.tally.errors)
        assert canaries.tally.closed == 1
        # Our own: trio-websocket closes for a protocol error.
        assert canaries.tally.errors == {"closed_1002": 1}


async def test_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "_PATIENCE", 0.05)
    await raw_answer(b"HTTP/1.1 101 Switching", {"upgrade_timeout"})


async def test_nobody_listens() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    async with flying(port) as (canaries, figures):
        await until(lambda: canaries.tally.errors)
        assert canaries.tally.errors == {"connect_ECONNREFUSED": 1}
        await until(lambda: figures[-1]["ramped"])


async def test_canary_that_speaks_says_messages_of_its_own_and_is_sure_of_them() -> (
    None
):
    came: list[bytes] = []

    async def script(request: Request) -> None:
        socket = await request.accept()
        came.append(bytes(await socket.get_message()))
        came.append(bytes(await socket.get_message()))
        await _drained(socket)

    async with (
        serving(script) as port,
        flying(port, Seat(50, 7), Seat(51, 7, speaks=False), rate=40.0) as (one, _),
    ):
        await until(lambda: all(each.socket for each in one.canaries))
        now = monotonic_ns()
        # Two are due; the second one at the end of the first second.
        one.obey({"do": "speak", "start": now - SECOND, "end": now + 1})
        await until(lambda: len(came) == 2)
        totals = await one.totals()
    heads = [decode(payload) for payload in came]
    for number, (payload, head) in enumerate(zip(came, heads, strict=True), 1):
        assert head is not None
        assert intact(payload, head)
        assert len(payload) == SIZE
        assert (head.room, head.sender, head.number) == (7, 50, number)
    assert heads[0] is not None
    assert heads[1] is not None
    assert heads[0].before == 0
    assert heads[1].before == heads[0].sent
    assert totals == {50: (7, 2, heads[1].sent, heads[0].sent)}
    assert one.tally.sent == 2
    assert MOST_SAID == 1.0


async def test_canary_stops_speaking_when_it_is_told_to() -> None:
    async with serving(listening()) as port, flying(port) as (canaries, _):
        await until(lambda: canaries.canaries[0].socket)
        now = monotonic_ns()
        canaries.obey({"do": "speak", "start": now, "end": now + 60 * SECOND})
        await until(lambda: canaries.tally.sent == 1)
        canaries.obey({"do": "speak", "start": 0, "end": 0})
        assert canaries._pacers == []


async def test_nothing_is_certain_of_a_server_that_sends_no_pong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(canary, "_PONG_PATIENCE", 0.05)

    async def script(request: Request) -> None:
        socket = await request.accept()
        socket._wsproto.send = lambda event: b""
        await _drained(socket)

    async with serving(script) as port, flying(port) as (canaries, _):
        await until(lambda: canaries.canaries[0].socket)
        now = monotonic_ns()
        canaries.obey({"do": "speak", "start": now, "end": now + 1})
        await until(lambda: canaries.tally.sent)
        assert await canaries.totals() == {}
        assert canaries.tally.errors == {"ping_unanswered": 1}


async def test_what_is_missing_at_the_end_is_waited_for_and_then_lost() -> None:
    go = trio.Event()

    async def script(request: Request) -> None:
        socket = await request.accept()
        await socket.send_message(said(1))
        await go.wait()
        await socket.send_message(said(2))
        await _drained(socket)

    async with serving(script) as port, flying(port) as (canaries, _):
        (only,) = canaries.canaries
        await until(lambda: only.last == {ANN: 1})
        async with trio.open_nursery() as nursery:
            end = monotonic_ns() + 5 * SECOND
            nursery.start_soon(
                canaries.settle, {ANN: (7, 2, 1, 1), 3: (8, 9, 1, 1)}, end
            )
            go.set()
        assert counts(canaries) == {}
        end = monotonic_ns() + SECOND // 20
        await canaries.settle({ANN: (7, 5, 1, 1), 50: (7, 9, 1, 1)}, end)
        assert counts(canaries) == {"lost": 3}
        (one,) = canaries.tally.ledger.first
        assert one[:4] == ("lost", 7, ANN, 3)


async def test_canary_in_an_empty_room_must_not_hear_a_thing() -> None:
    async with (
        serving(listening(said(1), said(2))) as port,
        flying(port, Seat(54, 10, speaks=False)) as (canaries, _),
    ):
        await until(lambda: canaries.tally.received == 2)
    assert counts(canaries) == {"misrouted": 2}
