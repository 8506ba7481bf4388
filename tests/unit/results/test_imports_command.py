"""`grid import`: what it prints, and that one wrong file keeps all out."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from fake_sweep import Run
from imports_files import BENCH_MD, KLD_LOG, bench, put
from typer.testing import CliRunner

from grid.cli.imports import register
from grid.errors import InputError
from grid.results import open_store
from grid.results.imports import FORMATS, all_publications


def run(*arguments: str | Path) -> str:
    """The command's output. Raises what it raises."""
    app = typer.Typer()
    register(app)
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_import_prints_attempts_and_origin_of_each_file(tmp_path: Path) -> None:
    path, store = put(tmp_path, "b.md", BENCH_MD), tmp_path / "store"
    first = run(path, "--store", store, "--hardware", "M1", "--model", "Llama-3.1-8B")
    assert "2 attempts from b.md (source: llama-bench; licence: not stated)" in first
    assert "note: b.md: line 6: the test 'pp512+tg128' is left out" in first
    second_run = run(path, "--store", store, "--hardware", "M1", "--model", "Llama-3.1-8B")
    assert "0 attempts from b.md" in second_run
    assert "2 were there already" in second_run
    assert open_store(store).attempts().num_rows == 2


def test_dry_run_of_import_prints_the_rows_and_writes_nothing(tmp_path: Path) -> None:
    path, store = put(tmp_path, "k.log", KLD_LOG), tmp_path / "store"
    shown = run(path, "--store", store, "--dry-run")
    assert "1 attempt would be added from k.log" in shown
    assert "Meta-Llama-3-8B Q4_K_M  quality 564x512" in shown
    assert "perplexity 6.407" in shown
    assert not store.exists()


def test_wrong_files_have_a_line_each_and_the_others_are_imported(
    grid: Run, tmp_path: Path
) -> None:
    put(tmp_path, "a.json", [bench()])
    logs = tmp_path / "logs"
    (logs / "deep").mkdir(parents=True)
    put(logs, "cut.json", "{")
    put(logs, "prose.txt", "nothing measured")
    put(logs / "deep", "k.log", KLD_LOG)
    (logs / "weights.gguf").write_bytes(b"GGUF" + bytes(100))
    (logs / "all.zip").write_bytes(b"PK\x03\x04" + bytes(30))
    with (logs / "huge.log").open("wb") as file:
        file.write(b"log\n" * 2000)
        file.truncate(3 * 2**30)
    done = grid("import", "a.json", "logs", "absent.json", "--store", "store")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert all(line.startswith("grid: ") for line in lines)
    words = {
        "all.zip": "is an archive", "cut.json": "not whole JSON", "huge.log": "larger than 1 GiB",
        "prose.txt": "is no report", "weights.gguf": "is a binary file", "absent.json": "no file",
    }  # fmt: skip
    assert len(lines) == len(words)
    for name, reason in words.items():
        assert any(name in line and reason in line for line in lines), name
    assert open_store(tmp_path / "store").attempts().num_rows == 2


def test_files_without_an_attempt_end_with_2_and_what_was_not_understood(
    grid: Run, tmp_path: Path
) -> None:
    choices = "multiple_choice_score: done\n Final result: 42.0000 +/- 1.4000\n"
    put(tmp_path, "m.log", choices)
    done = grid("import", "m.log", "--store", "store")
    assert (done.returncode, done.stdout) == (2, "")
    assert "does not say of which questions" in done.stderr
    assert not (tmp_path / "store").exists()


def test_dry_run_of_a_folder_writes_nothing(grid: Run, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    put(tmp_path / "logs", "a.json", [bench()])
    put(tmp_path / "logs", "b.json", [bench(avg_ts=100.0)])
    done = grid("import", "logs", "--dry-run", "--store", "store")
    assert done.returncode == 0
    assert "was measured 2 times with different figures" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs"]


def test_rows_that_a_store_has_otherwise_are_named(grid: Run, tmp_path: Path) -> None:
    put(tmp_path, "a.json", [bench()])
    put(tmp_path, "b.json", [bench(avg_ts=100.0)])
    assert "different figures" not in grid("import", "a.json", "--store", "store").stdout
    second = grid("import", "b.json", "--store", "store").stdout
    assert "different figures" in second
    assert "119.81 token/s" in second


def test_published_tables_are_imported_by_name_or_all_together(tmp_path: Path) -> None:
    single = run("--published", "mlx-m4max", "--store", tmp_path / "one")
    assert "32 attempts from mlx-m4max (source: mlx-lm mlx_lm/BENCHMARKS.md" in single
    assert "licence: MIT (mlx-lm)" in single
    run("--published", "all", "--store", tmp_path / "all")
    run("--published", "--store", tmp_path / "all")
    total = sum(len(table.rows["attempts"]) for table in all_publications())
    assert open_store(tmp_path / "all").attempts().num_rows == total


def test_import_list_names_formats_tables_and_licences() -> None:
    shown = run("--list")
    for name in (*FORMATS, *(table.name for table in all_publications())):
        assert name in shown
    assert "MIT (llama.cpp)" in shown


def test_contradicting_options_of_import_are_refused() -> None:
    with pytest.raises(InputError, match="nothing to import"):
        run()
    with pytest.raises(InputError, match="are for files, not --published"):
        run("--published", "--model", "x")


def test_import_document_names_every_format_table_and_task() -> None:
    from grid.cells.task_catalog import TASKS
    from grid.results.imports.formats.lm_eval_tasks import task_of

    text = (Path(__file__).parents[3] / "docs" / "import.md").read_text(encoding="utf-8")
    tasks = [name for name in (*TASKS, "mmlu_pro") if task_of(name)]
    for name in (*FORMATS, *tasks):
        assert f"`{name}`" in text
    for table in all_publications():
        assert f"| `{table.name}` | {table.title} | {table.origin} | {table.licence} |" in text


def test_importing_a_wrong_file_prints_one_line_and_exits_with_2(grid: Run, tmp_path: Path) -> None:
    put(tmp_path, "b.json", [bench(avg_ts=-1)])
    done = grid("import", "b.json", "--store", "store")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line == "grid: b.json: entry 1: avg_ts is -1, not a number from 0 on"
    assert not (tmp_path / "store").exists()
