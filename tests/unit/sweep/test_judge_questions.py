"""MT-Bench's questions become items, where the sweep names a judge and their file is there."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from plan_helpers import FAKE, NODE, sweep_file

from grid.cells.items import Item
from grid.cells.task_catalog import TASKS, task_sets
from grid.cells.texts import read_items
from grid.errors import InputError
from grid.plan import Plan, expand, load_sweep
from grid.sweep.judge.questions import JudgeDocument
from grid.sweep.task_sets import prepare_tasks

SHARED = Path(__file__).parents[4] / "shared" / "data" / "eval" / "mt_bench_question.jsonl"
QUESTIONS = [
    {"question_id": 81, "category": "writing", "turns": ["Write.", "Rewrite."]},
    {"question_id": 111, "category": "math", "turns": ["1+2?", "2+3?"], "reference": ["3", "5"]},
    {"question_id": 142, "category": "stem", "turns": ["Why?", "So?"], "reference": ["hint", ""]},
]
JUDGE = 'judge = {{ url = "http://127.0.0.1:9/v1", model = "{model}" }}\n'


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))


def write(folder: Path, *rows: dict[str, object], name: str = "q.jsonl") -> None:
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def planned(folder: Path, table: str) -> Plan:
    text = 'measures = ["tasks"]\nquants = ["F16"]\n[[models]]\nsource = "x.fake"\n'
    path = sweep_file(folder, f'{text}[tasks]\nnames = ["mt_bench"]\n{table}')
    sweep = load_sweep(path)
    return expand(sweep, FAKE, NODE, prepared=prepare_tasks(sweep))


def items_of(folder: Path, model: str = "large", data: str = "data") -> tuple[Item, ...]:
    path = sweep_file(
        folder,
        '[[models]]\nsource = "x.fake"\n[tasks]\nnames = ["mt_bench"]\n'
        f'data = "{data}"\n{JUDGE.format(model=model)}',
    )
    (task_set,) = prepare_tasks(load_sweep(path)).task_sets
    assert (task_set.task_class, task_set.chat) == ("instruction", True)
    return read_items(task_set.folder, "mt_bench").items


def document(item: Item) -> JudgeDocument:
    return msgspec.json.decode(item.document, type=JudgeDocument)


def test_a_question_is_an_item_of_two_turns(tmp_path: Path) -> None:
    write(tmp_path, *QUESTIONS)
    items = items_of(tmp_path)
    assert [item.id for item in items] == ["81", "111", "142"]
    assert (items[0].messages[0].content, items[0].turns) == ("Write.", ("Rewrite.",))
    assert {(item.scoring, item.chance) for item in items} == {("judge", 0)}


def test_references_are_those_of_categories_with_right_answers(tmp_path: Path) -> None:
    write(tmp_path, *QUESTIONS)
    references = [document(item).references for item in items_of(tmp_path)]
    assert references == [("", ""), ("3", "5"), ("", "")]


def test_another_judge_is_another_item_set(tmp_path: Path) -> None:
    write(tmp_path, *QUESTIONS)
    first, second = items_of(tmp_path, "large"), items_of(tmp_path, "small")
    assert document(first[0]).judge == "large"
    assert first != second
    assert items_of(tmp_path, "large") == first


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not there")
def test_the_published_file_has_80_questions_of_two_turns(tmp_path: Path) -> None:
    items = items_of(tmp_path, data=str(SHARED.parent))
    assert len(items) == TASKS["mt_bench"].items == 80
    assert {len(item.turns) for item in items} == {1}
    assert sum(any(document(item).references) for item in items) == 29


def test_a_model_without_a_chat_template_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, *QUESTIONS)
    plan = planned(tmp_path, f'data = "data"\n{JUDGE.format(model="large")}')
    assert plan.cells == ()
    assert [skip.reason for skip in plan.skipped] == [
        "chat is wanted, the model has no chat template"
    ]


def test_no_ready_set_takes_a_judge() -> None:
    assert all("mt_bench" not in tasks for tasks in task_sets().values())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('data = "data"', r"tasks\.names: mt_bench takes a judge; name one under \[tasks\.judge\]"),
        ('data = "data"\njudge = {}', r"tasks\.judge\.url: expected an address"),
        (
            'data = "data"\njudge = { url = "ftp://a/v1", model = "m" }',
            r"tasks\.judge\.url: expected an address",
        ),
        (
            'data = "data"\njudge = { url = "http://u:p@a/v1", model = "m" }',
            "no user, password or key",
        ),
        ('data = "data"\njudge = { url = "http://a/v1" }', r"tasks\.judge\.model: expected"),
        (
            'data = "data"\njudge = { url = "http://a/v1", model = "m", key_variable = "sk-1" }',
            r"key_variable: expected the name of an environment variable, not a key",
        ),
        (
            'data = "data"\njudge = { url = "http://a/v1", modle = "m" }',
            r"tasks\.judge\.modle: unknown key\. Did you mean 'model'",
        ),
        (JUDGE.format(model="m"), r"tasks\.data: mt_bench takes its question file"),
        (f'data = "empty"\n{JUDGE.format(model="m")}', "nothing in .*empty looks like it"),
        (f'data = "data"\nchat = false\n{JUDGE.format(model="m")}', r"tasks\.chat: mt_bench"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_runs(
    tmp_path: Path, table: str, message: str
) -> None:
    write(tmp_path, *QUESTIONS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        planned(tmp_path, table)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question_id": 1, "category": "math", "turns": []}, "row 2: turns: a question is empty"),
        ({"question_id": 1, "category": "math", "turns": "a"}, "row 2: turns: expected a list"),
        ({"question_id": 1, "category": "math"}, "row 2: no 'turns'"),
        (QUESTIONS[0], "row 2: question_id 81 is there twice"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: dict[str, object], message: str) -> None:
    write(tmp_path, QUESTIONS[0], row)
    with pytest.raises(InputError, match=message):
        items_of(tmp_path)


def test_of_two_files_alike_the_name_decides(tmp_path: Path) -> None:
    write(tmp_path, QUESTIONS[0])
    write(tmp_path, QUESTIONS[1], name="r.jsonl")
    with pytest.raises(InputError, match=r"q\.jsonl and r\.jsonl all look like mt_bench"):
        items_of(tmp_path)
    write(tmp_path, QUESTIONS[2], name="mt_bench.jsonl")
    assert [item.id for item in items_of(tmp_path)] == ["142"]
