"""Writes the items of a task as the harness's own definition renders them. Runs in the harness's
process."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

import msgspec
from lm_eval.api.task import ConfigurableTask

from grid.cache import write_atomically
from grid.cells.items import Item, item_fault
from grid.engine.harness.answers import Answer, Document, score_documents
from grid.engine.harness.figure import primary_figure
from grid.engine.harness.loading import load_task
from grid.engine.harness.messages import Leaf, Render, Rendered
from grid.engine.harness.passages import passage_groups
from grid.engine.harness.requests import Prompt, TaskRequests
from grid.errors import GridError, InputError


def render(request: Render) -> Rendered:
    """Write `<name>.jsonl` into the target folder. Raises InputError where data are at fault."""
    notes: list[str] = []
    tasks = [load_task(leaf, notes, request.shots) for leaf in request.leaves]
    order = interleave([len(task.task_docs) for task in tasks])[: request.limit]
    items: list[list[Item]] = []
    for index, (leaf, task) in enumerate(zip(request.leaves, tasks, strict=True)):
        count = sum(position == index for position in order)
        items.append(list(_leaf_items(request, leaf, task, count)) if count else [])
    queues = [iter(group) for group in items]
    ordered = [next(queues[index]) for index in order]
    _try_scoring(request.name, ordered)
    lines = b"".join(msgspec.json.encode(item) + b"\n" for item in ordered)
    write_atomically(Path(request.target) / f"{request.name}.jsonl", lines)
    first = tasks[0]
    return Rendered(
        items=len(ordered),
        kind=str(first.OUTPUT_TYPE),
        metric=primary_figure(first, request.metric).label,
        version=str(first.VERSION),
        shots=int(first.get_config("num_fewshot")),
        data_sha256=_documents_sha256(tasks, order),
        notes=tuple(dict.fromkeys(notes + _generation_notes(first))),
        runs_code=bool(getattr(first, "UNSAFE_CODE", False)),
    )


def interleave(counts: list[int]) -> list[int]:
    """Indices of groups, each as often as its count, spread evenly: any first n of them have the
    groups in proportion to their sizes."""
    places = (
        ((position + 0.5) / count, i) for i, count in enumerate(counts) for position in range(count)
    )
    return [index for _, index in sorted(places)]


def _leaf_items(request: Render, leaf: Leaf, task: ConfigurableTask, count: int) -> Iterator[Item]:
    figure = primary_figure(task, request.metric)
    group = leaf.name.removeprefix(f"{request.name}_") if leaf.name != request.name else ""
    requests = TaskRequests(task, figure, leaf, request.seed)
    place = _place(leaf)
    try:
        prompts = list(requests.prompts(count))
    except Exception as error:  # a column is missing, or has another type
        raise InputError(f"{place}: {_reason(error)}") from error
    groups = [group] * len(prompts) if group else passage_groups([p.doc for p in prompts])
    for number, (prompt, name) in enumerate(zip(prompts, groups, strict=True)):
        try:
            item = _item(requests, prompt, f"{leaf.name}/{number}", name)
        except Exception as error:
            raise InputError(f"{place}, document {number + 1}: {_reason(error)}") from error
        fault = item_fault(item)
        if fault:
            raise InputError(f"{place}, document {number + 1}: {fault}")
        yield item


def _place(leaf: Leaf) -> str:
    if leaf.data is None:
        return f"task {leaf.name}, data of the hub"
    return f"task {leaf.name}, {leaf.data.folder or leaf.data.paths['eval']}"


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    if isinstance(error, GridError):
        return text
    return f"the documents are not what the task reads: {type(error).__name__}: {text}"


def _item(requests: TaskRequests, prompt: Prompt, name: str, group: str) -> Item:
    match requests.task.OUTPUT_TYPE:
        case "multiple_choice":
            item = requests.choice_item(prompt)
        case "loglikelihood":
            item = requests.exact_item(prompt)
        case _:
            item = requests.generate_item(prompt)
    return msgspec.structs.replace(item, id=name, group=group)


def _try_scoring(name: str, items: list[Item]) -> None:
    """Score an empty answer to each item: what scoring lacks is known before a model has written
    for hours."""

    scored = [item for item in items if item.document]
    if not scored:
        return
    documents = [msgspec.json.decode(item.document, type=Document) for item in scored]
    answers = [Answer("x", (-1.0,) * len(item.choices)) for item in scored]
    try:
        score_documents(documents, answers)
    except LookupError as error:
        text = " ".join(str(error).replace("*", " ").split())[:120]
        reason = f"scoring takes what is not there: {text}"
        raise InputError(f"task {name}: {reason}") from error


def _documents_sha256(tasks: list[ConfigurableTask], order: list[int]) -> str:
    content = sha256()
    for index, task in enumerate(tasks):
        count = sum(position == index for position in order)
        for doc in islice(task.task_docs, count):
            content.update(repr(sorted(doc.items())).encode())
    return content.hexdigest()


def _generation_notes(task: ConfigurableTask) -> list[str]:
    settings = task.get_config("generation_kwargs") or {}
    notes = []
    if settings.get("do_sample") or settings.get("temperature"):
        notes.append("the likeliest token each time, where the harness samples")
    if task.get_config("repeats") > 1:
        notes.append("one answer each, where the harness takes several")
    return notes
