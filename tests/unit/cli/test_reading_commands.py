"""Commands that read: their JSON over stores of all kinds, and near names for wrong ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from advice_cases import OWN_CLASS, add_ladder, family, write_store
from analysis_cases import Rows
from typer.testing import CliRunner, Result

from grid.cli import command_line
from grid.cli.recommend import read_ask
from grid.errors import GridError, InputError, choose_name, did_you_mean
from grid.hardware.node_file import NodeFile
from grid.plan.sweep import Budget
from grid.units import GIB

TASK_FILE = "prompt,A,B,answer\nq1,x,y,A\nq2,x,y,B\n"

OVER_A_STORE = {
    "show": ("show",),
    "results": ("results",),
    "export": ("export", "--format", "json"),
    "recommend": ("recommend", "--hardware", OWN_CLASS),
    "recommend-for": ("recommend", "--for", "8B", "--chip", "RTX 4090"),
    "folklore": ("folklore",),
    "predict": ("predict", "--chip", "RTX 4090", "--params", "8B"),
}
WITHOUT_A_STORE = {
    "doctor": ("doctor",),
    "node": ("node",),
    "backends": ("backends",),
    "tasks-list": ("tasks", "list"),
    "tasks-check": ("tasks", "check", "own.csv"),
    "tasks-show": ("tasks", "show", "own.csv"),
    "import-list": ("import", "--list"),
    "import-dry-run": ("import", "--published", "--dry-run"),
    "predict-list": ("predict", "--list", "nvidia"),
    "plan": ("plan", "ref:small", "--quant", "Q4_K_M"),
}
NO_ROWS_NEEDED = {"predict", "recommend-for"}
"""Answered without a row."""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.csv").write_text(TASK_FILE)


def run(*words: str) -> Result:
    return CliRunner().invoke(command_line, words, prog_name="grid")


def write_kind(kind: str, folder: Path) -> None:
    """A store with tasks, with KLD only, or without rows."""
    folder.mkdir()
    if kind == "tasks":
        write_store(family(), folder)
    elif kind == "kld":
        rows = Rows()
        add_ladder(rows)
        write_store(rows, folder)


def decoded(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", OVER_A_STORE)
@pytest.mark.parametrize("kind", ["tasks", "kld", "empty"])
def test_json_over_a_store(name: str, kind: str, tmp_path: Path) -> None:
    write_kind(kind, tmp_path / "store")
    flag = () if name == "export" else ("--json",)
    result = run(*OVER_A_STORE[name], "--store", "store", *flag)
    if kind == "empty" and name not in NO_ROWS_NEEDED and result.exit_code:
        assert isinstance(result.exception, InputError)
        assert "grid sweep" in str(result.exception)
        assert result.stdout == ""
    else:
        assert result.exit_code == 0, result.exception
        assert decoded(result)


@pytest.mark.parametrize("name", WITHOUT_A_STORE)
def test_json_without_a_store(name: str) -> None:
    result = run(*WITHOUT_A_STORE[name], "--json")
    assert result.exit_code == 0, result.exception
    assert decoded(result)


def test_doctor_has_the_machine_and_its_backends() -> None:
    checkup = decoded(run("doctor", "--json"))
    assert checkup["machine"]["hardware_class"] == decoded(run("node", "--json"))["hardware_class"]
    assert checkup["backends"] == decoded(run("backends", "--json"))
    assert "llamacpp" in checkup["backends"]
    assert "fake" not in checkup["backends"]
    assert checkup["usable"]


def test_doctor_names_the_command_that_mends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk as good as full is something to mend, and so is a backend that does not import."""
    monkeypatch.setattr("grid.cli.views.doctor.LEAST_FREE_BYTES", 2**80)
    (problem,) = decoded(run("doctor", "--json"))["problems"]
    assert "free for" in problem["what"]
    assert "QUANTGRID_CACHE" in problem["mend"]
    assert "Try: free some" in " ".join(run("doctor").stdout.split())


def test_results_as_json_are_all_rows_with_all_columns(tmp_path: Path) -> None:
    write_store(family(), tmp_path / "store")
    rows = decoded(run("results", "--store", "store", "--json"))
    exported = decoded(run("export", "--store", "store", "--format", "json"))
    assert rows == exported
    few = decoded(run("results", "--store", "store", "--json", "--limit", "2"))
    assert few == rows[:2]


def test_hardware_is_chosen_by_a_part_of_its_name(tmp_path: Path) -> None:
    rows = family()
    for hardware in ("Chip One, 8 GiB", "Chip Two, 16 GiB"):
        add_ladder(rows, hardware=hardware, model=f"of {hardware[:8]}")
    write_store(rows, tmp_path / "store")
    words = ("results", "--store", "store", "--columns", "hardware_class", "--json")
    classes = {row["hardware_class"] for row in decoded(run(*words, "--hardware", "chip two"))}
    assert classes == {"Chip Two, 16 GiB"}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("results", "--model", "bsae"), "no model 'bsae'. Did you mean 'base'?"),
        (("show", "--model", "bsae"), "no model 'bsae'. Did you mean 'base'?"),
        (("results", "--quant", "Q8"), "no quant 'Q8'. Did you mean 'Q8_0'?"),
        (("export", "--quant", "q2k"), "no quant 'q2k'. Did you mean 'Q2_K'?"),
        (("show", "--quant", "Q8"), "no quant 'Q8'. Did you mean 'Q8_0'?"),
        (("results", "--hardware", "Chap A"), "no hardware class 'Chap A'."),
        (("show", "--hardware", "Chap A"), "no hardware class 'Chap A'."),
        (("folklore", "--hardware", "Chap A"), "no hardware class 'Chap A'"),
        (("compare", "--prompt", "a", "--quant", "Q8", "--store", "store"), "Did you mean 'Q8_0'"),
        (("results", "--columns", "modle"), "Did you mean 'model'?"),
        (("backends", "install", "llamacp"), "Did you mean 'llamacpp'?"),
        (("plan", "quik"), "Did you mean 'quick'?"),
        (("plan", "quik.toml"), "Did you mean 'quick.toml'?"),
        (("plan", "Qwen/Qwen3-8B"), "A model of Hugging Face is written hf:Qwen/Qwen3-8B."),
        (("plan", "ref:small", "--quant", "Q4_KM"), "Did you mean 'Q4_K_M'?"),
        (("tasks", "check", "owm.csv"), "Did you mean 'own.csv'?"),
        (("weights", "base Q8"), "Did you mean 'base Q8_0'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_name_gets_the_near_one(words: tuple[str, ...], hint: str, tmp_path: Path) -> None:
    write_store(family(model_source="ref:small"), tmp_path / "store")
    takes_store = words[0] in ("results", "show", "export", "folklore", "weights")
    result = run(*words, *(("--store", "store") if takes_store else ()))
    assert isinstance(result.exception, GridError), result.output
    assert hint in str(result.exception)
    assert result.exception.exit_code == 2
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize("command", ["results", "show", "export", "folklore"])
def test_a_wrong_store_gets_the_near_one(command: str, tmp_path: Path) -> None:
    write_store(family(), tmp_path / "results-of-may")
    result = run(command, "--store", "result-of-may")
    assert "Did you mean 'results-of-may'?" in str(result.exception)


def test_bare_numbers_of_memory_are_gib() -> None:
    assert read_ask(memory_bytes="24").memory_bytes == 24 * GIB
    assert read_ask(memory_bytes="24", ram_bytes="64").ram_bytes == 64 * GIB
    assert Budget(memory=8).memory_bytes == Budget(memory="8").memory_bytes == 8 * GIB
    assert Budget(memory=8 * GIB).memory_bytes == 8 * GIB
    assert NodeFile(memory=16).node_fields()["memory_bytes"] == 16 * GIB


def test_names_are_alike_whatever_their_case() -> None:
    assert choose_name("q4_k_m", ["Q4_K_M", "Q4_K_S"], "quant") == "Q4_K_M"
    assert did_you_mean("QWEN3", ["qwen3-8b", "llama-3"]) == "Did you mean 'qwen3-8b'?"
    assert did_you_mean("nothing alike", ["a", "b"]) == "Known: a, b."


def test_a_merge_and_a_compaction_say_in_json_what_they_did(tmp_path: Path) -> None:
    mine, copy = str(tmp_path / "mine"), str(tmp_path / "copy")
    for name in (mine, mine, copy):
        write_store(family(), Path(name))
    (merged,) = json.loads(run("merge", copy, "--store", mine, "--json").stdout)
    assert (merged["source"], merged["added"], merged["problems"]) == (copy, 0, [])
    assert merged["already_present"] > 0
    compacted = json.loads(run("compact", "--store", mine, "--json").stdout)
    assert compacted["merged"] == 2 * compacted["written"] > 0
    assert compacted["problems"] == []


def test_a_class_of_the_bundled_items_is_no_task_and_says_so() -> None:
    result = run("tasks", "show", "recall")
    assert isinstance(result.exception, InputError)
    assert "recall is a class of the bundled models' items" in str(result.exception)
