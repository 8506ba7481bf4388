"""Other machines by ssh and rsync: run a command, follow one, copy files there and back.

The system's own `ssh` and `rsync` are used, so keys, agents and `~/.ssh/config` hold as they do at
the prompt. Nothing ever asks a question: a host that wants a password is a host that does not
answer.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, ClassVar, Self

import msgspec

from grid.cluster.subprocesses import call
from grid.errors import GridError, InputError

CONNECT_S = 10
ALIVE_S = 5
"""Seconds between two questions whether the other side is still there; three go unanswered."""

SSH_FAILED = 255
"""Exit code of ssh where ssh itself failed, and not the command."""

PART = ".quantgrid-part"
"""Folder beside a file that arrives, for what came of it before a copy broke off."""


class Host(msgspec.Struct, frozen=True):
    """A machine that ssh reaches. Empty fields are left to ssh and its own configuration."""

    address: str
    user: str = ""
    key: str = ""
    """Path of the private key."""
    proxy: str = ""
    """ssh's ProxyCommand, as in a cluster file."""
    port: int = 0
    """0: as ssh has it."""
    known_hosts: str = ""
    """Path of the file of known host keys."""

    def __str__(self) -> str:
        name = f"{self.user}@{self.address}" if self.user else self.address
        return name if self.port in (0, 22) else f"{name} port {self.port}"


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """What a command left behind: its exit code, and its output as text."""

    code: int
    stdout: str
    stderr: str


class HostSilent(GridError):
    """ssh did not reach a host, or lost it."""

    exit_code: ClassVar[int] = 3


class CommandFailed(GridError):
    """A command on a host, or a copy, ended with an error."""


def ssh_command(host: Host, connect_s: float = CONNECT_S) -> list[str]:
    """`ssh` with every option that a host needs, without its address."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(max(1, round(connect_s))),
        "StrictHostKeyChecking": "accept-new",
        "ServerAliveInterval": str(ALIVE_S),
        "LogLevel": "ERROR",  # else "Permanently added ..." stands among the errors
    }
    if host.key:
        options["IdentitiesOnly"] = "yes"
    if host.proxy:
        options["ProxyCommand"] = host.proxy
    if host.known_hosts:
        options["UserKnownHostsFile"] = f'"{host.known_hosts}"'  # ssh takes it for a list of them
    command = ["ssh", "-T"]
    command += ["-p", str(host.port)] if host.port else []
    command += ["-i", os.path.expanduser(host.key)] if host.key else []
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    return [*command, "-l", host.user] if host.user else command


def run(
    host: Host,
    command: Sequence[str] | str,
    timeout_s: float = 60.0,
    input: bytes | None = None,
    check: bool = False,
    connect_s: float = CONNECT_S,
) -> Completed:
    """Run a command on a host and wait for its end; words are quoted, a text goes to the shell.

    Raises HostSilent where ssh fails or `timeout_s` is over; with `check` CommandFailed where the
    command ends with another code than 0.
    """
    full = [*ssh_command(host, connect_s), "--", host.address, _shell(command)]
    try:
        done = call(full, input or b"", timeout_s)
    except FileNotFoundError:
        raise _missing("ssh") from None
    except subprocess.TimeoutExpired:
        raise HostSilent(
            f"{host} did not end `{_brief(command)}` within {timeout_s:g} s; "
            f"see whether the machine hangs: {_by_hand(host)}"
        ) from None
    stdout, stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    if done.returncode == SSH_FAILED:
        raise _silent(host, stderr)
    if check and done.returncode:
        said = _last_line(stderr) or _last_line(stdout) or f"exit code {done.returncode}"
        raise CommandFailed(f"`{_brief(command)}` on {host}: {said}")
    return Completed(code=done.returncode, stdout=stdout, stderr=stderr)


class Lines:
    """A command's standard output, line by line without the ends; `code` is there after the last.

    Raises HostSilent in the middle where the connection is lost.
    """

    def __init__(self, host: Host, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        self._host = host
        self._process = process
        self._said = said
        self.code: int | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return line.decode(errors="replace").rstrip("\r\n")
        self.code = self._process.wait()
        if self.code == SSH_FAILED:
            raise _silent(self._host, self.stderr)
        raise StopIteration

    @property
    def stderr(self) -> str:
        """What the command, or ssh, has said on standard error so far."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace")


@contextmanager
def stream(
    host: Host,
    command: Sequence[str] | str,
    input: bytes | None = None,
) -> Iterator[Lines]:
    """Follow a command on a host while it runs; leaving ends the connection."""
    full = [*ssh_command(host), "--", host.address, _shell(command)]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as given:
        given.write(input or b"")
        given.seek(0)
        try:
            process = subprocess.Popen(
                full, stdin=given, stdout=subprocess.PIPE, stderr=said, start_new_session=True
            )
        except FileNotFoundError:
            raise _missing("ssh") from None
        try:
            yield Lines(host, process, said)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def push(
    host: Host,
    sources: Sequence[str | Path],
    target: str,
    excludes: Sequence[str] = (),
    options: Sequence[str] = (),
) -> None:
    """Copy files and folders into a folder on the host, which is made; `~/` is its home.

    As with rsync, a folder with a slash at its end stands for what is in it. A file appears under
    its name when it is whole; what came of it before a break is used by the next copy; a file of
    the same size and time is not sent again. `options` are further ones of rsync. Raises HostSilent
    where the connection fails, CommandFailed where the copy does.
    """
    folder = _remote(target)
    make = f"--rsync-path=mkdir -p -- {shlex.quote(folder)} && rsync"
    paths = [_local(os.fspath(source)) for source in sources]
    given = [*_quoting(folder), make, *_excluded(excludes), *options]
    _rsync(host, given, paths, _there(host, f"{folder}/"))


def pull(
    host: Host,
    source: str,
    target: str | Path,
    excludes: Sequence[str] = (),
    options: Sequence[str] = (),
) -> None:
    """Copy a file or a folder of the host into a folder here, which is made; else as `push`."""
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    there = _there(host, _remote(source))
    given = [*_quoting(source), *_excluded(excludes), *options]
    _rsync(host, given, [there], f"{_local(str(folder))}/")


def _rsync(host: Host, options: Sequence[str], sources: Sequence[str], target: str) -> None:
    command = ["rsync", "-a", "--no-owner", "--no-group", f"--partial-dir={PART}"]
    command += ["-e", shlex.join(ssh_command(host)), *options, "--", *sources, target]
    try:
        done = call(command)
    except FileNotFoundError:
        raise _missing("rsync") from None
    # the first line has the reason, rsync's own lines after it what became of the copy
    said = next(iter(done.stderr.decode(errors="replace").splitlines()), "")
    if done.returncode == SSH_FAILED:
        raise _silent(host, said)
    if done.returncode:
        raise CommandFailed(f"copying with {host}: {said or f'rsync ended with {done.returncode}'}")


def _quoting(there: str) -> list[str]:
    """So that no shell there reads a path; only where it must, for the rsync of macOS does not know
    it."""
    path = _remote(there)
    return [] if shlex.quote(path) == path else ["-s"]


def _excluded(patterns: Sequence[str]) -> list[str]:
    return [f"--exclude={pattern}" for pattern in patterns]


def _there(host: Host, path: str) -> str:
    return f"[{host.address}]:{path}" if ":" in host.address else f"{host.address}:{path}"


def _remote(path: str) -> str:
    """A path as rsync has it there: the home is where it begins, and `~` is not spelled out."""
    return path.removeprefix("~/") or "."


def _local(path: str) -> str:
    # rsync would take `a:b` for a file on the host a
    return path if path.startswith("/") else f"./{path}"


def _shell(command: Sequence[str] | str) -> str:
    return command if isinstance(command, str) else shlex.join(command)


def _brief(command: Sequence[str] | str) -> str:
    text = " ".join(_shell(command).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _by_hand(host: Host) -> str:
    """The command that shows a person what ssh has against a host."""
    words = ["ssh"]
    words += ["-i", host.key] if host.key else []
    words += ["-p", str(host.port)] if host.port else []
    words += ["-o", f"ProxyCommand={host.proxy}"] if host.proxy else []
    return shlex.join([*words, f"{host.user}@{host.address}" if host.user else host.address])


def _silent(host: Host, stderr: str) -> HostSilent:
    said = _last_line(stderr) or "the connection ended"
    return HostSilent(f"{host} does not answer: {said}; try: {_by_hand(host)}")


def _missing(program: str) -> InputError:
    return InputError(f"{program} is not installed on this machine; other machines need it")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
