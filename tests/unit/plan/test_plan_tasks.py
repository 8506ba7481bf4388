"""Tasks that a sweep names: ready sets, names of the harness, files of the user."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from plan_helpers import FAKE, NODE, sweep_file

from grid.cells.task_catalog import QUICK, STANDARD, TASKS, class_of, task_sets
from grid.cells.workload import Tasks
from grid.errors import InputError
from grid.plan import Plan, expand, load_sweep
from grid.plan.item_facts import item_facts
from grid.plan.load import parse_sweep
from grid.plan.model_sweep import load_requested_sweep, with_tasks
from grid.plan.sweep import Sweep
from grid.plan.task_requests import PreparedTasks, TaskSet, requested_tasks
from grid.sweep.task_sets import own_tasks, prepare_tasks

MODEL = '[[models]]\nsource = "x.fake"\n'
TASKS_ONLY = 'measures = ["tasks"]\nquants = ["F16"]\n'
OWN = '{"prompt": "1+1=", "answer": 2, "scoring": "number", "max_tokens": 10}\n'


def sweep_of(text: str, folder: Path = Path("/none")) -> Sweep:
    return parse_sweep((text + MODEL).encode(), "s.toml", folder)


def own_plan(folder: Path, table: str, items: str = OWN) -> Plan:
    (folder / "mine.jsonl").write_text(items)
    path = sweep_file(folder, TASKS_ONLY + MODEL + f'[tasks]\nfiles = ["mine.jsonl"]\n{table}')
    sweep = load_sweep(path)
    return expand(sweep, FAKE, NODE, prepared=prepare_tasks(sweep))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("written", ['["mmlu"]', '"mmlu"', '{ names = ["mmlu"] }'])
def test_the_names_alone_may_stand_in_place_of_the_table(written: str) -> None:
    assert sweep_of(f"tasks = {written}\n").tasks.names == ("mmlu",)


def test_a_list_of_other_things_is_refused_with_its_place() -> None:
    with pytest.raises(InputError, match=r"s\.toml: tasks\.names.*expected str|expected text"):
        sweep_of("tasks = [1]\n")


def test_a_set_stands_for_its_tasks_with_their_numbers_of_items() -> None:
    requests = requested_tasks(sweep_of('tasks = ["quick"]\n').tasks)
    assert {request.name: request.items for request in requests} == QUICK
    assert {request.ready_set for request in requests} == {"quick"}


def test_a_task_that_is_named_itself_is_not_part_of_a_set() -> None:
    table = sweep_of('[tasks]\nnames = ["reasoning", "arc_easy"]\nitems = 7\n').tasks
    requests = {request.name: request for request in requested_tasks(table)}
    assert requests["arc_easy"].ready_set == ""
    assert requests["arc_challenge"].ready_set == "reasoning"
    assert {request.items for request in requests.values()} == {7}


def test_sets_hold_tasks_of_the_catalog_and_quick_takes_about_ten_minutes() -> None:
    for tasks in task_sets().values():
        assert all(0 < items <= TASKS[name].items for name, items in tasks.items())
    assert 8 < sum(TASKS[name].seconds(items) for name, items in QUICK.items()) / 60 < 12
    assert set(QUICK) <= set(STANDARD)


@pytest.mark.parametrize(
    ("name", "task_class"),
    [
        ("hellaswag", "commonsense"),
        ("mmlu_anatomy", "recall"),
        ("arithmetic_2da", "math"),
        ("blimp", "language"),
        ("sciq", "unclassified"),
    ],
)
def test_classes_follow_from_names(name: str, task_class: str) -> None:
    assert class_of(name) == task_class


def test_a_file_of_the_user_becomes_a_workload(tmp_path: Path) -> None:
    (cell,) = own_plan(tmp_path, 'class_by_task = { mine = "math" }').cells
    assert isinstance(cell.workload, Tasks)
    assert (cell.workload.name, cell.workload.task_class, cell.workload.limit) == (
        "mine",
        "math",
        1,
    )
    assert not cell.workload.chat
    assert cell.label.endswith("task mine")


def test_without_a_class_it_is_unclassified_and_items_limits_it(tmp_path: Path) -> None:
    (cell,) = own_plan(tmp_path, "items = 1", OWN + OWN).cells
    assert isinstance(cell.workload, Tasks)
    assert (cell.workload.task_class, cell.workload.limit) == ("unclassified", 1)


def test_chat_without_a_template_is_skipped_with_the_reason(tmp_path: Path) -> None:
    plan = own_plan(tmp_path, "chat = true")
    assert [skip.reason for skip in plan.skipped] == [
        "chat is wanted, the model has no chat template"
    ]


@pytest.mark.parametrize(
    ("of_sweep", "of_file", "has_template", "chat"),
    [
        (None, None, True, True),
        (None, None, False, False),
        (None, False, True, False),
        (False, None, True, False),
        (False, True, True, True),
    ],
)
def test_the_template_is_used_where_there_is_one_unless_sweep_or_file_say_otherwise(
    tmp_path: Path, of_sweep: bool | None, of_file: bool | None, has_template: bool, chat: bool
) -> None:
    from grid.plan.task_workloads import TaskWorkloads

    (tmp_path / "mine.jsonl").write_text(
        '{"id": "1", "kind": "choice", "context": "a", "choices": ["b", "c"], "answer": 1}\n'
    )
    sweep = sweep_of("")
    sweep = msgspec.structs.replace(
        sweep, tasks=msgspec.structs.replace(sweep.tasks, names=("mine",), chat=of_sweep)
    )
    task_set = TaskSet(name="mine", task_class="math", folder=str(tmp_path), limit=9, chat=of_file)
    workloads = TaskWorkloads(sweep, PreparedTasks((task_set,)))
    (workload,) = workloads.of_model(bundled=False, has_template=has_template)
    assert workload.chat == chat


def test_written_items_take_an_engine_that_generates(tmp_path: Path) -> None:
    plan = own_plan(tmp_path, "")
    facts = plan.item_facts[plan.cells[0].workload.items_sha256]  # type: ignore[union-attr]
    assert (facts.writes, facts.scores, facts.written) == (True, False, 5)


def test_a_shared_beginning_is_counted_once() -> None:
    from grid.cells.items import Item

    items = [Item(str(n), "choice", "x" * 400 + str(n) * 40, ("a" * 20, "b" * 20), 0) for n in "12"]
    assert item_facts(items).read == (400 + 2 * (40 + 40)) / 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"prompt": "q"}\n', r"s\.toml: tasks\.files: .*mine\.jsonl, line 1: no answer"),
        ("", "no items"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_runs(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        own_plan(tmp_path, "", content)


def test_two_files_of_one_name_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text(OWN)
    (tmp_path / "mine.csv").write_text("prompt,answer\nq,a\n")
    with pytest.raises(InputError, match="two files are called mine"):
        own_tasks(sweep_of('[tasks]\nfiles = ["mine.jsonl", "mine.csv"]\n', tmp_path))
    with pytest.raises(InputError, match=r"Did you mean 'mine\.jsonl'"):
        own_tasks(sweep_of('[tasks]\nfiles = ["mime.jsonl"]\n', tmp_path))


def test_data_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tasks\.data: .*gone is no folder"):
        prepare_tasks(sweep_of('[tasks]\nnames = ["quick"]\ndata = "gone"\n', tmp_path))


def test_the_same_items_have_the_same_cell_wherever_they_lie(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    ids = set()
    for folder in folders:
        folder.mkdir()
        ids.add(own_plan(folder, "").cells[0].id)
    assert len(ids) == 1


def test_the_command_line_names_tasks_instead_of_the_sweep() -> None:
    sweep = with_tasks(sweep_of('measures = ["speed"]\ntasks = ["mmlu"]\n'), "quick, gsm8k,quick")
    assert sweep.tasks.names == ("quick", "gsm8k")
    assert sweep.measures == ("speed", "tasks")
    model = load_requested_sweep("ref:small", "arc_easy")
    assert model.tasks.names == ("arc_easy",)
    assert load_requested_sweep("ref:small").tasks.names == ()
    with pytest.raises(InputError, match=r"--tasks: no name; give some, such as quick"):
        load_requested_sweep("ref:small", " ,")
