"""permessage-deflate with a real client, beside members that have not asked for it."""

import pytest
from websockets.sync.client import connect

from tests.e2e.conftest import Cluster, wait_for
from tests.e2e.people import open_on, plain

pytestmark = pytest.mark.slow


def compressed(url: str, slot: int):  # type: ignore[no-untyped-def]
    return open_on(lambda: connect(url, max_size=None).__enter__(), slot)


def test_members_with_and_without_share_a_room_across_workers(cluster: Cluster) -> None:
    cluster.start("--workers", "2", "--identify")
    url = cluster.url("/rooms/lobby")
    squeezing = [compressed(url, slot) for slot in (0, 1, 1)]
    for member in squeezing:
        assert (
            "permessage-deflate" in member.response.headers["Sec-WebSocket-Extensions"]
        )
    bare = plain(url, 0)
    assert "Sec-WebSocket-Extensions" not in bare.response.headers
    for size in (1, 255, 256, 5000, 65536):
        text = ("ab☃" * size)[: size // 2 or 1]
        for speaker in (squeezing[0], bare):
            speaker.send(text)
            for member in (*squeezing, bare):
                if member is not speaker:
                    assert member.recv(5) == text
    squeezing[0].send("x" * 65537)
    wait_for(lambda: squeezing[0].protocol.close_rcvd)
    assert squeezing[0].protocol.close_rcvd.code == 1009
    bare.send("still here " * 100)
    assert squeezing[1].recv(5) == "still here " * 100


def test_it_can_be_switched_off(cluster: Cluster) -> None:
    cluster.start("--workers", "1", "--identify", "--set", "compression=false")
    member = compressed(cluster.url("/rooms/lobby?echo=1"), 0)
    assert "Sec-WebSocket-Extensions" not in member.response.headers
    member.send("x" * 1000)
    assert member.recv(5) == "x" * 1000
