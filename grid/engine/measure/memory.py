"""Peak memory and load time of one artifact, in a process that has done nothing else."""

from __future__ import annotations

import msgspec

from grid.backend import Engine, Generates, Steps, Tokenizes
from grid.cells.workload import Memory
from grid.engine.measure.meter import Meter
from grid.engine.measure.process import peak_resident_bytes
from grid.engine.measure.prompts import token_ids
from grid.engine.measure.result import WorkloadResult, need

GENERATED = 4
"""Single steps at the end of the context, so that the buffers of decoding are touched too."""


class Loading(msgspec.Struct, frozen=True, kw_only=True):
    """What loading the artifact into this process took.

    `baseline_rss_bytes` is the process before loading; `page_cache_share` 0 for a cold file, 1 for
    one wholly in the page cache.
    """

    load_s: float
    baseline_rss_bytes: int
    page_cache_share: float | None


def memory(
    engine: Engine, workload: Memory, loading: Loading, kv_bytes: int, meter: Meter
) -> WorkloadResult:
    """Fill the context, generate a little, and read the high-water mark."""
    ids = token_ids(need(engine, Tokenizes), workload.context)
    with meter.engine():
        engine.resize(workload.context)
        _fill(engine, ids)
    scalars: dict[str, float] = {
        "load_s": loading.load_s,
        "baseline_rss_bytes": loading.baseline_rss_bytes,
        "peak_rss_bytes": peak_resident_bytes(),
        "kv_bytes": kv_bytes,
        **engine.memory_report(),
    }
    if loading.page_cache_share is not None:
        scalars["page_cache_share"] = loading.page_cache_share
    return WorkloadResult(scalars=scalars)


def _fill(engine: Engine, ids: list[int]) -> None:
    """By single steps where the engine has them, else by a request of its own."""
    prompt = ids[:-GENERATED]
    if not isinstance(engine, Steps):
        for _ in need(engine, Generates).generate([prompt], GENERATED, ignore_eos=True, seed=0):
            pass
        return
    engine.reset()
    engine.prefill(prompt)
    for token in ids[-GENERATED:]:
        engine.step(token)
