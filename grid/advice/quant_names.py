"""Names of quants that a question may have."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from functools import cache

from grid.analysis import Variant
from grid.errors import InputError, name_some
from grid.models.gguf.presets import PRESETS

_METHODS = ("AWQ", "GPTQ", "bnb-nf4", "bnb-int8", "fp8", "MXFP4", "4bit", "8bit", "int4", "int8")
"""Names by which other formats' weights are sold."""
_MARK = re.compile(r"^(?:i1|UD)-", re.IGNORECASE)
"""What makers put before a quant that they weighed in their own way."""
_USUAL = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")


def check_quant(name: str, *own: str) -> str:
    """The quant as it is usually written; `own` are names that the question's model has too.

    Raises InputError with the nearest names for a word that is no quant.
    """
    names = (*own, *PRESETS, *_METHODS, *_published())
    spellings = {known_name.casefold(): known_name for known_name in reversed(names)}
    plain = _MARK.sub("", name.strip()).casefold()
    for spelling in (name.strip().casefold(), plain, plain.replace("-", "_")):
        if spelling in spellings:
            return spellings[spelling]
    raise InputError(f"no quant is called {name!r}. {_nearest(name, list(spellings.values()))}")


@cache
def _published() -> tuple[str, ...]:
    """Names of whole weights, and those in the published tables of rates."""
    from grid.advice.prediction import published_observations, quants

    return tuple(sorted({*quants.WHOLE, *(row.quant for row in published_observations())}))


def _nearest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.upper(), names, n=3, cutoff=0.5)
    return f"Nearest: {', '.join(near)}." if near else f"Usual: {', '.join(_USUAL)}."


def of_quant(variants: Sequence[Variant], quant: str | None) -> list[Variant]:
    """The variants at this quant, all of them for None. Raises InputError where there are none."""
    if quant is None:
        return list(variants)
    names = sorted({variant.quant for variant in variants})
    wanted = check_quant(quant, *names)
    chosen = [variant for variant in variants if variant.quant.casefold() == wanted.casefold()]
    if chosen:
        return chosen
    raise InputError(
        f"nothing at {wanted} was measured that could run there; there is {name_some(names, 12)}"
    )
