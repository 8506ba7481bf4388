"""What others do beside an engine, seen in what the system counts."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from competitors import competitor

from grid.engine.measure.disturbance import DisturbanceWatch
from grid.engine.measure.process import own_cpu_s, own_processes
from grid.engine.measure.thread_watch import ThreadWatch

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux counts how long threads waited"
)

COMPUTE_THEN_WAIT = """
import sys, time
while time.process_time() < 0.4:
    pass
print(flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def shared_core() -> Iterator[None]:
    """This process has one core, on which another program computes too."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with competitor(min(cores)):
            yield
    finally:
        os.sched_setaffinity(0, cores)


def compute(seconds: float = 0.3) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@pytest.mark.usefixtures("shared_core")
def test_real_competitor_on_the_same_core_is_seen() -> None:
    watch = DisturbanceWatch()
    compute()
    disturbance = watch.read()
    assert disturbance.waited > 0.25
    assert disturbance.reason


@pytest.mark.usefixtures("shared_core")
def test_waits_of_a_thread_that_ended_are_seen() -> None:
    watch = DisturbanceWatch()
    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert watch.read().waited > 0.25


@pytest.mark.usefixtures("shared_core")
def test_waits_of_an_engine_that_computes_in_a_process_of_its_own_are_seen() -> None:
    with child() as process:
        watch = DisturbanceWatch()
        process.stdout.readline()
        assert watch.read().waited > 0.25
        process.communicate()


def child() -> subprocess.Popen[bytes]:
    """Computes for 0.4 s, says so, and waits for a line."""
    command = [sys.executable, "-c", COMPUTE_THEN_WAIT]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_what_children_compute_is_own_while_they_live_and_after() -> None:
    before = own_cpu_s()
    with child() as process:
        process.stdout.readline()
        assert own_cpu_s() - before > 0.35
        process.communicate()
    assert own_cpu_s() - before > 0.35


def test_other_programs_are_no_processes_of_ones_own() -> None:
    with competitor(min(os.sched_getaffinity(0))) as stranger, child() as process:
        assert stranger not in own_processes()
        assert {os.getpid(), process.pid} <= set(own_processes())
        process.communicate()


def test_a_watch_that_nobody_holds_ends() -> None:
    threads = threading.active_count()
    watch = ThreadWatch()
    assert threading.active_count() == threads + 1
    (looking,) = (t for t in threading.enumerate() if t.name == ThreadWatch.__name__)
    del watch
    looking.join(timeout=30)
    assert not looking.is_alive()
