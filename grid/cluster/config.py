"""A cluster's file, as `ray up` reads it: which hosts, and how ssh reaches them.

Ray checks the whole file when it is given to it; here is read what the grid itself needs, and what
is wrong with that is said in one line.
"""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from grid.cache import write_whole
from grid.cluster.ssh import Host
from grid.errors import InputError, did_you_mean
from grid.models.identity import digest

_NOTED = "~/.local/state/quantgrid/clusters"
"""A file for each cluster that was brought up from here. Ray's own notes lie where a reboot empties
the folder."""

CLUSTER_FILE = "cluster.yaml"
"""Looked for in the folder where a command runs."""

LOCAL = "local"

_PROVIDERS = (
    *(LOCAL, "aws", "gcp", "azure", "vsphere", "aliyun", "kuberay", "spark", "external"),
    *("readonly", "fake_multinode", "fake_multinode_docker"),
)
"""Those of Ray."""
"""Ray's provider of machines that are there already."""

_PROVIDER_KEYS = ("type", "head_ip", "worker_ips", "external_head_ip")
_AUTH_KEYS = ("ssh_user", "ssh_private_key", "ssh_proxy_command")
_EXAMPLES = tuple(map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))
"""Addresses that documentation may use and no machine has (RFC 5737)."""


class NotUp(InputError):
    """A cluster has no head: on its cloud there is none."""


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's file. On a cloud `head` has no address until Ray is asked, and no worker is
    named; `grid.cluster.commands.located` fills the head in."""

    path: Path
    name: str
    provider: str
    head: Host
    workers: tuple[Host, ...] = ()
    head_ip: str = ""
    """The head as the workers see it."""
    mounts: dict[str, str] = {}
    excludes: tuple[str, ...] = ()
    worker_setup: tuple[str, ...] = ()
    worker_start: tuple[str, ...] = ()

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The head first."""
        return (self.head, *self.workers)


def load(path: str | Path = CLUSTER_FILE) -> Cluster:
    """Read a cluster's file. Raises InputError that names the file and the key."""
    path = Path(path)
    whole = _Section(path, "", _read(path))
    whole.known(_top_keys())
    cluster = Cluster(
        path=path.absolute(),
        name=whole.text("cluster_name"),
        provider=whole.section("provider").text("type"),
        head=_reached(whole.section("auth")),
        mounts=whole.mapping("file_mounts"),
        excludes=whole.texts("rsync_exclude"),
        worker_setup=(*whole.texts("setup_commands"), *whole.texts("worker_setup_commands")),
        worker_start=whole.texts("worker_start_ray_commands"),
    )
    if cluster.provider not in _PROVIDERS:
        hint = did_you_mean(cluster.provider, _PROVIDERS)
        raise InputError(f"{path}: provider.type {cluster.provider!r} is none of Ray's. {hint}")
    if cluster.provider != LOCAL:
        return cluster
    return _with_addresses(cluster, whole.section("provider"))


def _reached(auth: _Section) -> Host:
    """How every host is reached, without an address."""
    auth.known(_AUTH_KEYS, close=True)
    return Host(
        address="",
        user=auth.text("ssh_user"),
        key=os.path.expanduser(auth.text("ssh_private_key", "")),
        proxy=auth.text("ssh_proxy_command", ""),
    )


def _with_addresses(cluster: Cluster, provider: _Section) -> Cluster:
    provider.known(_PROVIDER_KEYS, close=True)
    head_ip, workers = provider.text("head_ip"), provider.texts("worker_ips", required=True)
    provider.distinct((head_ip, *workers))
    at, replace = cluster.head, msgspec.structs.replace
    return replace(
        cluster,
        head_ip=head_ip,
        head=replace(at, address=provider.text("external_head_ip", head_ip)),
        workers=tuple(replace(at, address=one) for one in workers),
    )


def is_example(cluster: Cluster) -> bool:
    """Whether the file still has addresses that only documentation uses."""
    return any(map(_documented, (cluster.head_ip, *(host.address for host in cluster.hosts))))


def from_here(cluster: Cluster) -> bool:
    """Whether `ray up` brought this cluster up from this machine and nothing took it down since."""
    if cluster.provider != LOCAL:
        return False
    state = local_state(cluster.name).get(cluster.head_ip)
    return state.get("state") == "running" if state else _noted(cluster).is_file()


def note(cluster: Cluster) -> None:
    """Keep here that a cluster was brought up from here."""
    path = _noted(cluster)
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, f"{cluster.name} {cluster.head_ip}\n".encode())


def forget(cluster: Cluster) -> None:
    """The opposite of `note`."""
    _noted(cluster).unlink(missing_ok=True)


def _noted(cluster: Cluster) -> Path:
    return Path(_NOTED).expanduser() / digest("cluster", cluster.name, cluster.head_ip)


def local_state(name: str) -> dict[str, Any]:
    """What Ray's provider of local machines notes here, by address; empty where there is nothing.

    On the machine of `ray up` it is true of the head, on the head of all workers.
    """
    try:
        state = json.loads((ray_folder() / f"cluster-{name}.state").read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def ray_folder() -> Path:
    """Where Ray keeps what it notes on a machine, by its own rule."""
    given = os.environ.get("RAY_TMPDIR")
    if given is None and sys.platform.startswith("linux"):
        given = os.environ.get("TMPDIR")
    return Path(given or "/tmp", "ray")


class _Section(msgspec.Struct, frozen=True):
    """A mapping of the file, with the key that leads to it for what is said about it."""

    path: Path
    prefix: str
    values: Mapping[str, Any]

    def known(self, keys: Sequence[str], close: bool = False) -> None:
        """Refuses other keys; with `close` only those that look like a slip of a known one."""
        for key in map(str, self.values):
            hint = did_you_mean(key, keys)
            if key not in keys and (not close or hint.startswith("Did")):
                hint = hint if hint.startswith("Did") else "Ray's documentation lists the keys."
                raise self._wrong(key, f"is no key of a cluster's file. {hint}")

    def section(self, key: str) -> _Section:
        value = self._value(key)
        if not isinstance(value, Mapping):
            raise self._wrong(key, "must hold keys of its own, indented under it")
        return _Section(self.path, f"{self.prefix}{key}.", value)

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and self.values.get(key) is None:
            return default
        value = self._value(key)
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(key, f"must be a text, and is {value!r}")
        return value

    def texts(self, key: str, required: bool = False) -> tuple[str, ...]:
        if not required and self.values.get(key) is None:
            return ()
        value = self._value(key)
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self._wrong(key, f"must be a list of texts, and is {value!r}")
        return tuple(value)

    def mapping(self, key: str) -> dict[str, str]:
        if self.values.get(key) is None:
            return {}
        value = self.section(key).values
        if not all(isinstance(one, str) for pair in value.items() for one in pair):
            raise self._wrong(key, "must lead from paths on a node to paths here")
        return dict(value)

    def distinct(self, addresses: Sequence[str]) -> None:
        twice = {one for one in addresses if addresses.count(one) > 1}
        if twice:
            raise self._wrong("worker_ips", f"and head_ip name {twice.pop()} twice")
        for one in addresses:
            strange = not one.isprintable() or set("@/ ") & set(one) or one.startswith("-")
            if strange or one.count(":") == 1:
                raise InputError(
                    f"{self.path}: provider names {one!r}; give a name or number only: the user "
                    "goes into auth.ssh_user, a port into ~/.ssh/config"
                )

    def _value(self, key: str) -> Any:
        if self.values.get(key) is None:
            raise InputError(f"{self.path}: {self.prefix}{key} is missing; docs/cluster.md has it")
        return self.values[key]

    def _wrong(self, key: str, what: str) -> InputError:
        return InputError(f"{self.path}: {self.prefix}{key} {what}")


def _read(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or error}; give the cluster's file, as docs/cluster.md has it"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is no text"
        raise InputError(f"{path}{line}: not YAML: {problem}") from None
    if not isinstance(found, Mapping):
        raise InputError(f"{path}: it holds no keys; a cluster's file begins with cluster_name:")
    return found


def _top_keys() -> tuple[str, ...]:
    """From Ray's own schema, read without importing Ray."""
    spec = find_spec("ray")
    if spec is None or spec.origin is None:
        raise InputError("Ray is not installed here; install quantgrid with it")
    schema = Path(spec.origin).parent / "autoscaler" / "ray-schema.json"
    return tuple(json.loads(schema.read_text())["properties"])


def _documented(address: str) -> bool:
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(number in network for network in _EXAMPLES)
