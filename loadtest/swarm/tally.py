"""What one process of mass clients has counted."""

from hubbub.loadtest.histogram import Histogram
from hubbub.loadtest.verify import Ledger


class Tally:
    """Counts of one process, since its start.

    Attributes:
        connected: clients that are joined now.
        joins: joins that were answered.
        sent: messages sent.
        received: messages received, each member's each counted.
        closed: connections that the server closed and should not have.
        errors: by kind.
        latency: from due to received, microseconds.
        lag: from due to sent, microseconds: the generator's own.
        ledger: violations.
    """

    def __init__(self) -> None:
        self.connected = 0
        self.joins = 0
        self.sent = 0
        self.received = 0
        self.closed = 0
        self.errors: dict[str, int] = {}
        self.latency = Histogram()
        self.lag = Histogram()
        self.ledger = Ledger()

    def error(self, kind: str) -> None:
        """Count one error."""
        self.errors[kind] = self.errors.get(kind, 0) + 1
