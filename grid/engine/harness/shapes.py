"""Local rows as the documents that the harness's own task definitions read.

A shape is a way in which people keep a data set: with the hub's own columns, or as ready-made rows
of query, choices and the right one's index. The harness's YAML stays the source of prompts and
metrics: ready-made rows are taken apart again into the columns that it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import NamedTuple

from grid.engine.harness.rows import Row

Convert = Callable[[Row], Row]

LETTERS = "ABCDEFGH"


class Shape(NamedTuple):
    """`columns` that a row must have, `fits` a look at the first row, `convert` row -> document,
    `note` what differs from the harness's own data."""

    name: str
    columns: tuple[str, ...]
    fits: Callable[[Row], bool] = lambda row: True
    convert: Convert = lambda row: row
    note: str = ""
    keeps: Callable[[Row], bool] = lambda row: True
    """Whether a row belongs to the split that the harness asks."""
    subject: str = ""
    """The column that names the subset, where one file holds all."""


_READY_MADE = "prompts as the harness's, from a file of ready-made rows"


def _query(row: Row) -> str:
    return str(row["query"])


def _choices(count: int) -> Callable[[Row], bool]:
    return lambda row: isinstance(row["choices"], list) and len(row["choices"]) == count


def _labelled(choices: list[str]) -> dict[str, list[str]]:
    return {"text": choices, "label": [*LETTERS[: len(choices)]]}


def _gold(row: Row) -> int:
    gold = int(row["gold"])
    choices = row.get("choices") or row["context_options"]
    if not 0 <= gold < len(choices):
        raise ValueError(f"gold {gold} is no index of its {len(choices)} choices")
    return gold


def _arc(row: Row) -> Row:
    question = _query(row).removeprefix("Question: ")
    return {
        "question": question,
        "choices": _labelled(row["choices"]),
        "answerKey": LETTERS[_gold(row)],
    }


def _piqa(row: Row) -> Row:
    goal = _query(row).removeprefix("Question: ").removesuffix("\n")
    first, second = row["choices"]
    return {"goal": goal, "sol1": first, "sol2": second, "label": _gold(row)}


def _winogrande(row: Row) -> Row:
    first, second = row["context_options"]
    equal = takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    shared = "".join(letter for letter, _ in equal)
    return {
        "sentence": f"{shared}_ {row['continuation']}",
        "option1": first[len(shared) :],
        "option2": second[len(shared) :],
        "answer": str(_gold(row) + 1),
    }


_CONNECTORS = {", because": "cause", ", therefore": "effect"}


def _is_copa(row: Row) -> bool:
    return _choices(2)(row) and _query(row).endswith(tuple(_CONNECTORS))


def _copa(row: Row) -> Row:
    head, _, word = _query(row).rpartition(", ")
    first, second = row["choices"]
    return {
        "premise": f"{head}.",
        "question": _CONNECTORS[f", {word}"],
        "choice1": first,
        "choice2": second,
        "label": _gold(row),
    }


def _openbookqa(row: Row) -> Row:
    return {
        "question_stem": row["query"],
        "choices": _labelled(row["choices"]),
        "answerKey": LETTERS[_gold(row)],
    }


_LISTED = "\nChoices:\n"


def _commonsense_qa(row: Row) -> Row:
    question, _, listed = _query(row).removeprefix("Question: ").partition(_LISTED)
    texts = [line[3:] for line in listed.removesuffix("\nAnswer:").split("\n")]
    if len(texts) != len(row["choices"]):
        raise ValueError(f"{len(texts)} choices are listed, {len(row['choices'])} given")
    return {
        "question": question,
        "choices": _labelled(texts),
        "answerKey": LETTERS[_gold(row)],
    }


def _lambada(row: Row) -> Row:
    return {"text": f"{row['context']} {row['continuation'].strip()}"}


def _is_passage(row: Row) -> bool:
    return len(row["context"].split()) > 9 and len(row["continuation"].split()) == 1


def _sentences(joined: str) -> list[str]:
    answers = [answer.strip() for answer in joined.split(";") if answer.strip()]
    return [answer if answer.endswith(".") else f"{answer}." for answer in answers]


def _truthfulqa(row: Row) -> Row:
    best, right = _sentences(row["Best Answer"])[:1], _sentences(row["Correct Answers"])
    wrong = _sentences(row["Incorrect Answers"])
    labels = [1] * len(right) + [0] * len(wrong)
    return {
        "question": row["Question"],
        "mc1_targets": {"choices": best + wrong, "labels": [1] + [0] * len(wrong)},
        "mc2_targets": {"choices": right + wrong, "labels": labels},
    }


def _mmlu(row: Row) -> Row:
    question, *choices, letter = (row[str(n)] for n in range(6))
    return {"question": question, "choices": choices, "answer": "ABCD".index(letter.strip())}


_ready = ("query", "choices", "gold")

SHAPES: dict[str, tuple[Shape, ...]] = {
    "allenai/ai2_arc": (
        Shape("arc", ("question", "choices", "answerKey")),
        Shape(
            "arc ready-made",
            _ready,
            lambda row: (
                len(row["choices"]) > 2
                and _query(row).startswith("Question: ")
                and _LISTED not in _query(row)
            ),
            _arc,
            f"{_READY_MADE}; the choices are the file's",
        ),
    ),
    "Rowan/hellaswag": (
        Shape("hellaswag", ("activity_label", "ctx_a", "ctx_b", "endings", "label")),
    ),
    "baber/piqa": (
        Shape("piqa", ("goal", "sol1", "sol2", "label")),
        Shape(
            "piqa ready-made",
            _ready,
            lambda row: (
                _choices(2)(row)
                and _query(row).startswith("Question: ")
                and _query(row).endswith("\n")
            ),
            _piqa,
            _READY_MADE,
        ),
    ),
    "allenai/winogrande": (
        Shape("winogrande", ("sentence", "option1", "option2", "answer")),
        Shape(
            "winogrande ready-made",
            ("context_options", "continuation", "gold"),
            convert=_winogrande,
            note=_READY_MADE,
        ),
    ),
    "aps/super_glue copa": (
        Shape("copa", ("premise", "choice1", "choice2", "question", "label")),
        Shape("copa ready-made", _ready, _is_copa, _copa, _READY_MADE),
    ),
    "allenai/openbookqa": (
        Shape("openbookqa", ("question_stem", "choices", "answerKey")),
        Shape(
            "openbookqa ready-made",
            _ready,
            lambda row: _choices(4)(row) and not _query(row).startswith("Question: "),
            _openbookqa,
            _READY_MADE,
        ),
    ),
    "tau/commonsense_qa": (
        Shape("commonsense_qa", ("question", "choices", "answerKey")),
        Shape(
            "commonsense_qa ready-made",
            _ready,
            lambda row: _LISTED in _query(row),
            _commonsense_qa,
            "the choices are the file's (4 where the harness has 5), else its prompt",
        ),
    ),
    "EleutherAI/lambada_openai": (
        Shape("lambada", ("text",), lambda row: set(row) == {"text"}),
        Shape(
            "lambada ready-made", ("context", "continuation"), _is_passage, _lambada, _READY_MADE
        ),
    ),
    "truthfulqa/truthful_qa multiple_choice": (
        Shape("truthfulqa", ("question", "mc1_targets", "mc2_targets")),
        Shape(
            "truthfulqa csv",
            ("Question", "Best Answer", "Correct Answers", "Incorrect Answers"),
            convert=_truthfulqa,
            note="choices are all answers of the paper's table, where the harness's mc1 and mc2 "
            "have sets of their own",
        ),
    ),
    "openai/gsm8k": (Shape("gsm8k", ("question", "answer"), lambda row: "####" in row["answer"]),),
    "openai/openai_humaneval": (Shape("humaneval", ("task_id", "prompt", "test", "entry_point")),),
    "google-research-datasets/mbpp": (
        Shape(
            "mbpp",
            ("task_id", "text", "code", "test_list"),
            keeps=lambda row: 11 <= int(row["task_id"]) <= 510,  # the split `test`
        ),
    ),
    "google/IFEval": (Shape("ifeval", ("key", "prompt", "instruction_id_list", "kwargs")),),
    "cais/mmlu": (
        Shape("mmlu", ("question", "subject", "choices", "answer"), subject="subject"),
        Shape(
            "mmlu csv",
            tuple("012345"),
            convert=_mmlu,
            note="the original files, of 14,079 questions where the hub has 14,042",
        ),
    ),
}
"""Shapes by the hub's repository, with the subset where that matters."""


def shapes_of(dataset: str, subset: str) -> tuple[Shape, ...]:
    """Shapes in which a data set is kept locally; none where no shape is known."""
    return SHAPES.get(f"{dataset} {subset}") or SHAPES.get(dataset, ())


def shape_named(name: str) -> Shape:
    """The shape of that name; the rows as they are for the empty name."""
    shapes = (shape for group in SHAPES.values() for shape in group)
    return next((shape for shape in shapes if shape.name == name), Shape("", ()))
