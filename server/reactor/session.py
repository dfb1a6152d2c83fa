"""Sessions: what the bytes of clients mean for rooms.

Between the reactor, which owns sockets, and the hub, which owns rooms: it answers
opening handshakes, carries out commands, and sees to what follows a change of
membership (the interest bit before the answer, what is owed before the leave).
"""

from collections.abc import Callable
from random import randint

from hubbub.codes import Close
from hubbub.server.dialects import native
from hubbub.server.dialects.encoder import Encoder, variant_of
from hubbub.server.dialects.message import Dialect, Message
from hubbub.server.reactor.connection import Connection, Phase
from hubbub.server.reactor.fanout import Bus, Fanout
from hubbub.server.reactor.reactor import Reactor
from hubbub.server.rooms.hub import Hub
from hubbub.server.rooms.name import valid_room
from hubbub.server.rooms.room import Room
from hubbub.server.stats.census import Census
from hubbub.server.stats.interest import Interest, room_bit
from hubbub.server.websocket.decoder import Decoder
from hubbub.server.websocket.deflate import negotiate
from hubbub.server.websocket.frames import BINARY, CLOSE, PING, TEXT
from hubbub.server.websocket.handshake import (
    check_get,
    check_upgrade,
    choose_subprotocol,
    upgrade_response,
)
from hubbub.server.websocket.request import Refused, Request
from hubbub.server.websocket.response import http_response, refusal_response
from hubbub.server.websocket.route import Endpoint, route
from hubbub.settings import MIB, Limits, Settings

MOST_STRIKES = 16
"""Bad native messages, less the good ones, after which a connection is closed."""
ECHO_LIMITS = Limits(message=16 * MIB, fragments=65536 + 1)
"""Clients may end 65,536 full fragments with an empty one; Autobahn 9.3.1 does."""

PLAIN, NATIVE, ECHO = range(3)
Events = list[tuple[int, bytes]]


class Sessions:
    """Carries out what clients ask for.

    Args:
        settings: origins, limits, echo and identify.
        slot: this worker's slot, whose interest bits it keeps.
        generation: this worker's generation.
        prefix: makes member names of this worker unlike those of any other.
        most: connections this worker serves at once.
        refused: called with status and reason of every refused handshake.
        degraded: says whether the cluster has fewer workers than it should.
    """

    def __init__(
        self,
        settings: Settings,
        slot: int,
        generation: int,
        prefix: str,
        most: int,
        reactor: Reactor,
        hub: Hub,
        interest: Interest,
        bus: Bus,
        fanout: Fanout,
        encoder: Encoder,
        refused: Callable[[int, str], None],
        degraded: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._limits = settings.limits
        self._slot = slot
        self._identity = {"slot": slot, "generation": generation}
        self._headers = (
            [("Hubbub-Worker", f"{slot}/{generation}")] if settings.identify else []
        )
        self._prefix = prefix
        self._most = most
        self._reactor = reactor
        self._counters = reactor.counters
        self._hub = hub
        self._interest = interest
        self._census = Census(interest, slot)
        self._bus = bus
        self._fanout = fanout
        self._encoder = encoder
        self._refused = refused
        self._degraded = degraded
        self.handlers = (self._plain, self._native, self._echo)
        self._commands = {
            "join": self._join,
            "leave": self._leave,
            "publish": self._publish,
            "ping": self._ping,
            "presence": self._unavailable,
            "history": self._unavailable,
        }
        self.draining = False

    # The opening handshake

    def open(self, c: Connection, data: bytes) -> None:
        """Take bytes of a request; answer it when it is complete."""
        reader = c.reader
        assert reader is not None
        request = None
        try:
            request = reader.feed(data)
            if request is not None:
                self._answer(c, request, reader.rest)
        except Refused as refused:
            head_only = request is not None and request.method == "HEAD"
            self.refuse(c, refused, head_only)

    def refuse(self, c: Connection, refused: Refused, head_only: bool = False) -> None:
        """Answer a handshake with an HTTP status and end the connection."""
        self._counters.refused += 1
        self._refused(refused.status, refused.reason)
        self._reactor.finish(c, refusal_response(refused, head_only=head_only))

    def _answer(self, c: Connection, request: Request, rest: bytes) -> None:
        target = route(request.path)
        if target.endpoint is Endpoint.HEALTH:
            self._health(c, request)
            return
        if target.endpoint is Endpoint.ECHO and not self._settings.echo:
            raise Refused(404, "There is nothing here; start with --echo to have it.")
        upgrade = check_upgrade(request, self._settings.origins)
        if self.draining or len(self._reactor.connections) > self._most:
            # Not all at the same second: who is turned away now comes back spread.
            raise Refused(
                503,
                "This server is full or going away; try again later.",
                (("Retry-After", str(randint(1, 5))),),
            )
        subprotocol = None
        if target.endpoint is Endpoint.NATIVE:
            subprotocol = choose_subprotocol(upgrade.subprotocols)
            c.kind = NATIVE
            c.dialect = native.SUBPROTOCOLS[subprotocol or "hubbub.v1.json"]
        elif target.endpoint is Endpoint.ECHO:
            c.kind = ECHO
            c.patient = True
        else:
            c.own = request.query.get("echo") == "1"
        agreement = None
        if self._settings.compression and upgrade.extensions:
            agreement = negotiate(upgrade.extensions)
        headers = self._headers
        if agreement is not None:
            headers = [*headers, ("Sec-WebSocket-Extensions", agreement.answer)]
        c.variant = variant_of(c.dialect, agreement.window if agreement else None)
        limits = ECHO_LIMITS if c.kind == ECHO else self._limits
        c.decoder = Decoder(limits, agreement is not None)
        c.reader = None
        c.phase = Phase.OPEN
        c.seen = self._reactor.now
        if target.endpoint is Endpoint.PLAIN:
            # The 101 is the answer to the join: the join holds before it is sent.
            self._enter(c, target.room)
        self._reactor.send(c, upgrade_response(upgrade, subprotocol, headers))
        if c.kind == NATIVE:
            self._welcome(c)
        if rest and c.phase == Phase.OPEN:
            self._reactor.feed(c, rest)

    def _health(self, c: Connection, request: Request) -> None:
        check_get(request)
        status, body = 200, "degraded\n" if self._degraded() else "ok\n"
        if self.draining:
            status, body = 503, "draining\n"
        head_only = request.method == "HEAD"
        self._reactor.finish(c, http_response(status, body, head_only=head_only))

    def _welcome(self, c: Connection) -> None:
        welcome: dict[str, object] = {
            "type": "welcome",
            "connection": self.name(c),
            "heartbeat": self._settings.heartbeat.interval,
            "limits": {
                "message": self._limits.message,
                "rooms": self._limits.rooms,
                "rate": self._limits.rate,
                "burst": self._limits.burst,
            },
        }
        if self._settings.identify:
            welcome["worker"] = self._identity
        self._reactor.send(c, native.encode_event(c.dialect, welcome))

    def name(self, c: Connection) -> str:
        """Return the public name of `c`: unique in the cluster, made when needed."""
        if not c.member:
            c.member = f"{self._prefix}-{c.serial:x}"
        return c.member

    # Membership

    def _enter(self, c: Connection, name: str) -> Room:
        room, new = self._hub.join(c, name)
        if new:
            self._interest.add(self._slot, room.bit)
            room.place = self._census.open(name)
        else:
            self._census.store(room.place, len(room.members))
        return room

    def _exit(self, c: Connection, room: Room) -> list[Message]:
        owed, gone = self._hub.leave(c, room)
        self._census.store(room.place, len(room.members))
        if gone:
            self._interest.remove(self._slot, room.bit)
        return owed

    def leave_all(self, c: Connection) -> None:
        """End all memberships of `c`."""
        for room in c.rooms:
            self._exit(c, room)

    def tell_gap(self, name: str) -> None:
        """Tell the native members of room `name` that messages were missed."""
        room = self._hub.rooms.get(name)
        if room is None:
            return
        for member in tuple(room.members):
            assert isinstance(member, Connection)
            if member.kind == NATIVE:
                event = {"type": "gap", "room": name}
                self._reactor.send(member, native.encode_event(member.dialect, event))

    # Messages

    def _plain(self, c: Connection, events: Events) -> None:
        for opcode, payload in events:
            if opcode > BINARY:
                if not self._control(c, opcode, payload):
                    return
                continue
            self._counters.messages_in += 1
            room = c.rooms[0]
            message = Message(opcode, payload, c.member or self.name(c))
            self._hub.publish_in(room, message, None if c.own else c)
            self._bus.publish(room.bit, room.name, message)

    def _echo(self, c: Connection, events: Events) -> None:
        for opcode, payload in events:
            if opcode <= BINARY:
                self._counters.messages_in += 1
                self._reactor.send(c, self._encoder.frame(c.variant, opcode, payload))
            elif not self._control(c, opcode, payload):
                return

    def _native(self, c: Connection, events: Events) -> None:
        expected = TEXT if c.dialect == Dialect.JSON else BINARY
        for opcode, payload in events:
            if opcode > BINARY:
                if not self._control(c, opcode, payload):
                    return
                continue
            self._counters.messages_in += 1
            if opcode != expected:
                self._counters.protocol_errors += 1
                self._reactor.close(c, Close.UNSUPPORTED_DATA)
                return
            try:
                command = native.decode_command(c.dialect, payload)
                handler = self._commands.get(command.type)
                if handler is None:
                    raise native.BadCommand("unknown_type", command.id)
                handler(c, command)
                if c.strikes:
                    c.strikes -= 1
            except native.BadCommand as bad:
                self._reactor.send(c, native.encode_error(c.dialect, bad.code, bad.id))
                c.strikes += 1
                if c.strikes > MOST_STRIKES:
                    self._counters.protocol_errors += 1
                    self._reactor.close(c, Close.POLICY, "too many bad messages")
            if c.phase != Phase.OPEN:
                return

    def _control(self, c: Connection, opcode: int, payload: bytes) -> bool:
        """Handle a control frame; return whether the connection is still open."""
        if opcode == PING:
            self._reactor.pong(c, payload)
        elif opcode == CLOSE:
            self._reactor.answer_close(c, payload)
        return c.phase == Phase.OPEN

    # Commands of the native dialect

    def _ok(self, c: Connection, command: native.Command, **fields: object) -> bytes:
        event = {"type": "ok", "id": command.id, **fields}
        return native.encode_event(c.dialect, event)

    def _room_name(self, command: native.Command) -> str:
        if not valid_room(command.room):
            raise native.BadCommand("bad_room", command.id)
        return command.room

    def _join(self, c: Connection, command: native.Command) -> None:
        name = self._room_name(command)
        found = self._hub.rooms.get(name)
        if found is not None and c in found:
            raise native.BadCommand("already_member", command.id)
        if len(c.rooms) >= self._limits.rooms:
            raise native.BadCommand("too_many_rooms", command.id)
        self._enter(c, name)
        if command.id is not None:
            fields: dict[str, object] = {"room": name}
            members = self._census.total(name)
            if members is not None:
                fields["members"] = members
            if bytes(command.since):
                fields["recovered"] = False
            self._reactor.send(c, self._ok(c, command, **fields))

    def _leave(self, c: Connection, command: native.Command) -> None:
        room = self._hub.rooms.get(self._room_name(command))
        if room is None or c not in room:
            raise native.BadCommand("not_member", command.id)
        owed = self._exit(c, room)
        if owed:
            self._counters.delivered += len(owed)
            self._reactor.send(c, self._encoder.encode(c.variant, room.name, owed))
        if command.id is not None:
            self._reactor.send(c, self._ok(c, command, room=room.name))

    def _publish(self, c: Connection, command: native.Command) -> None:
        name = self._room_name(command)
        message = native.decode_data(c.dialect, command, self.name(c))
        self._hub.publish(name, message, c)
        self._bus.publish(room_bit(name), name, message)
        if command.id is not None:
            self._fanout.answer(c, self._ok(c, command))

    def _ping(self, c: Connection, command: native.Command) -> None:
        if command.id is not None:
            self._reactor.send(c, self._ok(c, command))

    def _unavailable(self, c: Connection, command: native.Command) -> None:
        raise native.BadCommand("not_available", command.id)
