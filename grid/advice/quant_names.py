"""Names of quants that a question may have."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from grid.advice.prediction import quants
from grid.analysis import Variant
from grid.errors import InputError, name_some
from grid.models.gguf.presets import PRESETS

_METHODS = ("AWQ", "GPTQ", "bnb-nf4", "bnb-int8", "fp8", "MXFP4", "4bit", "8bit", "int4", "int8")
"""Names by which other formats' weights are sold."""
_USUAL = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")


def check_quant(name: str, *own: str) -> str:
    """The quant as it is usually written; `own` are names that the question's model has too.

    Raises InputError with the nearest names for a word that is no quant.
    """
    names = (*own, *PRESETS, *quants.WHOLE, *_METHODS)
    spellings = {known_name.casefold(): known_name for known_name in reversed(names)}
    written = name.strip().replace("-", "_").casefold()
    for spelling in (name.strip().casefold(), written):
        if spelling in spellings:
            return spellings[spelling]
    raise InputError(f"no quant is called {name!r}. {_nearest(name, list(spellings.values()))}")


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
