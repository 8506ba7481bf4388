"""Seconds and joules per right answer, and per token: figures with intervals, and joint draws.

What one answer costs on a hardware class is computed from what its rows say: the tokens of each
item's prompt and of what was written, at the rates (or joules per token) of prefill and decode from
an empty context. The mean over items, divided by the share of right answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from grid.analysis.group_draws import GROUPED_PRIOR_ITEMS, PRIOR_ITEMS
from grid.analysis.random_streams import stream_of
from grid.analysis.variant import AnswerTokens, Variant, groups_of, task_places
from grid.results.statistics import Interval
from grid.results.statistics.groups import (
    Codes,
    effective_groups,
    group_codes,
    group_totals,
    grouped_mean,
    student_stretch,
)
from grid.results.statistics.interval import Floats, t_quantile, z_quantile

SECONDS, JOULES, NET_JOULES = "s_per_right_answer", "j_per_right_answer", "net_j_per_right_answer"

RIGHT_ANSWER_AXES = (SECONDS, JOULES, NET_JOULES)

TOKEN_ENERGY_AXES = ("decode_j_per_token", "decode_net_j_per_token")

COST_AXES = (*TOKEN_ENERGY_AXES, *RIGHT_ANSWER_AXES)
"""Lower is better on all of them."""

ENERGY_AXES = (*TOKEN_ENERGY_AXES, JOULES, NET_JOULES)
"""Only figures of one scope compare on them."""

COST_METHOD = (
    "Energy per token is Student's t about its mean over windows. Seconds (joules) per right "
    "answer are the mean over items of what an answer takes, the tokens of its prompt at the rate "
    "(energy) of prefill and those written at that of decode, divided by the share of right "
    "answers: tokens and answers of an item share the weight that capability gives it, so that an "
    "answer that is long and wrong counts as both, and rates and energies are drawn as above.\n"
)

_BLOCK_BYTES = 2**26

_UNITS = {
    JOULES: ("prefill_j_per_token", "decode_j_per_token"),
    NET_JOULES: ("prefill_net_j_per_token", "decode_net_j_per_token"),
}
"""What a token of a prompt and a written one cost, by axis."""


class TokenCost(NamedTuple):
    """What a token costs, and the standard error of the logarithm of that."""

    value: float
    log_error: float


@dataclass(frozen=True)
class AnswerMeans:
    """Draws [draws, variants] of means over items, weighted over classes and tasks; NaN where a
    variant's rows do not say: share of right answers, tokens of prompts, tokens written."""

    right: Floats
    prompts: Floats
    written: Floats


def right_answer_cost(variant: Variant, axis: str) -> Interval | None:
    """Seconds or joules per right answer; `lack_of_cost` says why there are none.

    The interval is on the log scale, by the delta method for a ratio of means (Cochran 1977, 6.3):
    over items, or the groups that they share, and with the errors of both rates.
    """
    if lack_of_cost(variant, axis):
        return None
    prompt, written = (_token_cost(variant, axis, phase) for phase in ("prefill", "decode"))
    parts = list(_tasks_of(variant))
    totals = np.array([p.weight * p.means for p in parts]).sum(axis=0)
    of_prompts = prompt.value * totals[1] if prompt else 0.0
    of_written = written.value * totals[2] if written else 0.0
    seconds = of_prompts + of_written
    variance = 0.0
    for part in parts:
        spent = sum(
            cost.value * tokens
            for cost, tokens in ((prompt, part.prompts), (written, part.written))
            if cost is not None
        )
        error = part.mean_error(spent / seconds - part.scores / totals[0])
        variance += (part.weight * error) ** 2
    for cost, of_tokens in ((prompt, of_prompts), (written, of_written)):
        variance += (of_tokens / seconds * cost.log_error) ** 2 if cost else 0.0
    value, factor = seconds / totals[0], float(np.exp(z_quantile() * variance**0.5))
    n = sum(len(part.scores) for part in parts)
    method = "tokens at measured rates / share of right answers; delta method on logs"
    return Interval(float(value), float(value) / factor, float(value) * factor, n=n, method=method)


def lack_of_cost(variant: Variant, axis: str) -> str:
    """Why there is no such figure, in words; empty where there is one."""
    if not variant.weights:
        return "no tasks"
    if variant.missing:
        return f"no {', '.join(variant.missing)}"
    without = [n for n in variant.weights if _answers(variant, n) is None]
    if without:
        return f"the rows of {', '.join(without)} do not count the tokens of prompts"
    parts = list(_tasks_of(variant))
    if not sum(part.means[0] for part in parts) > 0:
        return "no answer is right"
    for phase, tokens in (("prefill", 1), ("decode", 2)):
        if any(part.means[tokens] for part in parts) and not _token_cost(variant, axis, phase):
            if axis == SECONDS:
                return f"no {phase} rate"
            return variant.energy_lack or f"no energy of {phase}"
    if not any(part.means[1:].any() for part in parts):
        return "its answers took no token"
    return ""


def cost_draws(
    variants: Sequence[Variant], axis: str, rates: Mapping[str, Floats], draws: int, seed: int
) -> Floats:
    """Draws of what is better the more: minus the cost, [draws, variants]. `rates` are logs of
    token/s by axis, [draws, variants]."""
    if axis in TOKEN_ENERGY_AXES:
        return -_energy_draws(variants, axis, draws, seed)
    means = answer_means(variants, draws, seed)
    if axis == SECONDS:
        prompt, written = (np.exp(-rates[f"{phase}_tps"]) for phase in ("prefill", "decode"))
    else:
        prompt, written = (_energy_draws(variants, name, draws, seed) for name in _UNITS[axis])
    spent = _times(means.prompts, prompt) + _times(means.written, written)
    spent[:, [bool(lack_of_cost(variant, axis)) for variant in variants]] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-spent / means.right)


def answer_means(variants: Sequence[Variant], draws: int, seed: int) -> AnswerMeans:
    """A Bayesian bootstrap of items, or of the groups that they share, with the item weights that
    draws of capability have."""
    weights: dict[str, float] = {}
    for variant in variants:
        weights |= variant.weights
    total = np.zeros((3, draws, len(variants)))
    for name, weight in sorted(weights.items()):
        total += weight * _class_means(variants, name, draws, seed)
    return AnswerMeans(*np.round(total, 12))


def _class_means(variants: Sequence[Variant], task_class: str, draws: int, seed: int) -> Floats:
    """[3, draws, variants], the mean over tasks."""
    ids, values = _values_table(variants, task_class)
    groups = groups_of(variants, task_class, ids)
    total = np.zeros((3, draws, len(variants)))
    count = np.zeros(len(variants))
    for task, places in task_places(ids).items():
        name = (task_class, task) if task else (task_class,)
        codes = group_codes([groups[place] for place in places]) if groups else None
        of_task = _task_means(variants, values[:, :, places], name, codes, draws, seed)
        has_tokens = np.isfinite(of_task[0, 0])
        total[:, :, has_tokens] += of_task[:, :, has_tokens]
        count += has_tokens
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _task_means(
    variants: Sequence[Variant],
    values: Floats,
    name: tuple[str, ...],
    codes: Codes | None,
    draws: int,
    seed: int,
) -> Floats:
    """[3, draws, variants] of values [3, variants, items], NaN for items that were not asked."""
    answered = np.isfinite(values[0])
    filled = np.where(answered, values, 0.0)
    columns, sizes = (
        np.moveaxis(filled, 1, 2),
        answered.T.astype(float),
    )  # [3, items, v], [items, v]
    if codes is not None:
        columns = np.array([group_totals(part, codes) for part in columns])
        sizes = group_totals(sizes, codes)
    rng = np.random.default_rng(stream_of(seed, "items" if codes is None else "groups", *name))
    extra = PRIOR_ITEMS if codes is None else GROUPED_PRIOR_ITEMS
    prior = rng.standard_exponential((draws, extra))
    total = np.array(np.broadcast_to(0.0, (3, draws, len(variants))))
    mass = np.zeros((draws, len(variants)))
    rows = max(1, _BLOCK_BYTES // (8 * max(1, len(sizes))))
    for start in range(0, draws, rows):
        block = slice(start, min(start + rows, draws))
        weights = rng.standard_exponential((block.stop - start, len(sizes)))
        total[:, block] = weights @ columns
        mass[block] = weights @ sizes
    if codes is not None:
        total = _widened(total, mass, columns, sizes, rng)
    for i, variant in enumerate(variants):
        own = np.flatnonzero(answered[i])
        if own.size:
            answers = (variant.artifact_id, variant.backend, values[:, i, own].tolist())
            chosen = np.random.default_rng(stream_of(seed, "answers", *name, *answers)).choice(
                own, prior.shape
            )
            total[:, :, i] += (prior * values[:, i][:, chosen]).sum(axis=2)
    mass += prior.sum(axis=1, keepdims=True)
    total /= mass
    total[:, :, ~answered.any(axis=1)] = np.nan
    return total


def _widened(
    total: Floats, mass: Floats, columns: Floats, sizes: Floats, rng: np.random.Generator
) -> Floats:
    """Sums of few groups with their deviations widened to Student's t; a mean stays above 0."""
    stretch = student_stretch(effective_groups(sizes), rng.random((mass.shape[0], 1)))
    counts = np.maximum(sizes.sum(axis=0), 1.0)
    measured = (columns.sum(axis=1) / counts)[:, None]
    means = measured + stretch * (total / np.maximum(mass, 1e-9) - measured)
    return np.asarray(np.maximum(means, measured / (2 * (counts + 1))) * mass)


def _values_table(variants: Sequence[Variant], task_class: str) -> tuple[tuple[str, ...], Floats]:
    """Ids of all items, and [3, variants, items]: scores, tokens of prompts, tokens written; NaN
    where a variant's rows do not say."""
    sets = {v.items[task_class].ids for v in variants if task_class in v.items}
    place = {item: i for i, item in enumerate(sorted(set().union(*sets)))}
    columns = {ids: np.array([place[item] for item in ids], dtype=np.int64) for ids in sets}
    table = np.full((3, len(variants), len(place)), np.nan)
    for i, variant in enumerate(variants):
        if (answers := _answers(variant, task_class)) is not None:
            at = columns[variant.items[task_class].ids]
            table[:, i, at] = (answers.scores, answers.prompt_tokens, answers.written_tokens)
    return tuple(place), table


class _TaskCosts(NamedTuple):
    """One task of a variant: its weight among all, and what its items took, each [n]."""

    weight: float
    scores: Floats
    prompts: Floats
    written: Floats
    codes: Codes | None

    @property
    def means(self) -> Floats:
        """Of scores, tokens of prompts, tokens written."""
        return np.array([part.mean() for part in self[1:4]])

    def mean_error(self, values: Floats) -> float:
        """Standard error of the mean of values [n], scaled so that normal quantiles give Student's
        interval."""
        n = len(values)
        if n < 2:
            return 0.0
        if self.codes is None:
            plain: float = float(values.std(ddof=1)) / n**0.5
            return plain * float(t_quantile(n - 1) / z_quantile())
        mean = grouped_mean(values, self.codes)
        error: float = mean.error * t_quantile(mean.effective - 1) / z_quantile()
        return error


def _tasks_of(variant: Variant) -> Iterator[_TaskCosts]:
    for name, weight in variant.weights.items():
        items, answers = variant.items[name], _answers(variant, name)
        if answers is None:
            raise ValueError(f"the items of {name} have no tokens")
        places = task_places(items.ids)
        for at in places.values():
            codes = group_codes([items.groups[i] for i in at]) if items.groups else None
            parts = (answers.scores, answers.prompt_tokens, answers.written_tokens)
            scores, prompts, written = (part[at] for part in parts)
            yield _TaskCosts(weight / len(places), scores, prompts, written, codes)


def _answers(variant: Variant, task_class: str) -> AnswerTokens | None:
    items = variant.items.get(task_class)
    return None if items is None else items.answers


def _token_cost(variant: Variant, axis: str, phase: str) -> TokenCost | None:
    if axis == SECONDS:
        speed = variant.speeds(phase).get(0)
        if speed is None:
            return None
        return TokenCost(1 / speed.interval.value, _log_error(speed.interval))
    figure = _figure(variant, _UNITS[axis][phase == "decode"])
    if figure is None or figure.value <= 0:
        return None
    return TokenCost(figure.value, _half(figure) / figure.value / z_quantile())


def _log_error(figure: Interval) -> float:
    if figure.low is None or figure.high is None or figure.low <= 0:
        return 0.0
    return float(np.log(figure.high / figure.low)) / 2 / z_quantile()


def _half(figure: Interval) -> float:
    return 0.0 if figure.low is None or figure.high is None else (figure.high - figure.low) / 2


def _energy_draws(variants: Sequence[Variant], name: str, draws: int, seed: int) -> Floats:
    """[draws, variants], NaN for unmeasured; 95 % of the draws lie in the figure's interval."""
    drawn = np.full((draws, len(variants)), np.nan)
    for i, variant in enumerate(variants):
        if (figure := _figure(variant, name)) is not None:
            degrees = max(1, figure.n - 1)
            rng = np.random.default_rng(stream_of(seed, name, variant.id))
            spread = _half(figure) / t_quantile(degrees)
            drawn[:, i] = figure.value + spread * rng.standard_t(degrees, draws)
    return drawn


def _times(tokens: Floats, cost: Floats) -> Floats:
    """No tokens cost nothing, whatever one would cost."""
    return np.asarray(np.where(tokens == 0, 0.0, tokens * cost))


def _figure(variant: Variant, name: str) -> Interval | None:
    figure: Interval | None = getattr(variant, name)
    return figure
