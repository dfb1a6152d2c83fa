"""Counters of one worker: plain integers on the data path, published a few times
a second."""

from hubbub.server.stats.scoreboard import Record


class Counters:
    """What the data path counts; names are those of the scoreboard's field table."""

    __slots__ = (
        "accept_pauses",
        "bus_bytes",
        "bus_gaps",
        "bus_missed",
        "delivered",
        "errors",
        "floods",
        "held",
        "messages_in",
        "outbox_bytes",
        "protocol_errors",
        "refused",
        "silent",
        "slow_budget",
        "slow_outbox",
        "slow_stalled",
    )

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    accept_pauses: int
    bus_bytes: int
    bus_gaps: int
    bus_missed: int
    delivered: int
    errors: int
    floods: int
    held: int
    messages_in: int
    outbox_bytes: int
    protocol_errors: int
    refused: int
    silent: int
    slow_budget: int
    slow_outbox: int
    slow_stalled: int

    def publish(self, record: Record) -> None:
        """Store all counters in `record`, together."""
        record.publish({name: getattr(self, name) for name in self.__slots__})
