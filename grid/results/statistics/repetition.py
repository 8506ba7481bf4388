"""Endless repetition in written answers."""

from __future__ import annotations

COPIES = 3
"""Times that a unit stands at the end of an answer, at least."""
SHORTEST_RUN = 48
"""Characters that the copies have together, at least: `!!!` is no loop."""
LONGEST_UNIT = 400
"""Characters of the longest unit that is looked for."""


def ends_in_repetition(text: str) -> bool:
    """Whether a text ends in one unit of characters, repeated back to back: `COPIES` times or more,
    over `SHORTEST_RUN` characters or more. The last copy may be cut off."""
    longest = min(LONGEST_UNIT, len(text) // COPIES)
    return any(_is_repeated(text, unit) for unit in range(1, longest + 1))


def _is_repeated(text: str, unit: int) -> bool:
    """Whether the end of the text has period `unit` for long enough."""
    length = max(COPIES * unit, SHORTEST_RUN)
    end = text[-length:]
    return len(end) == length and end[unit:] == end[:-unit]
