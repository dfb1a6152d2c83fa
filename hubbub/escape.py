"""Make untrusted text harmless on a line and on a terminal.

Room names, close reasons, headers and messages come from strangers. Printed raw,
a line feed forges a log line, an escape sequence repaints a terminal and a
right-to-left override makes a line read as what it is not.
"""

JOINERS = "\u200c\u200d"
"""Joiners that Persian words and emoji families are written with: harmless."""

_NAMES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(text: str, keep: str = "") -> str:
    """Escape everything in `text` that is not printable.

    `str.isprintable` is false for exactly what is dangerous here: control and
    format characters (C0, C1, DEL, bidirectional overrides, zero width), lone
    surrogates, unassigned code points and separators other than the space.

    Args:
        text: Any text.
        keep: Characters that stay although they are not printable.

    Returns:
        Text of printable characters only, without a line break.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else _escaped(char) for char in text
    )


def _escaped(char: str) -> str:
    code = ord(char)
    if char in _NAMES:
        return _NAMES[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quoted(text: str, longest: int = 60) -> str:
    """Return `text` as a sentence can quote it: escaped, in quotes, not too long."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return f'"{plain(cut)}"'
