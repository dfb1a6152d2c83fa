"""Rooms with picows on uvloop: a send() to each of a room's transports."""

import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

rooms: dict[bytes, set[WSTransport]] = {}
RELAYED = (WSMsgType.TEXT, WSMsgType.BINARY)


class Member(WSListener):
    """One member."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Join the room of the path."""
        self.room = rooms.setdefault(transport.request.path, set())
        self.room.add(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Relay a message to the others."""
        kind = frame.msg_type
        if kind in RELAYED:
            message = frame.get_payload_as_bytes()
            for other in self.room:
                if other is not transport:
                    other.send(kind, message)
        elif kind == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Leave."""
        self.room.discard(transport)


async def main(port: int) -> None:
    """Serve for ever."""
    server = await ws_create_server(
        lambda request: Member(), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


uvloop.run(main(int(sys.argv[1])))
