"""A real sshd on this machine, as another host: own keys, own home folder, no configuration."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from grid.cluster.ssh import Host

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", ""))
MISSING = [name for name in ("ssh", "ssh-keygen", "rsync") if shutil.which(name) is None]
READY_S = 20.0


def reason_to_skip() -> str:
    """What this machine lacks for such a host; empty where nothing."""
    missing = [*MISSING, *([] if SSHD else ["sshd"])]
    return f"needs {', '.join(missing)}" if missing else ""


class SshHost:
    """One sshd: `host` reaches it, `home` is the home folder that its commands see."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self.port = _free_port()
        self._key("host_key")
        self._key("user_key")
        self._authorize()
        self.host = Host(
            address="127.0.0.1",
            key=str(folder / "user_key"),
            port=self.port,
            known_hosts=str(folder / "known_hosts"),
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        assert SSHD is not None
        settings = {
            "ListenAddress": "127.0.0.1",
            "UsePAM": "no",
            "StrictModes": "no",
            "PidFile": "none",
            "MaxStartups": "100",
            "AuthorizedKeysFile": str(self.folder / "authorized_keys"),
        }
        options = [word for item in settings.items() for word in ("-o", "=".join(item))]
        Path("/run/sshd").mkdir(parents=True, exist_ok=True)
        command = [SSHD, "-D", "-e", "-f", "/dev/null", "-h", str(self.folder / "host_key")]
        self._process = subprocess.Popen(
            [*command, "-p", str(self.port), *options],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        log, listens = self._process.stderr, threading.Event()
        assert log is not None
        threading.Thread(target=self._keep_log, args=(log, listens), daemon=True).start()
        assert listens.wait(READY_S), (self.folder / "sshd.log").read_text()

    def _keep_log(self, log: IO[bytes], listens: threading.Event) -> None:
        with log, (self.folder / "sshd.log").open("ab", buffering=0) as file:
            for line in log:
                file.write(line)
                if line.startswith(b"Server listening"):
                    listens.set()

    def drop(self) -> None:
        """Break every connection, at once; new ones are taken."""
        _kill(self._sessions())

    def stop(self) -> None:
        """Break every connection, and take no new ones."""
        if self._process is not None:
            sessions = self._sessions()
            self._process.kill()
            self._process.wait()
            _kill(sessions)
            self._process = None

    def _sessions(self) -> list[psutil.Process]:
        assert self._process is not None
        below = psutil.Process(self._process.pid).children(recursive=True)
        return [process for process in below if process.name().startswith("sshd")]

    def _key(self, name: str) -> None:
        if not (self.folder / name).exists():
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
            subprocess.run(words, check=True, stdin=subprocess.DEVNULL)

    def _authorize(self) -> None:
        # sshd itself would start commands in the home folder of the system's account
        shell = f'export HOME={self.home}; cd; exec sh -c \\"$SSH_ORIGINAL_COMMAND\\"'
        public = (self.folder / "user_key.pub").read_text()
        (self.folder / "authorized_keys").write_text(f'command="{shell}" {public}')


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # a session may end by itself, with its connection
            process.kill()


@contextmanager
def ssh_host(folder: Path) -> Iterator[SshHost]:
    """A host that answers until the block is left."""
    host = SshHost(folder)
    host.start()
    try:
        yield host
    finally:
        host.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def set_up(host: SshHost, **variables: str | Path) -> None:
    """Make a host a node as `ray up` leaves it, with this interpreter and environment variables."""
    script = host.home / "quantgrid/scripts/node-env.sh"
    script.parent.mkdir(parents=True, exist_ok=True)
    python = Path(sys.executable).parent
    own = " ".join(f"{name}={value}" for name, value in variables.items())
    script.write_text(f"export PATH={python}:$PATH {own}\n")
