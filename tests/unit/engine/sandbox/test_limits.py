"""No program uses more than its limits allow, and nothing of it is left when it has ended."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sandbox_programs import NAME_ITSELF, processes_named, status_field, wait_until, watching

from grid.engine.sandbox import Outcome, Program, SandboxLimits, run_programs

MIB = 1 << 20


def run(source: str, limits: SandboxLimits | None = None) -> Outcome:
    (outcome,) = run_programs([Program(source)], limits)
    return outcome


@pytest.fixture
def name() -> str:
    """A process name that no other test has."""
    return f"grid-{secrets.token_hex(4)}"


DAEMON = """
call_myself({name!r})
import signal, time
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        os.write(writer, str(os.getpid()).encode())
        time.sleep(600)
    os._exit(0)
os.kill(int(os.read(reader, 10)), 0)
"""


@pytest.mark.usefixtures("without_filter")
def test_a_daemon_ends_with_its_program(name: str) -> None:
    outcome = run(NAME_ITSELF + DAEMON.format(name=name))
    assert outcome.status == "passed"  # the daemon lived until the program's last line
    assert processes_named(name) == []


def test_no_process_is_started(name: str) -> None:
    outcome = run(NAME_ITSELF + DAEMON.format(name=name))
    assert (outcome.status, "Operation not permitted" in outcome.reason) == ("failed", True)


ENDLESS = """
call_myself({name!r})
import signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    {step}
"""


@pytest.mark.usefixtures("walls")
@pytest.mark.parametrize("step", ["time.sleep(600)", "pass"])
def test_an_endless_program_times_out(name: str, step: str) -> None:
    limits = SandboxLimits(cpu_s=1, wall_s=2)
    with watching(name, len) as counts:
        outcome = run(NAME_ITSELF + ENDLESS.format(name=name, step=step), limits)
    assert counts
    assert outcome.status == "timeout"
    assert processes_named(name) == []


CALLER = """
import sys
from grid.engine.sandbox import Program, SandboxLimits, run_programs
run_programs([Program(sys.stdin.read())], SandboxLimits(wall_s=600))
"""


@pytest.fixture
def endless_run(name: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs an endless program, which is called `name`."""
    with subprocess.Popen([sys.executable, "-c", CALLER], stdin=subprocess.PIPE, text=True) as run:
        assert run.stdin is not None
        run.stdin.write(NAME_ITSELF + ENDLESS.format(name=name, step="time.sleep(600)"))
        run.stdin.close()
        try:
            assert wait_until(lambda: processes_named(name))
            yield run
        finally:
            run.kill()


@pytest.mark.usefixtures("endless_run")
def test_a_program_runs_as_nobody_without_privileges(name: str) -> None:
    (process,) = processes_named(name)
    assert status_field(process, "CapEff") == status_field(process, "CapBnd") == "0" * 16
    assert status_field(process, "NoNewPrivs") == "1"
    assert status_field(process, "Seccomp:") == "2"
    own = os.geteuid() or 65534
    assert status_field(process, "Uid") == "\t".join([str(own)] * 4)
    spaces = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    if os.access(process / "ns", os.R_OK | os.X_OK):
        outside = {space: os.readlink(f"/proc/self/ns/{space}") for space in spaces}
        assert [s for s in spaces if os.readlink(process / "ns" / s) == outside[s]] == []


def test_a_killed_caller_takes_its_program_with_it(
    name: str, endless_run: subprocess.Popen[str]
) -> None:
    endless_run.kill()
    assert wait_until(lambda: not processes_named(name))


def test_a_killed_outer_process_takes_its_program_with_it(
    name: str, endless_run: subprocess.Popen[str]
) -> None:
    (outer,) = psutil.Process(endless_run.pid).children()
    outer.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not processes_named(name))


@pytest.mark.usefixtures("without_filter")
def test_a_fork_bomb_stays_small(name: str) -> None:
    bomb = f"""
call_myself({name!r})
failures = 0
while failures < 300:
    try:
        os.fork()
    except OSError:
        failures += 1
"""
    with watching(name, len) as counts:
        run(NAME_ITSELF + bomb, SandboxLimits(threads=16, wall_s=30))
    assert 1 < max(counts) <= 16
    assert processes_named(name) == []


@pytest.mark.usefixtures("walls")
def test_threads_are_bounded(name: str) -> None:
    bomb = f"""
call_myself({name!r})
import threading, time
try:
    for started in range(1000):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
except RuntimeError:
    time.sleep(1)
assert started < 16, started
"""

    def most_threads(processes: list[Path]) -> int:
        return max(int(status_field(process, "Threads") or 0) for process in processes)

    with watching(name, most_threads) as counts:
        outcome = run(NAME_ITSELF + bomb, SandboxLimits(threads=16))
    assert outcome.status == "passed"
    assert 1 < max(counts) <= 16


@pytest.mark.usefixtures("walls")
@pytest.mark.parametrize(
    "fill",
    ["bytearray(16 << 20)", "'x' * (16 << 20)", "list(range(1 << 20))"],
)
def test_memory_is_bounded(name: str, fill: str) -> None:
    limits = SandboxLimits(memory_bytes=256 * MIB)

    def most_memory(processes: list[Path]) -> int:
        return max(int((status_field(p, "VmPeak") or "0").split()[0]) << 10 for p in processes)

    source = f"call_myself({name!r})\nx = []\nwhile True:\n    x.append({fill})"
    with watching(name, most_memory) as peaks:
        outcome = run(NAME_ITSELF + source, limits)
    assert outcome.status == "memory"
    assert "256 MiB" in outcome.reason
    assert max(peaks) <= 256 * MIB


@pytest.mark.usefixtures("walls")
def test_disk_is_bounded() -> None:
    source = f"""
written = 0
try:
    for number in range(10_000):
        with open(f"/tmp/{{number}}", "wb", buffering=0) as file:
            while True:
                written += file.write(bytes(1 << 16))
                if file.tell() >= {2 * MIB}:
                    break
except OSError:
    pass
assert written == {8 * MIB}, written
"""
    assert run(source, SandboxLimits(disk_bytes=8 * MIB)).status == "passed"


@pytest.mark.usefixtures("walls")
def test_a_million_files_are_not_made() -> None:
    source = """
try:
    for number in range(1_000_000):
        open(f"/tmp/{number}", "w").close()
except OSError:
    assert number < 2000, number
"""
    assert run(source).status == "passed"


def test_no_memory_is_had_beside_the_limit() -> None:
    source = """
import ctypes, os
assert ctypes.CDLL(None).shmget(0, 1 << 20, 0o1600) == -1
os.memfd_create("beside")
"""
    assert "Operation not permitted" in run(source).reason


@pytest.mark.usefixtures("walls")
def test_output_is_dropped(capfd: pytest.CaptureFixture[str]) -> None:
    source = r"""
import os, sys
for _ in range(2000):
    os.write(1, b"\033]0;title\007\033[31m" * 30_000)
    print("\033[2J" * 1000, file=sys.stderr)
"""
    assert run(source).status == "passed"
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("walls")
def test_a_report_without_end_is_not_read() -> None:
    source = "import os\nwhile True:\n    for file in range(3, 64):\n        "
    source += (
        "try:\n            os.write(file, b'F' * 4096)\n        except OSError:\n            pass"
    )
    before = psutil.Process().memory_info().rss
    outcome = run(source, SandboxLimits(cpu_s=2, wall_s=2))
    assert outcome.status == "timeout"
    assert psutil.Process().memory_info().rss - before < 64 * MIB


def test_programs_run_side_by_side() -> None:
    barrier = threading.active_count()
    outcomes = run_programs([Program(f"assert {number} != 3") for number in range(6)], parallel=2)
    assert [outcome.status == "passed" for outcome in outcomes] == [True] * 3 + [False] + [True] * 2
    assert threading.active_count() == barrier
