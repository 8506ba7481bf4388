"""The flags of `ray start` that make a machine a node, from its probe.

    ray start --address=HEAD:6379 $(grid node-flags)

No word has a space or a quote that a shell would read, so that the substitution needs no quoting.
"""

from __future__ import annotations

import re
import socket
import sys
from contextlib import suppress
from pathlib import Path

from grid.hardware.node import Node
from grid.hardware.probe import probe_node
from grid.models.identity import digest

CLASS_LABEL = "quantgrid.class"
DEVICE_LABEL = "quantgrid.device"
SYSTEM_LABEL = "quantgrid.system"
BENCH_SLOT = "bench_slot"
"""Resource of which each node has one; whoever measures alone on a node holds it."""

BOOTSTRAP = "~/ray_bootstrap_config.yaml"
"""Where `ray up` leaves the cluster's file on the head."""

OBJECT_STORE_BYTES = 2**30
"""Results are small and artifacts come in pieces; Ray's default would take 30% of the memory."""

_LABEL_LENGTH = 63


def flags_here(head: bool = False) -> str:
    """The flags of this machine. Never fails, so that Ray starts in any case: what went wrong is
    said on standard error, and the flags are those that need no probe."""
    address = ""
    try:
        address = head_address() if head else ""
        return node_flags(probe_node(), address)
    except Exception as error:
        sys.stderr.write(f"grid node-flags: the node joins without labels: {error}\n")
        return " ".join(common_flags(address))


def node_flags(node: Node, head_address: str = "") -> str:
    """Flags of `ray start`, separated by spaces: CPUs, GPUs, labels, one bench slot.

    `head_address` is given on the head, which else asks the network for its own address.
    """
    labels = {
        CLASS_LABEL: class_digest(node.hardware_class),
        DEVICE_LABEL: label_value(node.device_kind),
        SYSTEM_LABEL: label_value(node.system),
    }
    flags = [
        f"--num-cpus={max(1, node.cores)}",
        f"--num-gpus={len(node.accelerators)}",
        "--labels=" + ",".join(f"{name}={value}" for name, value in labels.items() if value),
        *common_flags(head_address),
    ]
    return " ".join(flags)


def common_flags(head_address: str = "") -> list[str]:
    """Flags of any node, probed or not."""
    address = [f"--node-ip-address={head_address}"] if head_address else []
    slot = f'--resources={{"{BENCH_SLOT}":1}}'
    return [slot, f"--object-store-memory={OBJECT_STORE_BYTES}", *address]


def class_digest(hardware_class: str) -> str:
    """A hardware class as a label's value: 12 hex digits."""
    return digest("hardware class", hardware_class)[:12]


def label_value(text: str) -> str:
    """The nearest text that Ray takes as a label's value: `Linux x86 (a)` -> `Linux-x86-a`."""
    allowed = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:_LABEL_LENGTH]
    return allowed.strip("-_.")


def head_address(bootstrap: str = BOOTSTRAP) -> str:
    """This head's address as the cluster's file has it; empty where `ray up` left none."""
    import yaml

    path = Path(bootstrap).expanduser()
    if not path.is_file():
        return ""
    provider = (yaml.safe_load(path.read_text()) or {}).get("provider") or {}
    address = str(provider.get("head_ip") or "")
    with suppress(OSError):  # Ray takes numbers only; a name that nothing knows is Ray's to refuse
        address = socket.gethostbyname(address) if address else ""
    return address
