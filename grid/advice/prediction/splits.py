"""Splits of errors: by platform, dense or mixture, and size against 7B."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grid.advice.prediction.observation import Observation
from grid.advice.prediction.result import Loo, LooRow, RateKind

ENOUGH = 4
"""Rows that a split has at least, to speak for a prediction."""
_SOME = 2
"""The same of all dense models or all mixtures: few errors of the same kind say more than many."""
BELOW, AROUND, ABOVE = "below 4B", "4B to 14B", "above 14B"
_AROUND_FROM, _AROUND_TO = 4e9, 14e9
_Row = LooRow | Observation


def size_class(parameters: float) -> str:
    """Size against 7B, by the weights that a token uses: half to twice as many are around it."""
    if parameters < _AROUND_FROM:
        return BELOW
    return AROUND if parameters <= _AROUND_TO else ABOVE


def kind_of(row: _Row) -> str:
    """`dense models` or `mixtures of experts`."""
    return "mixtures of experts" if row.mixture else "dense models"


def _size_words(row: _Row) -> str:
    size = size_class(row.parameters)
    size = f"of {size}" if size == AROUND else size
    return f"{size} active" if row.mixture else size


def nearest_split(rows: Sequence[LooRow], target: _Row, rate: RateKind) -> Loo:
    """The errors of the narrowest split around `target` with enough rows: of its platform, with
    each chip and with each source left out, since somebody else's chip is asked about; on a
    platform that no row is of, with each platform left out whole."""
    mine = [row for row in rows if row.rate == rate]
    measured = any(row.platform == target.platform for row in mine)
    mine = [row for row in mine if (row.left_out != "platform") == measured]
    same: dict[str, Callable[[_Row], object]] = {
        kind_of(target): kind_of,
        _size_words(target): lambda row: size_class(row.parameters),
        f"in {target.engine}": lambda row: row.engine,
    }
    if measured:
        same[f"on {target.platform}"] = lambda row: row.platform
    words = list(same)
    kind, size, place = words[0], words[1], words[3:]
    for wanted, enough in (
        (words, ENOUGH),
        ([kind, size, *place], ENOUGH),
        ([kind, *place], ENOUGH),
        ([kind, size], ENOUGH),
        ([kind], _SOME),
        ([], 1),
    ):
        split = [row for row in mine if all(same[w](row) == same[w](target) for w in wanted)]
        if len(split) >= enough:
            where = "" if measured else " on a platform left out"
            return Loo(tuple(split), " ".join(wanted or ["all models"]) + where)
    return Loo()
