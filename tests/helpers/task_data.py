"""Small data sets of known tasks, by hand: in the columns that the hub has, or ready-made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PIQA = [
    {"goal": "Open a jar", "sol1": "Turn the lid", "sol2": "Eat the lid, then wait", "label": 0},
    {"goal": "Dry a cup", "sol1": "Fill it", "sol2": "Wipe it", "label": 1},
]
WINOGRANDE = [
    {
        "context_options": ["Sue met Mia, so Sue", "Sue met Mia, so Mia"],
        "continuation": "smiled.",
        "gold": 1,
    }
]
LAMBADA = [{"context": "one two three four five six seven eight nine ten", "continuation": "me"}]
GSM8K_TEST = [
    {"question": f"What is {n} + {n}?", "answer": f"It is {2 * n}.\n#### {2 * n}"}
    for n in range(3, 9)
]
GSM8K_TRAIN = [
    {"question": f"Add {n} to 1.", "answer": f"That is {n + 1}.\n#### {n + 1}"} for n in range(20)
]
HUMANEVAL = [
    {
        "task_id": f"HumanEval/{n}",
        "prompt": f"def add_{n}(x):\n",
        "entry_point": f"add_{n}",
        "canonical_solution": f"    return x + {n}\n",
        "test": f"def check(candidate):\n    assert candidate(1) == {n + 1}\n",
    }
    for n in range(3)
]
IFEVAL = [
    {
        "key": 1,
        "prompt": "Write without commas.",
        "instruction_id_list": ["punctuation:no_comma"],
        "kwargs": [{}],
    },
    {
        "key": 2,
        "prompt": "Write at least three words.",
        "instruction_id_list": ["length_constraints:number_words", "punctuation:no_comma"],
        "kwargs": [{"relation": "at least", "num_words": 3}, {}],
    },
]
TRUTHFULQA = [
    {
        "question": "Is water wet?",
        "mc1_targets": {"choices": ["Yes", "No", "Never"], "labels": [1, 0, 0]},
        "mc2_targets": {"choices": ["Yes", "It is", "No"], "labels": [1, 1, 0]},
    }
]


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_task_data(folder: Path) -> Path:
    """Files of the tasks above."""
    files = {
        "goals.jsonl": PIQA,
        "sentences.jsonl": WINOGRANDE,
        "passages.jsonl": LAMBADA,
        "gsm8k/test.jsonl": GSM8K_TEST,
        "gsm8k/train.jsonl": GSM8K_TRAIN,
        "programs.jsonl": HUMANEVAL,
        "instructions.jsonl": IFEVAL,
        "truth.jsonl": TRUTHFULQA,
    }
    for name, rows in files.items():
        write_jsonl(folder / name, rows)
    return folder


def write_mmlu(folder: Path, subjects: Iterable[str], large: str) -> Path:
    """The files of MMLU's own distribution: an item for each subject, nine of the `large` one."""
    for subject in subjects:
        for split, count in (("dev", 5), ("test", 9 if subject == large else 1)):
            path = folder / split / f"{subject}_{split}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = (f'"{subject} {split} {n}, really?",a,b,c,d,C\n' for n in range(count))
            path.write_text("".join(rows))
    return folder
