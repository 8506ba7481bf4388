"""A head that ssh reaches, for tests of runs on one: a real sshd on this machine, with a home
folder of its own, is the head; the test's process is the laptop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from fake_sweep import FAKE_SWEEP
from ssh_hosts import SshHost, set_up, ssh_host

from grid.cluster.remote import client, runs
from grid.cluster.remote.head import Head
from grid.cluster.remote.runs import RemoteRun, RunStatus
from grid.plan.load import load_sweep
from grid.sweep.events import Event, Notice

LIMIT_S = 60.0
SWEEP = FAKE_SWEEP.replace('"F16", "Q8", "Q4", "Q2"', '"F16", "Q4"').replace(
    'name = "toy"', 'name = "toy"\nmeasures = ["memory", "speed", "latency"]'
)
CELLS = 2 * 4
"""Memory, prefill, decode and latency, of two artifacts."""

HANGS = '[options.fake]\nhang_on = "generate"\nfail_quant = "Q4"\n'


class RecordedProgress:
    """Keeps the events of a sweep, and lets another thread wait for the first of a kind."""

    def __init__(self) -> None:
        self.steps: list[Event] = []
        self._changed = threading.Condition()

    def tell(self, event: Event) -> None:
        with self._changed:
            self.steps.append(event)
            self._changed.notify_all()

    def wait_for(self, kind: type[Event]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self.of(kind)), LIMIT_S)

    def of(self, kind: type[Event]) -> list[Event]:
        return [step for step in self.steps if isinstance(step, kind)]

    @property
    def notes(self) -> str:
        return "\n".join(step.text for step in self.steps if isinstance(step, Notice))


@pytest.fixture
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    folder = tmp_path_factory.mktemp("head")
    with ssh_host(folder) as host:
        set_up(host, QUANTGRID_CACHE=os.environ["QUANTGRID_CACHE"])
        yield host
        for process in drivers(host):
            process.kill()


@pytest.fixture
def laptop(toy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (toy / "toy.toml").write_text(SWEEP)
    monkeypatch.chdir(toy)
    monkeypatch.setenv("HOME", str(toy / "home"))
    return toy


def launch(
    head: SshHost, progress: RecordedProgress | None = None, store: str = "rows", **options: bool
) -> RemoteRun:
    sweep = load_sweep(Path("toy.toml"))
    progress = progress or RecordedProgress()
    return client.launch(head.host, sweep, store, progress, address="", **options)


def watch(
    head: SshHost, run: RemoteRun, progress: RecordedProgress | None = None
) -> client.RunOutcome:
    return client.watch(head.host, run, progress or RecordedProgress())


def status_of(head: SshHost, run: RemoteRun) -> RunStatus:
    return client.choose_run(head.host, run.id)


def ask_until(question: Callable[[], bool]) -> None:
    """Ask the head over ssh, which takes a while, until it says yes."""
    deadline = time.monotonic() + LIMIT_S
    while not question():
        assert time.monotonic() < deadline


def wait_for_line(head: SshHost, run: RemoteRun, text: str) -> None:
    """Follow a run until a line of its log holds the text."""
    deadline = time.monotonic() + LIMIT_S
    with Head(head.host).follow(run.id, 0) as lines:
        while text not in next(lines):  # an empty line comes every few seconds
            assert time.monotonic() < deadline


def wait_until_ended(head: SshHost, run: RemoteRun) -> None:
    wait_for_line(head, run, '"event":"exit"')


def launch_hanging(head: SshHost, progress: RecordedProgress | None = None) -> RemoteRun:
    """A run in the middle of a cell that never ends."""
    Path("toy.toml").write_text(SWEEP + HANGS)
    run = launch(head, progress)
    wait_for_line(head, run, '"label":"toy Q4 latency 16+16"')
    return run


def drivers(head: SshHost) -> list[psutil.Process]:
    """All processes below the head's runs."""
    mine = str(head.home)
    processes = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            inside = process.cwd().startswith(mine)
        except psutil.Error:
            continue
        if inside and process.name() != "sshd":
            processes.append(process)
    return processes


def driver_of(head: SshHost, run: RemoteRun) -> psutil.Process:
    path = head.home / ".local/state/quantgrid/runs" / run.id / "driver.json"
    return psutil.Process(msgspec.json.decode(path.read_bytes(), type=runs.Driver).pid)
