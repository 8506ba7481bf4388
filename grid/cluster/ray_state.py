"""Ray's state on a cluster's head and the nodes alive in it: `python -m grid.cluster.ray_state`."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from grid.cluster.config import local_state, ray_folder
from grid.cluster.facts import on_node
from grid.cluster.ssh import Host, last_line
from grid.cluster.token import token_state
from grid.errors import ClusterLost

PROGRESS_TAG = "ray-node-status"
"""Tag in which Ray's autoscaler notes how far it is with a worker."""

SETTING_UP = frozenset({"waiting-for-ssh", "syncing-files", "setting-up"})
"""Its values while the autoscaler works on a worker. `uninitialized` is none of them: it stays
after a failure."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

DASHBOARD_PORT = 8265
GCS_S = 10.0
HTTP_S = 3.0
ASK_S = 60.0


class RayNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node as the head's Ray lists it, which lists dead ones for a while too."""

    address: str
    name: str
    alive: bool
    labels: dict[str, str] = {}
    resources: dict[str, float] = {}


class RayState(msgspec.Struct, frozen=True, kw_only=True):
    """What a head says of its Ray. `gcs` is Ray's address, empty where none runs; `problem` why it
    does not answer; `workers` how far the autoscaler is with each; `resolved` the numeric addresses
    of the hosts asked for; `open_ports` what answers without a token, where that was asked."""

    gcs: str = ""
    problem: str = ""
    nodes: tuple[RayNode, ...] = ()
    workers: dict[str, str] = {}
    resolved: dict[str, str] = {}
    open_ports: tuple[str, ...] = ()

    def is_alive(self, address: str) -> bool:
        """Whether a host of the cluster's file is a living node."""
        number = self.resolved.get(address, address)
        return any(node.alive and node.address == number for node in self.nodes)

    def is_being_set_up(self, address: str) -> bool:
        """Whether the autoscaler works on a worker now."""
        return self.workers.get(address, "") in SETTING_UP


def read_ray_state(name: str = "", addresses: Sequence[str] = (), ports: bool = False) -> RayState:
    """Read the state on the head itself: its nodes, the autoscaler's progress with the cluster
    `name`, and with `ports` what answers without a token."""
    gcs = _gcs_address()
    if not gcs:
        return RayState(problem="no Ray runs there")
    if not _listens(gcs):  # Ray's own client would knock for 40 s
        return RayState(problem=f"its Ray does not answer at {gcs}")
    tags = {host: worker.get("tags", {}) for host, worker in local_state(name).items()}
    state = RayState(
        gcs=gcs,
        workers={host: str(tag.get(PROGRESS_TAG, "")) for host, tag in tags.items()},
        resolved={address: _resolve(address) for address in addresses},
        open_ports=_open_ports(gcs) if ports else (),
    )
    try:
        return msgspec.structs.replace(state, nodes=_nodes(gcs))
    except Exception as error:  # Ray's own kinds, which its releases rename
        return msgspec.structs.replace(state, problem=_failure_text(error))


def ask_ray_state(
    head: Host, name: str, addresses: Sequence[str] = (), ports: bool = False
) -> RayState:
    """Read the state from another machine. Raises HostSilent where ssh does not reach the head,
    ClusterLost where it is not set up."""
    words = ["python", "-m", "grid.cluster.ray_state", name, "ports" if ports else "-", *addresses]
    done = on_node(head, shlex.join(words), ASK_S)
    last = (done.stdout.splitlines() or [""])[-1]
    try:
        return msgspec.json.decode(last, type=RayState)
    except msgspec.DecodeError:
        error = last_line(done.stderr) or "it says nothing"
        raise ClusterLost(
            f"the head {head} is not set up: {error}; `grid cluster up` does it"
        ) from None


def _nodes(gcs: str) -> tuple[RayNode, ...]:
    # Joins nothing and starts nothing, as a driver would.
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    infos = GcsClient(address=gcs).get_all_node_info(timeout=GCS_S).values()
    return tuple(_living_node(info) for info in infos)


def _living_node(info: Any) -> RayNode:
    return RayNode(
        address=info.node_manager_address,
        name=info.node_manager_hostname,
        alive=info.state == 0,  # GcsNodeInfo.ALIVE
        labels=dict(info.labels),
        resources=dict(info.resources_total),
    )


def _gcs_address() -> str:
    """The address that `ray start` noted; empty where none ran since `ray stop`. The Ray of a local
    sweep is not noted."""
    try:
        return (ray_folder() / "ray_current_cluster").read_text().strip()
    except OSError:
        return ""


def _listens(gcs: str) -> bool:
    host, _, port = gcs.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=GCS_S).close()
    except (OSError, ValueError):
        return False
    return True


def _failure_text(error: Exception) -> str:
    if "Auth" in type(error).__name__:
        return "the token there is not the one that its Ray was started with"
    return f"its Ray does not answer: {str(error).splitlines()[0] if str(error) else error!r}"


def _resolve(address: str) -> str:
    with suppress(OSError):
        return socket.gethostbyname(address)
    return address


def _open_ports(gcs: str) -> tuple[str, ...]:
    """Ports of this head that answer whoever has no token."""
    host = gcs.rsplit(":", 1)[0]
    open_ports = []
    if _gcs_is_open(gcs):
        open_ports.append(f"{gcs} (Ray's own port)")
    for address in dict.fromkeys(("127.0.0.1", host)):
        url = f"http://{address}:{DASHBOARD_PORT}/api/jobs/"
        if _answers(url):
            open_ports.append(f"{address}:{DASHBOARD_PORT} (dashboard and jobs)")
    return tuple(open_ports)


def _gcs_is_open(gcs: str) -> bool:
    """Ask in a process without a token; Ray reads the mode when it is loaded."""
    code = "import sys; from grid.cluster.ray_state import _nodes; _nodes(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, gcs],
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
        capture_output=True,
        timeout=ASK_S,
        check=False,
    )
    return done.returncode == 0


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(url, timeout=HTTP_S) as answer:
            return int(answer.status) < 400
    except (OSError, ValueError):
        return False


def main(arguments: Sequence[str]) -> None:
    """`NAME ports|- ADDRESS...`: print a RayState as JSON."""
    name, ports, *addresses = arguments
    if not token_state().exists:  # Ray would end this process, with a stack trace
        state = RayState(problem="there is no token file; `grid cluster up` makes one")
    else:
        state = read_ray_state(name, addresses, ports == "ports")
    sys.stdout.write(msgspec.json.encode(state).decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
