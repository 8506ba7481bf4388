"""Write every figure of the reference family's model card: `python scripts/model_card.py`.

Sweeps all sizes at 16, 8, 4 and 2 bits over all held-out items in a store of its own, and puts the
tables between the marks of grid/models/bundled/README.md. Exits with 1 where the family breaks a
promise of the card: larger beats smaller beats chance in each class, the largest is neither at
chance nor perfect, and Q2_K is measurably worse than 16 bits.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

import grid
from grid.models.bundled import SIZES, TASK_CLASSES, items, size_dir
from grid.plan.load import parse_sweep
from grid.results.reader import Results
from grid.results.statistics import gains, mcnemar_test, paired_item_test, score_mean
from grid.sweep.executors.executor_name import ExecutorName
from grid.sweep.node_report import report
from grid.sweep.planner import Planner
from grid.sweep.progress import progress_for
from grid.sweep.run import local_executor, run_sweep

CARD = Path(grid.__file__).parent / "models" / "bundled" / "README.md"
MARKS = re.compile(r"(?<=<!-- figures -->\n).*(?=<!-- /figures -->)", re.DOTALL)
QUANTS = ("F16", "Q8_0", "Q4_K_M", "Q2_K")
SURE = 0.05

SWEEP = """
name = "card"
measures = ["quality", "tasks"]
quants = ["F16", "Q8_0", "Q4_K_M", "Q2_K"]
[[models]]
source = "ref:*"
[quality]
chunks = 32
[tasks]
items = 100000
"""

Scores = npt.NDArray[np.float64]


class Figures:
    """What the sweep found, by size and quant."""

    def __init__(self, results: Results) -> None:
        self._items = results.query(
            "SELECT model, quant, task_class, item, score, chance FROM items "
            "JOIN final USING (attempt_id) ORDER BY item"
        ).to_pandas()
        self._metrics = results.query(
            "SELECT model, quant, name, max(value) AS value FROM results "
            "WHERE measure = 'quality' GROUP BY model, quant, name"
        ).to_pandas()

    def scores(self, size: str, quant: str, task_class: str) -> Scores:
        """0 or 1 per item [n], in the order of the items' ids."""
        return self._column(size, quant, task_class, "score")

    def chance(self, task_class: str) -> float:
        """Mean score of guessing over the items of a class."""
        return float(self._column(SIZES[0], "F16", task_class, "chance").mean())

    def metric(self, size: str, quant: str, name: str) -> float:
        """A quality metric; of the 16-bit model's two runs the larger one."""
        rows = self._metrics
        matching = rows[(rows.model == size) & (rows.quant == quant) & (rows.name == name)]
        return float(matching.value.iloc[0])

    def all_gains(self, size: str, quant: str) -> Scores:
        """(score - chance) / (1 - chance) of all items, each class as long as the others."""
        return np.concatenate(
            [
                gains(self.scores(size, quant, c), self._column(size, quant, c, "chance"))
                for c in TASK_CLASSES
            ]
        )

    def _column(self, size: str, quant: str, task_class: str, name: str) -> Scores:
        rows = self._items
        mine = (rows.model == size) & (rows.quant == quant) & (rows.task_class == task_class)
        return np.asarray(rows[mine][name], dtype=np.float64)


def parameters(size: str) -> int:
    """Elements of a size's weights, from the header of its file."""
    content = (size_dir(size) / "model.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    return sum(int(np.prod(shape)) for shape in shapes)


def tables(figures: Figures) -> Iterator[str]:
    """The card's tables, line by line."""
    yield from _table(
        ["size", "parameters", "layers", *TASK_CLASSES, "perplexity", "bits/byte"],
        [_size_row(figures, size) for size in SIZES],
        [["chance", "", "", *(f"{figures.chance(c):.3f}" for c in TASK_CLASSES), "", ""]],
    )
    yield ""
    yield "Accuracy at 16 bits with its 95 % interval; "
    yield f"{len(items(TASK_CLASSES[0]))} items a class. Larger against smaller, same items:"
    yield ""
    yield from _table(
        ["difference at 16 bits", *TASK_CLASSES],
        [
            [
                f"{big} - {small}",
                *(_paired(figures, (big, "F16"), (small, "F16"), c) for c in TASK_CLASSES),
            ]
            for small, big in pairwise(SIZES)
        ],
    )
    yield ""
    yield "What fewer bits cost, against 16 bits on the same items and tokens:"
    yield ""
    yield from _table(
        ["variant", "capability lost", "p", "KLD", "perplexity", *TASK_CLASSES],
        [_quant_row(figures, size, quant) for size in SIZES for quant in QUANTS[1:]],
    )


def _size_row(figures: Figures, size: str) -> list[str]:
    config = json.loads((size_dir(size) / "config.json").read_text())
    accuracies = []
    for task_class in TASK_CLASSES:
        score = score_mean(figures.scores(size, "F16", task_class))
        accuracies.append(f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]")
    return [
        size,
        f"{parameters(size) / 1e6:.2f}e6",
        str(config["num_hidden_layers"]),
        *accuracies,
        f"{figures.metric(size, 'F16', 'perplexity'):.3f}",
        f"{figures.metric(size, 'F16', 'bits_per_byte'):.3f}",
    ]


def _quant_row(figures: Figures, size: str, quant: str) -> list[str]:
    lost = paired_item_test(figures.all_gains(size, "F16"), figures.all_gains(size, quant))
    accuracies = [f"{figures.scores(size, quant, c).mean():.3f}" for c in TASK_CLASSES]
    return [
        f"{size} {quant}",
        f"{lost.difference:.3f} [{lost.low:.3f}, {lost.high:.3f}]",
        f"{lost.p_value:.2g}",
        f"{figures.metric(size, quant, 'kld_mean'):.4f}",
        f"{figures.metric(size, quant, 'perplexity'):.3f}",
        *accuracies,
    ]


def _paired(figures: Figures, first: tuple[str, str], second: tuple[str, str], name: str) -> str:
    test = mcnemar_test(figures.scores(*first, name), figures.scores(*second, name))
    return f"{test.difference:+.3f} (p {test.p_value:.2g})"


def broken_promises(figures: Figures) -> Iterator[str]:
    """What the card says of the family and the figures do not bear out."""
    for task_class in TASK_CLASSES:
        chance = figures.chance(task_class)
        for size in SIZES:
            score = score_mean(figures.scores(size, "F16", task_class))
            if score.low is None or score.low <= chance:
                yield f"{size} is not above chance in {task_class}"
        if figures.scores(SIZES[-1], "F16", task_class).mean() == 1:
            yield f"{SIZES[-1]} is perfect in {task_class}"
        for small, big in pairwise(SIZES):
            test = mcnemar_test(
                figures.scores(big, "F16", task_class), figures.scores(small, "F16", task_class)
            )
            if test.difference <= 0:
                yield f"{big} does not beat {small} in {task_class} ({test.difference:+.3f})"
    for size in SIZES:
        lost = paired_item_test(figures.all_gains(size, "F16"), figures.all_gains(size, "Q2_K"))
        if lost.difference <= 0 or lost.p_value >= SURE:
            yield f"{size} at Q2_K is not measurably worse than at 16 bits"


def _table(head: Sequence[str], *parts: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for rows in parts:
        yield from ("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    """Sweep into a store (kept where one is named), write the card, and check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", help="keep the rows here; a second run uses them")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = arguments.store or folder
        sweep = parse_sweep(SWEEP.encode(), "card.toml", Path(folder))
        executor = local_executor(sweep, report(sweep.backends), ExecutorName.inline)
        run_sweep(executor, Planner(sweep, store), store, progress_for(False))
        figures = Figures(grid.open(store))
    text = CARD.read_text()
    body = "\n".join(tables(figures)).replace("; \n", "; ") + "\n"
    CARD.write_text(MARKS.sub(lambda _: "\n" + body + "\n", text))
    broken = list(broken_promises(figures))
    for promise in broken:
        sys.stderr.write(f"broken: {promise}\n")
    print(f"{CARD.name} written, {len(broken)} promises broken")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
