"""A process of mass clients, without the process: what it does when it is told to."""

from collections.abc import AsyncIterator
from functools import partial
from time import monotonic_ns
from typing import Any

import pytest
import trio
import trio_websocket

from hubbub.loadtest.histogram import Histogram
from hubbub.loadtest.swarm import swarm as module
from hubbub.loadtest.swarm import wire
from hubbub.loadtest.swarm.client import MOST_CLIENTS, Seat
from hubbub.loadtest.swarm.swarm import Orders, Swarm
from tests.loadtest.swarm.crowd import Rooms, crowd, until

ANN, BEN, CAT = (Seat(name, 0) for name in range(3))
QUIET_ANN = ANN._replace(speaks=False)


@pytest.fixture
async def rooms() -> AsyncIterator[Rooms]:
    made = Rooms()
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            partial(trio_websocket.serve_websocket, made.serve, "127.0.0.1", 0, None)
        )
        made.port = server.port
        yield made
        nursery.cancel_scope.cancel()


# Connecting


async def test_clients_connect_evenly_over_the_ramp(rooms: Rooms) -> None:
    async with crowd(rooms.port, ANN, BEN, CAT, Seat(3, 9)) as made:
        assert rooms.joins == []
        now = monotonic_ns()
        await made.tell("ramp", start=now, end=now + 200_000_000)
        await until(made.all_there)
    assert [path for path, _ in rooms.joins] == [
        *["/rooms/load.0"] * 3,
        "/rooms/load.9",
    ]
    for turn, (_, when) in enumerate(rooms.joins):
        assert when - now >= turn * 50_000_000


async def test_ramp_is_over_when_everybody_is_there(rooms: Rooms) -> None:
    async with crowd(rooms.port, ANN, BEN) as made:
        await until(lambda: made.told)
        assert not made.told[-1]["ramped"]
        await made.ramp()
        await until(lambda: made.told[-1]["ramped"])
        told = made.told[-1]
        assert (told["connected"], told["joins"]) == (2, 2)
        assert told["at"] >= told["whole"] > 0


async def test_ramp_is_over_when_everybody_was_refused(rooms: Rooms) -> None:
    rooms.refuse = True
    async with crowd(rooms.port, ANN, BEN) as made:
        now = monotonic_ns()
        await made.tell("ramp", start=now, end=now)
        await until(lambda: made.told and made.told[-1]["ramped"])
        told = made.told[-1]
        assert told["errors"] == {"upgrade_503": 2}
        assert (told["closed"], told["connected"]) == (0, 0)


async def test_who_is_refused_tries_again_after_a_pause(rooms: Rooms) -> None:
    rooms.refuse = True
    async with crowd(rooms.port, ANN, returns=0.0) as made:
        now = monotonic_ns()
        await made.tell("ramp", start=now, end=now)
        await until(lambda: len(rooms.joins) == 3)
        rooms.refuse = False
        await until(made.all_there)
    times = [when for _, when in rooms.joins]
    assert times[2] - times[0] >= 200_000_000


async def test_server_that_never_answers_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_CONNECT_PATIENCE", 0.05)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, crowd(listener.socket.getsockname()[1], ANN, BEN) as made:
        now = monotonic_ns()
        await made.tell("ramp", start=now, end=now)
        await until(lambda: made.told and made.told[-1]["ramped"])
        assert made.told[-1]["errors"] == {"connect_timeout": 2}


# Speaking and counting


async def test_all_is_heard_and_counted_to_the_last(rooms: Rooms) -> None:
    other_room = Seat(3, 1)
    async with crowd(rooms.port, ANN, BEN, CAT, other_room, rate=50.0) as made:
        await made.ramp()
        await made.speak(0.2)
        await until(lambda: made.swarm.tally.sent == 40)
        final = await made.settle()
    assert final["sent"] == 40
    assert final["received"] == 3 * 10 * 2
    assert final["errors"] == {}
    assert set(final["counts"].values()) == {0}
    parts = [one["latency"] for one in made.told if one["is"] in ("second", "final")]
    latency = Histogram()
    for part in parts:
        latency.add(Histogram.from_sparse(part))
    assert latency.total == final["received"]


async def test_only_who_has_a_voice_speaks(rooms: Rooms) -> None:
    async with crowd(rooms.port, QUIET_ANN, BEN, rate=50.0) as made:
        await made.ramp()
        await made.speak(0.1)
        await until(lambda: made.swarm.tally.sent == 5)
        final = await made.settle()
        assert [client.number for client in made.swarm.clients] == [0, 5]
    assert final["received"] == 5


async def test_what_was_said_is_certain_when_the_server_has_answered(
    rooms: Rooms,
) -> None:
    async with crowd(rooms.port, ANN, BEN, QUIET_ANN._replace(name=2)) as made:
        await made.ramp()
        await made.speak(0.05)
        await until(lambda: made.swarm.tally.sent == 2)
        await made.tell("totals")
        totals = (await made.answer("totals"))["senders"]
        ann, ben, _ = made.swarm.clients
        assert totals == {
            0: [0, 1, ann.sent, ann.sent],
            1: [0, 1, ben.sent, ben.sent],
        }


async def test_nothing_is_certain_of_a_connection_that_broke(rooms: Rooms) -> None:
    rooms.mute = True
    async with crowd(rooms.port, ANN, BEN) as made:
        await made.ramp()
        await made.speak(0.05)
        await until(lambda: made.swarm.tally.sent == 2)
        await rooms.members()[0].aclose(1011)
        await until(lambda: made.swarm.tally.closed)
        await made.tell("totals")
        totals = (await made.answer("totals"))["senders"]
    assert len(totals) == 1


async def test_server_without_pongs_makes_nothing_certain(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PONG_PATIENCE", 0.05)
    async with crowd(rooms.port, ANN) as made:
        await made.ramp()
        await made.speak(0.01)
        await until(lambda: made.swarm.tally.sent == 1)
        rooms.members()[0]._wsproto.send = lambda event: b""
        final = await made.settle()
    assert final["errors"] == {"ping_unanswered": 1}
    assert (await made.answer("totals"))["senders"] == {}


async def test_what_never_came_is_lost_and_named(rooms: Rooms) -> None:
    async with crowd(rooms.port, ANN, BEN, rate=100.0) as made:
        await made.ramp()
        await made.speak(0.02)
        await until(lambda: made.swarm.tally.sent == 4)
        # Somebody of another process says that it has said three.
        later = monotonic_ns()
        final = await made.settle(
            0.05, s9=(0, 3, later, later), s8=(1, 3, later, later)
        )
    assert final["counts"]["lost"] == 2 * 3
    assert {tuple(one[:4]) for one in final["violations"]} == {("lost", 0, 9, 1)}


async def test_late_messages_are_waited_for(rooms: Rooms) -> None:
    async with crowd(rooms.port, ANN, BEN, rate=100.0) as made:
        await made.ramp()
        held: list[bytes] = []

        async def keep(said: bytes) -> None:
            held.append(said)

        (one, two) = rooms.members()
        send = two.send_message
        two.send_message = keep
        await made.speak(0.02)
        await until(lambda: len(held) == 2)
        async with trio.open_nursery() as nursery:
            final: list[dict[str, Any]] = []

            async def settle() -> None:
                final.append(await made.settle())

            nursery.start_soon(settle)
            await made.answer("totals")
            for said in (*held, held[-1]):
                await send(said)
        assert one is not two
    # And what came twice behind it has been waited for, too.
    assert final[0]["received"] == 5
    counts = {kind: n for kind, n in final[0]["counts"].items() if n}
    assert counts == {"duplicated": 1}


# Leaving and returning


async def test_who_is_closed_is_counted_and_stays_away(rooms: Rooms) -> None:
    async with crowd(rooms.port, ANN, BEN) as made:
        await made.ramp()
        await rooms.members()[0].aclose(4008)
        await until(lambda: made.swarm.tally.closed == 1)
        final = await made.settle()
    assert final["errors"] == {"closed_4008": 1}
    assert (final["connected"], len(rooms.joins)) == (1, 2)


async def test_who_is_closed_as_the_scenario_wants_it_returns(rooms: Rooms) -> None:
    forgiven = frozenset({"closed_4008"})
    async with crowd(rooms.port, ANN, returns=0.0, forgiven=forgiven) as made:
        await made.ramp()
        await rooms.members()[0].aclose(4008)
        await until(lambda: len(rooms.joins) == 2)
        await until(made.all_there)
        final = await made.settle()
    assert (final["closed"], final["errors"]) == (0, {})
    assert final["forgiven"] == {"closed_4008": 1}


async def test_all_drop_at_once_and_return_as_others(rooms: Rooms) -> None:
    async with crowd(rooms.port, ANN, BEN, rate=100.0, returns=0.0) as made:
        await made.ramp()
        await made.speak(0.02)
        await until(lambda: made.swarm.tally.sent == 4)
        first = made.swarm.tally.whole
        await made.tell("drop")
        await until(lambda: len(rooms.joins) == 4)
        await until(made.all_there)
        assert made.swarm.tally.whole > first
        assert [client.sender for client in made.swarm.clients] == [
            MOST_CLIENTS,
            MOST_CLIENTS + 1,
        ]
        final = await made.settle()
    assert (final["closed"], final["errors"]) == (0, {})
    assert set(final["counts"].values()) == {0}


async def test_who_stays_for_a_while_leaves_in_order_and_roams(rooms: Rooms) -> None:
    roamer = Seat(0, 0, stays=0.1, roams=50)
    async with crowd(rooms.port, roamer, Seat(1, 0), returns=0.0, rate=50.0) as made:
        await made.ramp()
        await made.speak(1.0)
        await until(lambda: len({path for path, _ in rooms.joins}) >= 3)
        client = made.swarm.clients[0]
        final = await made.settle()
        # It has left, politely, and what it had said before counts for good.
        assert final["errors"] == {}
        totals = (await made.answer("totals"))["senders"]
        assert {name % MOST_CLIENTS for name in totals} == {0, 1}
        assert len(totals) >= 3
        assert client.sender > MOST_CLIENTS


async def test_nobody_leaves_before_the_load_is_held(rooms: Rooms) -> None:
    async with crowd(rooms.port, Seat(0, 0, stays=0.001), returns=0.0) as made:
        await made.ramp()
        await until(lambda: made.told and made.told[-1]["ramped"])
        assert len(rooms.joins) == 1


async def test_sleepers_stop_reading_and_the_others_do_not(rooms: Rooms) -> None:
    sleeper = Seat(1, 0, speaks=False, sleeps=True)
    async with crowd(rooms.port, ANN, sleeper, Seat(2, 0, False)) as made:
        await made.ramp()
        await made.tell("sleep")
        await until(lambda: made.swarm.clients[1].asleep)
        await made.speak(0.05)
        await until(lambda: made.swarm.tally.sent == 1)
        final = await made.settle()
    assert final["received"] == 1
    # Who sleeps misses nothing that it could be blamed for.
    assert final["counts"]["lost"] == 0


async def test_swarm_ends_with_the_run_and_says_goodbye(rooms: Rooms) -> None:
    async with crowd(rooms.port, ANN) as made:
        await made.ramp()
        (member,) = rooms.members()
    with trio.fail_after(5):
        await until(lambda: member.closed is not None)
    assert member.closed.code == 1000


async def test_swarm_ends_when_the_run_is_gone(rooms: Rooms) -> None:
    ours, theirs = wire.pair()
    orders = Orders(
        address=("127.0.0.1", rooms.port),
        host="x",
        prefix="/rooms/load.",
        size=100,
        rate=1.0,
        seats=(ANN,),
        returns=None,
        forgiven=frozenset(),
        seed=1,
    )
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
    with trio.fail_after(5):
        async with stream, trio.open_nursery() as nursery:
            nursery.start_soon(Swarm(orders, stream).run)
            await trio.lowlevel.checkpoint()
            ours.close()
