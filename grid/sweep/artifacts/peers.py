"""Peers: nodes that give each other what one of them has, and agree on who makes what is missing.

An item has a key of kind and name: `artifact/<id>`, `reference/<digest>`, `text/<sha256>`,
`items/<sha256>`. Nothing here knows of Ray: `ray_peers` is one way to reach peers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from grid.errors import GridError
from grid.sweep.artifacts.manifest import FileEntry, Manifest


class PeerLost(GridError):
    """A peer left, or does not have what it was said to have."""


class PeerSilent(GridError):
    """A peer does not answer now; a network may have been cut."""


class PeerBusy(GridError):
    """A peer measures speed and gives nothing meanwhile."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a node that lacks an item is to do: fetch it from one of `holders` (`manifest` describes
    it), `make` it, or ask again later, since `maker` makes it now."""

    make: bool = False
    holders: tuple[str, ...] = ()
    manifest: Manifest | None = None
    maker: str = ""


class Peers(Protocol):
    """How a node sees the others. Calls may come from several threads."""

    @property
    def me(self) -> str:
        """The name of this node among its peers."""
        ...

    def title(self, node: str) -> str:
        """What people call a node."""
        ...

    def claim(self, key: str) -> Claim:
        """What to do for an item that this node lacks. After `make` all others wait until this
        node announces or releases it."""
        ...

    def announce(self, key: str, manifest: Manifest) -> Manifest:
        """This node has the item whole. Returns the manifest that counts, that of the first who
        announced it: where it is another one, this node is to take the first one's bytes."""
        ...

    def release(self, key: str) -> None:
        """Making failed or was given up: whoever asks next makes it."""
        ...

    def missing(self, key: str, holder: str) -> None:
        """A holder (or this node, after an eviction) does not have it."""
        ...

    def read(self, holder: str, key: str, file: FileEntry, offset: int) -> Iterator[bytes]:
        """The file's bytes from `offset` on, in chunks. Raises PeerLost, PeerSilent and
        PeerBusy; what came until then is right as far as it goes."""
        ...

    def pause_transfers(self, seconds: float) -> None:
        """This node serves nothing for so many seconds, or until the next call; 0 ends the
        pause."""
        ...
