"""Fuzz the readers of `grid import`: mutated reports never crash or hang a reader, and every figure
that is read stands in the source under the header that it is said to be of.

    python scripts/fuzz_imports.py                       # 20,000 a reader
    python scripts/fuzz_imports.py --count 500 --reader llama-bench-md
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from import_origins import check_aiperf, check_mapped, check_object, check_rates, objects
from import_shapes import SHAPES as BENCH_SHAPES
from import_shapes_servers import MAP, SERVER_SHAPES, mapped_table

from grid.errors import InputError
from grid.results.imports import ImportedReport, read_report
from grid.results.imports.mapped.map_files import requested_map

MAPPED = "mapped tables"
SHAPES = {**BENCH_SHAPES, **SERVER_SHAPES, MAPPED: mapped_table}

SLOW_S = 2.0
"""A reader that takes longer for a few kilobytes hangs."""

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
_SIZES_AND_TESTS = ("pp", "tg")
_FILE = re.compile(r"loaded meta data with .* from (.+?) \(version")
_OBJECT = re.compile(r'^\W*\{\s*$|\{\s*"[^"]*"\s*:')
_NOT_WHOLE = re.compile(r"line (\d+): not whole JSON")
_JUNK = '0123456789.,-+eE|:"{}[]%±_ \n\t\ufffdabcnN'


def mutate(rng: random.Random, text: str) -> str:
    """The text with a few changes: lines moved, doubled, cut or swapped, characters replaced."""
    for _ in range(rng.randint(0, 4)):
        lines = text.split("\n")
        at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
        match rng.randrange(8):
            case 0:
                lines.insert(to, lines[at])
            case 1:
                lines.insert(to, lines.pop(at))
            case 2:
                del lines[at]
            case 3:
                cells = lines[at].split("|")
                rng.shuffle(cells)
                lines[at] = "|".join(cells)
            case 4:
                lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
            case 5:
                lines[at] = rng.choice(("> ", "  ", "INFO ", "| ", "**")) + lines[at]
        text = "\n".join(lines)
        if text and rng.random() < 0.5:
            place = rng.randrange(len(text))
            text = text[:place] + rng.choice(_JUNK) * rng.randint(0, 2) + text[place + 1 :]
    return text[: rng.randrange(len(text) + 1)] if rng.random() < 0.05 else text


def faults(report: ImportedReport, text: str) -> list[str]:
    """Figures of a report that do not stand in the text under their header."""
    lines, metrics = text.splitlines(), report.rows.get("metrics", [])
    refused = {int(n) for line in report.refused for n in _NOT_WHOLE.findall(line)}
    text = "\n".join("" if at in refused else line for at, line in enumerate(lines, 1))
    wrong = []
    for row in report.rows.get("attempts", []):
        figures = {m["name"]: m for m in metrics if m["attempt_id"] == row["attempt_id"]}
        is_mapped = row["origin"].startswith("table ")
        check = _CHECKS.get(MAPPED if is_mapped else row["origin"], check_object)
        wrong += [f"{row['label']}: {reason}" for reason in check(row, figures, lines, text)]
    return wrong


def _bench(row: Any, figures: Any, lines: list[str], text: str) -> list[str]:
    """The rate, the test and the model stand in one line, or in one object."""
    rate = figures[f"{row['measure']}_tps"]["value"]
    place = row["environment"]["place"]
    unit, _, at = place.rpartition(", ")[2].partition(" ")
    if unit == "entry" or _OBJECT.search(lines[int(at) - 1]):
        return _json_row(row, rate, text)
    line = lines[int(at) - 1]
    spellings = (line.replace('"', " ").replace(",", mark) for mark in (" ", "."))
    numbers = [float(n) for spelling in spellings for n in _NUMBER.findall(spelling)]
    if not any(math.isclose(rate, n) for n in numbers):
        return [f"{rate} is not in {line!r}"]
    printed = row["environment"]["model_type"]
    plain = line.replace("*", " ")
    models = (plain, plain.replace('""', '"'))  # in markdown, and in CSV
    if not any(" ".join(printed.split()) in " ".join(model.split()) for model in models):
        return [f"{printed} is not in {line!r}"]
    test = row["label"].split(" @ ")[0]
    is_csv = line.count("|") < 3 or line.count('","') > 3
    if not is_csv and test not in line.replace("pp ", "pp").replace("tg ", "tg"):
        return [f"{test} is not in {line!r}"]
    build = row["engine_version"]
    if build and not is_csv and not _has_build(build, lines, int(at)):
        return [f"{build} does not follow {line!r}, nor stand alone above it"]
    return []


def _has_build(build: str, lines: list[str], at: int) -> bool:
    """Whether a build follows a line; or the nearest above it, if none follows the last table."""
    above = [line for line in lines[:at] if "build:" in line]
    last = max(i for i, line in enumerate(lines) if line.count("|") > 3)
    follows = any(build in line for line in lines[at:])
    return follows or (
        bool(above) and build in above[-1] and not any("build:" in line for line in lines[last:])
    )


def _json_row(row: Any, rate: float, text: str) -> list[str]:
    """Of JSON: an object with the rate has the model's file and the tokens too."""
    same = [
        value
        for value in objects(text)
        if value.get("avg_ts") is not None and math.isclose(float(value["avg_ts"]), rate)
    ]
    tokens = str(json.loads(row["workload"])["tokens"])
    if any(tokens in (str(value.get("n_gen")), str(value.get("n_prompt"))) for value in same):
        return []
    if same:
        return [f"{tokens} tokens are not in {same[0]}"]
    return [f"no object has the rate {rate}"]


def _perplexity(row: Any, figures: Any, lines: list[str], _: str) -> list[str]:
    """Figures stand after their own model's file, with no other file between."""
    place = re.search(r"line (\d+)", row["environment"]["place"])
    assert place is not None
    start = int(place[1]) - 1
    lines = [" ".join(line[:1000].split()) for line in lines]
    before = [match[1] for line in lines[:start] if (match := _FILE.search(line))]
    file = row["environment"].get("file")
    if file and (not before or " ".join(before[-1].split()) != file):
        return [f"{file} is not the last file before line {start + 1}"]
    until = next((i for i in range(start, len(lines)) if _FILE.search(lines[i])), len(lines))
    numbers = [float(n) for line in lines[start:until] for n in _NUMBER.findall(line)]
    values = [
        m["value"] * (100 if m["name"].startswith(("dp_", "same")) else 1) for m in figures.values()
    ]
    return [
        f"{value} is not in the run"
        for value in values
        if row["measure"] == "quality"
        and not any(math.isclose(abs(value), abs(n), rel_tol=1e-9, abs_tol=1e-12) for n in numbers)
    ]


def _lm_eval(row: Any, figures: Any, lines: list[str], text: str) -> list[str]:
    """The accuracy is that of its tasks, or their mean."""
    results = [part["results"] for part in objects(text) if isinstance(part.get("results"), dict)]
    tasks = row["label"].partition("(")[2].rstrip(")").split(", ")
    values = [
        float(value)
        for result in results
        for task in tasks
        for key, value in (result.get(task) or {}).items()
        if key.startswith(("acc", "exact_match")) and "stderr" not in key
    ]
    accuracy = figures["accuracy"]["value"]
    if values and min(values) - 1e-9 <= accuracy <= max(values) + 1e-9:
        return []
    return [f"{accuracy} is not from the values of {tasks}"]


def _optimum(row: Any, figures: Any, lines: list[str], text: str) -> list[str]:
    """The rate is the tokens of a pass over its seconds."""
    if row["measure"] not in ("prefill", "decode"):
        return []
    tokens = json.loads(row["workload"])["tokens"]
    rate = figures[f"{row['measure']}_tps"]["value"]
    reports = [part["report"] for part in objects(text) if isinstance(part.get("report"), dict)]
    latencies = [(report.get(row["measure"]) or {}).get("latency") or {} for report in reports]
    times = [
        float(latency.get("mean") or latency["values"][0])
        * (1e-3 if latency.get("unit") == "ms" else 1.0)
        for latency in latencies
        if latency.get("mean") or latency.get("values")
    ]
    if not times or any(abs(rate * seconds / tokens - 1) < 0.06 for seconds in times):
        return []
    return [f"{rate} is not {tokens} tokens over {times}"]


_CHECKS = {
    "llama-bench": _bench,
    "llama-perplexity": _perplexity,
    "lm-evaluation-harness": _lm_eval,
    "optimum-benchmark": _optimum,
    "AIPerf": check_aiperf,
    "llama-batched-bench": check_rates,
    "llama-sweep-bench": check_rates,
    MAPPED: check_mapped({
        "kld_mean": ("KLD", 1.0), "perplexity": ("PPL", 1.0), "decode_tps": ("tg128", 1.0),
    }),
}  # fmt: skip
"""The check of an origin's attempts; of others the figures must stand in one object of JSON."""


def fuzz(reader: str, count: int, seed: int) -> dict[str, int]:
    """Counts of reports that were read, refused, slow and wrong. The first wrong ones are
    printed."""
    counts = dict.fromkeys(("read", "refused", "slow", "wrong", "crashed"), 0)
    columns = requested_map([MAP]) if reader == MAPPED else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report"
        for at in range(count):
            rng = random.Random(f"{seed}:{reader}:{at}")
            text = mutate(rng, SHAPES[reader](rng))
            path.write_text(text, encoding="utf-8")
            started = time.process_time()
            try:
                report = read_report(path, columns=columns)
                wrong = faults(report, text)
                outcome = "wrong" if wrong else "read"
            except InputError:
                outcome, wrong = "refused", []
            except Exception as error:
                outcome, wrong = "crashed", [repr(error)]
            if time.process_time() - started > SLOW_S:
                outcome = "slow"
            counts[outcome] += 1
            if outcome in ("wrong", "crashed", "slow") and counts[outcome] <= 5:
                print(f"{reader} {at}: {outcome}: {wrong[:2]}")
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--reader", choices=sorted(SHAPES))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for reader in [args.reader] if args.reader else SHAPES:
        print(reader, fuzz(reader, args.count, args.seed), flush=True)


if __name__ == "__main__":
    main()
