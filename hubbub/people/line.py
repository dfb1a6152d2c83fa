"""How `hubbub listen` prints a message: one line each. Pure."""

import json

from hubbub.escape import JOINERS, plain


def message_line(message: dict[str, object], whole: bool, terminal: bool) -> str:
    """Return the line of one message, without its line feed.

    Args:
        message: The `message` of the native dialect.
        whole: All of it as JSON, rather than its data.
        terminal: Whether a terminal will show the line; then nothing in it may act
            on the terminal. In a pipe only line breaks are escaped, because the
            lines are what the next program counts on.
    """
    if whole:
        # On a terminal in ASCII: JSON's own escapes are harmless and still JSON.
        return json.dumps(message, ensure_ascii=terminal, separators=(",", ":"))
    data = message.get("data")
    if not isinstance(data, str):
        data = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    if terminal:
        return plain(data, keep=JOINERS)
    return data.replace("\r", "\\r").replace("\n", "\\n")
