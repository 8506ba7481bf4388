"""Facts about a host, read over ssh: `python -m grid.cluster.facts` prints them there."""

from __future__ import annotations

import platform
import shutil
import sys
import time
from importlib.metadata import version

import msgspec

from grid.cache import cache_dir
from grid.cluster.ssh import ERROR_PREFIX, CommandFailed, Completed, Host, last_line, run
from grid.cluster.token import TokenState, token_state
from grid.errors import GridError
from grid.hardware.probe import probe_node
from grid.sweep.node_report import code_digest

NODE_FOLDER = "~/quantgrid"
"""Where a cluster's file puts this project on every node."""

NODE_ENVIRONMENT = f". {NODE_FOLDER}/scripts/node-env.sh"
"""Sets what Ray needs, and puts the node's `python`, `ray` and `grid` on the path."""

ASK_S = 90.0
"""The first question measures the bandwidth too, on a machine that may be busy."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about a host. `clock` is its time in seconds since the epoch; `clock_offset_s`, filled
    in by who asks, how far that is ahead of the asker's. `free_bytes` is of the disk with the
    cache."""

    name: str
    hardware_class: str
    device_kind: str
    python: str
    ray: str
    quantgrid: str
    code: str
    clock: float
    free_bytes: int
    token: TokenState = TokenState()
    overridden: tuple[str, ...] = ()
    clock_offset_s: float = 0.0


def facts_here() -> Facts:
    """The facts of this machine. Raises InputError where its node.toml is wrong."""
    node = probe_node()
    return Facts(
        name=node.name,
        hardware_class=node.hardware_class,
        device_kind=node.device_kind,
        python=platform.python_version(),
        ray=version("ray"),
        quantgrid=version("quantgrid"),
        code=code_digest(),
        clock=time.time(),
        free_bytes=_free_bytes(),
        token=token_state(),
        overridden=node.overridden,
    )


def facts_of(host: Host) -> Facts:
    """The facts of another machine. Raises HostSilent where ssh does not reach it, CommandFailed
    where it is not set up."""
    done = on_node(host, "python -m grid.cluster.facts", ASK_S)
    asked_until = time.time()
    if done.code:
        error = last_line(done.stderr) or "it says nothing"
        if error.startswith(ERROR_PREFIX):
            raise CommandFailed(f"on {host}: {error.removeprefix(ERROR_PREFIX)}")
        raise CommandFailed(f"{host} is not set up: {error}; `grid cluster up` does it")
    try:
        facts = msgspec.json.decode(done.stdout.splitlines()[-1], type=Facts)
    except (msgspec.MsgspecError, IndexError):
        raise CommandFailed(
            f"{host} answers unlike this version of quantgrid; `grid cluster down`, then `up`, "
            "brings it there"
        ) from None
    # The clock is read as the last thing there, so the way back is all that lies between.
    return msgspec.structs.replace(facts, clock_offset_s=facts.clock - asked_until)


def on_node(host: Host, command: str, timeout_s: float = 60.0, prefix: str = "") -> Completed:
    """Run a shell's command on a node as `ray up` does: in a login shell, with the user's own
    start file; `prefix` goes before the node's environment. Raises HostSilent."""
    words = [prefix, NODE_ENVIRONMENT, command] if prefix else [NODE_ENVIRONMENT, command]
    script = "source ~/.bashrc 2>/dev/null; " + "; ".join(words)
    return run(host, ["bash", "--login", "-i", "-c", script], timeout_s=timeout_s)


def _free_bytes() -> int:
    folder = cache_dir()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


if __name__ == "__main__":
    try:
        sys.stdout.write(msgspec.json.encode(facts_here()).decode() + "\n")
    except GridError as error:
        sys.stderr.write(f"{ERROR_PREFIX}{error}\n")
        sys.exit(error.exit_code)
