"""A rack of hosts on one machine: each a set of Linux namespaces with an sshd of its own.

    with Rack() as rack:
        box = rack.add_host("box")
        box.run("hostname")
        rack.laptop.run("ssh 10.77.0.1 hostname")

Hosts share the kernel, the cores and the programs of this machine; each has its own network
address, processes, name, HOME, /tmp and /dev/shm, and sees no other host's files. The switch that
joins them is a network namespace too, with no way out. Everything ends when the process that made
the rack does, however it ends: each namespace's first process waits at a pipe from here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from cluster.machine import (
    accounts,
    attempt,
    child_of,
    command_line,
    end_first,
    environment_of,
    must,
    namespace_of,
    pids,
    uv,
    wait_for,
)

NAMES = ("laptop", "box", "gamer", "mini", "late")
"""All hosts that a rack can have. The laptop has no sshd: it is where the user sits."""
SUBNET = "10.77.0"
INIT = Path(__file__).with_name("host-init.sh")
START_S = 20.0


@dataclass
class Host:
    """One machine of the rack, running. `pid` is its first process, as this machine counts."""

    name: str
    address: str
    folder: Path
    environment: Mapping[str, str]
    first: subprocess.Popen[bytes]
    pid: int

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def command(self, command: str) -> list[str]:
        """The argument list that runs a shell's command here as the host's user at a terminal."""
        return [
            *("nsenter", "-t", str(self.pid), "-m", "-p", "-u", "-n", "--"),
            *("env", "-i", *(f"{key}={value}" for key, value in self.environment.items())),
            *("bash", "-c", f"cd {shlex.quote(str(self.home))} && {command}"),
        ]

    def run(
        self, command: str, timeout: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs to the end. Raises AssertionError with what it said where `check` and it fails."""
        done = attempt(self.command(command), timeout)
        text = f"{self.name}: {command}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert not check or done.returncode == 0, text
        return done

    def start(self, command: str, output: Path) -> subprocess.Popen[bytes]:
        """Runs beside the test; what it says on both channels goes to the file."""
        with output.open("ab") as log:
            return subprocess.Popen(
                self.command(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def processes(self, pattern: str) -> dict[int, str]:
        """{pid on this machine: command line} of the host's processes that the pattern is in."""
        mine = namespace_of(self.pid)
        lines = {pid: command_line(pid) for pid in pids() if namespace_of(pid) == mine}
        return {pid: line for pid, line in lines.items() if re.search(pattern, line)}

    def kill(self, pattern: str, number: signal.Signals = signal.SIGKILL) -> list[str]:
        """Signals every process of the host that the pattern is in; returns their command lines."""
        pids = self.processes(pattern)
        for pid in pids:
            os.kill(pid, number)
        return list(pids.values())

    def off(self) -> None:
        """Power off: every process of the host is killed, its folders stay."""
        end_first(self.first)


@dataclass
class Rack:
    """The hosts, their switch, and their folder on this machine's disk."""

    folder: Path = field(init=False)
    hosts: dict[str, Host] = field(default_factory=dict)
    _switch: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Self:
        # Not under /tmp, which each host has of its own. On the disk of uv's cache, with luck: then
        # uv makes the hosts' environments of links.
        self.folder = Path(tempfile.mkdtemp(prefix="quantgrid-rack-", dir="/var/tmp"))
        try:
            self._switch = subprocess.Popen(
                ["unshare", "--net", "sh", "-c", _SWITCH],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            _expect_ready(self._switch, "the switch")
            self._keys()
            self._add("laptop")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends every process of the rack; its folder is removed meanwhile."""
        for host in self.hosts.values():
            host.off()
        self.hosts.clear()
        end_first(self._switch)
        # Four environments are 100,000 files: nobody waits for them.
        subprocess.Popen(["rm", "-rf", str(self.folder)], start_new_session=True)

    @property
    def laptop(self) -> Host:
        """The machine without sshd that the user sits at; its key opens the hosts."""
        return self.hosts["laptop"]

    @property
    def key(self) -> Path:
        """The private key, at the place where the laptop's ssh looks by itself."""
        return self.folder / "laptop" / "home" / ".ssh" / "id_ed25519"

    def add_host(self, name: str) -> Host:
        """Starts one of NAMES, with sshd, and waits until it answers the laptop."""
        host = self._add(name)
        greet = f"ssh -o BatchMode=yes -o StrictHostKeyChecking=no {host.address} true"
        wait_for(
            lambda: self.laptop.run(greet, check=False).returncode == 0, f"{name}'s sshd", START_S
        )
        return host

    def remove(self, host: Host) -> None:
        """Switches a host off for good; another of its name may come."""
        host.off()
        del self.hosts[host.name]
        shutil.rmtree(host.folder)

    def cut(self, host: Host) -> None:
        """Takes the host's cable out of the switch: what is sent is lost without a word."""
        self._network(f"ip link set {host.name} nomaster")

    def restore(self, host: Host) -> None:
        self._network(f"ip link set {host.name} master switch")

    def _add(self, name: str) -> Host:
        folder = self.folder / name
        environment = environment_of(folder / "home")
        self._fill(folder, environment, serves=name != "laptop")
        others = [
            str(self.folder / name_of_other) for name_of_other in NAMES if name_of_other != name
        ]
        for name_of_other in others:
            Path(name_of_other).mkdir(exist_ok=True)
        first = subprocess.Popen(
            [
                *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"),
                *("--mount-proc", "--uts", "bash", str(INIT), str(folder), *others),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, "PATH": os.environ["PATH"]},
        )
        _expect_ready(first, name)
        address = f"{SUBNET}.{NAMES.index(name) or 254}"
        host = Host(name, address, folder, environment, first, child_of(first.pid))
        self.hosts[name] = host
        self._plug(host)
        return host

    def _plug(self, host: Host) -> None:
        self._network(f"ip link add {host.name} type veth peer name eth0 netns {host.pid}")
        self._network(f"ip link set {host.name} master switch up")
        inside = f"ip addr add {host.address}/24 dev eth0 && ip link set eth0 up"
        must(["nsenter", "-t", str(host.pid), "-n", "sh", "-c", inside])

    def _network(self, command: str) -> None:
        # -n alone: `netns PID` is looked up in this machine's processes.
        must(["nsenter", "-t", str(self._switch.pid), "-n", *command.split()])

    def _keys(self) -> None:
        self.key.parent.mkdir(parents=True, mode=0o700)
        for path in (self.key, self.folder / "host_key"):
            must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)])

    def _fill(self, folder: Path, environment: Mapping[str, str], serves: bool) -> None:
        """The host's own files: accounts, the shell's start files, uv, and sshd's configuration."""
        home = folder / "home"
        (home / ".local" / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "passwd").write_text(accounts(home))
        (folder / "shadow").write_text("root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n")
        exports = [f"export {key}={shlex.quote(value)}" for key, value in environment.items()]
        for name in (".profile", ".bashrc"):
            (home / name).write_text("\n".join(exports) + "\n")
        link = home / ".local" / "bin" / "uv"
        if not link.is_symlink():
            link.symlink_to(uv())
        if serves:
            values = " ".join(f'"{key}={value}"' for key, value in environment.items())
            (folder / "sshd_config").write_text(
                f"HostKey {self.folder / 'host_key'}\n"
                f"AuthorizedKeysFile {folder / 'authorized_keys'}\n"
                "PermitRootLogin prohibit-password\nStrictModes no\nUsePAM no\nPidFile none\n"
                f"SetEnv {values}\n"
            )
            shutil.copy(self.key.with_suffix(".pub"), folder / "authorized_keys")


_SWITCH = """
ip link set lo up
ip link add switch type bridge
ip link set switch up
echo ready
read -r _
"""


def _expect_ready(first: subprocess.Popen[bytes], what: str) -> None:
    assert first.stdout is not None
    line = first.stdout.readline()
    assert line == b"ready\n", f"{what} did not start: {line!r}"
