"""The status of a cluster: each host of its file, and warnings."""

from __future__ import annotations

import msgspec

from grid.cluster.commands import ask_facts, locate_head, require_filled_in
from grid.cluster.config import Cluster
from grid.cluster.facts import Facts
from grid.cluster.preflight import differences
from grid.cluster.ray_state import RayState, ask_ray_state
from grid.cluster.ssh import HostSilent, run
from grid.cluster.token import token_path, token_state
from grid.units import GIB, format_bytes

FREE_BYTES = 10 * GIB
"""Less free disk than this, and a node soon cannot keep what it measures."""


class HostStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One host: whether ssh and its Ray answer, its facts, and why there are none."""

    address: str
    role: str
    answers: bool
    alive: bool
    facts: Facts | None = None
    problem: str = ""


class ClusterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster. `head_answers` is false where ssh or Ray on the head does not."""

    name: str
    head_answers: bool
    hosts: tuple[HostStatus, ...]
    warnings: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 where all is well, 1 with warnings, 3 where the head does not answer."""
        if not self.head_answers:
            return 3
        return 1 if self.warnings else 0


def status_of(cluster: Cluster) -> ClusterStatus:
    """Ask every host of a cluster. Raises InputError for a file with example addresses, HostSilent
    where ssh does not reach the head."""
    require_filled_in(cluster)
    cluster = locate_head(cluster)
    run(cluster.head, "true")
    addresses = [host.address for host in cluster.workers]
    facts, errors = ask_facts(cluster.hosts)
    ray_state = RayState()
    if cluster.head.address in facts:
        ray_state = ask_ray_state(cluster.head, cluster.name, addresses, ports=True)
    hosts = [
        HostStatus(
            address=host.address,
            role="worker" if number else "head",
            answers=not isinstance(errors.get(host.address), HostSilent),
            alive=ray_state.is_alive(host.address) if number else bool(ray_state.nodes),
            facts=facts.get(host.address),
            problem=str(errors.get(host.address, "")),
        )
        for number, host in enumerate(cluster.hosts)
    ]
    return ClusterStatus(
        name=cluster.name,
        head_answers=bool(ray_state.nodes),
        hosts=tuple(hosts),
        warnings=tuple(warnings_of(cluster, hosts, ray_state, facts)),
    )


def warnings_of(
    cluster: Cluster, hosts: list[HostStatus], ray_state: RayState, facts: dict[str, Facts]
) -> list[str]:
    """A line for each thing that somebody should look at, from the answers of hosts and head."""
    lines = [f"{host.address}: {host.problem}" for host in hosts if host.problem]
    if ray_state.problem:
        lines.append(f"{cluster.head.address}: {ray_state.problem}; try: grid cluster up")
    for host in hosts:
        if host.answers and not host.problem and not host.alive and ray_state.nodes:
            setting_up = ray_state.is_being_set_up(host.address)
            lines.append(
                f"{host.address}: not alive in Ray; "
                + ("it is being set up" if setting_up else "`grid cluster up` starts it")
            )
    ports = ray_state.open_ports
    lines += [f"{port}: answers without a token; see docs/cluster.md" for port in ports]
    lines += differences(facts, cluster.head.address)
    lines += _about_tokens(facts)
    lines += [
        f"{address}: {format_bytes(host_facts.free_bytes)} of disk left for the cache"
        for address, host_facts in facts.items()
        if host_facts.free_bytes < FREE_BYTES
    ]
    return lines


def _about_tokens(facts: dict[str, Facts]) -> list[str]:
    lines = [
        f"{address}: there is no token file; `grid cluster up` makes it"
        for address, host_facts in facts.items()
        if not host_facts.token.exists
    ]
    lines += [
        f"{address}: others can read the token file; run there: chmod 600 ~/.ray/auth_token"
        for address, host_facts in facts.items()
        if host_facts.token.readable
    ]
    if token_state().readable:
        lines.append(f"here: others can read the token file; run: chmod 600 {token_path()}")
    return lines
