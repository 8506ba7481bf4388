"""lm-evaluation-harness's own evaluator on the documents of grid's item sets, run in an environment
that has it: `python harness_evaluator.py REQUEST RESULT`, both JSON files.

The request has `leaves` (grid.engine.harness.messages.Leaf), `shots`, `limit`, `seed`, and either
`model` (a folder, for the harness's `hf` backend in float32) with `batch`, or `responses` by task,
in the documents' order, which stand for a model's answers. The result has `metrics` as the harness
reports them, `samples` with each item's log-likelihoods and scores, `load_s` of importing and
loading the model, and `engine_s` inside its calls.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

os.environ["HF_ALLOW_CODE_EVAL"] = "1"  # programs go to grid's sandbox, see `run_recorded`

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.evaluator import evaluate

from grid.engine.harness.loading import RecordedPrograms, load_task
from grid.engine.harness.messages import Leaf
from grid.engine.harness.scorer import PROGRAM_LIMITS
from grid.engine.sandbox import passed


class GivenAnswers(LM):
    """A model that gives the answers that it was made with."""

    def __init__(self, responses: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self._responses = responses

    def generate_until(self, requests: list[Instance]) -> list[str]:
        return [self._responses[request.task_name][request.doc_id] for request in requests]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        raise NotImplementedError


def run_recorded(
    self: RecordedPrograms,
    references: Sequence[str],
    predictions: Sequence[Sequence[str]],
    **_: Any,
) -> tuple[dict[str, float], dict[str, Any]]:
    """The harness's `code_eval` with grid's sandbox in place of its bare process: the share of the
    first completions that pass."""
    pairs = zip(references, predictions, strict=True)
    outcomes = passed([f"{completions[0]}\n{test}" for test, completions in pairs], PROGRAM_LIMITS)
    assert all(outcome.status != "refused" for outcome in outcomes), outcomes[0].reason
    return {"pass@1": sum(outcome.status == "passed" for outcome in outcomes) / len(outcomes)}, {}


def timed(model: LM) -> list[float]:
    """Seconds that each call of the model took, filled as it is called."""
    seconds: list[float] = []
    for name in ("loglikelihood", "generate_until"):
        call = getattr(model, name)

        def measured(requests: list[Instance], call: Any = call) -> Any:
            start = time.perf_counter()
            answers = call(requests)
            seconds.append(time.perf_counter() - start)
            return answers

        setattr(model, name, measured)
    return seconds


def make_model(request: dict[str, Any]) -> LM:
    if "responses" in request:
        return GivenAnswers(request["responses"])
    from lm_eval.models.huggingface import HFLM

    return HFLM(
        pretrained=request["model"],
        dtype="float32",
        device="cpu",
        batch_size=request.get("batch", 1),
        max_length=request.get("max_length"),
    )


def main(request_file: str, result_file: str) -> None:
    request = json.loads(Path(request_file).read_text())
    RecordedPrograms.compute = run_recorded  # type: ignore[method-assign]
    leaves = msgspec.convert(request["leaves"], tuple[Leaf, ...])
    tasks = {leaf.name: load_task(leaf, [], request["shots"]) for leaf in leaves}
    for task in tasks.values():
        task.set_fewshot_seed(request["seed"])
    start = time.perf_counter()
    model = make_model(request)
    load_s = time.perf_counter() - start
    seconds = timed(model)
    results = evaluate(
        model,
        {"tasks": tasks, "groups": {}, "group_map": {}},
        limit=request["limit"],
        bootstrap_iters=0,
        confirm_run_unsafe_code=True,
    )
    assert results is not None
    fields = ("doc_id", "filter", "filtered_resps", "arguments", "acc", "acc_norm", "exact_match")
    samples = {
        name: [{field: row[field] for field in fields if field in row} for row in rows]
        for name, rows in results["samples"].items()
    }
    content = {
        "metrics": results["results"],
        "samples": samples,
        "load_s": load_s,
        "engine_s": sum(seconds),
    }
    Path(result_file).write_text(json.dumps(content, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
