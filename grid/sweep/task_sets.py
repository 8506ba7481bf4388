"""Item sets of the tasks that a sweep names, made before the plan: the user's own files converted,
those of the harness rendered by it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from grid.cache import cache_dir, write_atomically
from grid.cells.task_catalog import task_sets
from grid.cells.task_files import read_task_file
from grid.cells.texts import RETRIEVAL, RETRIEVAL_TASK, read_items
from grid.engine.harness import HarnessProcess, PreparedTask, prepare
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
from grid.sweep.judge import judged_tasks

Say = Callable[[str], None]


def prepare_tasks(sweep: Sweep, say: Say = lambda line: None) -> PreparedTasks:
    """The item sets of a sweep's `names` and `files`.

    A task that the sweep names must be there; of a ready set those are left out, with a note, whose
    data cannot be had or that run code where that is not allowed. Raises InputError with the place
    in the sweep file, and EngineError where the harness's environment cannot be made.
    """
    if "tasks" not in sweep.measures:
        return NO_PREPARED_TASKS
    data = sweep.tasks.data
    if data and not sweep.path(data).is_dir():
        raise InputError(f"{sweep.file}: tasks.data: {sweep.path(data)} is no folder")
    own = (*own_tasks(sweep), *_bundled_tasks(sweep), *judged_tasks(sweep))
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
    return PreparedTasks((*own, *prepared.task_sets), (*_notes(own), *prepared.notes))


def own_tasks(sweep: Sweep) -> tuple[TaskSet, ...]:
    """The user's own files as item sets in the cache. Raises InputError with file and line."""
    place = f"{sweep.file}: tasks.files"
    prepared: dict[str, TaskSet] = {}
    for written in sweep.tasks.files:
        try:
            task_set = _own_task(sweep, sweep.path(written))
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
        if task_set.name in prepared:
            raise InputError(f"{place}: two files are called {task_set.name}; rename one")
        prepared[task_set.name] = task_set
    return tuple(prepared.values())


def _bundled_tasks(sweep: Sweep) -> tuple[TaskSet, ...]:
    """The set of retrieval, which no harness has, where the sweep names it."""
    if RETRIEVAL_TASK not in sweep.tasks.names:
        return ()
    return (
        TaskSet(
            name=RETRIEVAL_TASK,
            task_class=task_class(sweep.tasks, [RETRIEVAL_TASK], "embedding"),
            folder=RETRIEVAL,
            limit=sweep.tasks.items or len(read_items(RETRIEVAL, RETRIEVAL_TASK).items),
            chat=False,
        ),
    )


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
    prepared: list[TaskSet] = []
    refused: dict[TaskRequest, str] = {}
    requests = requested_tasks(sweep.tasks)
    with HarnessProcess(say) as process:
        for place, request in enumerate(requests):
            try:
                prepared += _make(sweep, request, say, process)
            except GridError as error:
                if not request.ready_set:
                    raise
                refused[request] = str(error)
                if not isinstance(error, InputError):  # nor can another task be made
                    refused |= dict.fromkeys(requests[place:], str(error))
                    break
    return PreparedTasks(tuple(prepared), (*_notes(prepared), *_left_out(refused)))


def _make(
    sweep: Sweep, request: TaskRequest, say: Say, process: HarnessProcess
) -> Iterator[TaskSet]:
    table = sweep.tasks
    try:
        tasks = prepare(
            [request.name],
            data=sweep.path(table.data) if table.data else None,
            shots=table.fewshot,
            limit=request.items,
            seed=table.seed,
            run_code=table.run_code,
            say=say,
            process=process,
        )
    except InputError as error:
        hint = did_you_mean(request.name, task_sets())  # a ready set may be what is meant
        unknown = f"{request.name!r}" in str(error) and "Did you mean" in hint
        raise InputError(f"{error} {hint}" if unknown else str(error)) from None
    return (_task_set(sweep, task) for task in tasks)


def _task_set(sweep: Sweep, task: PreparedTask) -> TaskSet:
    return TaskSet(
        name=task.name,
        task_class=task_class(sweep.tasks, [task.name, task.requested]),
        folder=str(task.folder),
        limit=task.items,
        note=task.note,
    )


def _notes(task_sets: Sequence[TaskSet]) -> Iterator[str]:
    """A line for each note, with the tasks that it is of."""
    by_note: defaultdict[str, list[str]] = defaultdict(list)
    for task_set in task_sets:
        by_note[task_set.note].append(task_set.name)
    yield from (f"{name_some(names, 8)}: {note}" for note, names in by_note.items() if note)


def _left_out(refused: Mapping[TaskRequest, str]) -> Iterator[str]:
    """A line for each set and kind of reason, with the tasks that are left out of it."""
    alike: defaultdict[tuple[str, str], list[TaskRequest]] = defaultdict(list)
    for request, reason in refused.items():
        kind = re.sub(r"task \S+|its data .*? cannot", "", reason)
        alike[request.ready_set, kind].append(request)
    for (ready_set, _), requests in alike.items():
        names = name_some([request.name for request in requests], 8)
        yield f"{ready_set} without {names}: {refused[requests[0]]}"
