"""Bringing a cluster up and taking it down: `ray up` and `ray down`, and what they leave undone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from grid.cache import cache_dir
from grid.cluster.cloud import CloudHead
from grid.cluster.config import LOCAL, Cluster, NotUp, forget_up, is_example, note_up
from grid.cluster.facts import Facts, facts_of, on_node
from grid.cluster.preflight import differences
from grid.cluster.ray_state import ask_ray_state
from grid.cluster.ssh import CommandFailed, Host, HostSilent, last_line, run
from grid.cluster.start import Occupied, Say, send_code, wait_for_workers
from grid.cluster.subprocesses import call, run_concurrently, stream_output
from grid.cluster.token import tighten, token_path
from grid.errors import ClusterLost, GridError, InputError
from grid.sweep.node_report import code_digest

RAY_ENVIRONMENT = {
    "RAY_UP_enable_autoscaler_v2": "0",  # the file says the same; this spares its notice
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "PYTHONUNBUFFERED": "1",  # its lines and those of the hosts come in their order
}

UP_S = 3600.0
STOP_S = 60.0
DOWN_S = 120.0
RETURN_S = 900.0
"""Rented machines end when their cloud says so."""
LOCATE_S = 60.0
_STEP = re.compile(r"New status: (\S+)|^(node-setup on .*)")
_STOPPED = re.compile(r"(\d+) Ray processes")
_FAULT = re.compile(r"^(node-setup on |error: |ssh: |rsync: )|Permission denied|Connection refused")


class UpResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster came up: the hosts' facts, why others are missing, and what differs."""

    facts: dict[str, Facts] = {}
    missing: dict[str, str] = {}
    differing: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not self.missing and not self.differing


def up(cluster: Cluster, say: Say) -> UpResult:
    """Bring a cluster up and wait for all its workers. Where its head runs already, what runs there
    is left alone and only missing workers are started.

    Raises InputError for a file with example addresses or without its key, HostSilent where the
    head does not answer, CommandFailed where `ray up` fails.
    """
    require_filled_in(cluster)
    running = cluster.provider == LOCAL and _ray_runs(cluster)
    if tighten():
        say(f"{token_path()}: others could read it; now its owner only")
    if running:
        say(f"{cluster.head.address}: its Ray runs already and goes on")
    else:
        _send_code_to_all(cluster)
        say(f"ray up {cluster.path}")
        run_ray(cluster, ["up", "-y"], say)
    note_up(cluster)
    cluster = locate_head(cluster)
    # A running head of other code keeps its workers as they are: alike with it, not with us.
    ours = not running or not _code_differences(cluster, ask_facts([cluster.head])[0])
    missing = wait_for_workers(cluster, say, just_started=not running, set_up=ours)
    facts, silent = ask_facts([host for host in cluster.hosts if host.address not in missing])
    differing = [*differences(facts, cluster.head.address), *_code_differences(cluster, facts)]
    missing |= {address: str(error) for address, error in silent.items()}
    return UpResult(facts=facts, missing=missing, differing=tuple(differing))


def down(cluster: Cluster, say: Say) -> dict[str, str]:
    """Take a cluster down and stop what `ray down` leaves running; returns why, for each host that
    could not be stopped. Raises InputError for a file with example addresses."""
    require_filled_in(cluster)
    forget_up(cluster)
    if cluster.provider != LOCAL:  # what is rented costs money, whether it answers or not
        say(f"ray down {cluster.path}")
        run_ray(cluster, ["down", "-y"], say, limit_s=RETURN_S)
        return {}
    failed = _stop_ray(cluster.head, say)  # first: its autoscaler would start workers anew
    if cluster.head.address not in failed:
        say(f"ray down {cluster.path}")
        run_ray(cluster, ["down", "-y"], say, limit_s=DOWN_S)
    for failure in run_concurrently(lambda host: _stop_ray(host, say), cluster.workers):
        failed |= failure
    return failed


def require_filled_in(cluster: Cluster) -> None:
    """Raises InputError where the file is not filled in yet."""
    if is_example(cluster):
        raise InputError(
            f"{cluster.path}: provider has example addresses; put in those of your machines, and "
            "the user in auth.ssh_user"
        )
    key = cluster.head.key
    if key and not Path(key).is_file():
        raise InputError(
            f"{cluster.path}: auth.ssh_private_key: there is no file {key}; make one with "
            f"ssh-keygen -t ed25519 -N '' -f {key}, or name yours"
        )
    if key.endswith(".pub"):
        raise InputError(
            f"{cluster.path}: auth.ssh_private_key: {key} is the public half; name the one "
            "without .pub"
        )


def locate_head(cluster: Cluster) -> Cluster:
    """The cluster, on a cloud with the head's address and key, which Ray knows. Raises NotUp where
    the cloud has no such head, InputError where it cannot be asked."""
    if cluster.head.address:
        return cluster
    words = [sys.executable, "-m", "grid.cluster.cloud", str(cluster.path)]
    try:
        done = call(words, timeout_s=LOCATE_S, environment=os.environ | RAY_ENVIRONMENT)
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{cluster.path}: the cloud did not say within {LOCATE_S:g} s where the head is; see "
            "that its own tools reach it"
        ) from None
    try:
        cloud_head = msgspec.json.decode((done.stdout.splitlines() or [b""])[-1], type=CloudHead)
    except msgspec.MsgspecError:
        error = last_line(done.stderr.decode(errors="replace")) or "no answer"
        raise InputError(f"{cluster.path}: the cloud cannot be asked: {error}") from None
    if not cloud_head.address:
        raise NotUp(f"{cluster.path}: no head is found; try: grid cluster up {cluster.path}")
    key = cluster.head.key or cloud_head.key
    head = msgspec.structs.replace(cluster.head, address=cloud_head.address, key=key)
    return msgspec.structs.replace(cluster, head=head)


def ask_facts(hosts: Sequence[Host]) -> tuple[dict[str, Facts], dict[str, GridError]]:
    """Facts of hosts by address, and the errors of those that gave none (HostSilent where ssh did
    not reach them); all are asked at once."""
    facts: dict[str, Facts] = {}
    errors: dict[str, GridError] = {}
    for host, answer in zip(hosts, run_concurrently(_facts_or_error, hosts), strict=True):
        if isinstance(answer, Facts):
            facts[host.address] = answer
        else:
            errors[host.address] = answer
    return facts, errors


def run_ray(cluster: Cluster, arguments: Sequence[str], say: Say, limit_s: float = UP_S) -> None:
    """Run `ray ... FILE` from the file's folder, as its paths are meant; a line is said for each
    step, and the whole goes to a log. Raises CommandFailed."""
    log = cache_dir() / "logs" / f"ray-{arguments[0]}-{cluster.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    faults: deque[str] = deque(maxlen=3)
    words = [*_ray_command(), *arguments, str(cluster.path)]
    environment = os.environ | RAY_ENVIRONMENT
    try:
        ray = stream_output(words, limit_s, cluster.path.parent, environment)
        with log.open("w") as file, ray as output:
            for line in output:
                file.write(line)
                step = _STEP.search(line)
                if step:
                    say(f"{cluster.head.address or 'head'}: {step[1] or step[2]}")
                if _FAULT.search(line):
                    faults.append(line.strip())
    except subprocess.TimeoutExpired:
        why = f"not done after {limit_s / 60:g} min"
    else:
        if not output.code:
            return
        why = faults[-1] if faults else f"exit code {output.code}"
    raise CommandFailed(f"ray {arguments[0]}: {why}; all that it said is in {log}")


def _send_code_to_all(cluster: Cluster) -> None:
    """Bring this machine's code to every host that answers. Raises GridError where the head does
    not take it, or a worker has a checkout there; another worker's turn comes again when it is
    started."""
    if cluster.provider != LOCAL:
        return  # a rented machine is new
    send_code(cluster, cluster.head)
    run_concurrently(lambda host: _send_code_if_reachable(cluster, host), cluster.workers)


def _send_code_if_reachable(cluster: Cluster, host: Host) -> None:
    try:
        send_code(cluster, host)
    except Occupied:
        raise  # `ray up` would write into it
    except GridError:
        return


def _ray_runs(cluster: Cluster) -> bool:
    """Whether the head's Ray answers. Raises HostSilent where the head does not: `ray up` would
    knock for a quarter of an hour."""
    run(cluster.head, "true")
    with suppress(ClusterLost):  # it was never set up
        return not ask_ray_state(cluster.head, cluster.name).problem
    return False


def _code_differences(cluster: Cluster, facts: Mapping[str, Facts]) -> list[str]:
    """A line where the head runs other code than this machine has."""
    head = facts.get(cluster.head.address)
    if head is None or head.code == code_digest():
        return []
    return [
        f"{cluster.head.address}: quantgrid's code is not that of this machine; "
        "`grid cluster down`, then `up`, brings it there"
    ]


def _stop_ray(host: Host, say: Say) -> dict[str, str]:
    """Stop Ray on a host and say what was stopped; returns why by address, where that fails."""
    try:
        done = on_node(host, "command -v ray >/dev/null || exit 0; ray stop", STOP_S)
    except HostSilent as error:
        say(f"{host.address}: not stopped: {error}")
        return {host.address: str(error)}
    if done.code:
        why = last_line(done.stderr) or f"exit code {done.code}"
        say(f"{host.address}: not stopped: {why}")
        return {host.address: why}
    count = _STOPPED.search(done.stdout + done.stderr)
    say(f"{host.address}: {f'{count[1]} processes of Ray stopped' if count else 'no Ray ran'}")
    return {}


def _facts_or_error(host: Host) -> Facts | GridError:
    try:
        return facts_of(host)
    except GridError as error:
        return error


def _ray_command() -> list[str]:
    """The `ray` of this interpreter, whatever is on the path."""
    return [sys.executable, "-m", "ray.scripts.scripts"]
