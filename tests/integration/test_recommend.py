"""`grid recommend` as a user runs it: on a store that a sweep made, and on wrong stores."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from fake_sweep import FAKE_SWEEP, Run

from grid.advice import Ask, recommend
from grid.analysis.dataset import Dataset
from grid.results.schema import TABLE_KEY, VERSION_KEY, file_schema


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a sweep over the fake engine's quants."""
    import os
    import sys

    import grid_fake

    folder = tmp_path_factory.mktemp("swept")
    grid_fake.write(folder / "toy.fake")
    (folder / "toy.toml").write_text(FAKE_SWEEP)
    command = [sys.executable, "-m", "grid", "sweep", "toy.toml", "--store", "rows", "--here"]
    env = {**os.environ, "QUANTGRID_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder / "rows"


RunRecommend = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_recommend(grid: Run, swept: Path) -> RunRecommend:
    """`run_recommend(...)` is `grid recommend` on the swept store."""
    return lambda *arguments: grid("recommend", "--store", str(swept), *arguments)


def assert_refused(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """One line on standard error that says all of `parts`; exit code 2; no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    for part in parts:
        assert part in lines[0]


def test_printed_advice_starts_with_the_answer_and_its_certainty(
    run_recommend: RunRecommend,
) -> None:
    done = run_recommend()
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("run toy ")
    assert len(lines) <= 14
    for part in ("why", "quality", "speed", "memory", "sure", "smaller", "faster", "more"):
        assert any(line.startswith(f"{part} ") for line in lines)


def test_why_shows_all_that_stands_behind_the_answer(run_recommend: RunRecommend) -> None:
    done = run_recommend("--why")
    assert done.returncode == 0, done.stderr
    for part in ("how sure", "runner-up", "measured here", "limits cost", "measure it", "why not"):
        assert part in done.stdout


def test_json_equals_the_python_result(run_recommend: RunRecommend, swept: Path) -> None:
    data = json.loads(run_recommend("--json", "--min-decode", "20").stdout)
    advice = recommend(Dataset(swept), Ask(min_decode_tps=20.0))
    assert advice.pick is not None
    assert data["pick"]["artifact_id"] == advice.pick.variant.artifact_id
    assert data["weights"] == advice.weights
    assert data["sure"] == advice.sure


def test_a_swept_model_runs_where_it_was_measured(run_recommend: RunRecommend, swept: Path) -> None:
    (own,) = [c.name for c in Dataset(swept).classes]
    done = run_recommend("--for", "toy", "--hardware", own, "--quant", "q4", "--json")
    assert done.returncode == 0, done.stderr
    (machine,) = json.loads(done.stdout)["runs_it"]
    assert machine["decode_tps"]["evidence"]["kind"] == "measured here"


def test_a_rack_of_the_store_has_an_answer_for_each_machine(run_recommend: RunRecommend) -> None:
    done = run_recommend("--rack", "store")
    assert done.returncode == 0, done.stderr
    assert "what to run on each machine" in done.stdout
    assert "run toy " in done.stdout


def test_limits_that_nothing_meets_say_what_to_relax(run_recommend: RunRecommend) -> None:
    done = run_recommend("--max-size", "1B", "--min-decode", "1000000000")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nothing meets the limits")
    assert "raise size from 1 B" in done.stdout
    assert "lower decode rate from" in done.stdout


def test_a_budget_below_everything_is_a_sentence(run_recommend: RunRecommend) -> None:
    done = run_recommend("--memory", "1kB")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nothing fits: models can have")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--hardware", "nowhere"), ("no machine called 'nowhere' was measured. Known: ",)),
        (("--chip", "RTX 4091 Hyper"), ("no chip",)),
        (("--memory", "much"), ("--memory", "'much' is not a size")),
        (("--context", "0"), ("context is 0",)),
        (("--kv", "q9_0"), ("unknown KV type 'q9_0'",)),
        (("--use", "maths"), ("unknown use 'maths'", "Did you mean 'math'")),
        (("--weights", "maths=1"), ("maths", "Did you mean 'math'")),
        (("--weights", "math=-1"), ("weight -1 of 'math'",)),
        (("--min-share", "95"), ("such as 0.95",)),
        (("--bandwidth", "100GB/s"), ("say its memory too",)),
        (("--min-dekode", "3"), ("--min-dekode",)),
    ],
)
def test_bad_option_is_one_line(
    run_recommend: RunRecommend, arguments: tuple[str, ...], parts: tuple[str]
) -> None:
    assert_refused(run_recommend(*arguments), *parts)


def test_an_empty_store_is_answered_for_this_machine_and_names_what_fills_it(
    grid: Run, tmp_path: Path
) -> None:
    (tmp_path / "rows").mkdir()
    done = grid("recommend", "--store", "rows")
    assert done.returncode == 0, done.stderr
    assert "nothing measured here" in done.stdout
    assert "grid sweep hf:" in done.stdout


def test_a_store_that_is_not_there_is_refused_with_the_near_name(
    grid: Run, swept: Path, tmp_path: Path
) -> None:
    shutil.copytree(swept, tmp_path / "rows")
    assert_refused(grid("recommend", "--store", "rosw"), "rosw", "Did you mean 'rows'?")


def test_torn_file_does_not_prevent_an_answer(grid: Run, swept: Path, tmp_path: Path) -> None:
    store = tmp_path / "rows"
    shutil.copytree(swept, store)
    first = sorted(store.glob("attempts-*.arrow"))[0]
    (store / first.name.replace("attempts-2", "attempts-1")).write_bytes(first.read_bytes()[:100])
    done = grid("recommend", "--store", "rows")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("run toy ")


def test_rows_of_a_newer_schema_are_refused_without_traceback(grid: Run, tmp_path: Path) -> None:
    newer = file_schema("attempts").with_metadata({VERSION_KEY: b"999", TABLE_KEY: b"attempts"})
    (tmp_path / "rows").mkdir()
    path = tmp_path / "rows" / "attempts-20300101T000000.000000Z-00000000.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, newer):
        pass
    done = grid("recommend", "--store", "rows")
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr
