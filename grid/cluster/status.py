"""How a cluster is: each host of its file, and what somebody should look at."""

from __future__ import annotations

import msgspec

from grid.cluster.alive import Living, living_of
from grid.cluster.commands import ask_all, located, ready_to_start
from grid.cluster.config import Cluster
from grid.cluster.facts import Facts
from grid.cluster.preflight import differences
from grid.cluster.ssh import HostSilent, run
from grid.cluster.token import token_path, token_state
from grid.units import GIB, format_bytes

FREE_BYTES = 10 * GIB
"""Less free disk than this, and a node soon cannot keep what it measures."""


class HostStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One host: whether ssh and its Ray answer, what it said, and why it did not."""

    address: str
    role: str
    answers: bool
    alive: bool
    facts: Facts | None = None
    problem: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
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


def status_of(cluster: Cluster) -> Status:
    """Ask every host of a cluster. Raises InputError for a file with example addresses, HostSilent
    where ssh does not reach the head."""
    ready_to_start(cluster)
    cluster = located(cluster)
    run(cluster.head, "true")
    addresses = [one.address for one in cluster.workers]
    facts, untold = ask_all(cluster.hosts)
    there = cluster.head.address in facts
    living = living_of(cluster.head, cluster.name, addresses, ports=True) if there else Living()
    hosts = [
        HostStatus(
            address=host.address,
            role="worker" if number else "head",
            answers=not isinstance(untold.get(host.address), HostSilent),
            alive=living.is_alive(host.address) if number else bool(living.nodes),
            facts=facts.get(host.address),
            problem=str(untold.get(host.address, "")),
        )
        for number, host in enumerate(cluster.hosts)
    ]
    return Status(
        name=cluster.name,
        head_answers=bool(living.nodes),
        hosts=tuple(hosts),
        warnings=tuple(warnings_of(cluster, hosts, living, facts)),
    )


def warnings_of(
    cluster: Cluster, hosts: list[HostStatus], living: Living, facts: dict[str, Facts]
) -> list[str]:
    """A line for each thing that somebody should look at, from what the hosts and the head said."""
    said = [f"{one.address}: {one.problem}" for one in hosts if one.problem]
    if living.problem:
        said.append(f"{cluster.head.address}: {living.problem}; try: grid cluster up")
    for one in hosts:
        if one.answers and not one.problem and not one.alive and living.nodes:
            setting_up = living.being_set_up(one.address)
            said.append(
                f"{one.address}: not alive in Ray; "
                + ("it is being set up" if setting_up else "`grid cluster up` starts it")
            )
    said += [f"{one}: answers without a token; see docs/cluster.md" for one in living.open_ports]
    said += differences(facts, cluster.head.address)
    said += _about_tokens(facts)
    said += [
        f"{address}: {format_bytes(one.free_bytes)} of disk left for the cache"
        for address, one in facts.items()
        if one.free_bytes < FREE_BYTES
    ]
    return said


def _about_tokens(facts: dict[str, Facts]) -> list[str]:
    said = [
        f"{address}: there is no token file; `grid cluster up` makes it"
        for address, one in facts.items()
        if not one.token.there
    ]
    said += [
        f"{address}: others can read the token file; run there: chmod 600 ~/.ray/auth_token"
        for address, one in facts.items()
        if one.token.readable
    ]
    if token_state().readable:
        said.append(f"here: others can read the token file; run: chmod 600 {token_path()}")
    return said
