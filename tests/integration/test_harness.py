"""Tasks of lm-evaluation-harness, by itself: items, scores, and what it says to bad input."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness_environment import harness_cache as harness_cache
from harness_environment import shared_harness as shared_harness
from hub_server import HubServer
from msgspec.structs import replace
from task_data import GSM8K_TRAIN, LAMBADA, write_jsonl, write_mmlu, write_task_data

from grid.cells.items import Item, Message
from grid.cells.measurement import ItemResult
from grid.cells.texts import read_items
from grid.engine.environments import find_tool
from grid.engine.harness import AnswerScorer, PreparedTask, prepare, task_facts, task_names
from grid.engine.harness.process import REQUIREMENTS
from grid.engine.harness.tasks import render_request
from grid.engine.sandbox import sandbox_obstacle
from grid.errors import InputError, Unsupported

EVALUATOR = Path(__file__).parents[2] / "scripts" / "harness_evaluator.py"

NAMES = (
    "piqa",
    "winogrande",
    "lambada_openai",
    "gsm8k",
    "humaneval",
    "ifeval",
    "truthfulqa_mc1",
    "truthfulqa_mc2",
)


@pytest.fixture(autouse=True)
def cache(harness_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module's cache, instead of the run's."""
    monkeypatch.setenv("QUANTGRID_CACHE", str(harness_cache))
    return harness_cache


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_task_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def prepared(harness_cache: Path, data: Path) -> dict[str, PreparedTask]:
    return {task.name: task for task in prepare(NAMES, data=data, run_code=True)}


@pytest.fixture(scope="module")
def scorer(harness_cache: Path) -> Iterator[AnswerScorer]:
    scorer = AnswerScorer(run_code=True)
    yield scorer
    scorer.close()


def items_of(task: PreparedTask) -> tuple[Item, ...]:
    return read_items(str(task.folder), task.name).items


def answers(items: tuple[Item, ...], *responses: str) -> list[ItemResult]:
    return [
        ItemResult(
            task_class="",
            item=item.id,
            score=0.0,
            chance=item.chance,
            chosen=-1,
            answer=item.answer,
            log_likelihoods=(),
            response=response,
        )
        for item, response in zip(items, responses, strict=True)
    ]


def test_choices_are_the_harness_s_requests(prepared: dict[str, PreparedTask]) -> None:
    first = items_of(prepared["piqa"])[0]
    assert first == Item(
        id="piqa/0",
        kind="choice",
        context="Question: Open a jar\nAnswer:",
        choices=(" Turn the lid", " Eat the lid, then wait"),
        answer=0,
        messages=(Message("user", "Question: Open a jar\nAnswer:"),),
        normalization="characters",
    )
    assert prepared["piqa"].metric == "acc_norm"


def test_winogrande_has_a_context_for_each_choice(prepared: dict[str, PreparedTask]) -> None:
    (item,) = items_of(prepared["winogrande"])
    assert item.contexts == ("Sue met Mia, so Sue", "Sue met Mia, so Mia")
    assert item.choices == (" smiled.", " smiled.")
    assert (item.answer, item.messages) == (1, ())


def test_lambada_asks_for_one_continuation(prepared: dict[str, PreparedTask]) -> None:
    (item,) = items_of(prepared["lambada_openai"])
    assert (item.kind, item.context, item.choices) == ("exact", LAMBADA[0]["context"], (" me",))


def test_examples_come_from_the_training_split(prepared: dict[str, PreparedTask]) -> None:
    task = prepared["gsm8k"]
    assert (task.shots, task.metric) == (5, "exact_match,flexible-extract")
    examples = {f"Question: {row['question']}\nAnswer:": row["answer"] for row in GSM8K_TRAIN}
    for item in items_of(task):
        *turns, last = item.messages
        assert [turn.role for turn in turns] == ["user", "assistant"] * 5
        for question, answer in zip(turns[::2], turns[1::2], strict=True):
            assert examples[question.content] == answer.content
        assert item.context.endswith(f"\n\n{last.content}")
        assert item.context.count("Question: ") == 6
        assert (item.until, item.max_tokens) == (("Question:", "</s>", "<|im_end|>"), 256)


def test_an_item_set_is_made_once(
    prepared: dict[str, PreparedTask], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.Popen", None)  # no process is started
    twice = prepare(["gsm8k"], data=data, run_code=True)
    assert twice == (prepared["gsm8k"],)


def test_another_content_is_another_item_set(
    prepared: dict[str, PreparedTask], tmp_path: Path
) -> None:
    data = write_task_data(tmp_path)
    write_jsonl(data / "goals.jsonl", [{"goal": "g", "sol1": "x", "sol2": "y", "label": 1}])
    (task,) = prepare(["piqa"], data=data)
    assert task.folder != prepared["piqa"].folder
    assert task.data_sha256 != prepared["piqa"].data_sha256
    assert task.items == 1


def test_rows_say_by_what_they_were_scored(prepared: dict[str, PreparedTask]) -> None:
    task = prepared["winogrande"]
    facts = task_facts(task.folder, task.name)
    assert facts["task_harness"] == "lm_eval 0.4.13"
    assert facts["task_metric"] == "acc"
    assert facts["task_data"] == f"file {task.data_sha256[:16]}"
    assert "ready-made rows" in facts["task_note"]
    assert task_facts(task.folder, "other") == {}


def test_mmlu_is_one_task_of_interleaved_subjects(tmp_path: Path) -> None:
    leaves = [name for name in task_names() if name.path.startswith("mmlu/default/")]
    subjects = [leaf.subset for leaf in leaves if leaf.subset]
    assert len(subjects) == 57
    data = write_mmlu(tmp_path, subjects, large="anatomy")
    (task,) = prepare(["mmlu"], data=data, shots=2, limit=33)
    items = items_of(task)
    counts = Counter(item.group for item in items)
    assert (task.items, len(counts)) == (33, 29)
    assert counts["anatomy"] == 5  # of 9 among 65: a half of all items has a half of them
    item = next(item for item in items if item.group == "anatomy")
    system, *turns = item.messages
    assert system.role == "system"
    assert "about anatomy" in system.content
    assert len(turns) == 5
    assert item.choices == (" A", " B", " C", " D")
    assert item.answer == 2


def test_gsm8k_is_scored_by_its_own_filter(
    prepared: dict[str, PreparedTask], scorer: AnswerScorer
) -> None:
    items = items_of(prepared["gsm8k"])
    texts = ["#### 6", "The answer is 8.", "I say 10 apples", "no idea", "#### 13", "$16"]
    scores = [r.score for r in scorer.score(items, answers(items, *texts))]
    assert scores == [1, 1, 1, 0, 0, 1]


def test_ifeval_asks_for_all_instructions(
    prepared: dict[str, PreparedTask], scorer: AnswerScorer
) -> None:
    items = items_of(prepared["ifeval"])
    assert prepared["ifeval"].metric == "prompt_level_strict_acc"
    scores = [r.score for r in scorer.score(items, answers(items, "no comma here", "a, b, c, d"))]
    assert scores == [1, 0]


def test_truthfulqa_mc2_is_the_mass_of_the_true_answers(
    prepared: dict[str, PreparedTask], scorer: AnswerScorer
) -> None:
    (item,) = items_of(prepared["truthfulqa_mc2"])
    (result,) = answers((item,), "")
    result = replace(result, log_likelihoods=(-1.0, -1.0, -1.0))
    (scored,) = scorer.score([item], [result])
    assert scored.score == pytest.approx(2 / 3)
    assert scored.chance == pytest.approx(2 / 3)


def test_programs_run_in_the_sandbox(
    prepared: dict[str, PreparedTask], scorer: AnswerScorer
) -> None:
    if sandbox_obstacle():
        pytest.skip(sandbox_obstacle())
    items = items_of(prepared["humaneval"])
    texts = ["    return x + 0\n", "    return 7\n", "    while True: pass\n"]
    results = scorer.score(items, answers(items, *texts))
    assert [result.score for result in results] == [1, 0, 0]
    assert "AssertionError" in results[1].note
    assert results[2].note


def test_code_is_refused_unless_it_is_allowed(
    prepared: dict[str, PreparedTask], data: Path
) -> None:
    with pytest.raises(InputError, match="humaneval runs programs that the model writes; say run"):
        prepare(["humaneval"], data=data)
    scorer = AnswerScorer(run_code=False)
    items = items_of(prepared["humaneval"])
    with pytest.raises(Unsupported, match="run_code = true"):
        scorer.score(items, answers(items, "", "", ""))


def test_an_unanswered_item_stays_unscored(
    prepared: dict[str, PreparedTask], scorer: AnswerScorer
) -> None:
    items = items_of(prepared["gsm8k"])
    results = answers(items, *["#### 6"] * 6)
    cut = replace(results[0], finish="unanswered")
    scored = scorer.score(items, [cut, *results[1:]])
    assert scored[0] == cut


TEXTS = {
    "gsm8k": ["#### 6", "The answer is 8.", "10 or 11", "no idea", "#### 13", "$16"],
    "ifeval": ["no comma here", "two words"],
    "humaneval": ["    return x + 0\n", "    return 7\n", "    return x + 2\n"],
}


def test_figures_are_the_harness_s_own(
    prepared: dict[str, PreparedTask], scorer: AnswerScorer, data: Path, tmp_path: Path
) -> None:
    names = [name for name in TEXTS if name != "humaneval" or not sandbox_obstacle()]
    figures = evaluated(tmp_path, data, {name: TEXTS[name] for name in names})
    for name in names:
        items = items_of(prepared[name])
        ours = [result.score for result in scorer.score(items, answers(items, *TEXTS[name]))]
        metric, _, chosen = prepared[name].metric.partition(",")
        metric = "pass@1" if name == "humaneval" else metric
        theirs = figures[name][f"{metric},{chosen or 'none'}"]
        assert 0 < theirs < 1
        assert sum(ours) / len(ours) == pytest.approx(theirs, abs=1e-12)


def evaluated(folder: Path, data: Path, responses: dict[str, list[str]]) -> dict[str, Any]:
    """The figures that the harness's evaluator gives the same answers, by task."""
    interpreter = find_tool(REQUIREMENTS)
    assert interpreter is not None
    requests = [render_request(name, data) for name in responses]
    leaves = [leaf for request in requests for leaf in request["leaves"]]
    request = {**requests[0], "leaves": leaves, "limit": None, "responses": responses}
    (folder / "request.json").write_text(json.dumps(request))
    command = [interpreter.python, str(EVALUATOR), str(folder / "request.json")]
    environ = {**os.environ, "PYTHONPATH": str(interpreter.imports)}
    result = folder / "result.json"
    subprocess.run([*command, str(result)], check=True, env=environ, capture_output=True)
    return dict(json.loads(result.read_text())["metrics"])


def test_unknown_names_get_the_nearest(data: Path) -> None:
    with pytest.raises(InputError, match=r"unknown task 'helaswag'. Did you mean 'hellaswag'\?"):
        prepare(["helaswag"], data=data)


def test_a_perplexity_is_no_task(data: Path) -> None:
    with pytest.raises(InputError, match="wikitext cannot be asked: it is the perplexity"):
        prepare(["wikitext"], data=data)


def test_documents_without_what_the_task_reads_are_named(cache: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "boolq.jsonl", [{"passage": "p", "question": "q"}])
    with pytest.raises(InputError, match=r"task boolq, .*boolq.jsonl, document 1: its answer 'lab"):
        prepare(["boolq"], data=tmp_path)
    rows = [{"query": "Question: a\n", "choices": ["x", "y"], "gold": gold} for gold in (0, 2)]
    write_jsonl(tmp_path / "goals.jsonl", rows)
    with pytest.raises(InputError, match=r"goals.jsonl, row 2: gold 2 is no index"):
        prepare(["piqa"], data=tmp_path)
    assert not list(cache.glob("tasks/*boolq*"))


HUB_README = b"""\
---
configs:
- config_name: default
  data_files:
  - split: test
    path: t.jsonl
---
"""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    rows = "".join(json.dumps({"text": f"{r['context']} {r['continuation']}"}) for r in LAMBADA)
    with HubServer() as server:
        server.add("EleutherAI/lambada_openai", {"README.md": HUB_README, "t.jsonl": rows.encode()})
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
        yield server


def test_data_come_from_the_hub_and_stay(cache: Path, hub: HubServer) -> None:
    before = set(cache.glob("tasks/*"))
    hub.break_off("t.jsonl", *[20] * 30)
    with pytest.raises(InputError, match=r"lambada_openai default cannot be had from the hub, "):
        prepare(["lambada_openai"], shots=0, limit=1)
    assert set(cache.glob("tasks/*")) == before
    hub._breaks.clear()
    (task,) = prepare(["lambada_openai"], shots=0, limit=1)
    assert task.data == "hub"
    (item,) = items_of(task)
    assert (item.context, item.choices) == (LAMBADA[0]["context"], (" me",))
    requests = len(hub.requests)
    assert prepare(["lambada_openai"], shots=0, limit=1) == (task,)
    assert len(hub.requests) == requests


def test_a_hub_out_of_reach_names_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    write_task_data(tmp_path)
    reason = "from the hub, which is out of reach; name a folder that holds them in tasks.data; no"
    with pytest.raises(InputError, match=reason):
        prepare(["piqa", "boolq"], data=tmp_path, limit=1)


def test_a_copy_of_the_hub_s_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "EleutherAI" / "lambada_openai"
    write_jsonl(folder / "t.jsonl", [{"text": "one two three"}])
    (folder / "README.md").write_bytes(HUB_README)
    (task,) = prepare(["lambada_openai"], data=tmp_path)
    (item,) = items_of(task)
    assert (task.data, item.context, item.choices) == ("file", "one two", (" three",))
