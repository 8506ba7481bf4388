"""lm-evaluation-harness: one row a class of tasks, items where the samples are there."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from imports_files import LM_EVAL, put

from grid.analysis.tables import Tables
from grid.analysis.variants import variants
from grid.cells.task_catalog import TASKS
from grid.errors import InputError
from grid.results import open_store
from grid.results.imports import ImportedReport, add_report, read_report
from grid.results.imports.formats.lm_eval_tasks import group_of, task_of


def by_class(report: ImportedReport) -> dict[str, dict[str, Any]]:
    return {json.loads(row["workload"])["task_class"]: row for row in report.rows["attempts"]}


def figures(report: ImportedReport, task_class: str) -> dict[str, dict[str, Any]]:
    wanted = by_class(report)[task_class]["attempt_id"]
    return {m["name"]: m for m in report.rows["metrics"] if m["attempt_id"] == wanted}


def test_tasks_are_grouped_by_class_and_unknown_tasks_are_named(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "results_x.json", LM_EVAL))
    assert sorted(by_class(report)) == ["commonsense", "math", "reasoning"]
    assert report.skipped == (
        "results_x.json: left out: 'toxigen': class of tasks and chance not known",
    )


def test_capability_is_accuracy_above_chance_with_the_error_carried_over(tmp_path: Path) -> None:
    got = figures(read_report(put(tmp_path, "results_x.json", LM_EVAL)), "reasoning")
    assert (got["accuracy"]["value"], got["accuracy"]["sd"]) == (0.55, 0.0145)
    assert got["chance"]["value"] == 0.25
    assert got["capability"]["value"] == pytest.approx((0.55 - 0.25) / 0.75)
    assert got["capability"]["sd"] == pytest.approx(0.0145 / 0.75)
    assert "acc_norm" in got["capability"]["method"]


def test_a_class_of_two_tasks_is_their_mean(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "results_x.json", LM_EVAL))
    got = figures(report, "commonsense")
    hellaswag, winogrande = (0.79 - 0.25) / 0.75, (0.74 - 0.5) / 0.5
    assert got["capability"]["value"] == pytest.approx((hellaswag + winogrande) / 2)
    spread = ((0.004 / 0.75) ** 2 + (0.0123 / 0.5) ** 2) ** 0.5 / 2
    assert got["capability"]["sd"] == pytest.approx(spread)
    assert by_class(report)["commonsense"]["label"] == "task commonsense (hellaswag, winogrande)"


def test_generated_answers_have_no_chance(tmp_path: Path) -> None:
    got = figures(read_report(put(tmp_path, "results_x.json", LM_EVAL)), "math")
    assert (got["chance"]["value"], got["capability"]["value"]) == (0.0, 0.5)


def test_lm_eval_rows_have_model_precision_and_machine(tmp_path: Path) -> None:
    row = by_class(read_report(put(tmp_path, "results_x.json", LM_EVAL)))["math"]
    assert (row["model"], row["quant"], row["parameters"]) == ("Llama-3.1-8B", "BF16", 8030261248)
    assert row["hardware_class"] == "NVIDIA A100-SXM4-80GB [lm-evaluation-harness]"
    assert (row["backend"], row["device_kind"]) == ("hf", "cuda [lm-evaluation-harness]")


@pytest.mark.parametrize(
    ("arguments", "quant"),
    [
        ("pretrained=a/b,load_in_4bit=True", "bnb-4bit"),
        ("pretrained=x/Llama-3.1-8B-Instruct-AWQ-INT4", "awq"),
        ("pretrained=x/Llama-3.1-8B-AQLM-2Bit-1x16-hf,dtype=bfloat16", "aqlm-2bit"),
        ("pretrained=x/Llama-3.1-8B-4bit,dtype=bfloat16", "4bit"),
        ("pretrained=/m,gguf_file=Llama-3.1-8B-Q5_K_S.gguf", "Q5_K_S"),
        ({"pretrained": "a/b", "dtype": "float16"}, "F16"),
    ],
)
def test_quantization_is_read_from_the_model_arguments(
    tmp_path: Path, arguments: Any, quant: str
) -> None:
    changed = deepcopy(LM_EVAL)
    changed["config"]["model_args"] = arguments
    assert by_class(read_report(put(tmp_path, "r.json", changed)))["math"]["quant"] == quant


def samples(task: str, scores: list[int]) -> str:
    rows = [
        {
            "doc_id": i,
            "target": 1,
            "resps": [[["-1", "True"]], [["-2", "False"]], [["-3", "False"]], [["-4", "False"]]],
            "filtered_resps": [[-1.5, True], [-2.5, False], [-3.5, False], [-4.5, False]],
            "filter": "none",
            "acc": float(score),
            "acc_norm": float(score),
            "doc_hash": f"{task}{i}",
        }
        for i, score in enumerate(scores)
    ]
    return "\n".join(map(json.dumps, rows)) + "\n"


TIME = "2025-01-01T00-00-00.000000"


def run_with_samples(folder: Path, scores: list[int]) -> Path:
    whole = deepcopy(LM_EVAL)
    whole["results"] = {
        "arc_challenge": {"acc_norm,none": sum(scores) / len(scores), "alias": "arc"}
    }
    put(folder, f"samples_arc_challenge_{TIME}.jsonl", samples("arc", scores))
    return put(folder, f"results_{TIME}.json", whole)


def test_items_are_read_from_samples_of_the_same_run(tmp_path: Path) -> None:
    report = read_report(run_with_samples(tmp_path, [1, 0, 1, 1]))
    items = report.rows["items"]
    assert [(i["item"], i["score"], i["chance"]) for i in items] == [
        ("arc_challenge:0", 1.0, 0.25),
        ("arc_challenge:1", 0.0, 0.25),
        ("arc_challenge:2", 1.0, 0.25),
        ("arc_challenge:3", 1.0, 0.25),
    ]
    assert {(i["task_class"], i["answer"]) for i in items} == {("reasoning", 1)}
    assert items[0]["log_likelihoods"] == (-1.5, -2.5, -3.5, -4.5)
    got = figures(report, "reasoning")
    assert (got["accuracy"]["value"], got["accuracy"]["n"]) == (0.75, 4)
    assert got["capability"]["value"] == pytest.approx((0.75 - 0.25) / 0.75)


def test_two_runs_over_the_same_items_name_the_same_set(tmp_path: Path) -> None:
    sets = []
    for name, scores in (("a", [1, 0, 1, 1]), ("b", [0, 0, 1, 1]), ("c", [1, 0, 1])):
        (tmp_path / name).mkdir()
        row = by_class(read_report(run_with_samples(tmp_path / name, scores)))["reasoning"]
        sets.append(json.loads(row["workload"])["items_sha256"])
    assert sets[0] == sets[1] != sets[2]


def test_samples_by_themselves_are_read_with_their_results(tmp_path: Path) -> None:
    run_with_samples(tmp_path, [1, 0])
    report = read_report(tmp_path / f"samples_arc_challenge_{TIME}.jsonl")
    assert report.count == 0
    assert f"read with results_{TIME}.json" in report.skipped[0]


def test_samples_without_results_are_refused(tmp_path: Path) -> None:
    alone = put(tmp_path, f"samples_arc_challenge_{TIME}.jsonl", samples("arc", [1]))
    with pytest.raises(InputError, match=r"give the results_\*\.json of the same run beside it"):
        read_report(alone)


def test_damaged_samples_name_their_own_file_and_line(tmp_path: Path) -> None:
    """The score of the results counts then, and never that of a part of the items."""
    results = run_with_samples(tmp_path, [1, 0])
    path = put(tmp_path, f"samples_arc_challenge_{TIME}.jsonl", samples("arc", [1, 0])[:-40])
    report = read_report(results)
    assert not report.rows["items"]
    assert report.count
    assert re.search(r"samples_arc_challenge.*line 2", report.refused[0])
    path.write_text(samples("arc", [7]))
    assert "acc_norm is 7.0, not from 0 to 1" in read_report(results).refused[0]


def test_mmlu_subtasks_are_skipped_where_the_group_has_a_figure(tmp_path: Path) -> None:
    whole = deepcopy(LM_EVAL)
    whole["results"] = {
        "mmlu": {"acc,none": 0.65, "acc_stderr,none": 0.0038},
        "mmlu_stem": {"acc,none": 0.55},
        "mmlu_anatomy": {"acc,none": 0.6},
    }
    got = figures(read_report(put(tmp_path, "r.json", whole)), "recall")
    assert got["capability"]["value"] == pytest.approx((0.65 - 0.25) / 0.75)


def test_mmlu_subtasks_without_the_group_are_averaged(tmp_path: Path) -> None:
    whole = deepcopy(LM_EVAL)
    whole["results"] = {"mmlu_anatomy": {"acc,none": 0.6}, "mmlu_virology": {"acc,none": 0.4}}
    got = figures(read_report(put(tmp_path, "r.json", whole)), "recall")
    assert got["accuracy"]["value"] == pytest.approx(0.5)
    assert got["accuracy"]["sd"] is None


def test_items_of_mmlu_carry_their_subject_as_group(tmp_path: Path) -> None:
    whole = deepcopy(LM_EVAL)
    whole["results"] = {"mmlu": {"acc,none": 0.5}, "mmlu_anatomy": {"acc,none": 0.5}}
    for subject in ("anatomy", "virology"):
        rows = samples("arc", [1, 0, 1]).replace("acc_norm", "acc")
        put(tmp_path, f"samples_mmlu_{subject}_{TIME}.jsonl", rows)
    report = read_report(put(tmp_path, f"results_{TIME}.json", whole))
    assert [item["group"] for item in report.rows["items"]] == ["anatomy"] * 3 + ["virology"] * 3


@pytest.mark.parametrize(
    ("name", "task_class", "group"),
    [
        ("mmlu_professional_law", "recall", "mmlu"),
        ("mmlu_pro_law", "recall", "mmlu_pro"),
        ("lambada_openai", "context", None),
        ("humaneval_instruct", "code", None),
        ("ifeval", "instruction", None),
        ("copa", "commonsense", None),
        ("commonsense_qa", "commonsense", None),
        ("arc_easy", "reasoning", None),
    ],
)
def test_harness_task_names_have_class_and_group(
    name: str, task_class: str, group: str | None
) -> None:
    task = task_of(name)
    assert task is not None
    assert (task.task_class, group_of(name)) == (task_class, group)


@pytest.mark.parametrize("score", [1.5, -0.1, "N/A", float("inf")])
def test_a_score_outside_0_to_1_is_refused(tmp_path: Path, score: Any) -> None:
    whole = deepcopy(LM_EVAL)
    whole["results"]["winogrande"]["acc,none"] = score
    report = read_report(put(tmp_path, "r.json", whole))
    assert not any("winogrande" in row["label"] for row in report.rows["attempts"])
    assert report.count
    (line,) = report.refused
    assert "winogrande: acc,none is " in line
    assert "not from 0 to 1" in line


def results_file(tmp_path: Path, model: str, tasks: dict[str, float]) -> Path:
    whole = deepcopy(LM_EVAL)
    whole["config"]["model_args"] = f"pretrained=org/{model},dtype=bfloat16"
    whole["results"] = {
        task: {"acc,none": value, "acc_norm,none": value, "acc_stderr,none": 0.004}
        for task, value in tasks.items()
    }
    return put(tmp_path, f"{model}.json", whole)


def test_figures_of_other_tasks_of_a_class_are_not_one_quality(tmp_path: Path) -> None:
    """Three models, of which one was asked something else in the same class."""
    store = tmp_path / "store"
    digests = {
        "M-A": {"hellaswag": 0.8},
        "M-B": {"hellaswag": 0.7},
        "M-C": {"winogrande": 0.9},
    }
    for model, tasks in digests.items():
        add_report(read_report(results_file(tmp_path, model, tasks)), store)
    rows = open_store(store)
    tables = Tables(rows.attempts(), rows.metrics(), rows.samples(), rows.items())
    by_model = {v.model: v for v in variants(tables)}
    assert set(by_model) == {"M-A", "M-B", "M-C"}
    assert by_model["M-A"].capability is not None
    assert by_model["M-B"].capability is not None
    assert by_model["M-C"].capability is None
    assert by_model["M-C"].missing == ("commonsense by hellaswag, only by winogrande",)


def test_items_of_several_tasks_are_not_pooled(tmp_path: Path) -> None:
    """hellaswag with 9 of 10, winogrande with 0 of 2: the mean over tasks, whatever their sizes."""
    whole = deepcopy(LM_EVAL)
    whole["results"] = {
        "hellaswag": {"acc_norm,none": 0.9, "acc_norm_stderr,none": 0.1},
        "piqa": {"acc_norm,none": 0.5, "acc_norm_stderr,none": 0.5},
    }
    results = put(tmp_path, f"results_{TIME}.json", whole)
    for task, right in (("hellaswag", [1] * 9 + [0]), ("piqa", [1, 0])):
        put(tmp_path, f"samples_{task}_{TIME}.jsonl", samples(task, right))
    report = read_report(results)
    assert figures(report, "commonsense")["accuracy"]["value"] == pytest.approx(0.7)
    assert report.rows["items"] == []
    assert any("items of commonsense are left out" in line for line in report.skipped)


def test_tasks_of_the_catalogue_have_its_class_and_chance() -> None:
    left_out = {name for name in TASKS if task_of(name) is None}
    assert left_out == {"truthfulqa_mc2", "mt_bench"}
    for name in TASKS.keys() - left_out:
        task = task_of(name)
        assert task is not None
        assert (task.task_class, task.chance) == (TASKS[name].task_class, TASKS[name].chance)
