"""Starting the nodes of a cluster's file that are not alive, over ssh, as `ray up` would."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from grid.cluster.alive import Living, living_of
from grid.cluster.config import Cluster
from grid.cluster.facts import NODE_FOLDER, on_node
from grid.cluster.ssh import CommandFailed, Completed, Host, push, run
from grid.cluster.subprocesses import together
from grid.errors import ClusterLost, GridError

Say = Callable[[str], None]
"""Takes one line for the user."""

NOTED = ".head"
"""Folder beside the scripts in which the head's set-up notes what workers must have alike."""

SET_UP_S = 1800.0
"""The first set-up of a node compiles llama.cpp, on a slow machine for minutes."""
START_S = 120.0
JOIN_S = 30.0
"""Seconds that a node may take to be seen by the head after it has started."""
REACH_S = 90.0
"""Seconds until a host that the autoscaler cannot reach by ssh is asked by us, who say why."""
LOOK_S = 3.0


class Occupied(CommandFailed):
    """Somebody works in the folder that a node's code goes into."""


def ensure_workers(cluster: Cluster, say: Say) -> dict[str, str]:
    """Start the workers of the file that are set up but not alive; `grid sweep` calls this.

    Returns why, for each that is still not there. Those that the autoscaler works on are left to
    it: they join later. Rented machines are not named in the file, and asked for by the sweep.
    Raises ClusterLost where the head has no running Ray.
    """
    if not cluster.workers:
        return {}
    now = look(cluster)
    missing = [one for one in cluster.workers if not now.is_alive(one.address)]
    later = [one for one in missing if now.being_set_up(one.address)]
    for host in later:
        say(f"{host.address}: being set up; it joins when it is ready")
    asked = [host for host in missing if host not in later]
    failed = start_all(cluster, asked, say, set_up=False)
    return failed | {host.address: "being set up" for host in later}


def wait_for_workers(
    cluster: Cluster, say: Say, just_started: bool = True, set_up: bool = True
) -> dict[str, str]:
    """Wait until the autoscaler has brought every worker up, and start those that it does not; at
    once where it was not `just_started` and works on none. `set_up` brings this machine's code.

    Returns why, for each that is not there in the end. Raises ClusterLost as `ensure_workers`.
    """
    began, tried, failed, told = time.monotonic(), set[str](), dict[str, str](), set[str]()
    while True:
        now = look(cluster)
        alive = {one.address for one in cluster.workers if now.is_alive(one.address)}
        for address in sorted(alive - told):
            say(f"{address}: alive")
        told |= alive
        waited = time.monotonic() - began
        open_ = [one for one in cluster.workers if one.address not in alive | tried]
        left = [one for one in open_ if not _worked_on(now, one, waited, just_started)]
        if left:
            tried |= {one.address for one in left}
            failed |= start_all(cluster, left, say, set_up)
        elif not open_:
            return {address: why for address, why in failed.items() if address not in alive}
        time.sleep(LOOK_S)


def look(cluster: Cluster) -> Living:
    """The head's own view. Raises ClusterLost where no Ray answers there."""
    addresses = [one.address for one in cluster.workers]
    found = living_of(cluster.head, cluster.name, addresses)
    if found.problem:
        raise ClusterLost(f"the head {cluster.head}: {found.problem}; try: grid cluster up")
    return found


def start_all(cluster: Cluster, hosts: Iterable[Host], say: Say, set_up: bool) -> dict[str, str]:
    """Start several workers at once, and say how it went; why, for each that did not join."""
    hosts = list(hosts)
    if not hosts:
        return {}
    for host in hosts:
        say(f"{host.address}: not alive; starting it")
    ended = together(lambda host: _started(cluster, host, set_up), hosts)
    failed = {host.address: why for host, why in zip(hosts, ended, strict=True) if why}
    waiting = [host for host in hosts if host.address not in failed]
    for host in _not_joined(cluster, waiting):
        failed[host.address] = "Ray started there, but the head does not see it"
    for host in hosts:
        why = failed.get(host.address)
        say(f"{host.address}: {why}" if why else f"{host.address}: started")
    return failed


def send_code(cluster: Cluster, host: Host) -> None:
    """Make the file's mounts on a host what they are here: unlike `ray up`, also without what is
    here no more. Raises Occupied where that is somebody's checkout, GridError."""
    if run(host, f"test -e {NODE_FOLDER}/.git").code == 0:
        raise Occupied(f"{NODE_FOLDER} on {host} is somebody's checkout; move it")
    for there, here in cluster.mounts.items():
        source = Path(here).expanduser()
        source = source if source.is_absolute() else cluster.path.parent / source
        folder, paths = _as_rsync(there, source)
        push(host, paths, folder, (*cluster.excludes, NOTED), ["--delete"])


def hand_over(cluster: Cluster, host: Host) -> None:
    """Give a worker the head's token and exact Python, by way of this process's memory only."""
    folder = f"{NODE_FOLDER}/scripts/{NOTED}"
    for name in ("auth_token", "python"):
        content = run(cluster.head, f"cat {folder}/{name}", check=True).stdout
        write = f"umask 077 && mkdir -p {folder} && cat >{folder}/{name}"
        run(host, write, input=content.encode(), check=True)
    token = f"umask 077 && mkdir -p ~/.ray && cp {folder}/auth_token ~/.ray/auth_token"
    run(host, f"{token} && chmod 600 ~/.ray/auth_token", check=True)


def _worked_on(now: Living, host: Host, waited_s: float, just_started: bool) -> bool:
    """Whether a worker that is not alive is left to the autoscaler for now."""
    status = now.workers.get(host.address, "")
    if status == "waiting-for-ssh":
        return waited_s < REACH_S
    if now.being_set_up(host.address):
        return waited_s < SET_UP_S
    return just_started and status != "update-failed" and waited_s < JOIN_S


def _started(cluster: Cluster, host: Host, set_up: bool) -> str:
    """Why a worker could not be started; empty where it could."""
    try:
        if set_up:
            _set_up(cluster, host)
        elif run(host, f"test -x {NODE_FOLDER}/.venv/bin/ray").code:
            return "it is not set up; try: grid cluster up"
        hand_over(cluster, host)
        address = f"export RAY_HEAD_IP={shlex.quote(cluster.head_ip)}"
        for command in cluster.worker_start:
            done = on_node(host, command, START_S, prefix=address)
            if done.code:
                return f"`ray start` fails there: {_reason(done)}"
    except GridError as error:
        return str(error)
    return ""


def _set_up(cluster: Cluster, host: Host) -> None:
    """What `ray up` does on a worker before it starts Ray there. Raises GridError."""
    send_code(cluster, host)
    hand_over(cluster, host)
    for command in cluster.worker_setup:
        script = f"source ~/.bashrc 2>/dev/null; {command}"
        done = run(host, ["bash", "--login", "-i", "-c", script], timeout_s=SET_UP_S)
        if done.code:
            raise ClusterLost(f"its set-up fails: {_reason(done)}")


def _as_rsync(there: str, here: Path) -> tuple[str, list[str]]:
    """A mount as target folder and sources: what is in a folder, or a file under its own name."""
    if here.is_dir():
        return there, [f"{here}/"]
    return there.rpartition("/")[0], [str(here)]


def _not_joined(cluster: Cluster, hosts: list[Host]) -> list[Host]:
    deadline = time.monotonic() + JOIN_S
    while hosts:
        now = look(cluster)
        hosts = [one for one in hosts if not now.is_alive(one.address)]
        if time.monotonic() > deadline:
            break
    return hosts


def _reason(done: Completed) -> str:
    """The last thing that a command said, without the shell's and Ray's decoration."""
    lines = [line.strip() for line in (done.stderr + "\n" + done.stdout).splitlines()]
    said = [line for line in lines if line and "job control" not in line and "---" not in line]
    ours = [line for line in said if line.startswith("node-setup on ")]
    return (ours or said or [f"exit code {done.code}"])[-1]
