"""What came of reading a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grid.models.identity import digest
from grid.results.imports.record import Origin, Record, attempt_id, rows
from grid.results.rows import Rows


@dataclass(frozen=True)
class Imported:
    """Rows of one file or publication. `skipped` has a line for all that was left out and why."""

    rows: Rows
    skipped: tuple[str, ...]
    origin: str
    licence: str
    name: str

    @property
    def count(self) -> int:
        """Attempts."""
        return len(self.rows.get("attempts", ()))


def imported(
    records: Sequence[Record], skipped: Sequence[str], origin: Origin, name: str, content: str
) -> Imported:
    """The records as rows; what stands twice in a file counts once. `content` is the file's text:
    it gives the import its id."""
    once = {attempt_id(record, origin): record for record in records}
    sweep_id = digest("import", origin.name, content)
    found = rows(list(once.values()), origin, f"import of {name}", sweep_id)
    return Imported(found, tuple(dict.fromkeys(skipped)), origin.name, origin.licence, name)
