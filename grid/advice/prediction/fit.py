"""From observations to a fitted rate: named effects with joint draws."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from grid.advice.prediction import laplace
from grid.advice.prediction.model import MODEL, Effect, Term, terms
from grid.advice.prediction.observation import Observation
from grid.advice.prediction.result import RateKind
from grid.results.statistics.interval import Floats

DRAWS = 2000
_USUAL_NOISE = 0.06
_TAILS = 8
"""Degrees of freedom of the t distribution of what was not measured."""
_OWN = 0.02
"""Log units by which a quant type on a chip differs from what the two are elsewhere."""
_MACHINE = 0.03
"""Log units by which machines with the same chip differ: clocks, cooling, power limits."""
FAR = 4.0
"""Factor outside of the measured models' sizes from which a model is far from them."""
_FAR_HERE, _FAR_ANYWHERE = 0.1, 0.1
"""Log units of a rate that are not sure, for each factor of e by which a model is outside of those
measured on its platform, and of those measured anywhere."""
SEED = 20_241


@dataclass(frozen=True)
class FittedRate:
    """Posterior of one rate: effects by name, each with draws [n] that belong together.

    `rows` are those that have this rate, `regression` what was fitted to them. `group_scatter` is
    the standard deviation of a log rate by which a device's rows scatter more than others, such as
    those of a busy machine; `measured_quants` are pairs of device and quant, `machines` of who
    measured and device. `spans` are the least and the greatest size of a measured model, dense or
    mixture, by platform and, under "", of all: bytes read for a token, for prefill parameters.
    """

    rate: RateKind
    rows: tuple[Observation, ...] = field(repr=False)
    regression: laplace.Regression = field(repr=False)
    effects: dict[str, Floats]
    noise: Floats
    scale: Floats
    group_scatter: dict[str, float]
    measured_quants: frozenset[tuple[str, str]]
    machines: frozenset[tuple[str, str]]
    spans: dict[tuple[str, bool], tuple[float, float]]
    _prior_draws: dict[str, Floats] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, rate: RateKind, rows: Sequence[Observation], draws: int = DRAWS) -> Self:
        """Fit to the rows that have this rate; without any, the priors remain."""
        used = tuple(row for row in rows if measured_rate(rate, row) is not None)
        prior, names = _regression(rate, used)
        devices = [row.device for row in used]
        extra = laplace.group_scatter(prior, devices, _USUAL_NOISE)
        regression = replace(prior, extra=extra)
        posterior = laplace.posterior_draws(regression, draws, SEED)
        return cls(
            rate=rate,
            rows=used,
            regression=regression,
            effects={name: posterior.effects[:, index] for index, name in enumerate(names)},
            noise=posterior.noise,
            scale=posterior.scale,
            group_scatter=dict(zip(devices, extra.tolist(), strict=True)),
            measured_quants=frozenset((row.device, row.quant) for row in used),
            machines=frozenset((row.origin, row.device) for row in used),
            spans=_spans(rate, used),
        )

    def rates(self, row: Observation) -> Floats:
        """Draws [n] of what would be measured on `row`.

        Effects that no row had are drawn from their priors, the same draws for the same name, so
        that the draws of two models on one new chip share what is not known of the chip.
        """
        logs = [self._log_time(term) for term in terms(self.rate, row)]
        total = np.logaddexp.reduce(np.stack(logs), axis=0)
        if (row.device, row.quant) not in self.measured_quants:
            total = total + _OWN * self._t_draws(f"own {row.device} {row.quant}")
        own = f"noise {row.device} {row.engine} {row.quant} {row.model} {row.read_bytes:.0f}"
        spread = np.hypot(self.noise, self.group_scatter.get(row.device, 0.0))
        total = total + spread * self._t_draws(own)
        if (row.origin, row.device) not in self.machines:
            total = total + _MACHINE * self._t_draws(f"machine {row.origin} {row.device}")
        total = total + self._far_spread(row) * self._t_draws(f"far {row.device}")
        return np.asarray(np.exp(-total))

    def span(self, row: Observation) -> tuple[float, float] | None:
        """Sizes of the models measured on the row's platform, of all where there is none there."""
        kind = row.mixture
        return self.spans.get((row.platform, kind), self.spans.get(("", kind)))

    def factor_outside(self, row: Observation) -> float:
        """Factor by which the row's model is smaller or larger than the measured ones; 1 within."""
        return _factor_outside(self.span(row), size_of(self.rate, row))

    def _far_spread(self, row: Observation) -> float:
        """Standard deviation of a log rate of a model outside of what was measured on its platform,
        and more where it is outside of what was measured anywhere."""
        anywhere = self.spans.get(("", row.mixture))
        off = _factor_outside(anywhere, size_of(self.rate, row))
        return float(_FAR_HERE * np.log(self.factor_outside(row)) + _FAR_ANYWHERE * np.log(off))

    def _log_time(self, term: Term) -> Floats:
        return np.asarray(
            term.offset + sum(effect.weight * self._draws(effect) for effect in term.effects)
        )

    def _draws(self, effect: Effect) -> Floats:
        if effect.name in self.effects:
            return self.effects[effect.name]
        if effect.name not in self._prior_draws:
            spread = effect.sd * (self.scale if effect.pooled else 1.0)
            self._prior_draws[effect.name] = effect.mean + spread * self._t_draws(effect.name)
        return self._prior_draws[effect.name]

    def _t_draws(self, name: str) -> Floats:
        """Draws of Student's t [n] for what was never measured: now and then a class is unlike the
        others. The same draws for the same name."""
        key = hashlib.sha256(f"{SEED} {self.rate} {name}".encode()).digest()[:8]
        rng = np.random.default_rng(int.from_bytes(key, "big"))
        return rng.standard_t(_TAILS, self.noise.size)


def size_of(rate: RateKind, row: Observation) -> float:
    """The size that decides a rate: bytes read for a token, for prefill parameters."""
    return row.read_bytes if rate == "decode" else row.parameters


def _factor_outside(span: tuple[float, float] | None, size: float) -> float:
    least, most = span or (0.0, np.inf)
    return max(1.0, least / size, size / most)


def _spans(
    rate: RateKind, used: Sequence[Observation]
) -> dict[tuple[str, bool], tuple[float, float]]:
    sizes: dict[tuple[str, bool], list[float]] = {}
    for row in used:
        for name in (row.platform, ""):
            sizes.setdefault((name, row.mixture), []).append(size_of(rate, row))
    return {name: (min(values), max(values)) for name, values in sizes.items()}


def measured_rate(rate: RateKind, row: Observation) -> float | None:
    """The row's rate in token/s, None where it was not measured."""
    return row.decode_tps if rate == "decode" else row.prefill_tps


def _regression(
    rate: RateKind, used: Sequence[Observation]
) -> tuple[laplace.Regression, tuple[str, ...]]:
    """What is to be fitted, and the names of its effects.

    A model measured once has no effect of its own, since it could not be told from noise."""
    parts = [terms(rate, row) for row in used]
    often = Counter(effect.name for row in parts for effect in row[0].effects)
    row_terms = [[_without_single(term, often) for term in row] for row in parts]
    effects = {effect.name: effect for row in row_terms for term in row for effect in term.effects}
    order = {name: index for index, name in enumerate(effects)}
    count = len(row_terms[0]) if row_terms else 1
    regression = laplace.Regression(
        parts=tuple(_part([row[k] for row in row_terms], order) for k in range(count)),
        log_times=np.array([-np.log(measured_rate(rate, row) or 1.0) for row in used]),
        extra=np.zeros(len(used)),
        mean=np.array([effect.mean for effect in effects.values()]),
        sd=np.array([effect.sd for effect in effects.values()]),
        pooled=np.array([effect.pooled for effect in effects.values()], dtype=bool),
    )
    return regression, tuple(effects)


def _without_single(term: Term, often: Counter[str]) -> Term:
    effects = (e for e in term.effects if often[e.name] > 1 or not e.name.startswith(MODEL))
    return Term(term.offset, tuple(effects))


def _part(row_terms: Sequence[Term], order: dict[str, int]) -> laplace.Part:
    design = np.zeros((len(row_terms), len(order)))
    for index, term in enumerate(row_terms):
        for effect in term.effects:
            design[index, order[effect.name]] = effect.weight
    return laplace.Part(np.array([term.offset for term in row_terms]), design)
