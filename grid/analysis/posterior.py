"""The posterior of the variants of one hardware class, as joint draws.

METHOD says prior and method; docs/frontier.md holds the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from grid.analysis.answer_costs import COST_AXES, COST_METHOD, cost_draws
from grid.analysis.disturbed_rates import undisturbed_rate_draws
from grid.analysis.group_draws import GROUPED_PRIOR_ITEMS, PRIOR_ITEMS, grouped_means
from grid.analysis.ladder_prior import LADDER_METHOD, with_ladder_prior
from grid.analysis.random_streams import stream_of
from grid.analysis.text_draws import TEXT_AXES, text_draws
from grid.analysis.variant import Variant, gains_table, groups_of, task_places
from grid.errors import InputError, name_some
from grid.results.statistics.groups import Codes, group_codes
from grid.results.statistics.interval import Floats

DRAWS = 2000
SEED = 1

METHOD = (
    "Quality: Bayesian bootstrap (Rubin 1981). The items of a class are a sample of all that it "
    "could hold; their weights have the posterior Dirichlet(1, ..., 1). All variants share each "
    "draw of weights, so they are compared on the same items. The prior is 4 more items of weight "
    "1 in each class, which every variant answers by itself, at its own rate: without them two "
    "answers of difference and none the other way would count as proof. A draw of capability is "
    "the weighted mean of its classes, that of a class the mean of its tasks. Where items come in "
    "groups (a passage, a subject) the groups are the sample: the items of one share its weight, "
    "draws are widened to Student's t of as many groups (on the log-odds scale), and the prior is "
    "2 items.\n"
    + LADDER_METHOD
    + "Speed: repetitions are log-normal with Jeffreys' prior p(mu, sigma) ~ 1 / sigma, so the log "
    "of the median rate is mean + sd / sqrt(n) * t, t of Student with n - 1 degrees of freedom. A "
    "single repetition is taken as exact. The spread between runs is added. Where the engine lost "
    "more than 5 % of its time to other programs, its rate without them is meant: the measured one "
    "/ (1 - the share lost) squared, for its threads wait for each other, with the spread of such "
    "runs. If undisturbed variants of the same model are measured, the rate that their sizes let "
    "expect, with a standard deviation of 15 %, is combined with it.\n"
    "A class of which only a mean is known (imported figures) is normal about it with its standard "
    "error; without one it is taken as exact, and no probability can be given.\n"
    "Sizes and peak memory are taken as exact.\n"
    + COST_METHOD
    + "A point's probability is the share of joint draws in which no other variant is at least as "
    "good on both axes and better on one. Two variants tie on an axis where the 95 % interval of "
    "the difference of their joint draws contains 0."
)

_BLOCK_BYTES = 2**26
"""Item weights are drawn in blocks of draws of about this size."""


class LazyDraws(Mapping[str, Floats]):
    """Draws by axis, made on first access."""

    def __init__(self, makers: Mapping[str, Callable[[], Floats]]) -> None:
        self._makers = makers
        self._cache: dict[str, Floats] = {}

    def __getitem__(self, axis: str) -> Floats:
        if axis not in self._cache:
            self._cache[axis] = self._makers[axis]()
        return self._cache[axis]

    def __contains__(self, axis: object) -> bool:
        return axis in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(frozen=True)
class Posterior:
    """Joint draws for variants of one hardware class: each [draws, variants], NaN for unmeasured.

    `rates` are natural logs of token/s by axis, `texts` minus the logs of `kld_mean` and
    `perplexity`, `costs` minus the energies, seconds and joules of COST_AXES.
    Draws of a variant do not depend on the order.
    """

    variants: tuple[Variant, ...]
    capability: Floats
    rates: Mapping[str, Floats]
    texts: Mapping[str, Floats] = field(default_factory=dict)
    costs: Mapping[str, Floats] = field(default_factory=dict)
    seed: int = SEED

    @cached_property
    def informed(self) -> Floats:
        """Draws of capability that also know that more bits of one model do not hurt: what choices
        are made by. `capability` is of the answers alone: what claims are made by."""
        return with_ladder_prior(self.variants, self.capability, self.seed)

    @cached_property
    def expected(self) -> Floats:
        """Expected capability [variants], NaN for unmeasured. Of a variant of no ladder it is what
        was measured, without the chance of draws."""
        measured = [np.nan if v.capability is None else v.capability.value for v in self.variants]
        alone = (self.informed == self.capability).all(axis=0)
        return np.where(alone, measured, self.informed.mean(axis=0))

    @cached_property
    def index(self) -> dict[str, int]:
        """Index of a variant by its id."""
        return {variant.id: i for i, variant in enumerate(self.variants)}

    @property
    def draws(self) -> int:
        return len(self.capability)


def draw_posterior(
    variants: Sequence[Variant],
    draws: int = DRAWS,
    seed: int = SEED,
    capability: Floats | None = None,
) -> Posterior:
    """Draws as METHOD says, seeded. `capability` are those of `composite_draws` where they were
    made before. Raises InputError for variants of several hardware classes."""
    classes = sorted({variant.hardware_class for variant in variants})
    if len(classes) > 1:
        raise InputError(
            f"variants of {len(classes)} hardware classes cannot be compared in speed "
            f"({name_some(classes, 3, '; ')}); choose one with --hardware"
        )
    rates = LazyDraws(
        {
            f"{kind}_tps": partial(_rates, tuple(variants), kind, draws, seed)
            for kind in ("prefill", "decode")
        }
    )
    return Posterior(
        tuple(variants),
        composite_draws(variants, draws, seed) if capability is None else capability,
        rates,
        LazyDraws(
            {axis: partial(text_draws, tuple(variants), axis, draws, seed) for axis in TEXT_AXES}
        ),
        LazyDraws(
            {
                axis: partial(cost_draws, tuple(variants), axis, rates, draws, seed)
                for axis in COST_AXES
            }
        ),
        seed,
    )


def as_posterior(
    variants: Sequence[Variant] | Posterior, draws: int = DRAWS, seed: int = SEED
) -> Posterior:
    """A posterior as it is; of variants the one that `draw_posterior` makes."""
    return variants if isinstance(variants, Posterior) else draw_posterior(variants, draws, seed)


def composite_draws(variants: Sequence[Variant], draws: int = DRAWS, seed: int = SEED) -> Floats:
    """Draws of capability, weighted over classes; NaN where a variant lacks one. [draws, variants].

    They depend on the variants' answers and weights, not on the hardware class.
    """
    total = np.zeros((draws, len(variants)))
    weights: dict[str, float] = {}
    for variant in variants:
        weights |= variant.weights
    for name, weight in sorted(weights.items()):
        total += weight * class_draws(variants, name, draws, seed)
    total[:, [variant.capability is None for variant in variants]] = np.nan
    # Sums in another order differ in the last bits; equal answers must stay equal.
    return np.round(total, 12)


def class_draws(variants: Sequence[Variant], task_class: str, draws: int, seed: int) -> Floats:
    """Capability of one class, the mean over its tasks. [draws, variants]."""
    ids, gains = gains_table(variants, task_class)
    groups = groups_of(variants, task_class, ids)
    total, tasks = np.zeros((draws, len(variants))), np.zeros(len(variants))
    for task, places in task_places(ids).items():
        name = (task_class, task) if task else (task_class,)
        codes = group_codes([groups[place] for place in places]) if groups else None
        of_task = (
            _task_draws(variants, gains[:, places], name, draws, seed)
            if codes is None
            else _grouped_draws(variants, gains[:, places], codes, name, draws, seed)
        )
        answered = np.isfinite(of_task[0])
        total[:, answered] += of_task[:, answered]
        tasks += answered
    total = np.divide(total, tasks, out=np.full_like(total, np.nan), where=tasks > 0)
    return _with_means(total, variants, task_class, seed)


def _task_draws(
    variants: Sequence[Variant], gains: Floats, name: tuple[str, ...], draws: int, seed: int
) -> Floats:
    """Capability of one task under shared Dirichlet weights of its items. [draws, variants].

    A Dirichlet(1, ..., 1) is a row of unit exponentials over their sum; a variant that was asked a
    part of the items has the weights of that part, one that was asked none has NaN.
    """
    size = gains.shape[1]
    answered = np.isfinite(gains)
    # Nearly all variants were asked the same: one sum of weights for each set of items.
    place: dict[bytes, int] = {}
    of_set = [place.setdefault(row.tobytes(), len(place)) for row in answered]
    sets = np.array([np.frombuffer(row, dtype=bool) for row in place]).reshape(len(place), size)
    values, masks = np.where(answered, gains, 0.0).T, sets.T.astype(float)
    rng = np.random.default_rng(stream_of(seed, "items", *name))
    prior = rng.standard_exponential((draws, PRIOR_ITEMS))
    total = _prior_gains(variants, gains, name, prior, seed)
    mass = np.repeat(prior.sum(axis=1, keepdims=True), len(sets), axis=1)
    rows = max(1, _BLOCK_BYTES // (8 * max(1, size)))
    for start in range(0, draws, rows):
        block = slice(start, min(start + rows, draws))
        weights = rng.standard_exponential((block.stop - start, size))
        total[block] += weights @ values
        mass[block] += weights @ masks
    total /= mass[:, of_set]
    total[:, ~answered.any(axis=1)] = np.nan
    return total


def _grouped_draws(
    variants: Sequence[Variant],
    gains: Floats,
    codes: Codes,
    name: tuple[str, ...],
    draws: int,
    seed: int,
) -> Floats:
    """The same of a task whose items come in groups. [draws, variants]."""
    rng = np.random.default_rng(stream_of(seed, "groups", *name))
    prior = rng.standard_exponential((draws, GROUPED_PRIOR_ITEMS))
    means, mass = grouped_means(gains, codes, draws, rng)
    total = means * mass + _prior_gains(variants, gains, name, prior, seed)
    total /= mass + prior.sum(axis=1, keepdims=True)
    total[:, ~np.isfinite(gains).any(axis=1)] = np.nan
    return total


def _with_means(draws: Floats, variants: Sequence[Variant], task_class: str, seed: int) -> Floats:
    """The same with normal draws for the variants of which only a mean is known."""
    for i, variant in enumerate(variants):
        mean = variant.classes.get(task_class)
        if mean is not None and task_class not in variant.items:
            draws[:, i] = mean.value
            if mean.sd is not None:
                about = (variant.artifact_id, variant.backend, mean.value, mean.sd)
                rng = np.random.default_rng(stream_of(seed, "mean", task_class, *about))
                draws[:, i] += mean.sd * rng.standard_normal(len(draws))
    return draws


def _prior_gains(
    variants: Sequence[Variant], gains: Floats, name: tuple[str, ...], weights: Floats, seed: int
) -> Floats:
    """Weighted sum of the gains on the prior's items, drawn from each variant's own. [draws, v].

    Variants of one artifact with the same answers (other threads, say) share them: they are one.
    """
    sums = np.zeros((len(weights), len(variants)))
    for i, variant in enumerate(variants):
        own = gains[i][np.isfinite(gains[i])]
        if own.size:
            answers = (variant.artifact_id, variant.backend, own.tolist())
            rng = np.random.default_rng(stream_of(seed, "prior", *name, *answers))
            sums[:, i] = np.einsum("ij,ij->i", weights, rng.choice(own, weights.shape))
    return sums


def subset(posterior: Posterior, keep: Container[str]) -> Posterior:
    """The same draws of the variants whose ids are in `keep`."""
    at = [i for i, variant in enumerate(posterior.variants) if variant.id in keep]
    part = Posterior(
        tuple(posterior.variants[i] for i in at),
        posterior.capability[:, at],
        _lazy_columns(posterior.rates, at),
        _lazy_columns(posterior.texts, at),
        _lazy_columns(posterior.costs, at),
        posterior.seed,
    )
    # What the whole ladder says of a quant stays true of it where the others are left out.
    part.__dict__["informed"] = posterior.informed[:, at]
    part.__dict__["expected"] = posterior.expected[at]
    return part


def _lazy_columns(draws: Mapping[str, Floats], at: list[int]) -> LazyDraws:
    return LazyDraws({name: partial(_columns, draws, name, at) for name in draws})


def _columns(draws: Mapping[str, Floats], name: str, at: list[int]) -> Floats:
    return draws[name][:, at]


def _rates(variants: Sequence[Variant], kind: str, draws: int, seed: int) -> Floats:
    """Logs of the median rate from an empty context. [draws, variants]."""
    logs = np.full((draws, len(variants)), np.nan)
    for i, variant in enumerate(variants):
        rng = np.random.default_rng(stream_of(seed, kind, variant.id))
        of_variant = undisturbed_rate_draws(variants, i, kind, draws, rng)
        if of_variant is not None:
            logs[:, i] = of_variant
    return logs
