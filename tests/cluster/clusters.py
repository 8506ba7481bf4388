"""The shipped cluster.yaml on a rack: a checkout on the laptop, addresses filled in, `ray up`."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cluster.hosts import Host, Rack
from cluster.machine import wait_for

CHECKOUT = Path(__file__).resolve().parents[2]
NOT_COPIED = (
    "/.git",
    "/.venv",
    "/results/*",
    "__pycache__",
    "*.egg-info",
    ".mypy_cache",
    ".ruff_cache",
)
GRID = "cd ~/quantgrid && .venv/bin/grid"
UP_S = 240.0

SLOW = {"chip": "Slow chip", "bandwidth": "10GB/s"}
FAST = {"chip": "Fast chip", "bandwidth": "40GB/s"}
"""What the probe of a host is made to find: two hardware classes on one machine."""


@dataclass
class Cluster:
    """A head and workers of a rack. The first name is the head's."""

    rack: Rack
    probes: Mapping[str, Mapping[str, str]]
    """{host: what its node.toml says}, in the file's order."""
    hosts: list[Host] = field(init=False)

    def __post_init__(self) -> None:
        self.hosts = [self.rack.add_host(name) for name in self.probes]
        for host in self.hosts:
            probe_override(host, self.probes[host.name])
        _make_checkout(self.rack.laptop)
        self.write_file()

    @property
    def head(self) -> Host:
        return self.hosts[0]

    @property
    def file(self) -> Path:
        return self.rack.laptop.home / "quantgrid" / "cluster.yaml"

    def write_file(self, name: str = "cluster.yaml", *extra_addresses: str) -> None:
        """The shipped file with this rack's addresses, and perhaps `extra_addresses`, and user:
        nothing else is changed."""
        text = (CHECKOUT / "cluster.yaml").read_text()
        addresses = [*(host.address for host in self.hosts[1:]), *extra_addresses]
        workers = "".join(f"\n    - {address}" for address in dict.fromkeys(addresses))
        text = _replace_once(r"head_ip: \S+", f"head_ip: {self.head.address}", text)
        text = _replace_once(r"worker_ips:(\n +- [^\n]*)+", f"worker_ips:{workers}", text)
        text = _replace_once(r"ssh_user: \S+", "ssh_user: root", text)
        self.file.with_name(name).write_text(text)

    def up(self) -> None:
        """The real `ray up`, as a user types it; then each host of the file is alive."""
        self.rack.laptop.run("cd ~/quantgrid && .venv/bin/ray up -y cluster.yaml", UP_S)
        self.wait_alive({host.address for host in self.hosts})

    def wait_alive(self, addresses: set[str], seconds: float = 90.0) -> float:
        """Until Ray's living nodes are exactly these; returns how long it took."""
        return wait_for(lambda: self.alive() == addresses, f"living nodes {addresses}", seconds)

    def alive(self) -> set[str]:
        """Addresses of the nodes that Ray says live; empty where it does not answer."""
        done = self.head.run(f"{IN_VENV} python -c {shlex.quote(_ASK)}", check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
        return set(json.loads(lines[-1])) if lines else set()

    def prepare(self, name: str, probe: Mapping[str, str]) -> Host:
        """One more host, on which only Ray is still to be started; nothing is said to the head."""
        host = self.rack.add_host(name)
        probe_override(host, probe)
        self.set_up(host)
        install_fake(host)
        return host

    def join(self, host: Host, probe: Mapping[str, str]) -> None:
        """The host's Ray starts, as the file has it for a worker, while the cluster runs."""
        self.start_ray(host)
        self.probes = {**self.probes, host.name: probe}
        self.hosts.append(host)

    def leave(self, host: Host) -> None:
        """The host is switched off for good."""
        self.hosts.remove(host)
        self.probes = {name: probe for name, probe in self.probes.items() if name != host.name}
        self.rack.remove(host)

    def set_up(self, host: Host) -> None:
        """What `ray up` does on a worker before it starts Ray there."""
        content = self.content()
        for target, source in content["file_mounts"].items():
            remote = f"{host.address}:{target}"
            path = self.file.parent / Path(source).expanduser()
            slash = "/" if path.is_dir() else ""
            self.ssh(host, f"mkdir -p {Path(target).parent}")
            self.rack.laptop.run(f"rsync -a -e 'ssh {SSH}' {path}{slash} {remote}{slash}")
        noted = "quantgrid/scripts/.head"
        shutil.copytree(self.head.home / noted, host.home / noted)
        for command in content["worker_setup_commands"]:
            self.ssh(host, command)

    def start_ray(self, host: Host, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The file's start commands on a worker; returns what the last said."""
        commands = self.content()["worker_start_ray_commands"]
        together = "; ".join(commands)
        return self.ssh(host, f"export RAY_HEAD_IP={self.head.address}; {together}", check)

    def ssh(self, host: Host, command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command on a host, sent from the laptop."""
        words = f"ssh {SSH} {host.address} {shlex.quote(command)}"
        return self.rack.laptop.run(words, check=check)

    def content(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(self.file.read_text())
        return loaded

    def grid(
        self, arguments: str, timeout: float = 300, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """The grid command on the laptop, in the checkout."""
        return self.rack.laptop.run(f"{GRID} {arguments}", timeout, check)


SSH = "-o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ConnectTimeout=5"
IN_VENV = ". ~/quantgrid/scripts/node-env.sh;"

_ASK = """
import json, logging, ray
ray.init(address="auto", logging_level=logging.ERROR, log_to_driver=False)
print(json.dumps([n["NodeManagerAddress"] for n in ray.nodes() if n["Alive"]]))
"""


def probe_override(host: Host, values: Mapping[str, str]) -> None:
    """What the host's probe is made to find; by the file that its user would write."""
    folder = host.home / ".config" / "quantgrid"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in values.items()]
    (folder / "node.toml").write_text("".join(lines))


def install_fake(host: Host) -> None:
    """The tests' backend into a node's environment, as any plugin is installed."""
    host.run("cd ~/quantgrid && uv pip install -q --no-deps -e tests/fake_backend")


def _make_checkout(laptop: Host) -> None:
    target = laptop.home / "quantgrid"
    excluded = [f"--exclude={name}" for name in NOT_COPIED]
    subprocess.run(["rsync", "-a", *excluded, f"{CHECKOUT}/", str(target)], check=True)
    laptop.run("cd ~/quantgrid && uv sync --quiet")


def _replace_once(pattern: str, new: str, text: str) -> str:
    changed, count = re.subn(pattern, new, text)
    assert count == 1, f"{pattern} is {count} times in cluster.yaml"
    return changed
