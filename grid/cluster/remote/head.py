"""A cluster's head as it is asked over ssh."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from grid.cluster import ssh
from grid.cluster.facts import NODE_ENVIRONMENT
from grid.cluster.remote.runs import HeadState, Request, Status
from grid.cluster.ssh import Completed, Host, HostSilent
from grid.errors import ClusterLost, GridError, InputError

ASK_S = 60.0

_SIGNALS = 128
"""Exit codes of a shell's command from here on say that a signal ended it."""

_REFUSED = InputError.exit_code

FOLLOWING = '{"event":"following"}'
"""Ends what the shell's own files print before the lines of a log."""

SAYS = "grid: "
"""Begins the line in which the head says what is wrong."""

Answer = TypeVar("Answer", bound=msgspec.Struct)


class Unlike(ClusterLost):
    """The head has another quantgrid, whose answers mean nothing here."""


class Head:
    """Asks `python -m grid.cluster.remote` on a host. Every method raises HostSilent where ssh
    fails, and what the head refuses as InputError or ClusterLost."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def state(self, connect_s: float) -> HeadState:
        done = ssh.run(self.host, _words("state"), timeout_s=ASK_S, connect_s=connect_s)
        return self._one(done, HeadState)

    def start(self, request: Request) -> Status:
        given = msgspec.json.encode(request)
        return self._one(ssh.run(self.host, _words("start"), ASK_S, input=given), Status)

    def runs(self) -> list[Status]:
        """The newest first."""
        return self._answers(ssh.run(self.host, _words("list"), ASK_S), Status)

    def stop(self, run_id: str) -> Status:
        return self._one(ssh.run(self.host, _words("stop", run_id), ASK_S), Status)

    @contextmanager
    def follow(self, run_id: str, first: int) -> Iterator[Iterator[str]]:
        """The lines of a run's log from number `first` on, empty ones in between, `Exit` last."""
        with ssh.stream(self.host, _words("follow", run_id, str(first))) as lines:
            yield self._whole(lines)

    def _whole(self, lines: ssh.Lines) -> Iterator[str]:
        for line in lines:
            if line == FOLLOWING:
                break
        yield from lines
        if lines.code and lines.code >= _SIGNALS:  # the machine is going down
            raise HostSilent(f"{self.host} does not answer: it ended the connection")
        if lines.code:
            raise self._failed(lines.code, lines.stderr)

    def _one(self, done: Completed, kind: type[Answer]) -> Answer:
        answers = self._answers(done, kind)
        if not answers:
            raise self._failed(done.code, done.stderr)
        return answers[-1]

    def _answers(self, done: Completed, kind: type[Answer]) -> list[Answer]:
        if done.code:
            raise self._failed(done.code, done.stderr)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        try:
            return [msgspec.json.decode(line, type=kind) for line in lines]
        except msgspec.MsgspecError:
            raise Unlike(
                f"{self.host} answers unlike this version of quantgrid; `grid cluster up` makes "
                "them alike"
            ) from None

    def _failed(self, code: int, stderr: str) -> GridError:
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        said = [line.removeprefix(SAYS) for line in lines if line.startswith(SAYS)]
        if said:
            return (InputError if code == _REFUSED else ClusterLost)(said[-1])
        last = lines[-1] if lines else f"it ended with exit code {code}"
        return ClusterLost(f"{self.host} is not set up: {last}; `grid cluster up` does it")


def _words(*arguments: str) -> Sequence[str]:
    """As `ray up` runs commands: in a login shell that has read the user's own start file, of which
    Debian's ends at once in a shell that is not interactive."""
    asked = shlex.join(["python", "-m", "grid.cluster.remote", *arguments])
    script = f"source ~/.bashrc >/dev/null 2>&1; {NODE_ENVIRONMENT} && exec {asked}"
    return ["bash", "--login", "-i", "-c", script]
