"""MT-Bench's questions as items, from a file in the folder of the sweep's data."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from grid.cache import cache_dir, write_atomically
from grid.cells.items import Item, Message
from grid.cells.task_catalog import MT_BENCH
from grid.engine.harness.local_data import tables
from grid.engine.harness.rows import read_rows
from grid.errors import InputError
from grid.plan.sweep import JudgeTable, Sweep
from grid.plan.task_requests import TaskSet, task_class
from grid.sweep.judge.endpoint import check_judge
from grid.sweep.judge.prompt import PROMPT_VERSION

COLUMNS = ("question_id", "category", "turns")
"""By which its file is recognized; `reference` stands in some rows only."""

REFERENCE_CATEGORIES = ("math", "reasoning", "coding")
"""Categories whose references are answers; others hold hints, which judges are not shown."""

MAX_TOKENS = 1024
"""Of each answer."""

NOTE = (
    "rated by {model} with a prompt of our own, answers are the likeliest tokens: not comparable "
    "with published scores"
)


class JudgeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Who rates an item's answers and how; part of what the item says, and so of its hash."""

    judge: str
    prompt: int
    category: str
    references: tuple[str, ...]


def judged_tasks(sweep: Sweep) -> tuple[TaskSet, ...]:
    """The item set of MT-Bench where the sweep names it. Raises InputError without a judge, or
    without its questions."""
    if MT_BENCH not in sweep.tasks.names:
        return ()
    judge = sweep.tasks.judge
    if judge is None:
        raise InputError(
            f"{sweep.file}: tasks.names: {MT_BENCH} takes a judge; name one under [tasks.judge] "
            '(url = "http://127.0.0.1:8000/v1", model = "...")'
        )
    try:
        check_judge(judge)
    except InputError as error:
        raise InputError(f"{sweep.file}: tasks.judge.{error}") from None
    if sweep.tasks.chat is False:
        raise InputError(f"{sweep.file}: tasks.chat: {MT_BENCH} is asked by the chat template only")
    try:
        items = _items(_question_file(sweep), judge)
    except InputError as error:
        raise InputError(f"{sweep.file}: tasks.data: {error}") from None
    return (
        TaskSet(
            name=MT_BENCH,
            task_class=task_class(sweep.tasks, [MT_BENCH]),
            folder=str(_write(items)),
            limit=sweep.tasks.items or len(items),
            chat=True,
            note=NOTE.format(model=judge.model),
        ),
    )


def _question_file(sweep: Sweep) -> Path:
    needed = f"{MT_BENCH} takes its question file, with the columns {', '.join(COLUMNS)}"
    if not sweep.tasks.data:
        raise InputError(f"{needed}; name the folder that holds it")
    folder = sweep.path(sweep.tasks.data)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder")
    paths = [path for path, row in tables(folder) if all(column in row for column in COLUMNS)]
    if not paths:
        raise InputError(f"{needed}; nothing in {folder} looks like it")
    named = [path for path in paths if path.name.startswith(MT_BENCH)]
    if len(paths) > 1 and len(named) != 1:
        listed = " and ".join(path.name for path in paths[:3])
        raise InputError(f"{folder}: {listed} all look like {MT_BENCH}; name one {MT_BENCH}.jsonl")
    return named[0] if len(paths) > 1 else paths[0]


def _items(path: Path, judge: JudgeTable) -> list[Item]:
    items: dict[str, Item] = {}
    for number, row in enumerate(read_rows(path), start=1):
        try:
            item = _item(row, judge)
            if item.id in items:
                raise ValueError(f"question_id {item.id} is there twice")
        except KeyError as error:
            raise InputError(f"{path}, row {number}: no {error}") from None
        except ValueError as error:
            raise InputError(f"{path}, row {number}: {error}") from None
        items[item.id] = item
    return list(items.values())


def _item(row: dict[str, Any], judge: JudgeTable) -> Item:
    turns = _texts(row["turns"], "turns")
    if not turns or not all(turn.strip() for turn in turns):
        raise ValueError("turns: a question is empty")
    category = str(row["category"])
    references = _texts(row.get("reference") or [], "reference")
    shown = references if category in REFERENCE_CATEGORIES else []
    document = JudgeDocument(
        judge=judge.model,
        prompt=PROMPT_VERSION,
        category=category,
        references=tuple([*shown, *[""] * len(turns)][: len(turns)]),
    )
    first, *later = turns
    return Item(
        id=str(row["question_id"]),
        kind="generate",
        context=first,
        choices=(),
        answer=0,
        messages=(Message("user", first),),
        max_tokens=MAX_TOKENS,
        scoring="judge",
        group=category,
        document=msgspec.json.encode(document).decode(),
        turns=tuple(later),
    )


def _texts(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"{name}: expected a list of texts")
    return value


def _write(items: Sequence[Item]) -> Path:
    """The items in the cache, in a folder named by what they say."""
    lines = b"".join(msgspec.json.encode(item) + b"\n" for item in items)
    folder = cache_dir() / "tasks" / f"{MT_BENCH}-{sha256(lines).hexdigest()[:16]}"
    target = folder / f"{MT_BENCH}.jsonl"
    if not target.exists():
        try:
            write_atomically(target, lines)
        except OSError as error:
            raise InputError(f"{target}: {error.strerror}; set QUANTGRID_CACHE") from None
    return folder
