"""What the supervisor needs of a logger; it imports no logging library itself."""

from typing import Protocol


class Log(Protocol):
    """Three verbs, each with an event and fields.

    Guarantees:
        No verb raises or waits, whatever becomes of the line: a full disk or a closed
        pipe must not end a cluster.
    """

    def info(self, event: str, /, **fields: object) -> object:
        """Log what goes as it should."""

    def warning(self, event: str, /, **fields: object) -> object:
        """Log what somebody should know."""

    def error(self, event: str, /, **fields: object) -> object:
        """Log what somebody has to mend."""
