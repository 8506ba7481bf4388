"""From observations to a fitted rate: named effects with joint draws."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from grid.prediction import laplace
from grid.prediction.model import Effect, Term, terms
from grid.prediction.observation import Observation
from grid.prediction.result import Rate
from grid.statistics.interval import Floats

DRAWS = 2000
_USUAL_NOISE = 0.06
_TAILS = 5
"""Degrees of freedom of what was not seen."""
_OWN = 0.02
"""Log units by which a quant type on a chip differs from what the two are elsewhere."""
SEED = 20_241


@dataclass(frozen=True)
class FittedRate:
    """Posterior of one rate: effects by name, each with draws [n] that belong together.

    `restless` are groups whose rows scatter more than others, such as a machine that was busy, with
    the standard deviation of a log rate that this adds; `seen` are the groups' measured quants.
    """

    rate: Rate
    effects: dict[str, Floats]
    noise: Floats
    scale: Floats
    restless: dict[str, float]
    seen: frozenset[tuple[str, str]]
    _imagined: dict[str, Floats] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, rate: Rate, rows: Sequence[Observation], draws: int = DRAWS) -> Self:
        """Fit to the rows that have this rate; without any, the priors remain."""
        used = [row for row in rows if measured(rate, row) is not None]
        times = np.array([-np.log(measured(rate, row) or 1.0) for row in used])
        parts = [terms(rate, row) for row in used]
        known = {effect.name: effect for row in parts for term in row for effect in term.effects}
        order = {name: index for index, name in enumerate(known)}
        prior = laplace.Problem(
            parts=tuple(_part([row[k] for row in parts], order) for k in range(_parts_of(rate))),
            observed=times,
            extra=np.zeros(len(used)),
            mean=np.array([effect.mean for effect in known.values()]),
            sd=np.array([effect.sd for effect in known.values()]),
            pooled=np.array([effect.pooled for effect in known.values()], dtype=bool),
        )
        groups = [row.group for row in used]
        extra = laplace.restless(prior, groups, _USUAL_NOISE)
        found = laplace.posterior_draws(replace(prior, extra=extra), draws, SEED)
        return cls(
            rate=rate,
            effects={name: found.effects[:, index] for name, index in order.items()},
            noise=found.noise,
            scale=found.scale,
            restless=dict(zip(groups, extra.tolist(), strict=True)),
            seen=frozenset((row.group, row.quant) for row in used),
        )

    def rates(self, row: Observation) -> Floats:
        """Draws [n] of what would be measured on `row`.

        Effects that no row had are imagined from their priors, the same ones for the same name, so
        that the draws of two models on one new chip share what is not known of the chip.
        """
        logs = [self._log_time(term) for term in terms(self.rate, row)]
        total = np.logaddexp.reduce(np.stack(logs), axis=0)
        if (row.group, row.quant) not in self.seen:
            total = total + _OWN * self._wide(f"own {row.group} {row.quant}")
        own = f"noise {row.group} {row.engine} {row.quant} {row.model} {row.read_bytes:.0f}"
        spread = np.hypot(self.noise, self.restless.get(row.group, 0.0))
        total = total + spread * self._wide(own)
        return np.asarray(np.exp(-total))

    def _log_time(self, term: Term) -> Floats:
        return np.asarray(
            term.offset + sum(effect.weight * self._draws(effect) for effect in term.effects)
        )

    def _draws(self, effect: Effect) -> Floats:
        if effect.name in self.effects:
            return self.effects[effect.name]
        if effect.name not in self._imagined:
            spread = effect.sd * (self.scale if effect.pooled else 1.0)
            self._imagined[effect.name] = effect.mean + spread * self._wide(effect.name)
        return self._imagined[effect.name]

    def _wide(self, name: str) -> Floats:
        """Student's t [n] for what was never seen: classes differ in how much they scatter, and now
        and then one is unlike the rest. The same draws for the same name."""
        key = hashlib.sha256(f"{SEED} {self.rate} {name}".encode()).digest()[:8]
        rng = np.random.default_rng(int.from_bytes(key, "big"))
        return rng.standard_t(_TAILS, self.noise.size)


def measured(rate: Rate, row: Observation) -> float | None:
    """The row's rate in token/s, None where it was not measured."""
    return row.decode_tps if rate == "decode" else row.prefill_tps


def _parts_of(rate: Rate) -> int:
    return 3 if rate == "decode" else 1


def _part(found: Sequence[Term], order: dict[str, int]) -> laplace.Part:
    design = np.zeros((len(found), len(order)))
    for index, term in enumerate(found):
        for effect in term.effects:
            design[index, order[effect.name]] = effect.weight
    return laplace.Part(np.array([term.offset for term in found]), design)
