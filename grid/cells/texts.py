"""Texts and task items by their source: the bundled ones, or files of the user.

Used by the plan (for their hashes) and in the engine's process (for their content).
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec

from grid.cells.conversations import SUFFIX
from grid.cells.items import Item, item_fault
from grid.errors import InputError, did_you_mean
from grid.models import bundled

__all__ = [
    "CALIBRATION",
    "CHAT",
    "CODE",
    "HELDOUT",
    "ITEMS",
    "PROSE",
    "RETRIEVAL",
    "RETRIEVAL_TASK",
    "ItemSet",
    "Text",
    "read_items",
    "read_text",
    "task_classes",
]

HELDOUT = "ref:heldout"
"""Held-out text of the bundled family."""

CALIBRATION = "ref:calibration"
"""Text like the held-out one that shares nothing with it, for quantizers to weigh errors by."""

PROSE = "ref:prose"
"""Prose of this project's documentation as it once was: English that no older model has read."""

CODE = "ref:code"
"""Python source of this project as it once was."""

CHAT = "ref:chat"
"""Short conversations of this project's own, for models with a chat template."""

ITEMS = "ref:items"
"""Held-out task items of the bundled family."""

RETRIEVAL = "ref:retrieval"
"""Queries and documents of this project's own, for embedding models."""

RETRIEVAL_TASK = "retrieval"
"""The task that they are, in a sweep's list and in results."""

_BUNDLED_TEXTS = {
    HELDOUT: "heldout.txt",
    CALIBRATION: "calibration.txt",
    PROSE: "prose.txt",
    CODE: "code.txt",
    CHAT: "chat.jsonl",
}
"""The file of each text."""

_decode_item = msgspec.json.Decoder(Item).decode


class Text(msgspec.Struct, frozen=True):
    """A text; `source` is its name or absolute path, `sha256` that of its UTF-8 bytes; `chat`: it
    is JSON lines of conversations."""

    source: str
    sha256: str
    text: str
    chat: bool = False


class ItemSet(msgspec.Struct, frozen=True):
    """The items of one task class; `sha256` is that of what they say, not of how it is written."""

    source: str
    sha256: str
    items: tuple[Item, ...]


def read_text(source: str, base: Path | None = None) -> Text:
    """The text that `source` names: `ref:prose` and the like, or a file in UTF-8, relative to
    `base`. What conversations say is not looked at.

    Raises InputError where it is missing, unreadable, empty or not UTF-8.
    """
    if source.startswith("ref:"):
        if source not in _BUNDLED_TEXTS:
            raise InputError(f"unknown text {source!r}. {did_you_mean(source, _BUNDLED_TEXTS)}")
        file_name = _BUNDLED_TEXTS[source]
        content = _bundled_text(file_name)
        place = source
    else:
        path = _absolute(source, base)
        content = _read_utf8(path, "text")
        place = file_name = str(path)
    if not content.strip():
        raise InputError(f"text {place} is empty")
    chat = file_name.lower().endswith(SUFFIX)
    return Text(place, sha256(content.encode()).hexdigest(), content, chat)


def task_classes(source: str, base: Path | None = None) -> tuple[str, ...]:
    """Names of the task classes that `source` has: `ref:items` or a folder of `<class>.jsonl`."""
    if source.startswith("ref:"):
        sets = {ITEMS: bundled.TASK_CLASSES, RETRIEVAL: (RETRIEVAL_TASK,)}
        if source not in sets:
            raise InputError(f"unknown task items {source!r}. {did_you_mean(source, sets)}")
        return sets[source]
    folder = _absolute(source, base)
    if not folder.is_dir():
        raise InputError(f"task items {folder}: not a folder; it should hold <class>.jsonl files")
    names = tuple(sorted(path.stem for path in folder.glob("*.jsonl")))
    if not names:
        raise InputError(f"task items {folder}: the folder holds no <class>.jsonl file")
    return names


def read_items(source: str, task_class: str, base: Path | None = None) -> ItemSet:
    """The items of one class: `ref:items`, or `<class>.jsonl` in a folder relative to `base`.

    A line is a JSON object with the fields of `Item`. Raises InputError with file and line number.
    """
    classes = task_classes(source, base)
    if task_class not in classes:
        raise InputError(
            f"{source}: unknown task class {task_class!r}. {did_you_mean(task_class, classes)}"
        )
    if source == ITEMS:
        rows = bundled.items(task_class)
        return _item_set(
            source,
            [Item(i.id, i.kind, i.context, i.choices, i.answer, group=i.group) for i in rows],
        )
    if source == RETRIEVAL:
        return _item_set(source, _retrieval_items())
    folder = _absolute(source, base)
    path = folder / f"{task_class}.jsonl"
    return _item_set(str(folder), _parse_items(path, _read_utf8(path, "task items")))


@cache
def _bundled_text(name: str) -> str:
    return bundled.text(name)


def _retrieval_items() -> list[Item]:
    documents, queries = bundled.retrieval()
    grades = [tuple(query.relevant.get(name, 0) for name in documents) for query in queries]
    return [
        Item(
            id=query.id,
            kind="retrieval",
            context=query.text,
            choices=tuple(documents.values()),
            answer=relevance.index(max(relevance)),
            relevance=relevance,
            group=max(query.relevant, key=lambda name: query.relevant[name]),
        )
        for query, relevance in zip(queries, grades, strict=True)
    ]


def _absolute(source: str, base: Path | None) -> Path:
    return Path(base or Path.cwd(), Path(source).expanduser()).resolve()


def _read_utf8(path: Path, what: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{what} {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {path}: not UTF-8 (byte {error.start})") from None


def _item_set(source: str, items: list[Item]) -> ItemSet:
    hashed = items
    if source.startswith("ref:"):  # named by what they ask, as before they had groups
        hashed = [msgspec.structs.replace(item, group="") for item in items]
    return ItemSet(source, sha256(msgspec.json.encode(hashed)).hexdigest(), tuple(items))


def _parse_items(path: Path, content: str) -> list[Item]:
    items: list[Item] = []
    ids: set[str] = set()
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            item = _decode_item(line)
        except msgspec.MsgspecError as error:
            raise InputError(f"{path}, line {number}: {error}") from None
        fault = "a second item with this id" if item.id in ids else item_fault(item)
        if fault:
            raise InputError(f"{path}, line {number}: item {item.id!r}: {fault}")
        ids.add(item.id)
        items.append(item)
    if not items:
        raise InputError(f"{path}: no items")
    return items
