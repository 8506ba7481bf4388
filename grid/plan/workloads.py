"""The workloads that a sweep asks of a model."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from msgspec.structs import replace

from grid.cells.workload import Decode, Latency, Memory, Prefill, Quality, Workload
from grid.errors import InputError
from grid.plan.load_table import load_workloads
from grid.plan.order import workload_rank
from grid.plan.sweep import NOMINAL_REPETITIONS, Sweep
from grid.plan.text_workloads import text_workload, written_text_id


class RequestedWorkloads:
    """Workloads of one sweep but its tasks. Texts are read when first asked for; raises InputError
    where one cannot be used."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._base = Path(sweep.base)

    @cached_property
    def speed(self) -> tuple[Workload, ...]:
        """Memory, prefill, decode, latency and load, as far as the sweep measures them."""
        workloads: list[Workload] = []
        measures = self._sweep.measures
        if "memory" in measures:
            workloads.append(Memory(self._sweep.memory.context))
        if "speed" in measures:
            workloads += self._rates()
        if "latency" in measures:
            latency = self._sweep.latency
            workloads.append(
                Latency(
                    latency.prompt,
                    latency.generate,
                    latency.repetitions,
                    prompts=latency.prompts,
                )
            )
        if "load" in measures:
            try:
                workloads += load_workloads(self._sweep.load, self._base)
            except InputError as error:
                raise InputError(f"{self._sweep.file}: {error}") from None
        return tuple(sorted(workloads, key=workload_rank))

    def quality(self, reference: str | None) -> tuple[Quality, ...]:
        """Each text, compared with the artifact of id `reference`; empty where not measured."""
        if "quality" not in self._sweep.measures:
            return ()
        return tuple(
            replace(workload, reference=reference, text_sha256=written_text_id(workload, reference))
            if workload.prompts_sha256
            else replace(workload, reference=reference)
            for workload in self._texts
        )

    @cached_property
    def _texts(self) -> tuple[Quality, ...]:
        """Each text, compared with nothing yet."""
        file = self._sweep.file
        texts = []
        for category, table in self._sweep.quality.text_tables.items():
            place = f"quality.texts.{category}" if category else "quality.text"
            try:
                texts.append(text_workload(category, table, self._base))
            except InputError as error:
                raise InputError(f"{file}: {place}: {error}") from None
        return tuple(texts)

    def _rates(self) -> list[Workload]:
        speed = self._sweep.speed
        decided = self._sweep.budget.stops_when_decided
        count = speed.repetitions or NOMINAL_REPETITIONS
        how_often = (count, speed.precision_of(decided), speed.time_s(decided))
        prefills = [Prefill(n, d, *how_often) for n in speed.prompt for d in speed.depth]
        decodes = [Decode(n, d, *how_often) for n in speed.generate for d in speed.depth]
        return [*prefills, *decodes]
