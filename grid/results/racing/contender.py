"""A variant in a race: what is known of it before it runs, and what was measured so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from grid.results.statistics.groups import Codes
from grid.results.statistics.interval import Floats
from grid.results.statistics.runs import BetweenRuns


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers to the first items of a task: gains [n], (score - chance) / (1 - chance), and the
    group of each where they have groups. `limit` is how far a gain of one may be from another's, at
    most."""

    gains: Floats
    limit: float = 1.0
    groups: Codes | None = None


@dataclass(frozen=True, eq=False)
class Rates:
    """Undisturbed repetitions of a rate in one run: values [n] in token/s. Of how far another run
    may lie apart: `moved` is what the machine's speed showed meanwhile, `earlier` what runs before
    it did, `loss` the mean log of time over time without what was lost to others."""

    values: Floats
    moved: BetweenRuns | None = None
    earlier: BetweenRuns | None = None
    loss: float = 0.0


@dataclass(frozen=True, eq=False)
class Contender:
    """An artifact in an engine with its options, on one hardware class.

    `quality` is the same for those whose quality is one measurement, as of options that change
    speed only. `rates` are by what was computed; `texts` mean KL
    divergences by chunk [n], nat, by text; `tasks` answers by task. Chunks and items are the first
    of those asked for, in their order. `missing` names what was tried and compares nothing: it
    failed, or others disturbed it.
    """

    id: str
    label: str
    model: str
    quality: str
    weight_bytes: int
    peak_bytes: float | None = None
    rates: Mapping[str, Rates] = field(default_factory=dict)
    texts: Mapping[str, Floats] = field(default_factory=dict)
    tasks: Mapping[str, Answers] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
