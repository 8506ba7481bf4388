"""Which nodes of a cluster are alive, asked on its head: `python -m grid.cluster.alive` there."""

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
from grid.cluster.ssh import Host
from grid.cluster.token import token_state
from grid.errors import ClusterLost

STATUS = "ray-node-status"
"""Tag under which Ray's autoscaler notes how far it is with a worker."""

SETTING_UP = frozenset({"waiting-for-ssh", "syncing-files", "setting-up"})
"""Values of it while it works on one. `uninitialized` is none: after a failure it stays so."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

DASHBOARD_PORT = 8265
GCS_S = 10.0
HTTP_S = 3.0
ASK_S = 60.0


class LivingNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node as the head's Ray knows it; dead ones are kept there for a while."""

    address: str
    name: str
    alive: bool
    labels: dict[str, str] = {}
    resources: dict[str, float] = {}


class Living(msgspec.Struct, frozen=True, kw_only=True):
    """What the head says. `gcs` is its Ray's address, empty where none runs; `problem` why it does
    not answer; `workers` how far the autoscaler is with each; `resolved` the hosts asked for, as
    numbers; `open_ports` what answers without a token, where that was asked."""

    gcs: str = ""
    problem: str = ""
    nodes: tuple[LivingNode, ...] = ()
    workers: dict[str, str] = {}
    resolved: dict[str, str] = {}
    open_ports: tuple[str, ...] = ()

    def is_alive(self, address: str) -> bool:
        """Whether a host of the cluster's file is a living node."""
        number = self.resolved.get(address, address)
        return any(node.alive and node.address == number for node in self.nodes)

    def being_set_up(self, address: str) -> bool:
        """Whether the autoscaler works on a worker now."""
        return self.workers.get(address, "") in SETTING_UP


def living(name: str = "", addresses: Sequence[str] = (), ports: bool = False) -> Living:
    """Asked on the head itself: its nodes; of the cluster `name` the autoscaler's progress; with
    `ports` also what answers without a token."""
    gcs = _gcs_address()
    if not gcs:
        return Living(problem="no Ray runs there")
    if not _listens(gcs):  # Ray's own client would knock for 40 s
        return Living(problem=f"its Ray does not answer at {gcs}")
    tags = {host: one.get("tags", {}) for host, one in local_state(name).items()}
    known = Living(
        gcs=gcs,
        workers={host: str(tag.get(STATUS, "")) for host, tag in tags.items()},
        resolved={one: _number(one) for one in addresses},
        open_ports=_open_ports(gcs) if ports else (),
    )
    try:
        return msgspec.structs.replace(known, nodes=_nodes(gcs))
    except Exception as error:  # Ray's own kinds, which its releases rename
        return msgspec.structs.replace(known, problem=_why(error))


def living_of(head: Host, name: str, addresses: Sequence[str] = (), ports: bool = False) -> Living:
    """Asked from another machine. Raises HostSilent where ssh does not reach the head, ClusterLost
    where it is not set up."""
    words = ["python", "-m", "grid.cluster.alive", name, "ports" if ports else "-", *addresses]
    done = on_node(head, shlex.join(words), ASK_S)
    last = (done.stdout.splitlines() or [""])[-1]
    try:
        return msgspec.json.decode(last, type=Living)
    except msgspec.DecodeError:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise ClusterLost(
            f"the head {head} is not set up: {said}; `grid cluster up` does it"
        ) from None


def _nodes(gcs: str) -> tuple[LivingNode, ...]:
    # Joins nothing and starts nothing, as a driver would.
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    found = GcsClient(address=gcs).get_all_node_info(timeout=GCS_S).values()
    return tuple(_living_node(info) for info in found)


def _living_node(info: Any) -> LivingNode:
    return LivingNode(
        address=info.node_manager_address,
        name=info.node_manager_hostname,
        alive=info.state == 0,  # GcsNodeInfo.ALIVE
        labels=dict(info.labels),
        resources=dict(info.resources_total),
    )


def _gcs_address() -> str:
    """Where `ray start` has noted it; empty where none ran since `ray stop`. What a local sweep's
    Ray has is not noted."""
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


def _why(error: Exception) -> str:
    if "Auth" in type(error).__name__:
        return "the token there is not the one that its Ray was started with"
    return f"its Ray does not answer: {str(error).splitlines()[0] if str(error) else error!r}"


def _number(address: str) -> str:
    with suppress(OSError):
        return socket.gethostbyname(address)
    return address


def _open_ports(gcs: str) -> tuple[str, ...]:
    """Ports of this head that answer whoever has no token."""
    host = gcs.rsplit(":", 1)[0]
    found = []
    if _gcs_is_open(gcs):
        found.append(f"{gcs} (Ray's own port)")
    for address in dict.fromkeys(("127.0.0.1", host)):
        url = f"http://{address}:{DASHBOARD_PORT}/api/jobs/"
        if _answers(url):
            found.append(f"{address}:{DASHBOARD_PORT} (dashboard and jobs)")
    return tuple(found)


def _gcs_is_open(gcs: str) -> bool:
    """Asked by a process that has no token; Ray reads the mode when it is loaded."""
    code = "import sys; from grid.cluster.alive import _nodes; _nodes(sys.argv[1])"
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
    """`NAME ports|- ADDRESS...`: prints a Living as JSON."""
    name, ports, *addresses = arguments
    if not token_state().there:  # Ray would end this process, with a stack trace
        found = Living(problem="there is no token file; `grid cluster up` makes one")
    else:
        found = living(name, addresses, ports == "ports")
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
