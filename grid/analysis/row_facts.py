"""Facts of a variant's rows besides its figures: origin, model's shape, node, energy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from grid.analysis.tables import Attempt
from grid.analysis.token_use import token_use
from grid.models.model import LayerState

ENERGY = tuple(
    f"{kind}_{figure}"
    for figure in ("j_per_token", "net_j_per_token")
    for kind in ("decode", "prefill")
)
SCOPE = "energy_scope"
"""Key of an attempt's environment that says what its energy counts."""


def row_facts(row: Mapping[str, Any]) -> dict[str, Any]:
    """Origin, licence, quantizer, the model's shape and what a token uses, as a variant has."""
    return {
        "origin": row.get("origin") or "",
        "licence": row.get("licence") or "",
        "quantizer": row.get("quantizer") or "",
        "context_length": row.get("context_length"),
        "layers": _layers(row.get("kv_cache") or ""),
        **token_use(row),
    }


@lru_cache(maxsize=256)
def _layers(text: str) -> tuple[LayerState, ...]:
    """Empty where the text is not what a list of layers should be."""
    try:
        return msgspec.json.decode(text, type=tuple[LayerState, ...]) if text else ()
    except msgspec.MsgspecError:
        return ()


def energy(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Energy per token from an empty context, gross and net, and its scope; figures of another
    scope than that of the newest are left out. Why there is none, in the newest row's words."""
    facts: dict[str, Any] = {}
    lacks: dict[str, str] = {}
    for attempt in sorted(attempts, key=lambda a: a.newness, reverse=True):
        scope = attempt.environment.get(SCOPE, "")
        if attempt.workload.get("depth"):
            continue
        for name in ENERGY:
            fits = name in attempt.metrics
            if fits and name not in facts and facts.get("energy_scope", scope) == scope:
                facts |= {name: attempt.metrics[name], "energy_scope": scope}
            elif name in attempt.lacks:
                lacks.setdefault(name, attempt.lacks[name])
    missing = [lacks[name] for name in ENERGY if name in lacks and name not in facts]
    return {**facts, "energy_lack": missing[0] if missing else ""}


def node_facts(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """The node's bandwidth and last-level cache, as the newest row has them."""
    result: dict[str, Any] = {"bandwidth_bytes_s": None, "llc_bytes": None}
    for attempt in sorted(attempts, key=lambda a: a.newness):
        facts = attempt.environment
        result |= {name: number for name in result if (number := positive_number(facts.get(name)))}
    return result


def positive_number(text: str | None) -> float | None:
    """A number above 0 written as text; None for anything else."""
    try:
        number = float(text or 0)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None
