"""Scores the answers of a tasks cell that its engine's process cannot score."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from grid.cells.cell import Cell
from grid.cells.items import Item
from grid.cells.measurement import Measurement
from grid.cells.texts import read_items
from grid.cells.workload import Tasks
from grid.engine.harness import AnswerScorer, takes_scoring, task_facts
from grid.engine.harness.process import HARNESS, install, is_installed
from grid.engine.sandbox import sandbox_obstacle
from grid.errors import EngineError, Unsupported
from grid.sweep.artifacts.background import run_in_background
from grid.sweep.events import Event, Prepared, Settings
from grid.sweep.judge import JudgeScorer, is_judged


class TaskScoring:
    """Scoring by the harness, in a sandbox or by a judge, after an engine's reply."""

    def __init__(self, settings: Settings) -> None:
        self._run_code = settings.run_code
        self._scorer = AnswerScorer(settings.run_code)
        self._judge = JudgeScorer(settings.judge)

    def begin(self, cell: Cell) -> Iterator[Event]:
        """Have what scoring takes before a model writes for hours; call before each cell.

        Raises EngineError where that cannot be had.
        """
        if cell.exclusive:
            self.close()  # nothing beside what is measured
        items = _scored_items(cell)
        if is_judged(items):
            self._judge.check(items)
        if not takes_scoring(items):
            return
        if any(item.scoring == "code" for item in items):
            if not self._run_code:
                raise Unsupported("its answers are programs, and tasks.run_code is not set")
            if sandbox_obstacle():
                raise Unsupported(sandbox_obstacle())
        if not is_installed():
            start = time.perf_counter()
            yield from run_in_background("environment", HARNESS, install)
            wall_s = time.perf_counter() - start
            yield Prepared(what="environment", label=HARNESS, wall_s=wall_s, engine_s=0.0)

    def score(self, cell: Cell, measurement: Measurement) -> Measurement:
        """The measurement with its items scored; an error where scoring fails, since scores that
        are not there are no zeros."""
        workload = cell.workload
        if not isinstance(workload, Tasks) or measurement.status != "ok":
            return measurement
        facts = task_facts(Path(workload.source), workload.name)
        environment = {**measurement.environment, **facts}
        items = _scored_items(cell)
        if not items:
            return msgspec.structs.replace(measurement, environment=environment)
        started = time.perf_counter()
        try:
            results = self._scorer.score(items, measurement.items)
            if is_judged(items):
                results, judge_facts = self._judge.score(items, results)
                environment |= judge_facts
        except EngineError as error:
            return msgspec.structs.replace(
                measurement, status=error.status, reason=f"scoring failed: {error}", items=()
            )
        wall_s = measurement.wall_s + time.perf_counter() - started
        return msgspec.structs.replace(
            measurement, items=tuple(results), wall_s=wall_s, environment=environment
        )

    def close(self) -> None:
        """End the scoring process; the next cell that takes it starts it again."""
        self._scorer.close()


def _scored_items(cell: Cell) -> tuple[Item, ...]:
    """The cell's items, where some are scored here; none else."""
    workload = cell.workload
    if not isinstance(workload, Tasks):
        return ()
    items = read_items(workload.source, workload.name).items[: workload.limit]
    return items if takes_scoring(items) or is_judged(items) else ()
