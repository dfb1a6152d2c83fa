"""A mutation: one protection, switched off in the source."""

from dataclasses import dataclass
from pathlib import Path


class Stale(ValueError):
    """The source has changed: what a mutation replaces is not there once."""


@dataclass(frozen=True)
class Mutation:
    """One protection that is switched off, and who must notice."""

    protection: str
    """What it protects from what, in words; unique."""
    file: str
    """Where, from the root of the repository."""
    old: str
    """Stands in that file exactly once."""
    new: str
    """Takes its place."""
    tests: tuple[str, ...]
    """Node ids of the tests that must turn red, every one of them; without parameters:
    one case of it at least."""
    shows: str
    """Regular expression, found in a line of each failure that says what is wrong: red
    for another reason proves nothing."""
    also: tuple[tuple[str, str, str], ...] = ()
    """Further replacements, each a file, the old text and the new."""

    @property
    def edits(self) -> tuple[tuple[str, str, str], ...]:
        """Every replacement: a file, the old text and the new."""
        return ((self.file, self.old, self.new), *self.also)

    def apply(self, root: Path) -> None:
        """Switch it off in the tree at `root`.

        Raises:
            Stale: the text to be replaced is not there, or more than once.
        """
        for file, old, new in self.edits:
            path = root / file
            source = path.read_text()
            count = source.count(old)
            if count != 1:
                raise Stale(f"{file} has {count} times: {old.strip()}")
            path.write_text(source.replace(old, new))
