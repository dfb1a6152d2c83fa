"""Rooms with socketify (uWebSockets): a topic for each room."""

import sys

from socketify import App, AppListenOptions, CompressOptions, OpCode


def upgrade(response, request, context):
    """Accept a member, and remember its room."""
    response.upgrade(
        request.get_header("sec-websocket-key"),
        request.get_header("sec-websocket-protocol"),
        request.get_header("sec-websocket-extensions"),
        context,
        request.get_parameter(0),
    )


def join(member):
    """Hear the room."""
    member.subscribe(member.get_user_data())


def relay(member, message, opcode):
    """Tell the room; the library's publish() leaves nobody out."""
    kind = OpCode.TEXT if opcode == OpCode.TEXT else OpCode.BINARY
    member.publish(member.get_user_data(), message, kind)


app = App()
app.ws(
    "/rooms/:room",
    {
        "compression": CompressOptions.DISABLED,
        "max_backpressure": 16 << 20,
        "idle_timeout": 0,
        "upgrade": upgrade,
        "open": join,
        "message": relay,
    },
)
app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"))
app.run()
