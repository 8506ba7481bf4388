"""A task file as a whole: its items, and all that is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from grid.cells.items import Item
from grid.cells.task_catalog import UNCLASSIFIED
from grid.cells.task_files.columns import DEFAULTS
from grid.cells.task_files.convert import RowFault, to_item
from grid.cells.task_files.rows import Fault, Rows, parse_rows
from grid.errors import InputError, did_you_mean

FORMS = ("jsonl", "csv")


class TaskFile(NamedTuple):
    """A file of the user's items; `name` is the task's, the file's without its ending.

    `chat` True asks it by the chat template only, False never, None where the model has one.
    `faults` are in the order of lines; the items are those of lines without any.
    """

    path: Path
    name: str
    task_class: str
    chat: bool | None
    items: tuple[Item, ...]
    faults: tuple[Fault, ...]


def read_task_file(path: Path) -> TaskFile:
    """A task file without a fault. Raises InputError with the first, and how many more there
    are."""
    file = check_task_file(path)
    if not file.faults:
        return file
    line, text = file.faults[0]
    place = f"{path}, line {line}" if line else str(path)
    beyond = len(file.faults) - 1
    hint = f" ({beyond} more: grid tasks check {path.name})" if beyond else ""
    raise InputError(f"{place}: {text}{hint}")


def check_task_file(path: Path) -> TaskFile:
    """A task file with every fault. Raises InputError where it cannot be opened, or is no `.jsonl`
    or `.csv`."""
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise InputError(f"{path}: a task file ends in .jsonl or .csv")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"task file {path}: {error.strerror}{_nearest(path)}") from None
    rows = parse_rows(content, form)
    items, faults = _convert(rows)
    if not items and not faults:
        faults = [Fault(0, "no items")]
    task_class, chat = rows.defaults.get("class", UNCLASSIFIED), rows.defaults.get("chat")
    if not isinstance(task_class, str) or not task_class.strip():
        faults.append(Fault(0, f"{DEFAULTS}: class: expected text, got {task_class!r}"))
        task_class = UNCLASSIFIED
    if not isinstance(chat, bool | None):
        faults.append(Fault(0, f"{DEFAULTS}: chat: expected true or false, got {chat!r}"))
        chat = None
    return TaskFile(path, path.stem, task_class.strip(), chat, tuple(items), tuple(sorted(faults)))


def _convert(rows: Rows) -> tuple[list[Item], list[Fault]]:
    defaults: dict[str, Any] = {
        name: value for name, value in rows.defaults.items() if name not in ("class", "chat")
    }
    items: list[Item] = []
    faults = list(rows.faults)
    wrong = {fault.line for fault in faults}
    lines: dict[str, int] = {}
    for row in rows.rows:
        if row.line in wrong:
            continue
        try:
            item = to_item({**defaults, **row.values}, str(row.line))
        except RowFault as fault:
            faults.append(Fault(row.line, str(fault)))
            continue
        first = lines.setdefault(item.id, row.line)
        if not item.id:
            faults.append(Fault(row.line, "the id is empty"))
        elif first != row.line:
            faults.append(Fault(row.line, f"id {item.id!r} is there twice, first on line {first}"))
        else:
            items.append(item)
    return items, faults


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    names = [entry.name for form in FORMS for entry in path.parent.glob(f"*.{form}")]
    hint = did_you_mean(path.name, names)
    return f". {hint}" if hint else ""
