"""The field table of the scoreboard: one row a figure, with its unit.

A record is an array of unsigned 64-bit words; a field's index in the table is its
word in the record, after the sequence word. Appending a field changes VERSION.
"""

from enum import IntEnum
from typing import Final, NamedTuple


class Field(NamedTuple):
    """One figure of a worker."""

    name: str
    unit: str
    doc: str


class State(IntEnum):
    """What a worker says of itself."""

    EMPTY = 0
    STARTING = 1
    READY = 2
    DRAINING = 3


FIELDS: Final = (
    Field("pid", "", "process id; 0: no worker holds this record"),
    Field("generation", "", "the n-th worker of this slot"),
    Field("state", "", "a value of State"),
    Field("started_at", "ns", "start, wall clock since the epoch"),
    Field("heartbeat", "ns", "last sign of life, CLOCK_MONOTONIC"),
    Field("connections", "", "open client sockets"),
    Field("accepted", "", "client sockets accepted since start"),
    Field("accepting", "", "1 while the worker takes new connections"),
    Field("listening", "", "1 while the listener is in the worker's epoll"),
    Field("rooms", "", "rooms with a member on this worker"),
    Field("messages_in", "", "messages received from clients"),
    Field("delivered", "", "messages handed to members' sockets"),
    Field("outbox_bytes", "bytes", "unsent bytes of all connections"),
    Field("bus_bytes", "bytes", "bytes written to bus links"),
    Field("bus_missed", "", "bus frames that a cut link did not carry"),
    Field("bus_gaps", "", "bus frames that peers told us we missed"),
    Field("slow_outbox", "", "connections closed: outbox over its limit"),
    Field("slow_budget", "", "connections closed: outbox budget of the worker"),
    Field("slow_stalled", "", "connections closed: unsent bytes did not move"),
    Field("refused", "", "opening handshakes refused"),
    Field("protocol_errors", "", "connections failed for malformed input"),
    Field("held", "", "times a connection was read no further for a moment"),
    Field("floods", "", "connections closed: above their rate for too long"),
    Field("silent", "", "connections closed: no answer to a ping"),
    Field("errors", "", "exceptions in a connection's handler"),
    Field("accept_pauses", "", "times accept ran out of file descriptors"),
    Field("logs_dropped", "", "log lines that could not be written"),
    Field("memory_private", "bytes", "private memory since birth"),
    Field("memory_shared", "bytes", "resident memory shared with others"),
    Field("fds", "", "open file descriptors, counted by the worker"),
    Field("cpu", "ns", "user and system time"),
    Field("delay_p50", "µs", "loop delay, median of the last minute"),
    Field("delay_p99", "µs", "loop delay, 99th percentile of the last minute"),
    Field("delay_max", "µs", "loop delay, largest of the last minute"),
)

INDEX: Final = {field.name: i + 1 for i, field in enumerate(FIELDS)}
"""Word of each field in a record; word 0 is the sequence."""

MAGIC: Final = 0x48554242_55420000
VERSION: Final = 2
HEADER_WORDS: Final = 8
DEGRADED: Final = 3
"""Word of the header: 1 while the cluster has fewer workers than it should."""
RECORD_WORDS: Final = 64
