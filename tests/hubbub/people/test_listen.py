"""Listening to a room through whatever happens to its connections."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import trio

from hubbub.people.backoff import Backoff
from hubbub.people.listen import Listener, run, wait_reader_gone
from hubbub.people.place import parse_place
from hubbub.people.problem import Refused
from hubbub.people.session import Message

from .conftest import FakeServer, Socket, say, send


@dataclass
class Screen:
    """What a listener shows and tells."""

    shown: list[object] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    done: Callable[[], None] = lambda: None
    enough: int = 1

    def show(self, message: Message) -> None:
        self.shown.append(message["data"])
        if len(self.shown) == self.enough:
            self.done()


def at_once() -> Backoff:
    return Backoff(lambda: 0.0)


async def listen(server: FakeServer, screen: Screen, **kwargs: object) -> None:
    """Listen until the screen has shown enough."""
    listener = Listener(
        parse_place(server.url), "lobby", screen.show, screen.told.append
    )
    with trio.fail_after(10), trio.CancelScope() as scope:
        screen.done = scope.cancel
        await listener.listen(at_once())


async def test_listener_joins_and_shows_messages(server: FakeServer) -> None:
    async def script(socket: Socket) -> None:
        await server.admit(socket)
        await say(socket, "one", {"two": 2})
        await trio.sleep_forever()

    server.scripts = [script]
    screen = Screen(enough=2)
    await listen(server, screen)
    assert server.paths == ["/ws"]
    assert server.heard == [{"type": "join", "id": 1, "room": "lobby"}]
    assert screen.shown == ["one", {"two": 2}]
    assert screen.told == ["joined lobby, members: 2"]


async def test_message_before_the_answer_to_the_join_is_shown(
    server: FakeServer,
) -> None:
    async def script(socket: Socket) -> None:
        await server.hear(socket)
        await say(socket, "early")
        await trio.sleep_forever()

    server.scripts = [script]
    screen = Screen()
    await listen(server, screen)
    assert screen.shown == ["early"]


async def test_listener_connects_again_and_tells(server: FakeServer) -> None:
    async def going(code: int, reason: str, socket: Socket) -> None:
        await server.admit(socket)
        await say(socket, code)
        await socket.aclose(code, reason)

    async def broken(socket: Socket) -> None:
        await server.admit(socket)
        await socket._stream.aclose()

    async def last(socket: Socket) -> None:
        await server.admit(socket)
        await say(socket, "back")
        await trio.sleep_forever()

    server.scripts = [
        partial(going, 1001, "server going away"),
        partial(going, 4008, "slow\x1b"),
        503,
        broken,
        last,
    ]
    screen = Screen(enough=3)
    await listen(server, screen)
    assert screen.shown == [1001, 4008, "back"]
    again = "; connecting again in 0.0 s"
    assert screen.told == [
        "joined lobby, members: 2",
        "the server closed the connection (1001 server going away)" + again,
        "joined lobby, members: 2",
        "the server closed the connection (4008 slow\\x1b)" + again,
        "the server answers 503 Service Unavailable: because" + again,
        "joined lobby, members: 2",
        "the connection broke" + again,
        "joined lobby, members: 2",
    ]


async def test_gap_is_told(server: FakeServer) -> None:
    async def script(socket: Socket) -> None:
        await server.admit(socket)
        await send(socket, {"type": "gap", "room": "lobby"})
        await send(socket, {"type": "something new"})
        await say(socket, "on")
        await trio.sleep_forever()

    server.scripts = [script]
    screen = Screen()
    await listen(server, screen)
    assert screen.told[1:] == ["messages were missed here and cannot be had again"]


async def say_error(server: FakeServer, retry: bool, socket: Socket) -> None:
    command = await server.hear(socket)
    error = {"type": "error", "id": command["id"], "code": "bad_room"}
    await send(socket, {**error, "reason": "no such\nname", "retry": retry})
    await trio.sleep_forever()


async def close_with(server: FakeServer, code: int, socket: Socket) -> None:
    await server.admit(socket)
    await socket.aclose(code, "why")


async def say_rubbish(socket: Socket) -> None:
    await socket.send_message("[1, 2")
    await trio.sleep_forever()


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("error", "the server says: no such\\nname"),
        (404, "the server answers 404 Not Found: because"),
        (1008, "the server closed the connection (1008 why)"),
        (4501, "the server closed the connection (4501 why)"),
        ("rubbish", "the server sends what is not the native dialect"),
    ],
)
async def test_what_will_not_change_ends_the_listening(
    server: FakeServer, script: str | int, sentence: str
) -> None:
    if script == "error":
        server.scripts = [partial(say_error, server, False)]
    elif script == "rubbish":
        server.scripts = [say_rubbish]
    elif isinstance(script, int):
        closing = partial(close_with, server, script)
        server.scripts = [script if script < 1000 else closing]
    with pytest.raises(Refused) as caught:
        await listen(server, Screen())
    assert str(caught.value) == sentence


async def test_error_that_may_pass_is_tried_again(server: FakeServer) -> None:
    async def script(socket: Socket) -> None:
        await server.admit(socket)
        await say(socket, "in")
        await trio.sleep_forever()

    server.scripts = [partial(say_error, server, True), script]
    screen = Screen()
    await listen(server, screen)
    assert screen.told[0].startswith("the server says: no such")


async def test_server_without_the_subprotocol_is_refused(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubbub.people.session.SUBPROTOCOL", "hubbub.v9.json")
    server.scripts = [server.admit]
    with pytest.raises(Refused, match=r"does not offer hubbub.v9.json at /ws"):
        await listen(server, Screen())


async def test_unreachable_server_is_told_in_the_words_of_the_system() -> None:
    told: list[str] = []
    with trio.socket.socket() as taken, trio.CancelScope() as scope:
        await taken.bind(("127.0.0.1", 0))  # bound, not listening: it refuses
        port = taken.getsockname()[1]

        def tell(sentence: str) -> None:
            told.append(sentence)
            scope.cancel()

        place = parse_place(f"ws://127.0.0.1:{port}")
        await Listener(place, "x", lambda _: None, tell).listen(at_once())
    assert told == [
        f"cannot reach 127.0.0.1:{port}: Connection refused; connecting again in 0.0 s"
    ]


async def test_silent_server_is_given_up_after_a_while(
    server: FakeServer, autojump_clock: trio.testing.MockClock
) -> None:
    async def silent(socket: Socket) -> None:
        await server.hear(socket)
        await trio.sleep_forever()

    async def script(socket: Socket) -> None:
        await server.admit(socket)
        await say(socket, "in")
        await trio.sleep_forever()

    autojump_clock.autojump_threshold = 0.05  # real sockets need real time
    server.scripts = [silent, script]
    screen = Screen()
    listener = Listener(
        parse_place(server.url), "lobby", screen.show, screen.told.append
    )
    with trio.CancelScope() as scope:
        screen.done = scope.cancel
        await listener.listen(at_once())
    assert screen.told[0].startswith("the server does not answer the join")


async def test_reader_that_goes_away_is_noticed_without_a_message() -> None:
    reader, writer = os.pipe()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_reader_gone, writer)
            await trio.testing.wait_all_tasks_blocked()
            os.close(reader)
    os.close(writer)


async def test_file_as_output_has_no_reader_to_go_away(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    fd = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    with trio.move_on_after(60) as scope:
        await wait_reader_gone(fd)
    os.close(fd)
    assert scope.cancelled_caught


async def test_run_ends_when_its_reader_goes_away(server: FakeServer) -> None:
    server.scripts = [server.admit]
    reader, writer = os.pipe()
    listener = Listener(
        parse_place(server.url), "lobby", lambda _: None, lambda _: os.close(reader)
    )
    with trio.fail_after(10):
        await run(listener, writer)
    os.close(writer)


async def test_broken_pipe_comes_out_as_itself(server: FakeServer) -> None:
    async def script(socket: Socket) -> None:
        await server.admit(socket)
        await say(socket, "x")
        await trio.sleep_forever()

    def show(message: Message) -> None:
        raise BrokenPipeError

    server.scripts = [script]
    listener = Listener(parse_place(server.url), "lobby", show, lambda _: None)
    with pytest.raises(BrokenPipeError), trio.fail_after(10):
        await run(listener, None)
