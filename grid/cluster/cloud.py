"""The address of a cluster's head on a cloud, by Ray: `python -m grid.cluster.cloud FILE`.

A process of its own: Ray's autoscaler prints, and a cloud may take its time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec


class CloudHead(msgspec.Struct, frozen=True, kw_only=True):
    """Its address, empty where there is none, and the path of the key that it lets in, which Ray
    made itself where the cluster's file names none."""

    address: str = ""
    key: str = ""


def head_of(file: Path) -> CloudHead:
    """Raises whatever the cloud's own library does."""
    import yaml
    from ray.autoscaler._private.commands import _bootstrap_config, get_head_node_ip

    try:
        address = get_head_node_ip(str(file))
    except RuntimeError as error:
        if str(error).startswith("Head node of cluster"):  # ... not found, says Ray
            return CloudHead()
        raise
    auth = _bootstrap_config(yaml.safe_load(file.read_text()))["auth"]
    key = os.path.expanduser(auth.get("ssh_private_key") or "")
    return CloudHead(address=address or "", key=key)


if __name__ == "__main__":
    head = head_of(Path(sys.argv[1]))
    sys.stdout.write("\n" + msgspec.json.encode(head).decode() + "\n")
