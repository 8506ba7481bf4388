"""Starting the nodes of a cluster's file that are not alive, over ssh, as `ray up` would."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from grid.cluster.config import Cluster
from grid.cluster.facts import NODE_FOLDER, on_node
from grid.cluster.ray_state import RayState, ask_ray_state
from grid.cluster.ssh import CommandFailed, Completed, Host, push, run
from grid.cluster.subprocesses import run_concurrently
from grid.errors import ClusterLost, GridError

Say = Callable[[str], None]
"""Takes one line for the user."""

HEAD_NOTES = ".head"
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
    now = ask_running_ray(cluster)
    missing = [host for host in cluster.workers if not now.is_alive(host.address)]
    autoscaled = [host for host in missing if now.is_being_set_up(host.address)]
    for host in autoscaled:
        say(f"{host.address}: being set up; it joins when it is ready")
    ours = [host for host in missing if host not in autoscaled]
    failed = start_workers(cluster, ours, say, set_up=False)
    return failed | {host.address: "being set up" for host in autoscaled}


def wait_for_workers(
    cluster: Cluster, say: Say, just_started: bool = True, set_up: bool = True
) -> dict[str, str]:
    """Wait until the autoscaler has brought every worker up, and start those that it does not; at
    once where it was not `just_started` and works on none. `set_up` brings this machine's code.

    Returns why, for each that is not there in the end. Raises ClusterLost as `ensure_workers`.
    """
    began, tried, failed, announced = time.monotonic(), set[str](), dict[str, str](), set[str]()
    while True:
        now = ask_running_ray(cluster)
        alive = {host.address for host in cluster.workers if now.is_alive(host.address)}
        for address in sorted(alive - announced):
            say(f"{address}: alive")
        announced |= alive
        waited = time.monotonic() - began
        waiting = [host for host in cluster.workers if host.address not in alive | tried]
        ours = [h for h in waiting if not _left_to_autoscaler(now, h, waited, just_started)]
        if ours:
            tried |= {host.address for host in ours}
            failed |= start_workers(cluster, ours, say, set_up)
        elif not waiting:
            return {address: why for address, why in failed.items() if address not in alive}
        time.sleep(LOOK_S)


def ask_running_ray(cluster: Cluster) -> RayState:
    """The state of the head's Ray. Raises ClusterLost where no Ray answers there."""
    addresses = [host.address for host in cluster.workers]
    state = ask_ray_state(cluster.head, cluster.name, addresses)
    if state.problem:
        raise ClusterLost(f"the head {cluster.head}: {state.problem}; try: grid cluster up")
    return state


def start_workers(
    cluster: Cluster, hosts: Sequence[Host], say: Say, set_up: bool
) -> dict[str, str]:
    """Start workers at once and say how it went; returns why, for each that did not join."""
    if not hosts:
        return {}
    for host in hosts:
        say(f"{host.address}: not alive; starting it")
    ended = run_concurrently(lambda host: _start_worker(cluster, host, set_up), hosts)
    failed = {host.address: why for host, why in zip(hosts, ended, strict=True) if why}
    waiting = [host for host in hosts if host.address not in failed]
    for host in _wait_until_joined(cluster, waiting):
        failed[host.address] = "Ray started there, but the head does not see it"
    for host in hosts:
        why = failed.get(host.address)
        say(f"{host.address}: {why}" if why else f"{host.address}: started")
    return failed


def send_code(cluster: Cluster, host: Host) -> None:
    """Make the file's mounts on a host equal to those here; unlike `ray up`, this removes files
    that are here no more. Raises Occupied where that is somebody's checkout, GridError."""
    if run(host, f"test -e {NODE_FOLDER}/.git").code == 0:
        raise Occupied(f"{NODE_FOLDER} on {host} is somebody's checkout; move it")
    for target, local in cluster.mounts.items():
        source = Path(local).expanduser()
        source = source if source.is_absolute() else cluster.path.parent / source
        folder, paths = _rsync_paths(target, source)
        push(host, paths, folder, (*cluster.excludes, HEAD_NOTES), ["--delete"])


def copy_token_and_python(cluster: Cluster, host: Host) -> None:
    """Give a worker the head's token and exact Python, by way of this process's memory only."""
    folder = f"{NODE_FOLDER}/scripts/{HEAD_NOTES}"
    for name in ("auth_token", "python"):
        content = run(cluster.head, f"cat {folder}/{name}", check=True).stdout
        write = f"umask 077 && mkdir -p {folder} && cat >{folder}/{name}"
        run(host, write, input=content.encode(), check=True)
    token = f"umask 077 && mkdir -p ~/.ray && cp {folder}/auth_token ~/.ray/auth_token"
    run(host, f"{token} && chmod 600 ~/.ray/auth_token", check=True)


def _left_to_autoscaler(now: RayState, host: Host, waited_s: float, just_started: bool) -> bool:
    """Whether a worker that is not alive is left to the autoscaler for now."""
    status = now.workers.get(host.address, "")
    if status == "waiting-for-ssh":
        return waited_s < REACH_S
    if now.is_being_set_up(host.address):
        return waited_s < SET_UP_S
    return just_started and status != "update-failed" and waited_s < JOIN_S


def _start_worker(cluster: Cluster, host: Host, set_up: bool) -> str:
    """Why a worker could not be started; empty where it could."""
    try:
        if set_up:
            _set_up_worker(cluster, host)
        elif run(host, f"test -x {NODE_FOLDER}/.venv/bin/ray").code:
            return "it is not set up; try: grid cluster up"
        copy_token_and_python(cluster, host)
        address = f"export RAY_HEAD_IP={shlex.quote(cluster.head_ip)}"
        for command in cluster.worker_start:
            done = on_node(host, command, START_S, prefix=address)
            if done.code:
                return f"`ray start` fails there: {_last_words(done)}"
    except GridError as error:
        return str(error)
    return ""


def _set_up_worker(cluster: Cluster, host: Host) -> None:
    """What `ray up` does on a worker before it starts Ray there. Raises GridError."""
    send_code(cluster, host)
    copy_token_and_python(cluster, host)
    for command in cluster.worker_setup:
        script = f"source ~/.bashrc 2>/dev/null; {command}"
        done = run(host, ["bash", "--login", "-i", "-c", script], timeout_s=SET_UP_S)
        if done.code:
            raise ClusterLost(f"its set-up fails: {_last_words(done)}")


def _rsync_paths(target: str, source: Path) -> tuple[str, list[str]]:
    """A mount as target folder and sources: what is in a folder, or a file under its own name."""
    if source.is_dir():
        return target, [f"{source}/"]
    return target.rpartition("/")[0], [str(source)]


def _wait_until_joined(cluster: Cluster, hosts: list[Host]) -> list[Host]:
    """Returns the hosts that did not join within `JOIN_S`."""
    deadline = time.monotonic() + JOIN_S
    while hosts:
        now = ask_running_ray(cluster)
        hosts = [host for host in hosts if not now.is_alive(host.address)]
        if time.monotonic() > deadline:
            break
    return hosts


def _last_words(done: Completed) -> str:
    """The last thing that a command said, without the shell's and Ray's decoration."""
    lines = [line.strip() for line in (done.stderr + "\n" + done.stdout).splitlines()]
    words = [line for line in lines if line and "job control" not in line and "---" not in line]
    ours = [line for line in words if line.startswith("node-setup on ")]
    return (ours or words or [f"exit code {done.code}"])[-1]
