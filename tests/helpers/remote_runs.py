"""A head that ssh reaches, for tests of runs on one: a real sshd on this machine, with a home
folder of its own, is the head; the test's process is the laptop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from conftest import FAKE_SWEEP
from ssh_hosts import SshHost, set_up, ssh_host

from grid.cluster.remote import client, runs
from grid.cluster.remote.runs import Run, Status
from grid.plan.load import load_sweep
from grid.sweep.progress import Note, Step

LIMIT_S = 60.0
SWEEP = FAKE_SWEEP.replace('"F16", "Q8", "Q4", "Q2"', '"F16", "Q4"').replace(
    'name = "toy"', 'name = "toy"\nmeasures = ["memory", "speed", "latency"]'
)
CELLS = 2 * 4
"""Memory, prefill, decode and latency, of two artifacts."""

HANGS = '[options.fake]\nhang_on = "generate"\nfail_quant = "Q4"\n'


class Told:
    """Keeps what a progress is told."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def tell(self, step: Step) -> None:
        self.steps.append(step)

    def of(self, kind: type[Step]) -> list[Step]:
        return [step for step in self.steps if isinstance(step, kind)]

    @property
    def notes(self) -> str:
        return "\n".join(step.text for step in self.steps if isinstance(step, Note))


@pytest.fixture
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    folder = tmp_path_factory.mktemp("head")
    with ssh_host(folder) as one:
        set_up(one, QUANTGRID_CACHE=os.environ["QUANTGRID_CACHE"])
        yield one
        for process in drivers(one):
            process.kill()


@pytest.fixture
def laptop(toy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (toy / "toy.toml").write_text(SWEEP)
    monkeypatch.chdir(toy)
    monkeypatch.setenv("HOME", str(toy / "home"))
    return toy


def launch(head: SshHost, told: Told | None = None, store: str = "rows", **options: bool) -> Run:
    sweep = load_sweep(Path("toy.toml"))
    told = told or Told()
    return client.launch(head.host, sweep, store, told, address="", **options)


def watch(head: SshHost, run: Run, told: Told | None = None) -> client.Outcome:
    return client.watch(head.host, run, told or Told())


def status(head: SshHost, run: Run) -> Status:
    return client.chosen(head.host, run.id)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def log_of(head: SshHost, run: Run) -> str:
    path = head.home / ".local/state/quantgrid/runs" / run.id / "log.jsonl"
    return path.read_text() if path.exists() else ""


def hanging(head: SshHost, told: Told | None = None) -> Run:
    """A run in the middle of a cell that never ends."""
    Path("toy.toml").write_text(SWEEP + HANGS)
    run = launch(head, told)
    until(lambda: '"label":"toy Q4 latency 16+16"' in log_of(head, run))
    return run


def drivers(head: SshHost) -> list[psutil.Process]:
    """All processes below the head's runs."""
    mine = str(head.home)
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            inside = process.cwd().startswith(mine)
        except psutil.Error:
            continue
        if inside and process.name() != "sshd":
            found.append(process)
    return found


def driver_of(head: SshHost, run: Run) -> psutil.Process:
    path = head.home / ".local/state/quantgrid/runs" / run.id / "driver.json"
    return psutil.Process(msgspec.json.decode(path.read_bytes(), type=runs.Driver).pid)
