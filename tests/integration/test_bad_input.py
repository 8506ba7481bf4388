"""Wrong input: one clear line, exit code 2, nothing run and nothing lost."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from pathlib import Path

import grid_fake
import pyarrow as pa
import pytest
from fake_sweep import FAKE_SWEEP, Run
from gguf_bytes import SMALL, gguf_file

import grid as quantgrid
from grid.results.schema import TABLE_KEY, VERSION_KEY, file_schema


def assert_refused(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """One line on standard error that has all `parts`; exit code 2; no traceback."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("grid: ")
    for part in parts:
        assert part in lines[0]


def sweep(grid: Run, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "my.toml").write_text(text)
    return grid("sweep", "my.toml", "--store", "rows", "--executor", "inline")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ("my.toml", "empty")),
        ("models = [", ("my.toml", "not TOML")),
        (FAKE_SWEEP + "[speeed]\n", ("speeed", "Did you mean 'speed'?")),
        (FAKE_SWEEP.replace("repetitions", "x") + "[budget]\nmemry = 1\n", ("budget", "memory")),
        (FAKE_SWEEP.replace('"Q4"', '"Q44"'), ("Q44", "Did you mean 'Q4'?")),
        ('measures = ["sped"]\n' + FAKE_SWEEP, ("sped", "Did you mean 'speed'?")),
        (FAKE_SWEEP.replace('["fake"]', '["fak"]'), ("fak", "Known: ")),
        ("measures = []\n" + FAKE_SWEEP, ("measures",)),
        (FAKE_SWEEP.replace("toy.fake", "tay.fake"), ("tay.fake", "toy.fake")),
        (FAKE_SWEEP.replace("toy.fake", "ref:huge"), ("ref:huge",)),
    ],
)
def test_a_wrong_sweep_file_is_refused_in_one_line(
    toy: Path, grid: Run, text: str, message: tuple[str, ...]
) -> None:
    assert_refused(sweep(grid, text, toy), *message)
    assert not list(toy.glob("rows/*.arrow"))


def test_a_missing_sweep_file_names_a_near_one(toy: Path, grid: Run) -> None:
    assert_refused(grid("sweep", "tyo.toml"), "tyo.toml", "Did you mean 'toy.toml'?")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GGUF", "truncated"),
        (b"NOPE" + bytes(100), "not a GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60), ""),
    ],
)
@pytest.mark.engine
def test_a_damaged_gguf_is_refused_in_one_line(
    tmp_path: Path, grid: Run, content: bytes, message: str
) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    done = sweep(grid, 'quants = ["Q8_0"]\n[[models]]\nsource = "x.gguf"\n', tmp_path)
    assert_refused(done, "x.gguf", message)


@pytest.mark.engine
def test_a_gguf_of_an_unknown_architecture_is_refused(tmp_path: Path, grid: Run) -> None:
    entries = [
        (name.replace("llama", "nonesuch"), kind, "nonesuch" if value == "llama" else value)
        for name, kind, value in SMALL
    ]
    (tmp_path / "x.gguf").write_bytes(gguf_file(entries))
    done = sweep(grid, '[[models]]\nfiles = ["x.gguf"]\n', tmp_path)
    assert_refused(done, "x.gguf", "nonesuch", "unknown")


def test_a_store_of_a_newer_schema_is_not_written_to(toy: Path, grid: Run) -> None:
    (toy / "rows").mkdir()
    newer = file_schema("attempts").with_metadata({VERSION_KEY: b"999", TABLE_KEY: b"attempts"})
    path = toy / "rows" / "attempts-new.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, newer):
        pass
    before = path.read_bytes()
    assert_refused(grid("sweep", "toy.toml", "--store", "rows", "--executor", "inline"), "newer")
    assert path.read_bytes() == before


def test_a_store_in_use_by_another_sweep_is_refused(toy: Path, grid: Run) -> None:
    from grid.results import open_for_writing

    with open_for_writing(toy / "rows").writer():
        done = grid("sweep", "toy.toml", "--store", "rows", "--executor", "inline")
    assert_refused(done, "in use", str(os.getpid()))


def test_a_store_that_cannot_be_written_is_refused(toy: Path, grid: Run) -> None:
    """A file where the folder should be: root may write to folders that say read-only."""
    (toy / "rows").write_text("not a folder")
    assert_refused(grid("sweep", "toy.toml", "--store", "rows", "--executor", "inline"), "rows")
    assert (toy / "rows").read_text() == "not a folder"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["swep"], "Did you mean 'sweep'? Try `grid --help`"),
        (["sweep", "--stor", "x"], "try `grid sweep --help`"),
        (["results", "x"], "try `grid results --help`"),
    ],
)
def test_a_wrong_command_line_is_refused_with_help(
    grid: Run, arguments: list[str], hint: str
) -> None:
    assert_refused(grid(*arguments), hint)


def test_results_of_an_empty_store_name_the_command_that_fills_it(grid: Run) -> None:
    assert_refused(grid("results", "--store", "none"), "none", "grid sweep")


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system takes root to mount")
def test_a_full_disk_keeps_the_rows_so_far(toy: Path, grid: Run) -> None:
    """The store lies on a file system of 300 KB, which the rows fill."""
    rows = toy / "rows"
    rows.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(rows)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("no permission to mount a small file system")
    try:
        grid_fake.write(toy / "toy.fake")
        text = FAKE_SWEEP.replace("chunks = 4", "chunks = 100")
        text = text.replace("[speed]", "[speed]\ndepth = " + str(list(range(60))))
        (toy / "toy.toml").write_text(text)
        done = grid("sweep", "toy.toml", "--store", "rows", "--executor", "inline", "--json")
        assert done.returncode == 3, done.stderr
        assert "resumes" in done.stderr
        results = quantgrid.open(rows)
        assert results.problems == []
        finished = [json.loads(line) for line in done.stdout.splitlines()]
        assert (
            0
            < results.attempts().num_rows
            < sum(event["event"] == "finished" for event in finished) + 1
        )
    finally:
        subprocess.run(["umount", str(rows)], check=True)


def test_a_cache_that_cannot_be_written_is_said_before_anything_runs(
    toy: Path, grid: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (toy / "file").write_text("")
    monkeypatch.setenv("QUANTGRID_CACHE", str(toy / "file" / "cache"))
    done = grid("sweep", "toy.toml", "--store", "rows", "--executor", "inline")
    assert_refused(done, "cache", "cannot be written", "set QUANTGRID_CACHE")
    assert not list(toy.glob("rows/*.arrow"))
