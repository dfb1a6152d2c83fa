"""The peers there are, in the order of the table."""

from hubbub.loadtest.bench.peers.install import nchan, with_npm, with_pip
from hubbub.loadtest.bench.peers.peer import Peer
from hubbub.loadtest.bench.peers.wire import ECHOING, SOCKETIO

PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "socketify",
            "relay_socketify.py",
            lambda folder: with_pip(folder, "socketify", libraries=("libuv1",)),
            ECHOING,
        ),
        Peer(
            "picows",
            "relay_picows.py",
            lambda folder: with_pip(folder, "picows", "uvloop"),
        ),
        Peer("nchan", "relay_nchan.conf", nchan, ECHOING, children=1),
        Peer("ws", "relay_ws.js", lambda folder: with_npm(folder, "ws")),
        Peer(
            "websockets",
            "relay_websockets.py",
            lambda folder: with_pip(folder, "websockets"),
        ),
        Peer(
            "socket.io",
            "relay_socketio.js",
            lambda folder: with_npm(folder, "socket.io"),
            SOCKETIO,
        ),
        Peer(
            "trio-websocket",
            "relay_trio_websocket.py",
            lambda folder: with_pip(folder, "trio-websocket"),
        ),
    )
}
"""By name: what `--peers` knows."""
