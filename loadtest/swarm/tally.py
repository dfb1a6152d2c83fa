"""What one process of mass clients has counted."""

from hubbub.loadtest.histogram import Histogram
from hubbub.loadtest.verify import Ledger


class Tally:
    """Counts of one process, since its start.

    Args:
        clients: how many there are.

    Attributes:
        connected: clients that are joined now.
        whole: since when all of them are, ns; 0: somebody is away.
        joins: joins that were answered.
        sent: messages sent.
        received: messages received, each member's each counted.
        closed: connections that the server closed and should not have.
        errors: by kind.
        forgiven: ends of connections that the scenario is about, by kind.
        latency: from due to received, microseconds.
        lag: from due to sent, microseconds: the generator's own.
        ledger: violations.
    """

    def __init__(self, clients: int = 0) -> None:
        self._clients = clients
        self.connected = 0
        self.whole = 0
        self.joins = 0
        self.sent = 0
        self.received = 0
        self.closed = 0
        self.errors: dict[str, int] = {}
        self.forgiven: dict[str, int] = {}
        self.latency = Histogram()
        self.lag = Histogram()
        self.ledger = Ledger()

    def came(self, now: int) -> None:
        """Count a client that has joined."""
        self.connected += 1
        self.joins += 1
        if self.connected == self._clients:
            self.whole = now

    def went(self) -> None:
        """Count a client that is joined no longer."""
        self.connected -= 1
        self.whole = 0

    def error(self, kind: str) -> None:
        """Count one error."""
        self.errors[kind] = self.errors.get(kind, 0) + 1

    def forgive(self, kind: str) -> None:
        """Count an end of a connection that the scenario is about."""
        self.forgiven[kind] = self.forgiven.get(kind, 0) + 1
