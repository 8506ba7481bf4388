"""Item sets of the tasks that a sweep names, made before the plan: the user's own files converted,
those of the harness rendered by it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from grid.cache import cache_dir, write_atomically
from grid.cells.task_catalog import task_sets
from grid.cells.task_files import read_task_file
from grid.engine.harness import PreparedTask, prepare
from grid.errors import EngineError, GridError, InputError, did_you_mean, name_some
from grid.plan.sweep import Sweep
from grid.plan.task_requests import (
    NO_PREPARED_TASKS,
    PreparedTasks,
    TaskRequest,
    TaskSet,
    requested_tasks,
    task_class,
)

Say = Callable[[str], None]


def prepare_tasks(sweep: Sweep, say: Say = lambda line: None) -> PreparedTasks:
    """The item sets of a sweep's `names` and `files`.

    A task that the sweep names must be there; of a ready set those are left out, with a note, whose
    data cannot be had or that run code where that is not allowed. Raises InputError with the place
    in the sweep file, and EngineError where the harness's environment cannot be made.
    """
    if "tasks" not in sweep.measures:
        return NO_PREPARED_TASKS
    own = own_tasks(sweep)
    data = sweep.tasks.data
    if data and not sweep.path(data).is_dir():
        raise InputError(f"{sweep.file}: tasks.data: {sweep.path(data)} is no folder")
    try:
        prepared = _harness_tasks(sweep, say)
    except InputError as error:
        raise InputError(f"{sweep.file}: tasks: {error}") from None
    except EngineError as error:
        raise EngineError(f"{sweep.file}: tasks: {error}") from None
    names = {task.name for task in own}
    for task_set in prepared.task_sets:
        if task_set.name in names:
            raise InputError(
                f"{sweep.file}: tasks.files: the sweep has a task {task_set.name} of the harness "
                "too; give the file another name"
            )
    return PreparedTasks((*own, *prepared.task_sets), prepared.notes)


def own_tasks(sweep: Sweep) -> tuple[TaskSet, ...]:
    """The user's own files as item sets in the cache. Raises InputError with file and line."""
    place = f"{sweep.file}: tasks.files"
    made: dict[str, TaskSet] = {}
    for written in sweep.tasks.files:
        try:
            task_set = _own_task(sweep, sweep.path(written))
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
        if task_set.name in made:
            raise InputError(f"{place}: two files are called {task_set.name}; rename one")
        made[task_set.name] = task_set
    return tuple(made.values())


def _own_task(sweep: Sweep, path: Path) -> TaskSet:
    file = read_task_file(path)
    lines = b"".join(msgspec.json.encode(item) + b"\n" for item in file.items)
    folder = cache_dir() / "tasks" / f"own-{sha256(lines).hexdigest()[:32]}"
    target = folder / f"{file.name}.jsonl"
    if not target.exists():
        try:
            write_atomically(target, lines)
        except OSError as error:
            raise InputError(f"{target}: {error.strerror}; set QUANTGRID_CACHE") from None
    return TaskSet(
        name=file.name,
        task_class=task_class(sweep.tasks, [file.name], file.task_class),
        folder=str(folder),
        limit=sweep.tasks.items or len(file.items),
        chat=file.chat,
    )


def _harness_tasks(sweep: Sweep, say: Say) -> PreparedTasks:
    requests = requested_tasks(sweep.tasks)
    made: dict[str, list[TaskSet]] = {}
    refused: dict[str, str] = {}
    for (ready_set, items), names in _grouped(requests).items():
        try:
            _make(sweep, names, items, say, made)
        except GridError as error:
            if not ready_set:
                raise
            if isinstance(error, InputError):  # of one of them
                refused |= _make_each(sweep, names, items, say, made)
            else:
                refused |= dict.fromkeys(names, str(error))
    in_order = tuple(task for request in requests for task in made.get(request.name, ()))
    notes = [f"{task.name}: {task.note}" for task in in_order if task.note]
    return PreparedTasks(in_order, (*notes, *_left_out(requests, refused)))


def _grouped(requests: Sequence[TaskRequest]) -> dict[tuple[str, int], list[str]]:
    """Names that one call can prepare: of one ready set, with as many items."""
    groups: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for request in requests:
        groups[request.ready_set, request.items].append(request.name)
    return groups


def _make(
    sweep: Sweep, names: Sequence[str], items: int, say: Say, made: dict[str, list[TaskSet]]
) -> None:
    table = sweep.tasks
    try:
        tasks = prepare(
            names,
            data=sweep.path(table.data) if table.data else None,
            shots=table.fewshot,
            limit=items,
            seed=table.seed,
            run_code=table.run_code,
            say=say,
        )
    except InputError as error:
        raise _with_sets(error, names) from None
    for task in tasks:
        made.setdefault(task.requested, []).append(_task_set(sweep, task))


def _make_each(
    sweep: Sweep, names: Sequence[str], items: int, say: Say, made: dict[str, list[TaskSet]]
) -> dict[str, str]:
    """Make one after the other; returns why each that could not be made was refused."""
    reasons: dict[str, str] = {}
    for name in names:
        try:
            _make(sweep, [name], items, say, made)
        except GridError as error:
            reasons[name] = str(error)
    return reasons


def _task_set(sweep: Sweep, task: PreparedTask) -> TaskSet:
    return TaskSet(
        name=task.name,
        task_class=task_class(sweep.tasks, [task.name, task.requested]),
        folder=str(task.folder),
        limit=task.items,
        note=task.note,
    )


def _with_sets(error: InputError, names: Sequence[str]) -> InputError:
    """The error of an unknown name with the ready set that is nearest, if that is what it means."""
    for name in names:
        hint = did_you_mean(name, task_sets())
        if f"{name!r}" in str(error) and "Did you mean" in hint:
            return InputError(f"{error} {hint}")
    return error


def _left_out(requests: Sequence[TaskRequest], refused: dict[str, str]) -> Iterator[str]:
    """A line for each reason, with the tasks of a set that it leaves out."""
    ready_sets = {request.name: request.ready_set for request in requests}
    by_reason: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, reason in refused.items():
        by_reason[ready_sets[name], reason].append(name)
    for (ready_set, reason), names in by_reason.items():
        yield f"{ready_set} without {name_some(names, 8)}: {reason}"
