"""The workloads that a sweep asks of a model."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from grid.cells.texts import HELDOUT, ITEMS, Text, read_items, read_text, task_classes
from grid.cells.workload import Decode, Latency, Memory, Prefill, Quality, Tasks, Workload
from grid.errors import InputError, did_you_mean
from grid.models.bundled import TAUGHT_CLASSES
from grid.plan.order import workload_rank
from grid.plan.sweep import Sweep


class RequestedWorkloads:
    """Workloads of one sweep, for the bundled family or (`bundled` false) for other models.

    Without a text or items of their own, other models get the bundled ones, but for the classes
    that ask for what only the family was taught. Texts and items are read when first asked for.
    Raises InputError where they cannot be used.
    """

    def __init__(self, sweep: Sweep, bundled: bool) -> None:
        self._sweep = sweep
        self._base = Path(sweep.base)
        self._text_source = sweep.quality.text or HELDOUT
        self._item_source = sweep.tasks.source or ITEMS
        self._taught = () if bundled or sweep.tasks.source else TAUGHT_CLASSES

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

    @cached_property
    def tasks(self) -> tuple[Tasks, ...]:
        """One workload for each task class."""
        if "tasks" not in self._sweep.measures:
            return ()
        try:
            classes = task_classes(self._item_source, self._base)
        except InputError as error:
            raise InputError(f"{self._sweep.file}: tasks.source: {error}") from None
        requested = self._sweep.tasks.classes or [n for n in classes if n not in self._taught]
        return tuple(self._task(name, classes) for name in requested)

    def quality(self, reference: str | None) -> tuple[Quality, ...]:
        """The text, compared with the artifact of id `reference`; empty where not measured."""
        if "quality" not in self._sweep.measures:
            return ()
        settings = self._sweep.quality
        text = self._text
        return (Quality(text.source, text.sha256, settings.context, settings.chunks, reference),)

    @cached_property
    def _text(self) -> Text:
        settings = self._sweep.quality
        try:
            text = read_text(self._text_source, self._base)
            size, wanted = len(text.text.encode()), settings.context * settings.chunks
            if size < wanted:  # a token is at least one byte
                raise InputError(
                    f"{text.source} has {size} bytes, too short for {settings.chunks} chunks of "
                    f"{settings.context} tokens; lower quality.chunks or quality.context"
                )
        except InputError as error:
            raise InputError(f"{self._sweep.file}: quality.text: {error}") from None
        return text

    def _rates(self) -> list[Workload]:
        speed = self._sweep.speed
        prefills = [Prefill(n, d, speed.repetitions) for n in speed.prompt for d in speed.depth]
        decodes = [Decode(n, d, speed.repetitions) for n in speed.generate for d in speed.depth]
        return [*prefills, *decodes]

    def _task(self, name: str, classes: tuple[str, ...]) -> Tasks:
        place = f"{self._sweep.file}: tasks"
        if name not in classes:
            hint = did_you_mean(name, classes)
            raise InputError(f"{place}.classes: unknown task class {name!r}. {hint}")
        try:
            items = read_items(self._item_source, name, self._base)
        except InputError as error:
            raise InputError(f"{place}.source: {error}") from None
        limit = min(self._sweep.tasks.items, len(items.items))
        return Tasks(name, items.source, items.sha256, limit)
