"""Expands a sweep into a plan: sweep x backends x node -> Plan."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import product
from types import MappingProxyType

import msgspec

from grid.backend import Backend
from grid.cells.cell import Cell, Options
from grid.cells.workload import SPEED_KINDS, Quality, Workload
from grid.errors import InputError, did_you_mean
from grid.hardware.node import Node
from grid.models.identity import digest
from grid.plan.fits import (
    UNKNOWN_DISK,
    DiskRoom,
    capability_obstacle,
    context_obstacle,
    disk_obstacle,
    encoder_obstacle,
    memory_obstacle,
    server_obstacle,
    speculation_obstacle,
    template_obstacle,
    writer_obstacle,
)
from grid.plan.parts import with_parts
from grid.plan.plan import Plan, Skip
from grid.plan.sources import SweepCandidate, resolve
from grid.plan.sweep import Sweep
from grid.plan.synthetic import is_synthetic, random_weights_obstacle
from grid.plan.task_requests import NO_PREPARED_TASKS, PreparedTasks
from grid.plan.task_workloads import TaskWorkloads
from grid.plan.workloads import RequestedWorkloads

NO_TASKS = 'no tasks are asked of it; name some, such as tasks = ["quick"]'


def expand(
    sweep: Sweep,
    backends: Mapping[str, Backend],
    node: Node,
    free_bytes: int | None = None,
    obstacles: Mapping[str, str] = MappingProxyType({}),
    on_cpu: Container[str] = (),
    prepared: PreparedTasks = NO_PREPARED_TASKS,
    disk: DiskRoom = UNKNOWN_DISK,
) -> Plan:
    """The plan of a sweep on a node; `backends` are those of the sweep by name.

    `free_bytes` is the memory that is free there now; without it, all of the node's counts.
    `obstacles` says of backends that cannot run there, why; `on_cpu` are those that leave the
    node's accelerators alone. `prepared` are the item sets of the tasks that the sweep names,
    `disk` what the node's disk has for artifacts.

    Every cell that the sweep asks for is in the plan once, to be run or skipped with a reason.
    Raises InputError for what the sweep file says wrongly (unknown backend, option, quant, task
    class, a source that cannot be read) and where it comes to no cell at all.
    """
    sweep_backends = _choose_backends(sweep, backends)
    _refuse_stray_options(sweep, backends)
    builder = _PlanBuilder(
        sweep, sweep_backends, node, free_bytes, obstacles, on_cpu, prepared, disk
    )
    broken = {name for name, reason in obstacles.items() if reason}
    resolved = resolve(sweep, sweep_backends, broken)
    builder.note(resolved.notes)
    for candidate in _order_candidates(resolved.candidates, sweep.backends):
        builder.add(candidate)
    plan = builder.plan()
    if not plan.cells and not plan.skipped:
        raise InputError(f"{sweep.file}: the sweep comes to no cell; check measures and [speed]")
    return plan


def option_combinations(sweep: Sweep, backend: Backend, node: Node) -> list[Options]:
    """Each combination of a backend's options once, defaults filled in; the first is the base."""
    requested = sweep.options.get(backend.name, {})
    axes = [value if isinstance(value, list) else [value] for value in requested.values()]
    resolved: dict[str, Options] = {}
    for values in product(*axes):
        try:
            options = backend.options(dict(zip(requested, values, strict=True)), node)
        except InputError as error:
            raise InputError(f"{sweep.file}: options.{backend.name}: {error}") from None
        resolved.setdefault(digest(options), options)
    return list(resolved.values())


def _choose_backends(sweep: Sweep, backends: Mapping[str, Backend]) -> dict[str, Backend]:
    for name in sweep.backends:
        if name not in backends:
            hint = did_you_mean(name, backends)
            raise InputError(f"{sweep.file}: backends: no backend {name!r}. {hint}".rstrip())
    return {name: backends[name] for name in sweep.backends}


def _refuse_stray_options(sweep: Sweep, backends: Mapping[str, Backend]) -> None:
    for name in sweep.options:
        place = f"{sweep.file}: options.{name}"
        if name not in backends:
            hint = did_you_mean(name, sweep.backends)
            raise InputError(f"{place}: no backend {name!r}. {hint}".rstrip())
        if name not in sweep.backends:
            raise InputError(f"{place}: {name} is not in the sweep's backends")


def _order_candidates(
    candidates: Sequence[SweepCandidate], backends: Sequence[str]
) -> list[SweepCandidate]:
    """Small models first; of a model the reference, which the others need, then by size."""
    parameters: dict[int, int] = {}
    for candidate in candidates:
        parameters[candidate.group] = max(
            parameters.get(candidate.group, 0), candidate.artifact.model.parameters
        )
    return sorted(
        candidates,
        key=lambda candidate: (
            parameters[candidate.group],
            candidate.group,
            not candidate.is_reference,
            candidate.weight_bytes,
            candidate.artifact.id,
            backends.index(candidate.backend),
        ),
    )


class _PlanBuilder:
    """Collects the cells of candidates that come in order."""

    def __init__(
        self,
        sweep: Sweep,
        backends: Mapping[str, Backend],
        node: Node,
        free_bytes: int | None,
        obstacles: Mapping[str, str],
        on_cpu: Container[str],
        prepared: PreparedTasks,
        disk: DiskRoom,
    ) -> None:
        self._sweep = sweep
        self._disk = disk
        self._backends = backends
        self._node = node
        self._requested = RequestedWorkloads(sweep)
        self._tasks = TaskWorkloads(sweep, prepared)
        self._notes = list(prepared.notes)
        self._shape_notes: list[str] = []
        plain = msgspec.structs.replace(node, accelerators=())
        self._node_of = {name: plain if name in on_cpu else node for name in backends}
        """The node as each backend uses it."""
        self._options = {
            name: option_combinations(sweep, backend, self._node_of[name])
            for name, backend in backends.items()
        }
        self._obstacles = obstacles
        self._device_kinds = {
            name: backend_node.device_kind for name, backend_node in self._node_of.items()
        }
        self._hardware_class = node.hardware_class
        limits = (node.memory_bytes, sweep.budget.memory_bytes, free_bytes)
        self._limit = min(limit for limit in limits if limit is not None)
        self._cells: dict[str, Cell] = {}
        self._skipped: dict[str, Skip] = {}
        self._weight_bytes: dict[str, int] = {}
        self._host_bytes: dict[str, int] = {}
        self._device_bytes: dict[str, int] = {}
        self._references: dict[str, Cell] = {}
        self._noise: set[str] = set()

    def note(self, lines: Iterable[str]) -> None:
        """Say these lines with the plan."""
        self._shape_notes += lines

    def add(self, candidate: SweepCandidate) -> None:
        """The candidate's cells for each combination of options, and its noise floor."""
        self._weight_bytes[candidate.artifact.id] = candidate.weight_bytes
        if candidate.note and not candidate.obstacle:
            self._shape_notes.append(f"{candidate.artifact.label}: {candidate.note}")
        combinations = self._options[candidate.backend]
        workloads = self._workloads(candidate)
        for options in combinations:
            for workload in workloads:
                self._add_cell(candidate, options, workload)
        if candidate.is_reference:
            noisy = self._backends[candidate.backend].noise_options(combinations[0])
            for floor in self._quality(candidate):
                self._noise |= self._add_cell(candidate, noisy, floor)

    def plan(self) -> Plan:
        return Plan(
            sweep=self._sweep.name,
            node=self._node,
            cells=tuple(self._cells.values()),
            skipped=tuple(self._skipped.values()),
            weight_bytes=self._weight_bytes,
            host_bytes=self._host_bytes,
            device_bytes=self._device_bytes,
            references=self._references,
            item_facts=self._tasks.facts,
            task_notes=tuple(dict.fromkeys(self._notes)),
            shape_notes=tuple(dict.fromkeys(self._shape_notes)),
            noise=frozenset(self._noise),
            calibration_tokens=self._calibration_tokens(),
            stops_when_decided=self._sweep.budget.stops_when_decided,
        )

    def _calibration_tokens(self) -> int:
        """Tokens of the calibration set, where an artifact is computed of it."""
        artifacts = [cell.artifact for cell in self._cells.values()]
        if not any(artifact.calibration and not artifact.matrix for artifact in artifacts):
            return 0
        return self._sweep.calibration_tokens

    def _workloads(self, candidate: SweepCandidate) -> tuple[Workload, ...]:
        speed = self._requested.speed if candidate.requested else ()
        tasks = self._tasks.of_model(candidate.bundled, candidate.artifact.model.chat)
        table = self._sweep.tasks
        needs_none = table.names or table.files or is_synthetic(candidate.artifact)
        if not tasks and "tasks" in self._sweep.measures and not needs_none:
            self._notes.append(f"{candidate.artifact.model.name}: {NO_TASKS}")
        return (*self._in_parts(speed), *self._quality(candidate), *self._in_parts(tasks))

    def _quality(self, candidate: SweepCandidate) -> tuple[Workload, ...]:
        """Compared with the reference, unless that cannot be run here."""
        reference = candidate.reference
        if not candidate.is_reference and reference not in self._references:
            reference = None
        return self._in_parts(self._requested.quality(reference))

    def _in_parts(self, workloads: tuple[Workload, ...]) -> tuple[Workload, ...]:
        return with_parts(workloads) if self._sweep.budget.stops_when_decided else workloads

    def _add_cell(
        self, candidate: SweepCandidate, options: Options, workload: Workload
    ) -> set[str]:
        """Among the cells or the skipped, unless it is there: options may come out the same. The id
        of a cell that is new."""
        speed = isinstance(workload, SPEED_KINDS)
        device_kind = self._device_kinds[candidate.backend]
        cell = Cell(
            artifact=candidate.artifact,
            backend=candidate.backend,
            options=options,
            workload=workload,
            scope=self._hardware_class if speed else device_kind,
            device_kind=device_kind,
            speed_only=self._backends[candidate.backend].speed_only,
        )
        if cell.id in self._cells or cell.id in self._skipped:
            return set()
        reason = self._obstacle(candidate, cell) or self._memory_obstacle(candidate, cell)
        if reason:
            self._skipped[cell.id] = Skip(cell, reason)
            return set()
        self._cells[cell.id] = cell
        if candidate.is_reference and isinstance(workload, Quality):
            self._references.setdefault(candidate.key, cell)
        return {cell.id}

    def _obstacle(self, candidate: SweepCandidate, cell: Cell) -> str:
        return (
            candidate.obstacle
            or random_weights_obstacle(cell)
            or self._obstacles.get(cell.backend, "")
            or capability_obstacle(self._backends[cell.backend], cell.workload, self._tasks.facts)
            or speculation_obstacle(self._backends[cell.backend], cell)
            or encoder_obstacle(cell, self._tasks.facts)
            or context_obstacle(cell)
            or template_obstacle(cell)
            or writer_obstacle(cell)
            or server_obstacle(cell)
            or disk_obstacle(cell.artifact, self._weight_bytes, self._disk)
        )

    def _memory_obstacle(self, candidate: SweepCandidate, cell: Cell) -> str:
        needs = self._backends[cell.backend].needs(
            cell.artifact, candidate.weight_bytes, cell.options, cell.workload
        )
        self._host_bytes[cell.id] = needs.host_bytes
        self._device_bytes[cell.id] = needs.device_bytes
        return memory_obstacle(needs, self._node_of[cell.backend], self._limit)
