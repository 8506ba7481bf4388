"""Advice: the answer, with where each figure is from and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from grid.advice.advice_quality import AdviceQuality
from grid.advice.ask import Ask
from grid.analysis import Rejection, Relaxation, Variant
from grid.analysis.axes import axis_of, estimate
from grid.results.statistics import Interval

if TYPE_CHECKING:
    from grid.advice.measure_more import MeasureMore
    from grid.advice.more_memory import Upgrade
    from grid.advice.serving import Serving
    from grid.advice.split_placement import Split

MEASURED_HERE = "measured here"
MEASURED_ON_SIMILAR = "measured on a similar class"
PREDICTED = "predicted"
PUBLISHED = "third-party figure"
KINDS = (MEASURED_HERE, MEASURED_ON_SIMILAR, PREDICTED, PUBLISHED)

CAPABILITY, KLD, PERPLEXITY = "capability", "KLD from 16 bits", "perplexity"
DECODE, TTFT, MEMORY = "decode rate", "time to first token", "memory"
QUANTITIES = (CAPABILITY, KLD, PERPLEXITY, DECODE, TTFT, MEMORY)


@dataclass(frozen=True)
class Evidence:
    """Where a figure is from.

    `kind` is one of KINDS; `text` is that with the class's name or the prediction's error, as
    shown; `error` is the median relative error of predictions with a class left out.
    """

    kind: str
    text: str
    error: float | None = None


@dataclass(frozen=True)
class Figure:
    """A quantity with its interval (95 %; of predictions 90 %); no ends where none is known."""

    value: float
    low: float | None
    high: float | None
    evidence: Evidence


@dataclass(frozen=True)
class Candidate:
    """A variant as it would be on the requested machine.

    `figures` by QUANTITIES: capability (0 chance, 1 perfect), KLD from 16 bits (nat), perplexity,
    decode rate (token/s), time to first token (s), memory at `context` tokens (bytes).
    """

    variant: Variant
    context: int
    figures: Mapping[str, Figure]
    weights_bytes: float
    kv_bytes: float | None
    overhead_bytes: float | None
    notes: tuple[str, ...] = ()
    split: Split | None = None
    """What of it lies in main memory; None where all of it is on one device."""

    @property
    def predicted(self) -> bool:
        """True where its decode rate was measured on no such hardware."""
        return DECODE in self.figures and self.figures[DECODE].evidence.kind == PREDICTED

    @property
    def label(self) -> str:
        return self.variant.label


@dataclass(frozen=True)
class Cost:
    """What one limit costs.

    Without it the pick would be `without`, `capability` better and `kld` nearer to or further from
    16 bits (95 % intervals of the paired differences, None where there is no such figure); None
    where the same is picked. `limit` is a field of Limits, `demand` the limit in words, `text` the
    sentence.
    """

    limit: str
    demand: str
    without: Variant | None
    capability: Interval | None
    text: str
    kld: Interval | None = None


@dataclass(frozen=True)
class ClassChange:
    """Change of one task class from the pick; `sure`: its 95 % interval excludes 0."""

    task_class: str
    change: Interval
    sure: bool


@dataclass(frozen=True)
class FrontierStep:
    """The next artifact on the frontier of quality and size: `direction` is up or down.

    Changes are that artifact minus the pick; `speed` is its decode rate over the pick's. `classes`
    are sorted by what they gain or lose. `blocked` says which limit it breaks, empty if none.
    """

    direction: str
    candidate: Candidate
    bytes_more: float
    capability: Interval | None
    classes: tuple[ClassChange, ...]
    speed: float | None
    blocked: str
    text: str
    kld: Interval | None = None


@dataclass(frozen=True)
class Compromise:
    """A candidate within the limits that is clearly smaller or faster than the pick.

    `size` is its bytes over the pick's, `speed` its decode rate over the pick's (95 % interval of
    joint draws), None where either is not known. `capability` and `kld` are its minus the pick's,
    as in a FrontierStep; `text` says what its quality loses.
    """

    candidate: Candidate
    size: float | None
    speed: Interval | None
    capability: Interval | None
    kld: Interval | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to run on `hardware`: a pick, or None with what to relax.

    `budget_bytes` is what models can have of its memory, `budget_why` the reason.
    `weights` are by task class, summing to 1; `absent` the wanted classes that were not measured.
    `quality` says what ranks the candidates; without tasks there are no weights.
    `best` measured best within the limits, `gap` is what it has more of it than the pick (None
    where it is the pick); `smallest` is the smallest that what was measured cannot surely tell from
    it.
    `sure` is P(no candidate within the limits is more than `tolerance` better than the pick: in
    capability, else in nats of KLD or a share of perplexity), None where the uncertainty is not
    known and where no other is within the limits.
    `contradictory`: each limit can be met, but not all at once.
    `serving` is how the pick is run. `rejected` are all the others, with why; `limits` are the
    demands in words.
    """

    ask: Ask
    hardware: str
    budget_bytes: float | None
    budget_why: str
    weights: Mapping[str, float]
    absent: tuple[str, ...]
    limits: tuple[str, ...]
    pick: Candidate | None
    runner_up: Candidate | None
    runner_why: str
    best: Candidate | None
    gap: Interval | None
    sure: float | None
    tolerance: float
    costs: tuple[Cost, ...]
    steps: tuple[FrontierStep, ...]
    rejected: tuple[Rejection, ...]
    relax: tuple[Relaxation, ...]
    contradictory: bool
    replay: str
    notes: tuple[str, ...]
    candidates: tuple[Candidate, ...] = field(default=(), repr=False)
    quality: AdviceQuality = field(default_factory=AdviceQuality)
    smallest: Candidate | None = None
    serving: Serving | None = None
    find_upgrades: Callable[[], tuple[Upgrade, ...]] = field(default=tuple, repr=False)
    """Makes `upgrades`; a pick for each size takes seconds in a large store."""
    expected_loss: float | None = None
    """What the pick is expected to lose of the best that fits; in the unit of `tolerance`, and not
    above it. None without a pick."""
    measure_more: MeasureMore | None = None
    """What would make the answer sure, where it is less sure than not."""
    smaller_choice: Compromise | None = None
    """The best of what has at most 3/4 of the pick's bytes and meets the limits."""
    faster_choice: Compromise | None = None
    """The best of what surely decodes over 1.1 times as fast and meets the limits."""
    share: Interval | None = None
    """The pick's capability over that of its model's 16 bits; None where either is not known."""

    @cached_property
    def upgrades(self) -> tuple[Upgrade, ...]:
        """What more memory, or a faster one, would change."""
        return self.find_upgrades()

    @property
    def smaller(self) -> Candidate | None:
        """What to run instead of the pick where size matters; None where nothing is smaller."""
        return self.smaller_choice.candidate if self.smaller_choice else None

    @property
    def faster(self) -> Candidate | None:
        """What to run instead of the pick where speed matters; None where nothing is faster."""
        return self.faster_choice.candidate if self.faster_choice else None

    @property
    def rivals(self) -> list[Rejection]:
        """The rejected, the best first, then the smallest."""
        axis = axis_of(self.quality.axis)

        def rank(lost: Rejection) -> tuple[float, int]:
            figure = estimate(lost.variant, axis)
            sign = -1.0 if axis.better == "higher" else 1.0
            worst = 1.0 if axis.better == "higher" else math.inf
            return worst if figure is None else sign * figure, lost.variant.artifact_bytes

        return sorted(self.rejected, key=rank)
