"""`grid tasks list`: ready sets and tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grid.cells.task_catalog import TASKS, task_sets
from grid.cli.views.console import console, print_json, table
from grid.cli.views.resolution import METHOD, points
from grid.models.bundled import TASK_CLASSES
from grid.results.statistics import resolvable_difference
from grid.units import format_seconds

NOTES = (
    "time: a model of 1B parameters on a desktop CPU, one variant (estimated)",
    f"tells: {METHOD}, in points",
    "data: the folder tasks.data of the sweep file, else the hub; code runs with tasks.run_code",
    "mt_bench is no task of the harness: a judge rates its answers, see tasks.judge",
)


def show_tasks(names: Sequence[str] = (), as_json: bool = False) -> None:
    """The ready sets and the catalog; `names` are further ones of the harness."""
    further = [name for name in names if name not in TASKS]
    if as_json:
        _print_json(further)
        return
    out = console()
    out.print("ready sets", style="bold")
    rows = [_set_row(name, tasks) for name, tasks in task_sets().items()]
    out.print(
        table(
            ["set", "items", "time", "tells", "tasks"],
            rows,
            right=(1, 2, 3),
            wrap=(4,),
            optional=(2,),
        )
    )
    out.print("\ntasks of lm-evaluation-harness", style="bold")
    columns = ["task", "class", "items", "tells", "answer", "chance", "100 items"]
    rows = [_task_row(name) for name in TASKS]
    out.print(table(columns, rows, right=(2, 3, 5, 6), names=(0,), optional=(5, 4)))
    if further:
        out.print(f"\n{len(further)} more names of the harness", style="bold")
        out.print(", ".join(further), markup=False)
    out.print("\nof the bundled family", style="bold")
    out.print(f'{", ".join(TASK_CLASSES)}: source = "ref:items"', markup=False)
    out.print()
    for note in NOTES:
        out.print(note, markup=False)


def _set_row(name: str, tasks: Mapping[str, int]) -> tuple[str, ...]:
    items = sum(tasks.values())
    listed = ", ".join(f"{task} {count}" for task, count in tasks.items())
    return name, str(items), _minutes(_seconds(tasks)), points(items), listed


def _task_row(name: str) -> tuple[str, ...]:
    task = TASKS[name]
    return (
        name,
        task.task_class,
        str(task.items),
        points(task.items),
        "code" if task.runs_code else task.kind,
        f"{task.chance:.2f}",
        _minutes(task.seconds(100)),
    )


def _seconds(tasks: Mapping[str, int]) -> float:
    return sum(TASKS[task].seconds(count) for task, count in tasks.items())


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if 60 <= seconds < 3600 else format_seconds(seconds)


def _print_json(further: Sequence[str]) -> None:
    sets: dict[str, Any] = {
        name: {
            "tasks": tasks,
            "seconds": _seconds(tasks),
            "resolves": resolvable_difference(sum(tasks.values())),
        }
        for name, tasks in task_sets().items()
    }
    tasks = {
        name: {
            **task._asdict(),
            "seconds_per_100": task.seconds(100),
            "resolves": resolvable_difference(task.items),
        }
        for name, task in TASKS.items()
    }
    print_json({"sets": sets, "tasks": tasks, "bundled": TASK_CLASSES, "further": further})
