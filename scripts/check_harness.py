"""Choices and scores equal lm-evaluation-harness's own, on the same weights and items.

    python scripts/check_harness.py MODEL DATA [--tasks arc_easy piqa hellaswag] [--limit N]
        [--written gsm8k humaneval] [--written-limit 20] [--out FOLDER] [--threads 2] [--gguf FILE]

MODEL is a folder with 16-bit weights, DATA one with the tasks' data. Choice tasks are asked by the
harness's own `hf` backend in float32 and by a sweep in the `transformers` backend; the choice of
each item must be equal, and the time inside the engines is compared. Written tasks are asked by the
sweep, through the model's chat template; the same answers go through the harness's evaluator, whose
figure must equal ours. All that is measured stays in the out folder, and a second run goes on from
there. Exits 1 where something differs. FILE has the same weights for llama.cpp, whose arithmetic is
its own: choices that differ there are counted and no fault.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grid
from grid.engine.environments import Interpreter, ensure_tool
from grid.engine.harness import prepare
from grid.engine.harness.tasks import render_request

EVALUATOR = Path(__file__).with_name("harness_evaluator.py")

REQUIREMENTS = """\
lm_eval[ifeval]==0.4.13
torch==2.13.0+cpu
transformers==5.23.0
accelerate==1.15.0
peft
"""

SWEEP = """\
name = "check-{name}"
measures = ["tasks"]
backends = ["{backend}"]

[[models]]
files = [{model}]
name = "model"

[options.{backend}]
threads = {threads}

[tasks]
names = {names}
data = {data}
items = {items}
chat = {chat}
run_code = true

[budget]
cell_timeout = "10h"
"""


class Check:
    """One comparison: where it lies, and with what."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.model = arguments.model.resolve()
        self.data = arguments.data.resolve()
        self.out: Path = arguments.out.resolve()
        self.threads = arguments.threads
        self.gguf = str(arguments.gguf.resolve()) if arguments.gguf else ""
        self.out.mkdir(parents=True, exist_ok=True)

    def peer(self) -> Interpreter:
        """The environment of the harness with its `hf` backend."""
        requirements = self.out / "hf" / "requirements.txt"
        requirements.parent.mkdir(exist_ok=True)
        requirements.write_text(REQUIREMENTS)
        return ensure_tool("lm_eval with torch", requirements, lambda line: print(f"  {line}"))

    def sweep(self, name: str, tasks: list[str], items: int, chat: bool, gguf: str = "") -> Path:
        """Our own measurement of the tasks; returns the store."""
        file = self.out / f"{name}.toml"
        model = gguf or self.model
        fields = {"model": model, "data": self.data, "names": tasks, "items": items}
        written = {key: json.dumps(value, default=str) for key, value in fields.items()}
        file.write_text(
            SWEEP.format(
                name=name,
                backend="llamacpp" if gguf else "transformers",
                threads=self.threads,
                chat=str(chat).lower(),
                **written,
            )
        )
        store = self.out / f"{name}-store"
        command = [
            sys.executable,
            "-m",
            "grid",
            "sweep",
            str(file),
            "--here",
            "--store",
            str(store),
        ]
        subprocess.run(command, check=True)
        return store

    def evaluate(self, interpreter: Interpreter, name: str, **request: Any) -> dict[str, Any]:
        """The harness's own result, from before where it is there."""
        result = self.out / f"{name}-lm_eval.json"
        if not result.exists():
            question = self.out / f"{name}-request.json"
            question.write_text(json.dumps(request))
            environ = {**os.environ, "OMP_NUM_THREADS": str(self.threads), "HF_HUB_OFFLINE": "1"}
            environ["PYTHONPATH"] = str(interpreter.imports)
            begun = result.with_suffix(".begun")
            command = [interpreter.python, str(EVALUATOR), str(question), str(begun)]
            subprocess.run(command, check=True, env=environ)
            begun.rename(result)
        return json.loads(result.read_text())  # type: ignore[no-any-return]


def rows_of(store: Path, task: str) -> tuple[list[dict[str, Any]], float, float]:
    """Item rows of a task, the accuracy and the engine's seconds, of the attempt that counts."""
    results = grid.open(str(store))
    for attempt in results.final().to_pylist():
        rows = [r for r in results.items().to_pylist() if r["attempt_id"] == attempt["attempt_id"]]
        if rows and rows[0]["task"] == task and attempt["status"] == "ok":
            return rows, sum(row["score"] for row in rows) / len(rows), attempt["engine_s"]
    raise SystemExit(f"{store}: no result of {task}")


def choice_faults(check: Check, tasks: list[str], limit: int, batch: int) -> Iterator[str]:
    """Items whose choice differs, in lines; prints figures as they come."""
    interpreter = check.peer()
    store = check.sweep("choices", tasks, limit, chat=False)
    gguf_store = check.sweep("gguf", tasks, limit, False, check.gguf) if check.gguf else None
    ours_s, theirs_s = [], []
    for prepared in prepare(tasks, data=check.data, limit=limit):
        rows, accuracy, engine_s = rows_of(store, prepared.name)
        peer = check.evaluate(
            interpreter,
            f"{prepared.name}-{len(rows)}",
            **render_request(prepared.name, check.data),
            limit=len(rows),
            model=str(check.model),
            batch=batch,
        )
        ours_s.append(engine_s)
        theirs_s.append(peer["engine_s"] + (peer["load_s"] if len(ours_s) == 1 else 0))
        metric = prepared.metric.partition(",")[0]
        different, gap = compare(rows, peer["samples"][prepared.name], prepared.name, metric)
        print(
            f"{prepared.name}: {len(rows)} items, {metric} {accuracy:.4f} by ours and "
            f"{peer['metrics'][prepared.name][f'{metric},none']:.4f} by lm_eval, "
            f"{len(different)} differ; log-likelihoods within {gap:.2g} nats",
            flush=True,
        )
        yield from (f"{item}: another choice than lm_eval's" for item in different)
        if gguf_store is not None:
            rows, accuracy, _ = rows_of(gguf_store, prepared.name)
            different, gap = compare(rows, peer["samples"][prepared.name], prepared.name, metric)
            print(f"  llama.cpp: {accuracy:.4f}, {len(different)} differ; within {gap:.2g} nats")
    ratio = sum(ours_s) / sum(theirs_s)
    print(f"engine seconds, loading once: {sum(ours_s):.1f} and {sum(theirs_s):.1f}: {ratio:.2f}")


def compare(
    rows: list[dict[str, Any]], peer: list[dict[str, Any]], task: str, metric: str
) -> tuple[list[str], float]:
    """Items whose score differs, and the largest difference of two log-likelihoods."""
    samples = {f"{task}/{sample['doc_id']}": sample for sample in peer}
    different, gaps = [], [0.0]
    for row in rows:
        sample = samples[row["item"]]
        theirs = [float(pair[0]) for pair in sample["filtered_resps"]]
        gaps += [abs(a - b) for a, b in zip(row["log_likelihoods"], theirs, strict=True)]
        if (
            chosen_of(theirs, sample["arguments"], metric) != row["chosen"]
            or float(sample[metric]) != row["score"]
        ):
            different.append(row["item"])
    return different, max(gaps)


def chosen_of(values: list[float], arguments: Any, metric: str) -> int:
    """The choice that the harness takes: the largest, by length for acc_norm."""
    pairs = list(arguments.values()) if isinstance(arguments, dict) else arguments
    texts = [pair["arg_1"] if isinstance(pair, dict) else pair[1] for pair in pairs]
    lengths = [len(text.removeprefix(" ")) if metric == "acc_norm" else 1 for text in texts]
    scaled = [value / length for value, length in zip(values, lengths, strict=True)]
    return scaled.index(max(scaled))


def written_faults(check: Check, tasks: list[str], limit: int) -> Iterator[str]:
    """Tasks whose score differs from the harness's on the same answers, in lines."""
    interpreter = check.peer()
    store = check.sweep("written", tasks, limit, chat=True)
    for prepared in prepare(tasks, data=check.data, limit=limit, run_code=True):
        rows, score, _ = rows_of(store, prepared.name)
        request = render_request(prepared.name, check.data)
        responses = [row["response"] for row in rows]
        peer = check.evaluate(
            interpreter,
            f"{prepared.name}-{len(rows)}",
            **request,
            limit=len(rows),
            responses={prepared.name: responses},
        )
        figures = peer["metrics"][prepared.name]
        metric, _, chosen = prepared.metric.partition(",")
        names = {metric: chosen or "none", "pass@1": chosen or "none"}
        theirs = next(figures[k] for n, f in names.items() if (k := f"{n},{f}") in figures)
        print(f"{prepared.name}: {len(rows)} answers, {score:.4f} by ours, {theirs:.4f} by lm_eval")
        if abs(score - theirs) > 1e-9:
            yield f"{prepared.name}: {score} is not lm_eval's {theirs}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--tasks", nargs="*", default=["arc_easy", "piqa", "hellaswag"])
    parser.add_argument("--limit", type=int, default=10**6)
    parser.add_argument("--written", nargs="*", default=["gsm8k", "humaneval"])
    parser.add_argument("--written-limit", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8, help="of the hf backend")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--gguf", type=Path)
    parser.add_argument("--out", type=Path, default=Path("check-harness"))
    arguments = parser.parse_args()
    check = Check(arguments)
    faults = []
    if arguments.tasks:
        faults += choice_faults(check, arguments.tasks, arguments.limit, arguments.batch)
    if arguments.written:
        faults += written_faults(check, arguments.written, arguments.written_limit)
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
