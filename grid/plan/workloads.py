"""The workloads that a sweep asks of a model."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from grid.cells.conversations import parse_conversations
from grid.cells.texts import HELDOUT, Text, read_text
from grid.cells.workload import Decode, Latency, Memory, Prefill, Quality, Workload
from grid.errors import InputError
from grid.plan.order import workload_rank
from grid.plan.sweep import Sweep


class RequestedWorkloads:
    """Workloads of one sweep but its tasks. Texts are read when first asked for; raises InputError
    where one cannot be used."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._base = Path(sweep.base)

    @cached_property
    def speed(self) -> tuple[Workload, ...]:
        """Memory, prefill, decode and latency, as far as the sweep measures them."""
        workloads: list[Workload] = []
        measures = self._sweep.measures
        if "memory" in measures:
            workloads.append(Memory(self._sweep.memory.context))
        if "speed" in measures:
            workloads += self._rates()
        if "latency" in measures:
            latency = self._sweep.latency
            workloads.append(Latency(latency.prompt, latency.generate, latency.repetitions))
        return tuple(sorted(workloads, key=workload_rank))

    def quality(self, reference: str | None) -> tuple[Quality, ...]:
        """Each text, compared with the artifact of id `reference`; empty where not measured."""
        if "quality" not in self._sweep.measures:
            return ()
        settings = self._sweep.quality
        return tuple(
            Quality(
                text.source,
                text.sha256,
                settings.context,
                settings.chunks,
                reference,
                category,
                text.chat,
            )
            for category, text in self._texts.items()
        )

    @cached_property
    def _texts(self) -> dict[str, Text]:
        """By category; that of `text`, which has none, is empty."""
        settings = self._sweep.quality
        texts = {}
        if settings.text or not settings.texts:
            texts[""] = self._read_text(settings.text or HELDOUT, "quality.text")
        for category, source in settings.texts.items():
            texts[category] = self._read_text(source, f"quality.texts.{category}")
        return texts

    def _read_text(self, source: str, place: str) -> Text:
        settings = self._sweep.quality
        try:
            text = read_text(source, self._base)
            size, wanted = len(text.text.encode()), settings.context * settings.chunks
            if text.chat:
                parse_conversations(text.text, text.source)
            elif size < wanted:  # a token is at least one byte
                raise InputError(
                    f"{text.source} has {size} bytes, too short for {settings.chunks} chunks of "
                    f"{settings.context} tokens; lower quality.chunks or quality.context"
                )
        except InputError as error:
            raise InputError(f"{self._sweep.file}: {place}: {error}") from None
        return text

    def _rates(self) -> list[Workload]:
        speed = self._sweep.speed
        prefills = [Prefill(n, d, speed.repetitions) for n in speed.prompt for d in speed.depth]
        decodes = [Decode(n, d, speed.repetitions) for n in speed.generate for d in speed.depth]
        return [*prefills, *decodes]
