"""Publishing: each text is accepted before the next one goes."""

import os
from pathlib import Path

import pytest
import trio

from hubbub.people.place import parse_place
from hubbub.people.problem import Lost, Problem, Refused
from hubbub.people.publish import LONGEST_LINE, lines, one_text, publish

from .conftest import FakeServer, Socket, send


async def accept(server: FakeServer, socket: Socket) -> None:
    """Accept every publish."""
    while True:
        command = await server.hear(socket)
        await send(socket, {"type": "ok", "id": command["id"]})


async def test_text_is_published_and_accepted(server: FakeServer) -> None:
    async def script(socket: Socket) -> None:
        await accept(server, socket)

    server.scripts = [script]
    with trio.fail_after(10):
        count = await publish(parse_place(server.url), "lobby", one_text("hi\x1b"))
    assert count == 1
    assert server.heard == [
        {"type": "publish", "id": 1, "room": "lobby", "data": "hi\x1b"}
    ]


async def test_lines_are_published_one_after_another(
    server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes("one\n\nthré\r\nlast".encode())

    async def script(socket: Socket) -> None:
        await accept(server, socket)

    server.scripts = [script]
    with (tmp_path / "in").open("rb") as file, trio.fail_after(10):
        count = await publish(parse_place(server.url), "lobby", lines(file.fileno()))
    assert count == 4
    assert [one["data"] for one in server.heard] == ["one", "", "thré\r", "last"]
    assert [one["id"] for one in server.heard] == [1, 2, 3, 4]


async def refuse_second(server: FakeServer, socket: Socket) -> None:
    command = await server.hear(socket)
    await send(socket, {"type": "ok", "id": command["id"]})
    command = await server.hear(socket)
    error = {"type": "error", "id": 2, "code": "bad_data", "reason": "no"}
    await send(socket, {**error, "retry": False})
    await trio.sleep_forever()


async def close_second(server: FakeServer, socket: Socket) -> None:
    command = await server.hear(socket)
    await send(socket, {"type": "ok", "id": command["id"]})
    await server.hear(socket)
    await socket.aclose(1009, "message too big")


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (refuse_second, "the server says: no; 1 accepted before"),
        (
            close_second,
            "the server closed the connection (1009 message too big); "
            "1 accepted before",
        ),
    ],
)
async def test_failure_tells_how_many_were_accepted(
    server: FakeServer, script: object, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("a\nb\nc\n")

    async def handler(socket: Socket) -> None:
        await script(server, socket)  # type: ignore[operator]

    server.scripts = [handler]
    with (tmp_path / "in").open("rb") as file:
        with pytest.raises(Problem) as caught, trio.fail_after(10):
            await publish(parse_place(server.url), "lobby", lines(file.fileno()))
    assert str(caught.value) == sentence


async def test_publish_without_an_answer_says_that_nobody_knows(
    server: FakeServer, autojump_clock: trio.testing.MockClock
) -> None:
    async def silent(socket: Socket) -> None:
        await server.hear(socket)
        await trio.sleep_forever()

    autojump_clock.autojump_threshold = 0.05  # real sockets need real time
    server.scripts = [silent]
    with pytest.raises(Lost, match=r"^no answer within 10 s: it may or may not"):
        await publish(parse_place(server.url), "lobby", one_text("x"))


async def test_lines_of_a_pipe_come_as_they_are_written() -> None:
    reader, writer = os.pipe()
    texts = lines(reader)
    os.write(writer, b"one\ntw")
    assert await anext(texts) == "one"
    os.write(writer, b"o\n")
    assert await anext(texts) == "two"
    os.close(writer)
    with pytest.raises(StopAsyncIteration):
        await anext(texts)
    os.close(reader)


async def test_line_that_is_not_utf8_is_named() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"ok\n\xff\n")
    os.close(writer)
    texts = lines(reader)
    assert await anext(texts) == "ok"
    with pytest.raises(Refused, match=r"^line 2 is not UTF-8$"):
        await anext(texts)
    os.close(reader)


async def test_endless_line_is_refused() -> None:
    zero = os.open("/dev/zero", os.O_RDONLY)
    with pytest.raises(Refused, match=f"longer than {LONGEST_LINE >> 20} MiB"):
        await anext(lines(zero))
    os.close(zero)
