"""The query of a request target."""

from urllib.parse import unquote_plus


def parse_query(query: str) -> dict[str, str]:
    """Return the first value of each name, percent-decoded, `+` as a space.

    The first one counts, so that what a proxy appends does not replace what the
    client asked for. What is not valid UTF-8 becomes U+FFFD; a wrong `%` stays.

    Args:
        query: what follows the `?` of a target, as sent.
    """
    values: dict[str, str] = {}
    if query:
        for pair in query.split("&"):
            if pair:
                name, _, value = pair.partition("=")
                values.setdefault(unquote_plus(name), unquote_plus(value))
    return values
