"""Questions to a cluster's head over ssh: its state, its runs, and to start, follow or stop one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from grid.cluster import ssh
from grid.cluster.facts import NODE_ENVIRONMENT
from grid.cluster.remote.runs import HeadState, Request, RunStatus
from grid.cluster.ssh import ERROR_PREFIX, Host, HostSilent
from grid.errors import ClusterLost, GridError, InputError

ASK_S = 60.0

_SIGNALS = 128
"""Exit codes of a shell's command from here on say that a signal ended it."""

_REFUSED = InputError.exit_code

FOLLOWING = '{"event":"following"}'
"""Ends what the shell's own files print before the lines of a log."""

Answer = TypeVar("Answer", bound=msgspec.Struct)


class VersionMismatch(ClusterLost):
    """The head has a quantgrid whose answers this one cannot read."""


class Head:
    """Asks `python -m grid.cluster.remote` on a host. Every method raises HostSilent where ssh
    fails, and what the head refuses as InputError or ClusterLost."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def state(self, connect_s: float) -> HeadState:
        return self._ask(HeadState, "state", connect_s=connect_s)[-1]

    def start(self, request: Request) -> RunStatus:
        return self._ask(RunStatus, "start", input=msgspec.json.encode(request))[-1]

    def runs(self) -> list[RunStatus]:
        """The newest first."""
        return self._ask(RunStatus, "list", may_be_empty=True)

    def stop(self, run_id: str) -> RunStatus:
        return self._ask(RunStatus, "stop", run_id)[-1]

    @contextmanager
    def follow(self, run_id: str, first: int) -> Iterator[Iterator[str]]:
        """The lines of a run's log from number `first` on, empty ones in between, `Exit` last."""
        with ssh.stream(self.host, _remote_command("follow", run_id, str(first))) as lines:
            yield self._log_lines(lines)

    def _log_lines(self, lines: ssh.CommandOutput) -> Iterator[str]:
        for line in lines:
            if line == FOLLOWING:
                break
        yield from lines
        if lines.code and lines.code >= _SIGNALS:  # the machine is going down
            raise HostSilent(f"{self.host} does not answer: it ended the connection")
        if lines.code:
            raise self._failure(lines.code, lines.stderr)

    def _ask(
        self,
        kind: type[Answer],
        *arguments: str,
        input: bytes | None = None,
        connect_s: float = ssh.CONNECT_S,
        may_be_empty: bool = False,
    ) -> list[Answer]:
        """The JSON lines that a command of the head prints; at least one unless `may_be_empty`."""
        command = _remote_command(*arguments)
        done = ssh.run(self.host, command, ASK_S, input=input, connect_s=connect_s)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.code or not (lines or may_be_empty):
            raise self._failure(done.code, done.stderr)
        try:
            return [msgspec.json.decode(line, type=kind) for line in lines]
        except msgspec.MsgspecError:
            raise VersionMismatch(
                f"{self.host} answers unlike this version of quantgrid; `grid cluster up` makes "
                "them alike"
            ) from None

    def _failure(self, code: int, stderr: str) -> GridError:
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(ERROR_PREFIX)]
        if errors:
            kind = InputError if code == _REFUSED else ClusterLost
            return kind(errors[-1].removeprefix(ERROR_PREFIX))
        last = lines[-1] if lines else f"it ended with exit code {code}"
        return ClusterLost(f"{self.host} is not set up: {last}; `grid cluster up` does it")


def _remote_command(*arguments: str) -> Sequence[str]:
    """Words that run a command as `ray up` does: in a login shell that has read the user's own
    start file, of which Debian's ends at once in a shell that is not interactive."""
    command = shlex.join(["python", "-m", "grid.cluster.remote", *arguments])
    script = f"source ~/.bashrc >/dev/null 2>&1; {NODE_ENVIRONMENT} && exec {command}"
    return ["bash", "--login", "-i", "-c", script]
