"""A cluster's file, as `ray up` reads it: which hosts, and how ssh reaches them.

Ray checks the whole file itself; this module reads what the grid needs of it, and an error in that
is one line.
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

from grid.cache import write_atomically
from grid.cluster.ssh import Host
from grid.errors import InputError, did_you_mean
from grid.models.identity import digest

_NOTES = "~/.local/state/quantgrid/clusters"
"""A file for each cluster that was brought up from here. Ray's own notes lie where a reboot empties
the folder."""

CLUSTER_FILE = "cluster.yaml"
"""Looked for in the folder where a command runs."""

LOCAL = "local"
"""Ray's provider of machines that are there already."""

_PROVIDERS = (
    *(LOCAL, "aws", "gcp", "azure", "vsphere", "aliyun", "kuberay", "spark", "external"),
    *("readonly", "fake_multinode", "fake_multinode_docker"),
)
"""Ray's providers."""

_PROVIDER_KEYS = ("type", "head_ip", "worker_ips", "external_head_ip")
_AUTH_KEYS = ("ssh_user", "ssh_private_key", "ssh_proxy_command")
_EXAMPLES = tuple(map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))
"""Addresses that documentation may use and no machine has (RFC 5737)."""


class NotUp(InputError):
    """A cluster has no head: on its cloud there is none."""


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's file. On a cloud `head` has no address until Ray is asked, and no worker is
    named; `grid.cluster.commands.locate_head` fills the head in."""

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
    whole = _Section(path, "", _read_yaml(path))
    whole.refuse_unknown(_top_keys())
    cluster = Cluster(
        path=path.absolute(),
        name=whole.text("cluster_name"),
        provider=whole.section("provider").text("type"),
        head=_ssh_settings(whole.section("auth")),
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


def _ssh_settings(auth: _Section) -> Host:
    """How ssh reaches every host: a Host without an address."""
    auth.refuse_unknown(_AUTH_KEYS, close=True)
    return Host(
        address="",
        user=auth.text("ssh_user"),
        key=os.path.expanduser(auth.text("ssh_private_key", "")),
        proxy=auth.text("ssh_proxy_command", ""),
    )


def _with_addresses(cluster: Cluster, provider: _Section) -> Cluster:
    provider.refuse_unknown(_PROVIDER_KEYS, close=True)
    head_ip, workers = provider.text("head_ip"), provider.texts("worker_ips", required=True)
    provider.require_distinct((head_ip, *workers))
    reached, replace = cluster.head, msgspec.structs.replace
    return replace(
        cluster,
        head_ip=head_ip,
        head=replace(reached, address=provider.text("external_head_ip", head_ip)),
        workers=tuple(replace(reached, address=address) for address in workers),
    )


def is_example(cluster: Cluster) -> bool:
    """Whether the file still has addresses that only documentation uses."""
    addresses = (cluster.head_ip, *(host.address for host in cluster.hosts))
    return any(map(_is_example_address, addresses))


def was_brought_up_here(cluster: Cluster) -> bool:
    """Whether `ray up` brought this cluster up from this machine and nothing took it down since."""
    if cluster.provider != LOCAL:
        return False
    state = local_state(cluster.name).get(cluster.head_ip)
    return state.get("state") == "running" if state else _note_path(cluster).is_file()


def note_up(cluster: Cluster) -> None:
    """Note on this machine that it brought the cluster up."""
    path = _note_path(cluster)
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, f"{cluster.name} {cluster.head_ip}\n".encode())


def forget_up(cluster: Cluster) -> None:
    """Remove the note of `note_up`."""
    _note_path(cluster).unlink(missing_ok=True)


def _note_path(cluster: Cluster) -> Path:
    return Path(_NOTES).expanduser() / digest("cluster", cluster.name, cluster.head_ip)


def local_state(name: str) -> dict[str, Any]:
    """What Ray's provider of local machines notes on this machine, by address; may be empty.

    On the machine of `ray up` it holds the head, on the head all workers.
    """
    try:
        state = json.loads((ray_folder() / f"cluster-{name}.state").read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def ray_folder() -> Path:
    """Where Ray keeps what it notes on a machine, by its own rule."""
    folder = os.environ.get("RAY_TMPDIR")
    if folder is None and sys.platform.startswith("linux"):
        folder = os.environ.get("TMPDIR")
    return Path(folder or "/tmp", "ray")


class _Section(msgspec.Struct, frozen=True):
    """A mapping of the file, with the keys that lead to it, for error messages."""

    path: Path
    prefix: str
    values: Mapping[str, Any]

    def refuse_unknown(self, keys: Sequence[str], close: bool = False) -> None:
        """Refuses other keys; with `close` only those that look like a slip of a known one."""
        for key in map(str, self.values):
            hint = did_you_mean(key, keys)
            if key not in keys and (not close or hint.startswith("Did")):
                hint = hint if hint.startswith("Did") else "Ray's documentation lists the keys."
                raise self._error(key, f"is no key of a cluster's file. {hint}")

    def section(self, key: str) -> _Section:
        value = self._value(key)
        if not isinstance(value, Mapping):
            raise self._error(key, "must hold keys of its own, indented under it")
        return _Section(self.path, f"{self.prefix}{key}.", value)

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and self.values.get(key) is None:
            return default
        value = self._value(key)
        if not isinstance(value, str) or not value.strip():
            raise self._error(key, f"must be a text, and is {value!r}")
        return value

    def texts(self, key: str, required: bool = False) -> tuple[str, ...]:
        if not required and self.values.get(key) is None:
            return ()
        value = self._value(key)
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self._error(key, f"must be a list of texts, and is {value!r}")
        return tuple(value)

    def mapping(self, key: str) -> dict[str, str]:
        if self.values.get(key) is None:
            return {}
        value = self.section(key).values
        if not all(isinstance(text, str) for pair in value.items() for text in pair):
            raise self._error(key, "must lead from paths on a node to paths here")
        return dict(value)

    def require_distinct(self, addresses: Sequence[str]) -> None:
        twice = {address for address in addresses if addresses.count(address) > 1}
        if twice:
            raise self._error("worker_ips", f"and head_ip name {twice.pop()} twice")
        for address in addresses:
            strange = (
                not address.isprintable() or set("@/ ") & set(address) or address.startswith("-")
            )
            if strange or address.count(":") == 1:
                raise InputError(
                    f"{self.path}: provider names {address!r}; give a name or number only: "
                    "the user goes into auth.ssh_user, a port into ~/.ssh/config"
                )

    def _value(self, key: str) -> Any:
        if self.values.get(key) is None:
            raise InputError(f"{self.path}: {self.prefix}{key} is missing; docs/cluster.md has it")
        return self.values[key]

    def _error(self, key: str, what: str) -> InputError:
        return InputError(f"{self.path}: {self.prefix}{key} {what}")


def _read_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or error}; give the cluster's file, as docs/cluster.md has it"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is no text"
        raise InputError(f"{path}{line}: not YAML: {problem}") from None
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: it holds no keys; a cluster's file begins with cluster_name:")
    return content


def _top_keys() -> tuple[str, ...]:
    """From Ray's own schema, read without importing Ray."""
    spec = find_spec("ray")
    if spec is None or spec.origin is None:
        raise InputError("Ray is not installed here; install quantgrid with it")
    schema = Path(spec.origin).parent / "autoscaler" / "ray-schema.json"
    return tuple(json.loads(schema.read_text())["properties"])


def _is_example_address(address: str) -> bool:
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(number in network for network in _EXAMPLES)
