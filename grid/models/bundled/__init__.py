"""The bundled reference family: small Llama models with one tokenizer, held-out text and items.

They exist to measure what quantization costs: a small model can learn each task class, and the
larger size does better. This module needs only the standard library; README.md says how the weights
were made.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
"""Where weights, items and texts of the family are."""

SIZES: tuple[str, ...] = ("small", "large")
"""Folder names of the family, smallest model first."""

TASK_CLASSES: tuple[str, ...] = ("recall", "reasoning", "math", "context", "language")
"""What the items measure, in the order of the task-class table."""


@dataclass(frozen=True, slots=True)
class BundledItem:
    """One test item.

    `choice`: right if the summed log-probability of `choices[answer]` after `context` is highest.
    `exact`: `choices` has one element; right if each of its tokens is the greedy prediction.
    `group` is the phrasing that items share, empty where each is made by itself.
    """

    id: str
    kind: str
    context: str
    choices: tuple[str, ...]
    answer: int
    group: str = ""

    @property
    def chance(self) -> float:
        """Expected score of a guess: 1 / number of choices, 0 for `exact`."""
        return 0.0 if self.kind == "exact" else 1.0 / len(self.choices)


@dataclass(frozen=True, slots=True)
class RetrievalQuery:
    """A query, and the grade of each relevant document by its name: 2 answers it, 1 is about it."""

    id: str
    text: str
    relevant: dict[str, int]


def _check_name(what: str, name: str, names: tuple[str, ...]) -> str:
    """`name` if it is one of `names`; otherwise a ValueError that suggests the nearest."""
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."
    raise ValueError(f"unknown {what} {name!r}. {hint}")


def size_dir(name: str) -> Path:
    """Folder of one size in Hugging Face's layout: config.json, model.safetensors, tokenizer."""
    return FOLDER / _check_name("size", name, SIZES)


def tokenizer_path() -> Path:
    """The tokenizer.json that all sizes share; each folder has its copy."""
    return size_dir(SIZES[0]) / "tokenizer.json"


def heldout_text() -> str:
    """Text for perplexity that is disjoint from the training corpus."""
    return text("heldout.txt")


def text(name: str) -> str:
    """A bundled text by its file's name: `heldout.txt`, `calibration.txt` by which quantizers weigh
    their errors, or `prose.txt`, `code.txt` and `chat.jsonl` for models of ordinary English."""
    return (FOLDER / name).read_text(encoding="utf-8")


def items(task_class: str) -> list[BundledItem]:
    """The held-out items of one task class."""
    path = FOLDER / "items" / f"{_check_name('task class', task_class, TASK_CLASSES)}.jsonl"
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [BundledItem(**{**row, "choices": tuple(row["choices"])}) for row in rows]


def retrieval() -> tuple[dict[str, str], list[RetrievalQuery]]:
    """Documents by name, and queries about them: what embedding models are tried on."""
    folder = FOLDER / "retrieval"
    lines = (folder / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    documents = {row["id"]: row["text"] for row in map(json.loads, lines)}
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines)
    return documents, [RetrievalQuery(row["id"], row["query"], row["relevant"]) for row in rows]
