"""A variant in a race: what is known of it before it runs, and what was measured so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grid.results.statistics.groups import Codes
from grid.results.statistics.interval import Floats


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers to the first items of a task: gains [n], (score - chance) / (1 - chance), and the
    group of each where they have groups. `limit` is how far a gain of one may be from another's, at
    most."""

    gains: Floats
    limit: float = 1.0
    groups: Codes | None = None


@dataclass(frozen=True, eq=False)
class Contender:
    """An artifact in an engine with its options, on one hardware class.

    `quality` is the same for those whose quality is one measurement, as of options that change
    speed only. `rates` are repetitions [n] in token/s by what was computed; `texts` mean KL
    divergences by chunk [n], nat, by text; `tasks` answers by task. Chunks and items are the first
    of those asked for, in their order.
    """

    id: str
    label: str
    model: str
    quality: str
    weight_bytes: int
    peak_bytes: float | None = None
    rates: Mapping[str, Floats] = field(default_factory=dict)
    texts: Mapping[str, Floats] = field(default_factory=dict)
    tasks: Mapping[str, Answers] = field(default_factory=dict)
