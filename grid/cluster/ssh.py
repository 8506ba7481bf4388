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

ERROR_PREFIX = "grid: "
"""Begins the line in which quantgrid on another machine, or a command there, says what is wrong."""

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
    """The exit code of a command that ended, and its output as text."""

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
    full = [*ssh_command(host, connect_s), "--", host.address, _shell_text(command)]
    try:
        done = call(full, input or b"", timeout_s)
    except FileNotFoundError:
        raise _not_installed("ssh") from None
    except subprocess.TimeoutExpired:
        raise HostSilent(
            f"{host} did not end `{_abbreviate(command)}` within {timeout_s:g} s; "
            f"see whether the machine hangs: {_manual_command(host)}"
        ) from None
    stdout, stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    if done.returncode == SSH_FAILED:
        raise _host_silent(host, stderr)
    if check and done.returncode:
        reason = last_line(stderr) or last_line(stdout) or f"exit code {done.returncode}"
        raise CommandFailed(f"`{_abbreviate(command)}` on {host}: {reason}")
    return Completed(code=done.returncode, stdout=stdout, stderr=stderr)


class CommandOutput:
    """A command's standard output, line by line without the ends; `code` is there after the last.

    Raises HostSilent in the middle where the connection is lost.
    """

    def __init__(self, host: Host, process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
        self._host = host
        self._process = process
        self._stderr = stderr
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
            raise _host_silent(self._host, self.stderr)
        raise StopIteration

    @property
    def stderr(self) -> str:
        """Standard error of the command, or of ssh, so far."""
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")


@contextmanager
def stream(
    host: Host,
    command: Sequence[str] | str,
    input: bytes | None = None,
) -> Iterator[CommandOutput]:
    """Follow a command on a host while it runs; leaving ends the connection."""
    full = [*ssh_command(host), "--", host.address, _shell_text(command)]
    with tempfile.TemporaryFile() as stderr, tempfile.TemporaryFile() as stdin:
        stdin.write(input or b"")
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                full, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
            )
        except FileNotFoundError:
            raise _not_installed("ssh") from None
        try:
            yield CommandOutput(host, process, stderr)
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
    folder = _remote_path(target)
    make = f"--rsync-path=mkdir -p -- {shlex.quote(folder)} && rsync"
    paths = [_local_path(os.fspath(source)) for source in sources]
    arguments = [*_quoting_option(folder), make, *_exclude_options(excludes), *options]
    _rsync(host, arguments, paths, _rsync_location(host, f"{folder}/"))


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
    remote = _rsync_location(host, _remote_path(source))
    arguments = [*_quoting_option(source), *_exclude_options(excludes), *options]
    _rsync(host, arguments, [remote], f"{_local_path(str(folder))}/")


def _rsync(host: Host, options: Sequence[str], sources: Sequence[str], target: str) -> None:
    command = ["rsync", "-a", "--no-owner", "--no-group", f"--partial-dir={PART}"]
    command += ["-e", shlex.join(ssh_command(host)), *options, "--", *sources, target]
    try:
        done = call(command)
    except FileNotFoundError:
        raise _not_installed("rsync") from None
    # the first line has the reason, rsync's own lines after it what became of the copy
    reason = next(iter(done.stderr.decode(errors="replace").splitlines()), "")
    if done.returncode == SSH_FAILED or reason.startswith("ssh: "):  # rsync may hide ssh's code
        raise _host_silent(host, reason)
    if done.returncode:
        reason = reason or f"rsync ended with {done.returncode}"
        raise CommandFailed(f"copying with {host}: {reason}")


def _quoting_option(target: str) -> list[str]:
    """The option that keeps a remote shell from reading a path; only where it is needed, since the
    rsync of macOS does not know it."""
    path = _remote_path(target)
    return [] if shlex.quote(path) == path else ["-s"]


def _exclude_options(patterns: Sequence[str]) -> list[str]:
    return [f"--exclude={pattern}" for pattern in patterns]


def _rsync_location(host: Host, path: str) -> str:
    return f"[{host.address}]:{path}" if ":" in host.address else f"{host.address}:{path}"


def _remote_path(path: str) -> str:
    """A path as rsync takes it on a host: relative to the home, without `~`."""
    return path.removeprefix("~/") or "."


def _local_path(path: str) -> str:
    # rsync would take `a:b` for a file on the host a
    return path if path.startswith("/") else f"./{path}"


def _shell_text(command: Sequence[str] | str) -> str:
    return command if isinstance(command, str) else shlex.join(command)


def _abbreviate(command: Sequence[str] | str) -> str:
    text = " ".join(_shell_text(command).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _manual_command(host: Host) -> str:
    """The command by which a person sees why ssh does not reach a host."""
    words = ["ssh"]
    words += ["-i", host.key] if host.key else []
    words += ["-p", str(host.port)] if host.port else []
    words += ["-o", f"ProxyCommand={host.proxy}"] if host.proxy else []
    return shlex.join([*words, f"{host.user}@{host.address}" if host.user else host.address])


def _host_silent(host: Host, stderr: str) -> HostSilent:
    reason = last_line(stderr) or "the connection ended"
    return HostSilent(f"{host} does not answer: {reason}; try: {_manual_command(host)}")


def _not_installed(program: str) -> InputError:
    return InputError(f"{program} is not installed on this machine; other machines need it")


def last_line(text: str) -> str:
    """The last line that is not blank, without the spaces around it; empty where there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
