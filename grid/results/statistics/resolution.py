"""The smallest difference that a number of paired items can tell."""

from __future__ import annotations

from grid.results.statistics.scores import exact_mcnemar_p

DISCORDANT = 0.1
"""Share of items that one of two variants answers rightly and the other does not, as assumed before
anything is measured."""

LEVEL = 0.05


def resolvable_difference(items: int, discordant: float = DISCORDANT) -> float | None:
    """The least difference in accuracy of two variants over the same items whose exact McNemar test
    gives p <= 5 %, if the share `discordant` of the items turns; where that is fewer than must turn
    for any p this low, as many as must. None where the items are too few for any."""
    turned = max(round(items * discordant), 1)
    while exact_mcnemar_p(turned, 0) > LEVEL:
        turned += 1
    if turned > items:
        return None
    losses = max(n for n in range(turned // 2 + 1) if exact_mcnemar_p(turned - n, n) <= LEVEL)
    return (turned - 2 * losses) / items
