"""Who measured the figures that quantgrid did not."""

from __future__ import annotations

from collections.abc import Iterable


def third_party(rows: Iterable[tuple[str | None, str | None]]) -> list[str]:
    """A line for each origin among (origin, licence) of rows; none where all were measured here."""
    found = {(origin, licence or "not stated") for origin, licence in rows if origin}
    return [f"third-party: {origin}, licence {licence}" for origin, licence in sorted(found)]
