"""The harness's names: kept in the cache, so that they cost its import once."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from grid.cache import cache_dir, write_atomically
from grid.engine.harness import messages
from grid.engine.harness.messages import TaskName
from grid.engine.harness.process import HARNESS_VERSION, HarnessProcess
from grid.errors import InputError, did_you_mean

NAMES_FORMAT = 2
"""Raised whenever more is kept of a task."""

LIST_TIMEOUT_S = 900.0
"""Thirteen thousand small files from a cold disk."""

_decode = msgspec.json.Decoder(tuple[TaskName, ...]).decode


def task_names(process: HarnessProcess | None = None) -> tuple[TaskName, ...]:
    """All names that the harness knows, sorted; only the first call makes the harness's environment
    and imports it. Raises EngineError where it cannot be made."""
    path = cache_dir() / "tasks" / f"names-{HARNESS_VERSION}-{NAMES_FORMAT}.json"
    with suppress(OSError, msgspec.MsgspecError):
        return _decode(path.read_bytes())
    if process is None:
        with HarnessProcess() as new_process:
            return task_names(new_process)
    reply = process.ask(messages.ListTasks(), LIST_TIMEOUT_S)
    assert isinstance(reply, messages.TaskList)
    with suppress(OSError):  # a cache that takes nothing costs the import each time
        write_atomically(path, msgspec.json.encode(reply.tasks))
    return reply.tasks


def expand(name: str, by_name: dict[str, TaskName], leaves: bool = False) -> tuple[TaskName, ...]:
    """The tasks of a name: itself, or the members of a group; a group with a figure of its own is a
    task too, unless `leaves`. Raises InputError where there is no such name, or it cannot be asked.
    """
    task = by_name.get(name)
    if task is None:
        raise InputError(f"unknown task {name!r}. {did_you_mean(name, by_name)}")
    if task.obstacle:
        raise InputError(f"task {name} cannot be asked: {task.obstacle}")
    if not task.members or (task.metric and not leaves):
        return (task,)
    members = (expand(member, by_name, leaves) for member in task.members)
    return tuple({leaf.name: leaf for group in members for leaf in group}.values())
