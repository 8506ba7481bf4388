"""How good advice is on simulated ladders whose true capability is known.

    python scripts/eval_advice.py                       law `power`, 2,000 asks in each row
    python scripts/eval_advice.py --law plateau --seed 7   another generating law, other worlds

Columns: `regret` is capability of the pick over that of the best that fits, its mean and 5th
percentile; `on frontier` the mean probability that a point is on the frontier of size and
capability, and the share that is (in brackets by what is said: under 0.25, to 0.75, above);
`equal called worse` the share of answers in which `why not` calls a variant less capable that is as
capable as the one it names; `sure` the mean stated certainty of the pick and the share in which it
came true; `holds` the share of 95 % intervals of capability that hold the truth.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from advice_worlds import Law, World, make_world

from grid.analysis import Limits, Pick, Posterior, draw_posterior, frontier, picks
from grid.analysis.pareto import undominated
from grid.analysis.rejections import WITHIN_LIMITS

ASKS_PER_WORLD = 4
DRAWS = 1000


@dataclass
class Scores:
    """What was seen, one entry an ask, a point or a variant."""

    regret: list[float] = field(default_factory=list)
    stated: list[float] = field(default_factory=list)
    on: list[bool] = field(default_factory=list)
    called_worse: list[bool] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)
    came_true: list[bool] = field(default_factory=list)
    holds: list[bool] = field(default_factory=list)

    def text(self) -> str:
        regret, stated, on = np.array(self.regret), np.array(self.stated), np.array(self.on)
        bands = [
            f"{stated[band].mean():.2f}/{on[band].mean():.2f}"
            for low, high in ((0, 0.25), (0.25, 0.75), (0.75, 1.01))
            if (band := (stated >= low) & (stated < high)).any()
        ]
        return (
            f"regret {regret.mean():.3f} p5 {np.quantile(regret, 0.05):.3f}; "
            f"on frontier said {stated.mean():.2f} true {on.mean():.2f} ({' '.join(bands)}); "
            f"equal called worse {100 * np.mean(self.called_worse):.1f} %; "
            f"sure said {np.mean(self.sure):.2f} true {np.mean(self.came_true):.2f}; "
            f"holds {100 * np.mean(self.holds):.1f} %"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--law", choices=get_args(Law), default="power")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--asks", type=int, default=2000)
    parser.add_argument("--items", type=int, nargs="*", default=[150, 1200])
    parser.add_argument("--models", type=int, nargs=2, default=[2, 5], help="least and most")
    args = parser.parse_args()
    for items in args.items:
        for kld in (False, True):
            scores = Scores()
            for number in range(-(-args.asks // ASKS_PER_WORLD)):
                rng = np.random.default_rng([args.seed, number, items, kld])
                world = make_world(rng, args.law, items, kld, tuple(args.models))
                score_world(rng, world, scores)
            row = f"{args.law}, {items} items, {'with' if kld else 'no'} KLD"
            print(f"{row}: {scores.text()}", flush=True)
    return 0


def score_world(rng: np.random.Generator, world: World, scores: Scores) -> None:
    posterior = draw_posterior(world.variants, draws=DRAWS)
    sizes = np.array([v.artifact_bytes for v in world.variants], dtype=float)
    for point in frontier(posterior).points:
        scores.stated.append(point.probability)
        scores.on.append(_is_undominated(sizes, world.truth)[posterior.index[point.variant.id]])
    for variant, truth in zip(world.variants, world.truth, strict=True):
        if variant.capability and variant.capability.low is not None:
            scores.holds.append(variant.capability.low <= truth <= (variant.capability.high or 1))
    low, high = np.log(sizes.min()), np.log(sizes.max())
    for limit in np.exp(rng.uniform(low, high, ASKS_PER_WORLD)):
        limit = max(limit, sizes.min())
        score_pick(posterior, picks(posterior, [Limits(max_bytes=limit)])[0], world, scores)


def score_pick(posterior: Posterior, pick: Pick, world: World, scores: Scores) -> None:
    assert pick.variant is not None
    truth, index = world.truth, posterior.index
    mine = truth[index[pick.variant.id]]
    fit = [pick.variant, *(r.variant for r in pick.rejected if r.kind in WITHIN_LIMITS)]
    best = max(truth[index[v.id]] for v in fit)
    scores.regret.append(mine / best)
    by_label = defaultdict(float, {v.label: t for v, t in zip(world.variants, truth, strict=True)})
    scores.called_worse.append(
        any(
            truth[index[r.variant.id]] >= by_label[_rival_of(r.reason)] - 1e-9
            for r in pick.rejected
            if r.kind == "less capable"
        )
    )
    sure = stated_certainty(posterior, pick, [index[v.id] for v in fit])
    if sure is not None:
        scores.sure.append(sure[0])
        scores.came_true.append(best - mine <= sure[1])


def stated_certainty(
    posterior: Posterior, pick: Pick, fit: list[int]
) -> tuple[float, float] | None:
    """P(nothing that fits is over the tolerance better), as `grid recommend` says it."""
    from grid.analysis.quality_order import TOLERANCE

    assert pick.variant is not None
    if len(fit) < 2:
        return None
    drawn = posterior.informed
    mine = drawn[:, [posterior.index[pick.variant.id]]]
    return 1 - float((drawn[:, fit] > mine + TOLERANCE).any(axis=1).mean()), TOLERANCE


def _rival_of(reason: str) -> str:
    match = re.search(r"below (\S+ \S+?)(,|$)", reason)
    return match[1] if match else ""


def _is_undominated(sizes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return undominated(-sizes[None], truth[None])[0]


if __name__ == "__main__":
    sys.exit(main())
