"""The directory knows which node has which item and which node makes one now. One a sweep."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from grid.sweep.artifacts.manifest import Manifest
from grid.sweep.artifacts.peers import Claim


class Directory:
    """Plain and safe to share between threads; `ray_peers` makes an actor of it.

    Of two nodes that announce differing bytes for one key the first wins, as long as anybody has
    them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._manifests: dict[str, Manifest] = {}
        self._holders: dict[str, list[str]] = {}
        self._makers: dict[str, str] = {}
        self._times_first: Counter[str] = Counter()

    def claim(self, node: str, key: str) -> Claim:
        """What `node` is to do for `key`; holders come least asked first. A node that claims what
        it makes already (its worker was started anew) makes it again."""
        with self._lock:
            holders = [name for name in self._holders.get(key, ()) if name != node]
            if holders:
                holders.sort(key=self._times_first.__getitem__)
                self._times_first[holders[0]] += 1
                return Claim(holders=tuple(holders), manifest=self._manifests[key])
            maker = self._makers.setdefault(key, node)
            return Claim(make=True) if maker == node else Claim(maker=maker)

    def announce(self, node: str, key: str, manifest: Manifest) -> Manifest:
        """`node` has `key`; returns the manifest that counts."""
        with self._lock:
            self._unmake(node, key)
            current = self._manifests.get(key)
            if current is not None and current.identity != manifest.identity:
                self._drop(node, key)  # it has other bytes than it had
            first = self._manifests.setdefault(key, manifest)
            holders = self._holders.setdefault(key, [])
            if first.identity == manifest.identity and node not in holders:
                holders.append(node)
            return first

    def release(self, node: str, key: str) -> None:
        """`node` does not make `key` any longer."""
        with self._lock:
            self._unmake(node, key)

    def missing(self, node: str, key: str) -> None:
        """`node` does not have `key`."""
        with self._lock:
            self._drop(node, key)

    def give_up(self, node: str) -> None:
        """Free what the dead worker of `node` was making. What the node has, it still serves."""
        with self._lock:
            for key in [key for key, maker in self._makers.items() if maker == node]:
                del self._makers[key]

    def forget(self, node: str) -> None:
        """Remove a node that is gone, with what it had and what it was making."""
        self.give_up(node)
        with self._lock:
            for key in [key for key, names in self._holders.items() if node in names]:
                self._drop(node, key)

    def enlist(self, node: str, held: Mapping[str, Manifest]) -> None:
        """A node came, with what is on its disk from before."""
        for key, manifest in held.items():
            self.announce(node, key, manifest)

    def _unmake(self, node: str, key: str) -> None:
        if self._makers.get(key) == node:
            del self._makers[key]

    def _drop(self, node: str, key: str) -> None:
        holders = self._holders.get(key, [])
        if node in holders:
            holders.remove(node)
        if not holders:
            self._holders.pop(key, None)
            self._manifests.pop(key, None)
