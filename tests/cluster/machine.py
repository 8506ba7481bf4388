"""What the hosts take from this machine: programs, uv and its cache, accounts, processes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = {
    "ip": "iproute2",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "rsync": "rsync",
    "unshare": "util-linux",
    "nsenter": "util-linux",
}


def missing() -> str:
    """Why no rack can be made here, or an empty text."""
    if os.geteuid() != 0:
        return "hosts as namespaces need root"
    lacking = sorted({package for name, package in PROGRAMS.items() if not shutil.which(name)})
    if lacking:
        return f"hosts as namespaces need the packages {', '.join(lacking)}"
    tried = attempt(["unshare", "--net", "--mount", "--pid", "--fork", "--uts", "true"])
    return "" if tried.returncode == 0 else f"no namespaces here: {tried.stderr.strip()}"


def wait_for(condition: Callable[[], bool], what: str, seconds: float) -> float:
    """Returns how long it took. Raises AssertionError after `seconds`."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"{what}: not within {seconds:g} s"
        time.sleep(0.1)
    return time.monotonic() - began


def environment_of(home: Path) -> dict[str, str]:
    """What a user of the host has set: no network but the rack's, so uv takes what it has."""
    python = Path(os.path.realpath(sys.executable)).parent
    wheels = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS")
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        "HOME": str(home),
        "USER": "root",
        "LOGNAME": "root",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "PATH": f"{home}/.local/bin:{python}:{system}",
        "UV_CACHE_DIR": must([str(uv()), "cache", "dir"]).strip(),
        "UV_OFFLINE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        **({"UV_FIND_LINKS": wheels} if wheels else {}),
    }


def uv() -> Path:
    """The uv that made this environment: another version may not read its cache."""
    python = Path(os.path.realpath(sys.executable))
    paths = [Path(os.environ["UV"])] if os.environ.get("UV") else []
    candidates = [*paths, python.with_name("uv"), Path(sys.executable).with_name("uv")]
    return next(path for path in candidates if path.is_file())


def accounts(home: Path) -> str:
    """This machine's accounts, with root at home in the host's folder."""
    lines = Path("/etc/passwd").read_text().splitlines()
    own = [line for line in lines if not line.startswith("root:")]
    return "\n".join([f"root:x:0:0:root:{home}:/bin/bash", *own]) + "\n"


def end_first(first: subprocess.Popen[bytes]) -> None:
    """Ends a namespace's first process, and with it all that runs there."""
    first.kill()
    first.wait(10)
    for pipe in (first.stdin, first.stdout):
        assert pipe is not None
        pipe.close()


def child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def namespace_of(pid: int) -> str:
    """The process's process namespace; empty where it has just ended."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def attempt(arguments: list[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def must(arguments: list[str]) -> str:
    done = attempt(arguments)
    assert done.returncode == 0, f"{shlex.join(arguments)}: {done.stderr}"
    return done.stdout
