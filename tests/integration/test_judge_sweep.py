"""A sweep asks a judge: the rows hold its ratings, and what fails is tried by the next sweep."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from fake_sweep import Run
from judge_server import JudgeServer, grade
from plan_helpers import NODE, plan_of
from real_models import smollm2

import grid as quantgrid
from grid.cells.items import TURN_BREAK, Item, Message
from grid.cells.measurement import Measurement
from grid.sweep.events import CellDone, Settings
from grid.sweep.executors.worker import Worker
from grid.sweep.judge.prompt import PROMPT_VERSION
from grid.sweep.judge.questions import JudgeDocument

KEY = "sk-secret-7"
SWEEP = """
backends = ["{backend}"]
measures = ["tasks"]
[[models]]
files = ["{model}"]
[tasks]
source = "items"
classes = ["mt_bench"]
chat = {chat}
judge = {{ url = "{url}", model = "rule", key_variable = "TEST_JUDGE_KEY" }}
"""


def write_items(folder: Path) -> None:
    document = JudgeDocument(
        judge="rule", prompt=PROMPT_VERSION, category="writing", references=("", "")
    )
    items = [
        Item(
            id=str(number),
            kind="generate",
            context=question,
            choices=(),
            answer=0,
            messages=(Message("user", question),),
            max_tokens=16,
            scoring="judge",
            document=msgspec.json.encode(document).decode(),
            turns=("Say it in other words.",),
        )
        for number, question in enumerate(["Name a fruit.", "What is rain?"])
    ]
    (folder / "items").mkdir()
    lines = b"\n".join(map(msgspec.json.encode, items))
    (folder / "items" / "mt_bench.jsonl").write_bytes(lines)


def expected_score(response: str) -> float:
    """What the judge's rule gives."""
    marks = "<<< ASSISTANT, TURN 1 >>>\n{}\n<<< END OF ASSISTANT, TURN 1 >>>"
    answers = [marks.format(answer.strip()) for answer in response.split(TURN_BREAK)]
    return sum((int(grade(answer)) - 1) / 9 for answer in answers) / 2


@pytest.mark.engine
def test_a_real_model_holds_conversations_that_are_rated(
    tmp_path: Path, grid: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = smollm2()
    write_items(tmp_path)
    monkeypatch.setenv("TEST_JUDGE_KEY", KEY)
    with JudgeServer(key=KEY) as judge:
        (tmp_path / "s.toml").write_text(
            SWEEP.format(backend="llamacpp", model=model, chat="true", url=judge.url)
        )
        done = grid("sweep", "s.toml", "--here", timeout=300)
    assert done.returncode == 0, done.stderr
    results = quantgrid.open(tmp_path / "results")
    (row,) = results.final().to_pylist()
    environment = dict(row["environment"])
    assert (environment["task_judge"], environment["task_judge_prompt"]) == ("rule", "1")
    items = results.items().to_pylist()
    assert len(items) == 2
    for item in items:
        assert len(item["response"].split(TURN_BREAK)) == 2
        assert item["score"] == pytest.approx(expected_score(item["response"]))
        assert item["note"].startswith("rated ")
    assert len(judge.prompts) == 4
    stored = [path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert stored
    assert all(KEY.encode() not in content for content in stored)
    assert KEY not in done.stdout + done.stderr


def attempt(folder: Path, judge: JudgeServer) -> Measurement:
    """One attempt by a worker, with a model that answers at once."""
    text = SWEEP.format(backend="fake", model="x.fake", chat="false", url=judge.url)
    plan = plan_of(folder, text.replace('backends = ["fake"]\n', ""))
    worker = Worker(NODE, Settings(cell_timeout_s=60, judge=judge.table("TEST_JUDGE_KEY")))
    try:
        events = [event for session in plan.sessions for event in worker.run(session)]
    finally:
        worker.close()
    (done,) = [e.measurement for e in events if isinstance(e, CellDone)]
    assert isinstance(done, Measurement)
    return done


def test_a_refused_key_is_an_error_before_the_model_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_items(tmp_path)
    monkeypatch.setenv("TEST_JUDGE_KEY", "sk-wrong-8")
    with JudgeServer(key=KEY) as judge:
        measurement = attempt(tmp_path, judge)
    assert measurement.status == "error"
    assert "the key is refused (HTTP 401); check TEST_JUDGE_KEY" in measurement.reason
    assert len(judge.requests) == 1


def test_ratings_that_fail_after_the_model_wrote_fail_the_attempt_and_the_next_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_items(tmp_path)
    monkeypatch.setenv("TEST_JUDGE_KEY", KEY)
    with JudgeServer(key=KEY) as judge:
        judge.replies += ["ready", b"<html>"]
        failed = attempt(tmp_path, judge)
        judge.replies.clear()
        rated = attempt(tmp_path, judge)
    assert failed.status == "error"
    assert "scoring failed: judge rule at" in failed.reason
    assert failed.items == ()
    assert rated.status == "ok"
    scores = [item.score for item in rated.items]
    assert scores == pytest.approx([expected_score(item.response) for item in rated.items])
    assert os.environ["TEST_JUDGE_KEY"] not in str(rated.environment)
