"""Seeds of random streams by name, so that adding a variant moves no other's draws."""

from __future__ import annotations

from grid.models.identity import digest


def stream_of(seed: int, *name: object) -> list[int]:
    """Seed of the random stream of a name."""
    return [seed, int(digest(*name), 16)]
