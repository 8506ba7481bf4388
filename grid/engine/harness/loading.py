"""Makes the harness's task objects, with documents that need not come from the hub. Runs in the
harness's process."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import datasets
import evaluate
from lm_eval import utils
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._factory import TaskFactory
from lm_eval.tasks._index import Entry, Kind
from lm_eval.tasks._yaml_loader import load_yaml

from grid.engine.harness.catalog import TASKS
from grid.engine.harness.messages import OFFLINE, Leaf, LocalData
from grid.engine.harness.rows import Row, read_rows
from grid.engine.harness.shapes import Shape, shape_named
from grid.errors import InputError

CODE_METRIC = "code_eval"


class RecordedPrograms:
    """Stands in for the metric that would run generated code in this process: it keeps the programs
    instead, each a completion with its tests, as that metric joins them."""

    def __init__(self) -> None:
        self.programs: list[str] = []

    def compute(
        self, references: Sequence[str], predictions: Sequence[Sequence[str]], **_: Any
    ) -> tuple[dict[str, float], dict[str, Any]]:
        for test, completions in zip(references, predictions, strict=True):
            self.programs += [f"{completion}\n{test}" for completion in completions]
        return {"pass@1": 0.0}, {}


recorded = RecordedPrograms()

_load_metric = evaluate.load


def _load(name: str, *arguments: Any, **keywords: Any) -> Any:
    return recorded if name == CODE_METRIC else _load_metric(name, *arguments, **keywords)


evaluate.load = _load  # nothing that a model wrote runs in this process

# The harness compiles a prompt's template for each document, which takes most of the time.
utils.env.from_string = lru_cache(maxsize=256)(utils.env.from_string)


def load_task(leaf: Leaf, notes: list[str], shots: int | None) -> ConfigurableTask:
    """The task with its documents; `notes` takes what differs from the harness's own.

    Raises InputError where the data cannot be had or lack what the task reads.
    """
    config = load_yaml(TASKS / leaf.path, resolve_func=False)
    overrides: dict[str, Any] = {}
    if leaf.data is not None and leaf.data.folder:
        overrides = {"dataset_path": leaf.data.folder}
    elif leaf.data is not None:
        overrides = _local_overrides(leaf, leaf.data, config, notes, bool(shots_of(config, shots)))
    try:
        task = _build(leaf.name, leaf.path, overrides)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"task {leaf.name} needs a package that is not there: {error}") from error
    except Exception as error:
        raise InputError(_data_fault(leaf, config, error)) from error
    task.set_config("num_fewshot", shots_of(config, shots))
    return task


def shots_of(config: Mapping[str, Any], shots: int | None) -> int:
    """Few-shot examples of a task. One that is declared with none keeps to none, as in lm_eval."""
    default = config.get("num_fewshot")
    return int(default or 0) if shots is None or default == 0 else shots


def scoring_task(name: str, path: str, documents: Sequence[Row]) -> ConfigurableTask:
    """The task with just these documents, as they were when its items were made."""
    split = datasets.Dataset.from_list(list(documents))
    overrides = {
        "custom_dataset": lambda **_: {"test": split},
        "test_split": "test",
        "validation_split": None,
        "training_split": None,
        "fewshot_split": None,
        "fewshot_config": None,
        "process_docs": None,
    }
    return _build(name, path, overrides)


def _build(name: str, path: str, overrides: Mapping[str, Any]) -> ConfigurableTask:
    entry = Entry(name=name, kind=Kind.TASK, yaml_path=TASKS / path)
    return TaskFactory().build(entry, overrides=dict(overrides), registry={})


def _local_overrides(
    leaf: Leaf, data: LocalData, config: Mapping[str, Any], notes: list[str], few_shot: bool
) -> dict[str, Any]:
    """Settings that give the harness the documents of local files under its own split names."""
    shape = shape_named(data.shape)
    documents = {split: _documents(Path(p), shape, leaf) for split, p in data.paths.items()}
    eval_split = str(config.get("test_split") or config.get("validation_split"))
    training, examples = config.get("training_split"), config.get("fewshot_split")
    examples = examples or training
    splits = {eval_split: documents["eval"]}
    overrides: dict[str, Any] = {}
    for split in {str(name) for name in (training, examples) if name} - {eval_split}:
        source = documents.get("train" if split == training else "dev") or documents.get("train")
        if source is not None:
            splits[split] = source
    if training not in splits:
        overrides["training_split"] = None
    if examples and examples not in splits:
        overrides["fewshot_split"] = eval_split
        if few_shot:
            notes.append("few-shot examples are other items of the same file")
    if data.note:
        notes.append(data.note)
    overrides |= _fewer_choices(config, documents["eval"])
    tables = {name: datasets.Dataset.from_list(rows) for name, rows in splits.items()}
    return {**overrides, "custom_dataset": lambda **_: tables}


def _documents(path: Path, shape: Shape, leaf: Leaf) -> list[Row]:
    rows = read_rows(path)
    documents = []
    for number, row in enumerate(rows, start=1):
        try:
            if shape.subject and row[shape.subject] != leaf.subset:
                continue
            if shape.keeps(row) or not any(map(shape.keeps, rows)):
                documents.append(shape.convert(row))
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else error
            raise InputError(f"{path}, row {number}: {reason}") from None
    if not documents:
        raise InputError(f"{path}: no rows for {leaf.name}")
    return documents


def _fewer_choices(config: Mapping[str, Any], documents: list[Row]) -> dict[str, Any]:
    """The prompt of CommonsenseQA without the letter that a file's rows do not have."""
    prompt, letters = config.get("doc_to_text"), config.get("doc_to_choice")
    line = "\nE. {{choices['text'][4]}}"
    if letters != [*"ABCDE"] or not isinstance(prompt, str) or line not in prompt:
        return {}
    if any(len(document["choices"]["text"]) != 4 for document in documents):
        return {}
    return {"doc_to_text": prompt.replace(line, ""), "doc_to_choice": letters[:4]}


def _data_fault(leaf: Leaf, config: Mapping[str, Any], error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    if any(os.environ.get(name) for name in OFFLINE) and leaf.data is None:
        text = "which is out of reach"
    if leaf.data is not None:
        place = leaf.data.folder or ", ".join(leaf.data.paths.values())
        return f"task {leaf.name}: {place} cannot be used: {text}"
    source = f"{config.get('dataset_path')} {config.get('dataset_name') or ''}".strip()
    return (
        f"task {leaf.name}: its data {source} cannot be had from the hub, {text}; name a "
        "folder that holds them in tasks.data"
    )
