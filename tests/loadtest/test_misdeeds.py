import random
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio

from hubbub.loadtest import misdeeds
from hubbub.loadtest.swarm.frames import masked

Serve = Callable[[trio.SocketStream], Awaitable[None]]

OPEN = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
CLOSE_1002 = b"\x88\x02\x03\xea"


async def answer(kind: str, serve: Serve) -> str:
    """Return what a bad client makes of a server that serves it once."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
        )
        told = await misdeeds.commit(
            misdeeds.MISDEEDS[kind],
            listeners[0].socket.getsockname(),
            "x",
            "/rooms/x",
            random.Random(1),
        )
        nursery.cancel_scope.cancel()
    return told


async def head(stream: trio.SocketStream) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = await stream.receive_some(1 << 16)
        assert part
        data += part
    return data


async def open_then(stream: trio.SocketStream, end: bytes) -> None:
    await head(stream)
    await stream.send_all(OPEN)
    await stream.receive_some(1)
    await stream.send_all(end)


async def test_status_of_a_refusal_is_told() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        assert b"Version: 99\r\n" in await head(stream)
        await stream.send_all(b"HTTP/1.1 426 Upgrade Required\r\n\r\n")

    assert await answer("bad upgrade", serve) == "HTTP 426"


async def test_slow_handshake_hears_that_it_is_too_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(misdeeds, "_LETTER", 0.01)
    heard = bytearray()

    async def serve(stream: trio.SocketStream) -> None:
        while len(heard) < 5:
            part = await stream.receive_some(100)
            assert len(part) == 1
            heard.extend(part)
        await stream.send_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

    assert await answer("slow handshake", serve) == "HTTP 408"
    assert heard == b"GET /"


async def test_close_code_is_told() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await open_then(stream, CLOSE_1002)

    assert await answer("garbage frames", serve) == "closed 1002"


async def test_end_without_a_word_is_told() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await open_then(stream, b"")

    assert await answer("unmasked frame", serve) == "cut off"


async def test_what_is_no_frame_is_told() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await open_then(stream, masked(8, b""))

    assert await answer("unmasked frame", serve) == "no WebSocket frame"


async def test_what_is_no_http_is_told() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(b"SSH-2.0-x\r\n")

    assert await answer("no HTTP", serve) == "cut off"


async def test_server_that_says_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(misdeeds, "_PATIENCE", 0.1)

    async def serve(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    assert await answer("bad UTF-8", serve) == "no answer"


async def test_flood_that_is_taken_is_told() -> None:
    frames = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal frames
        await head(stream)
        await stream.send_all(OPEN)
        data, end = b"", masked(9, b"end")
        async for part in stream:
            frames += len(part)
            data = (data + part)[-len(end) :]
            if data == end:
                await stream.send_all(b"\x8a\x03end")

    assert await answer("ping flood", serve) == "taken"
    assert 3 << 20 < frames < 5 << 20


async def test_flood_that_is_not_read_is_held_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(misdeeds, "_FLOOD_TIME", 0.1)
    monkeypatch.setattr(misdeeds, "_FLOOD", 64 << 20)

    async def serve(stream: trio.SocketStream) -> None:
        await head(stream)
        await stream.send_all(OPEN)
        await trio.sleep_forever()

    assert await answer("message flood", serve) == "held back"


async def test_server_that_is_gone_is_told() -> None:
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))  # Nobody listens there.
        told = await misdeeds.commit(
            misdeeds.MISDEEDS["no HTTP"],
            taken.getsockname(),
            "x",
            "/rooms/x",
            random.Random(1),
        )
    assert told == "refused"
