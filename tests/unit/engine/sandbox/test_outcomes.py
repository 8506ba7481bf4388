"""A program passes where it runs to its last line, and not where it only says so."""

from __future__ import annotations

import sys

import pytest

from grid.engine.sandbox import Outcome, Program, passed, run, run_programs, sandbox_obstacle


def outcome_of(source: str) -> Outcome:
    (outcome,) = passed([source])
    return outcome


def test_a_program_that_runs_to_its_end_passes() -> None:
    outcome = outcome_of("def add(a, b):\n    return a + b\nassert add(1, 2) == 3")
    assert (outcome.status, outcome.reason) == ("passed", "")
    assert outcome.cpu_s > 0


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x = 1\nassert x == 2, 'not two'", "AssertionError: not two (line 2)"),
        ("1 / 0", "ZeroDivisionError: division by zero (line 1)"),
        ("def f(:", "SyntaxError: invalid syntax (program.py, line 1)"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded (line 1)"),
        ("import numpy", "ModuleNotFoundError: No module named 'numpy' (line 1)"),
        ("input()", "EOFError: EOF when reading a line (line 1)"),
        ("x = '\ud800'", "UnicodeDecodeError"),
        ("x = 1\0", "source code string cannot contain null bytes"),
        ("import ctypes\nctypes.string_at(0)", "ended by SIGSEGV"),
        ("raise Exception('\\033[31m\\a' * 1000)", "Exception: [31m"),
    ],
)
def test_a_failure_says_why(source: str, reason: str) -> None:
    outcome = outcome_of(source)
    assert outcome.status == "failed"
    assert reason in outcome.reason
    assert outcome.reason.isprintable()
    assert len(outcome.reason) <= 200


GUESS_TOKEN = """
import os
for file in range(1, 64):
    try:
        os.write(file, b"0" * 64)
    except OSError:
        pass
os._exit(0)
"""
COPY_TOKEN = """
import os
token = b""
for file in range(3, 64):
    try:
        os.set_blocking(file, False)
        token = os.read(file, 64) or token
    except OSError:
        pass
for file in range(1, 64):
    try:
        os.write(file, token)
    except OSError:
        pass
os._exit(0)
"""
LEAVE_EARLY = [
    "import os\nprint('passed')\nos._exit(0)",
    "import sys\nprint('passed')\nsys.exit(0)",
    "raise SystemExit",
    "raise BaseException('passed')",
    "raise GeneratorExit",
    "import os, threading\nthreading.Thread(target=os._exit, args=(0,)).start()\nwhile True: pass",
    "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\nraise Exception",
    GUESS_TOKEN,
    COPY_TOKEN,
    "import os\nos.closerange(0, 64)",
    "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', ''])",
    "class Odd(Exception):\n    def __str__(self): import os; os._exit(0)\nraise Odd",
    "class Odd(Exception):\n    def __str__(self): raise self\nraise Odd",
]


@pytest.mark.parametrize("source", LEAVE_EARLY)
def test_a_program_that_leaves_before_its_tests_does_not_pass(source: str) -> None:
    assert outcome_of(f"{source}\nassert False").status == "failed"


def test_hash_order_is_the_same_each_time() -> None:
    outcomes = passed(["raise Exception(list(map(str, {'a', 'b', 'c', 'd', 'e'})))"] * 3)
    assert len({outcome.reason for outcome in outcomes}) == 1


def test_a_program_may_use_threads_processes_of_the_loop_and_data_classes() -> None:
    source = """
import asyncio, dataclasses, threading
@dataclasses.dataclass
class Point:
    x: "int"
asyncio.run(asyncio.sleep(0))
thread = threading.Thread(target=Point, args=(1,))
thread.start()
thread.join()
if __name__ == "__main__":
    raise SystemExit
"""
    assert outcome_of(source).status == "passed"


@pytest.fixture
def _asked_anew() -> object:
    sandbox_obstacle.cache_clear()
    yield None
    sandbox_obstacle.cache_clear()


@pytest.mark.usefixtures("_asked_anew")
def test_programs_are_refused_outside_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    (outcome,) = run_programs([Program("x = 1")])
    assert outcome.status == "refused"
    assert "run them on Linux" in outcome.reason


@pytest.mark.usefixtures("_asked_anew")
def test_programs_are_refused_where_a_wall_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    run._surroundings.cache_clear()
    monkeypatch.setattr(run, "filter_here", lambda: b"")
    (outcome,) = run_programs([Program("x = 1")])
    run._surroundings.cache_clear()
    assert outcome.status == "refused"
    assert "it can open a socket" in outcome.reason


@pytest.mark.usefixtures("_asked_anew")
def test_programs_are_refused_where_namespaces_are_switched_off() -> None:
    """In a namespace that allows no further ones, as where an administrator switched them off."""
    import subprocess

    code = (
        "from pathlib import Path\n"
        "Path('/proc/sys/user/max_user_namespaces').write_text('0')\n"
        "from grid.engine.sandbox import sandbox_obstacle\nprint(sandbox_obstacle())"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "the sandbox could not be made: new namespaces" in done.stdout
    assert "user.max_user_namespaces is 0 here" in done.stdout
