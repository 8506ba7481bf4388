"""Sweeps driven on a head: the sweep files, the driver's process, and what it tells."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grid
from cluster.clusters import IN_VENV, Cluster
from cluster.hosts import Host
from cluster.machine import wait_for
from grid.results.reader import Results

Event = dict[str, Any]

TOY = """
name = "toy"
backends = ["fake"]
quants = ["F16", "Q8", "Q4", "Q2"]
[[models]]
source = "ref:small"
[options.fake]
cell_s = {cell_s}
{options}
[speed]
prompt = [64]
generate = [16]
repetitions = 3
[latency]
prompt = 16
generate = 16
repetitions = 3
[memory]
context = 256
[quality]
context = 64
chunks = 4
[tasks]
items = 20
[budget]
cell_timeout = "1min"
"""
"""41 cells for one hardware class: 16 that need a node for themselves, 25 that do not."""


class Driver:
    """`grid sweep` on a host, in a folder of its own, with its progress as JSON lines."""

    def __init__(self, host: Host, name: str, sweep: str, where: str = "--address auto") -> None:
        self.host = host
        self.folder = host.home / name
        self.folder.mkdir(exist_ok=True)
        (self.folder / "sweep.toml").write_text(sweep)
        self._where = where
        self._runs = 0
        self.began_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def store(self) -> Path:
        return self.folder / "rows"

    @property
    def log(self) -> Path:
        """What the present run says, on both channels."""
        return self.folder / f"log{self._runs}.jsonl"

    def start(self) -> None:
        """The command, again and again the same."""
        self._runs += 1
        self.began_at = time.time()
        command = f"grid sweep sweep.toml --store rows --json {self._where}"
        self._process = self.host.start(f"cd {self.folder} && {IN_VENV} exec {command}", self.log)

    def wait(self, seconds: float) -> int:
        """Its exit code. Raises AssertionError with what it said where it does not end in time."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the sweep has not ended: {self.output()[-2000:]}") from None

    def ends(self, code: int, seconds: float) -> None:
        """With this exit code, and in time, and without a traceback."""
        status = self.wait(seconds)
        assert status == code, f"exit {status}, not {code}: {self.output()[-3000:]}"
        assert "Traceback" not in self.output(), self.output()[-3000:]

    def kill(self) -> None:
        """As the system does it when memory is short: at once, without a word."""
        assert self.host.kill(r"^\S*python\S* \S*grid sweep sweep\.toml")
        self.wait(20)

    def output(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def events(self) -> list[Event]:
        """The progress of the present run so far."""
        lines = self.output().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def wait_for(
        self, condition: Callable[[list[Event]], bool], what: str, seconds: float
    ) -> float:
        """Until the progress so far is as asked; returns how long it took."""

        def is_met() -> bool:
            assert self._process is not None
            if condition(self.events()):
                return True
            assert self._process.poll() is None, f"the sweep ended without {what}: {self.output()}"
            return False

        try:
            return wait_for(is_met, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the sweep said: {self.output()[-20_000:]}") from None

    def wait_for_cells(self, count: int, seconds: float = 120.0) -> None:
        """Until so many cells have ended in the present run."""
        self.wait_for(
            lambda events: len(ended_cells(events)) >= count, f"{count} cells done", seconds
        )

    def results(self) -> Results:
        return grid.open(self.store)


def ended_cells(events: list[Event], node: str = "") -> list[Event]:
    """The cells that ended, on one node where it is named."""
    finished = [event for event in events if event["event"] == "finished"]
    return [event for event in finished if not node or event["node"] == node]


def started_cells(events: list[Event], node: str) -> list[Event]:
    return [event for event in events if event["event"] == "started" and event["node"] == node]


def cells_restarted(events: list[Event], node: str, since: float) -> dict[str, float]:
    """{cell: seconds after `since`} that a node left open when it was lost, and that began once
    more: elsewhere, or there when it was back; empty until its loss is seen."""
    lost = [
        event["at"]
        for event in events
        if event["event"] == "nodes" and event["at"] > since and node not in event["names"]
    ]
    if not lost:
        return {}
    open_then = {event["cell"] for event in started_cells(events, node) if event["at"] < lost[0]}
    open_then -= {event["cell"] for event in ended_cells(events, node) if event["at"] < lost[0]}
    restarted = [
        event
        for event in events
        if event["event"] == "started" and (event["node"] != node or event["at"] > lost[0])
    ]
    return {e["cell"]: e["at"] - since for e in restarted if e["cell"] in open_then}


def notes(events: list[Event]) -> str:
    return "\n".join(event["text"] for event in events if event["event"] == "note")


def planned_cells(host: Host, folder: Path) -> dict[str, bool]:
    """{cell: needs its node for itself} of the sweep as this host alone plans it."""
    command = f"cd {folder} && {IN_VENV} grid plan {folder}/sweep.toml --store nowhere --json"
    plan = json.loads(host.run(command).stdout)
    assert not plan["skipped"], plan["skipped"]
    return {cell["cell"]: cell["scope"] == plan["hardware_class"] for cell in plan["cells"]}


def expected_cells(cluster: Cluster, driver: Driver) -> set[str]:
    """What the cluster's hosts plan, each for itself; a host of each class is asked."""
    hosts: dict[str, Host] = {}
    for host in cluster.hosts:
        hosts.setdefault(str(cluster.probes[host.name]), host)
    cells: set[str] = set()
    for host in hosts.values():
        folder = host.home / "plan"
        folder.mkdir(exist_ok=True)
        (folder / "sweep.toml").write_text((driver.folder / "sweep.toml").read_text())
        cells |= planned_cells(host, folder).keys()
    return cells
