"""Output that has nowhere to go, a terminal of ASCII, no home: one line, no traceback, a code."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STORE = ROOT / "tests/data/results-v2"
GRID = shlex.join([sys.executable, "-m", "grid"])
ROWS = f"results --store {STORE}"
COMMANDS = ["--help", "node", ROWS, f"{ROWS} --json", "predict --chip 4090", "import --list"]
TABLE = """\
| model | size | params | backend | ngl | test | t/s |
| --- | --- | --- | --- | --- | --- | --- |
| llama 7B Q4_0 | 3.56 GiB | 6.74 B | CUDA | 99 | tg128 | 12.5 ± 0.1 |
"""


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of bash that begins with the options of `grid`."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{GRID} {line}"],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | environment,
        timeout=120,
    )


def assert_one_line(done: subprocess.CompletedProcess[str], text: str) -> None:
    assert done.stderr.count("\n") == 1, done.stderr
    assert text in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_closed_output_is_one_line(command: str) -> None:
    done = shell(f"{command} >&-")
    assert_one_line(done, "grid: standard output is closed")
    assert done.returncode == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_one_line(command: str) -> None:
    done = shell(f"{command} > /dev/full")
    assert_one_line(done, "grid: standard output: No space left on device")
    assert done.returncode == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_that_nobody_reads_ends_the_command_silently(command: str) -> None:
    done = shell(f"{command} | true")
    assert (done.stdout, done.stderr) == ("", "")
    assert done.returncode == 141


def test_head_gets_its_line() -> None:
    done = shell(f"{ROWS} | head -1")
    assert done.stdout.startswith("model")
    assert done.stderr == ""
    assert done.returncode in (0, 141)  # all of it may be in the pipe before head goes


def test_a_command_keeps_its_own_code_where_there_is_no_error_output() -> None:
    assert shell("results --store nothing-here 2>&-").returncode == 2
    assert shell("results --store nothing-here >&- 2>&-").returncode == 2
    assert shell("results --store nothing-here 2> /dev/full").returncode == 2
    assert shell(f"{ROWS} > /dev/full 2> /dev/full").returncode == 1


def test_a_closed_output_is_no_file_of_ours(tmp_path: Path) -> None:
    """A file opened while standard output is closed must not get what is printed."""
    target = tmp_path / "rows.csv"
    done = shell(f"results export {target} --store {STORE} <&- >&-")
    assert done.returncode == 0
    assert target.read_text().startswith('"attempt_id"')


def test_ascii_terminals_get_escapes_and_valid_json(tmp_path: Path) -> None:
    (tmp_path / "table.md").write_text(TABLE, encoding="utf-8")
    line = f"import --dry-run --hardware 'é\u202e' {tmp_path / 'table.md'}"
    done = shell(line, PYTHONIOENCODING="ascii", QUANTGRID_STORE=str(tmp_path / "store"))
    assert done.returncode == 0, done.stderr
    assert r"\xe9\u202e" in done.stdout
    assert done.stdout.isascii()
    stored = shell(f"import --store {tmp_path / 's'} --hardware é {tmp_path / 'table.md'}")
    assert stored.returncode == 0, stored.stderr
    rows = shell(f"results --json --store {tmp_path / 's'}", PYTHONIOENCODING="ascii")
    assert json.loads(rows.stdout)[0]["hardware_class"].startswith("é")


@pytest.mark.parametrize(
    "environment",
    [{"LANG": "C", "LC_ALL": "C"}, {"TERM": "dumb"}, {"NO_COLOR": "1"}, {"HOME": "/proc/none"}],
    ids=str,
)
def test_plain_surroundings_change_nothing(environment: dict[str, str]) -> None:
    assert shell(ROWS, **environment).stdout == shell(ROWS).stdout
    assert shell("node", **environment).returncode == 0


def as_user_without_home(line: str) -> subprocess.CompletedProcess[str]:
    """A command of a user without HOME and without an entry in the password file."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    nobody = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
    if subprocess.run([*nobody, "true"], capture_output=True).returncode:
        pytest.skip("needs user namespaces")
    names = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "QUANTGRID_CACHE", "QUANTGRID_NODE_FILE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [*nobody, *shlex.split(f"{GRID} {line}")],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        timeout=120,
    )


@pytest.mark.parametrize("command", ["node", "results --store ~nobody-of-this-name/x"])
def test_no_home_is_one_line(command: str) -> None:
    done = as_user_without_home(command)
    assert_one_line(done, "set HOME")
    assert done.returncode == 2


def test_rows_need_no_home() -> None:
    assert as_user_without_home(ROWS).stdout == shell(ROWS).stdout
