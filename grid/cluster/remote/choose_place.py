"""Where a sweep's driver runs: here, in a Ray with this machine in it, or on a cluster's head."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec

from grid.cluster.config import (
    CLUSTER_FILE,
    LOCAL,
    Cluster,
    NotUp,
    is_example,
    load,
    was_brought_up_here,
)
from grid.cluster.remote.head import Head, VersionMismatch
from grid.cluster.remote.runs import HeadState
from grid.cluster.ssh import Host, HostSilent
from grid.errors import ClusterLost, InputError

ADDRESS_VARIABLE = "RAY_ADDRESS"

LOCAL_ADDRESS = "local"
"""The address of a Ray of this sweep's own, on this machine."""

CONNECT_S = 5.0
"""Seconds that a head may take to answer, twice: a machine that slept needs the first."""


class OnThisMachine(msgspec.Struct, frozen=True):
    """On this machine alone. `why` is a line for the user; empty where nothing else was at hand."""

    why: str = ""


class OnRay(msgspec.Struct, frozen=True):
    """In this process, over all nodes of the Ray at an address; `why` says who named it."""

    address: str
    why: str


class OnHead(msgspec.Struct, frozen=True):
    """On the head of a cluster, followed from here."""

    cluster: Cluster
    why: str

    @property
    def host(self) -> Host:
        return self.cluster.head


Place = OnThisMachine | OnRay | OnHead


def choose_place(
    address: str | None, this_machine: bool, environ: Mapping[str, str], folder: Path = Path()
) -> Place:
    """`address`, else RAY_ADDRESS, else the running cluster of the folder's cluster.yaml, else this
    machine; `this_machine` asks for it alone.

    Raises InputError for an address or a cluster's file that cannot be used, ClusterLost where the
    head of a cluster that was brought up from here does not answer.
    """
    if this_machine or address == LOCAL_ADDRESS:
        if this_machine and address not in (None, LOCAL_ADDRESS):
            raise InputError(f"--here and --address {address} exclude each other")
        return OnThisMachine()
    if address:
        return _at(address, "--address")
    if environ.get(ADDRESS_VARIABLE):
        return _at(environ[ADDRESS_VARIABLE], ADDRESS_VARIABLE)
    if not (folder / CLUSTER_FILE).exists():
        return OnThisMachine()
    return _of_cluster(load(folder / CLUSTER_FILE))


def cluster_head(folder: Path = Path()) -> Head:
    """The head of the folder's cluster.yaml. Raises InputError where there is none to be asked."""
    cluster = load(folder / CLUSTER_FILE)
    if is_example(cluster):
        raise InputError(f"{CLUSTER_FILE} has example addresses; put in those of your machines")
    return Head(_with_head(cluster).head)


def _at(address: str, source: str) -> Place:
    if address == LOCAL_ADDRESS:
        return OnThisMachine(f"running on this machine, as {source} says")
    if "://" in address:
        raise InputError(
            f"{source} {address}: a sweep's driver runs on a node of the cluster; there, give auto "
            f"or host:port; from elsewhere, run it in the folder of the cluster's {CLUSTER_FILE}"
        )
    host, _, port = address.rpartition(":")
    if address != "auto" and not (host and port.isdigit() and 0 < int(port) < 65536):
        raise InputError(f"{source} {address}: give local, auto, or host:port")
    return OnRay(address, f"the driver joins the Ray cluster at {address} ({source})")


def _of_cluster(cluster: Cluster) -> Place:
    file = f"./{CLUSTER_FILE}"
    if is_example(cluster):
        return OnThisMachine(f"{file} has example addresses; running on this machine")
    down = OnThisMachine(
        f"the cluster of {file} is not up (`grid cluster up` brings it up); running on this machine"
    )
    try:
        cluster = _with_head(cluster)
    except NotUp:
        return down
    try:
        state = _state(Head(cluster.head))
    except HostSilent as error:
        if was_brought_up_here(cluster):
            raise ClusterLost(
                f"the head of {file}, {error}; --address local runs on this machine instead"
            ) from None
        return OnThisMachine(f"{error}; running on this machine, without the cluster of {file}")
    except VersionMismatch:
        raise
    except ClusterLost:
        return down  # it was never set up
    if not state.ray:
        return down
    why = f"running on the cluster {cluster.name} of {file}, driver on its head"
    installed = version("quantgrid")
    if state.quantgrid != installed:
        why += (
            f", which has quantgrid {state.quantgrid} and this machine {installed}; "
            "`grid cluster up` makes them alike"
        )
    return OnHead(cluster, why)


def _state(head: Head) -> HeadState:
    try:
        return head.state(CONNECT_S)
    except HostSilent:
        return head.state(CONNECT_S)


def _with_head(cluster: Cluster) -> Cluster:
    if cluster.provider == LOCAL:
        return cluster
    from grid.cluster.commands import locate_head

    return locate_head(cluster)
