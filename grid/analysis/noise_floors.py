"""Noise floors: the divergences under which a comparison with the reference says nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from grid.analysis.tables import Attempt

SIXTEEN_BIT = frozenset({"F16", "BF16", "F32"})
"""Quants of whole weights."""

Place = tuple[str, str]
"""Model, device kind."""

Engine = tuple[str, str, str]
"""Model, device kind, backend."""


def canonical_options(row: Mapping[str, Any]) -> str:
    return _sort_json(row["options"] or "{}")


@lru_cache(maxsize=4096)
def _sort_json(options: str) -> str:
    try:
        return json.dumps(json.loads(options), sort_keys=True)
    except ValueError:
        return options


def reference_of(attempt: Attempt) -> tuple[str, str]:
    """Artifact id and backend that a quality run compared with. Rows from before engines were
    compared with each other name no backend, and mean their own."""
    artifact, _, backend = attempt.workload["reference"].partition("@")
    return artifact, backend or attempt.row["backend"]


def is_reference(attempt: Attempt) -> bool:
    """True for a quality run of the very weights and engine that it was compared with."""
    if attempt.measure != "quality" or not attempt.workload.get("reference"):
        return False
    row = attempt.row
    return reference_of(attempt) == (row["artifact_id"], row["backend"])


def noise_runs(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Runs of a reference against its own distribution, computed another way.

    Options that speed or tasks were measured with as well are a user's choice (a smaller KV type,
    say), not the same computation done differently. A run that ended early, since its first chunk
    was the reference's to the last bit, says nothing of a variant in any case.
    """
    early = [a for a in attempts if _ended_early(a)]
    differing = [a for a in attempts if _differs_from_itself(a) and not _ended_early(a)]
    artifacts = {a.row["artifact_id"] for a in differing}
    chosen = {
        _computation(a)
        for a in attempts
        if a.measure != "quality" and a.row["artifact_id"] in artifacts
    }
    return [*early, *(a for a in differing if _computation(a) not in chosen)]


def _ended_early(attempt: Attempt) -> bool:
    """Whether a run of the reference scored fewer chunks than were asked for."""
    if attempt.measure != "quality" or not is_reference(attempt):
        return False
    kld, workload = attempt.metrics.get("kld_mean"), attempt.workload
    scored_in_a_chunk = int(workload.get("context") or 0) // 2 - 1
    requested = int(workload.get("chunks") or 0) * scored_in_a_chunk
    return kld is not None and bool(kld.n) and kld.n < requested


def _differs_from_itself(attempt: Attempt) -> bool:
    kld = attempt.metrics.get("kld_mean")
    return (
        attempt.measure == "quality" and is_reference(attempt) and kld is not None and kld.value > 0
    )


class NoiseFloors:
    """KL divergences, nats, under which a comparison says nothing: in the reference's engine that
    of the reference with itself computed another way; in another engine the larger of this and of
    that engine's own 16 bits with the reference."""

    def __init__(self, attempts: Sequence[Attempt], noise: Sequence[Attempt]) -> None:
        self._noise: dict[Place, float] = {}
        self._engines: dict[Engine, dict[str, float]] = {}
        self._references: set[Engine] = set()
        for attempt in noise:
            if not _kld(attempt):
                continue  # as where it was not measured: no comparison is below it
            place = _place(attempt)
            self._noise[place] = max(_kld(attempt), self._noise.get(place, 0.0))
        for attempt in attempts:
            row, place = attempt.row, _place(attempt)
            if is_reference(attempt):
                self._references.add((*place, row["backend"]))
            elif _is_engine_run(attempt):
                by_options = self._engines.setdefault((*place, row["backend"]), {})
                by_options[canonical_options(row)] = _kld(attempt)

    def of(self, model: str, device_kind: str, backend: str, options: str) -> float | None:
        """None where it was not measured. An engine's floor is that of the same options; where
        those were not measured, the least of its others."""
        noise = self._noise.get((model, device_kind))
        if (model, device_kind, backend) in self._references:
            return noise
        by_options = self._engines.get((model, device_kind, backend))
        if not by_options:
            return None
        own = by_options.get(options, min(by_options.values()))
        return own if noise is None else max(own, noise)


def _place(attempt: Attempt) -> Place:
    return attempt.row["model"], attempt.row["device_kind"]


def _is_engine_run(attempt: Attempt) -> bool:
    """16-bit weights in another engine than the reference's."""
    if attempt.measure != "quality" or "kld_mean" not in attempt.metrics:
        return False
    sixteen = (attempt.row["quant"] or "").upper() in SIXTEEN_BIT
    return sixteen and reference_of(attempt)[1] != attempt.row["backend"]


def _kld(attempt: Attempt) -> float:
    return attempt.metrics["kld_mean"].value


def _computation(attempt: Attempt) -> tuple[str, str, str, str]:
    row = attempt.row
    return row["artifact_id"], row["backend"], canonical_options(row), row["device_kind"]
