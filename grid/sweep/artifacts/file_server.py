"""The file server gives a node's peers the files that it offers, chunk by chunk. It pauses while
speed is measured on the node."""

from __future__ import annotations

import os
import socket
import threading
import time

from grid.cache import CACHE_VARIABLE
from grid.sweep.artifacts.leases import touch
from grid.sweep.artifacts.manifest import Manifest
from grid.sweep.artifacts.offers import Offer, find_offer, standing_offers

CHUNK_BYTES = 8 * 2**20
"""Bytes of one answer: large enough that calls cost nothing, small enough for Ray's least store."""

PATIENCE_S = 5.0
"""How long an asker waits for a file server that keeps still before it is sent elsewhere."""

GIVE_FIRST_S = 60.0
"""Most seconds that a server which has sent peers away gives files before it pauses again: else a
row of measurements would starve them."""

GONE_S = 2.0
"""Seconds without a question after which nobody asks any longer."""

RECHECK_S = 10.0
"""Seconds between two looks at whether an offer still stands."""


class FileServer:
    """One for each node, in a process of its own. Calls may come from several threads.

    `cache` is the node's cache folder where its environment does not say it.
    """

    def __init__(self, cache: str | None = None) -> None:
        if cache is not None:
            os.environ[CACHE_VARIABLE] = cache
        self._state = threading.Condition()
        self._quiet_until = 0.0
        self._reading = 0
        self._sent_away = False
        self._asked_last = 0.0
        self._checked_offers: dict[str, tuple[float, Offer]] = {}

    def host_name(self) -> str:
        """What people call this node."""
        return socket.gethostname()

    def offered_manifests(self) -> dict[str, Manifest]:
        """What this node has for others, by key."""
        return {offer.key: offer.manifest for offer in standing_offers()}

    def read(self, key: str, name: str, offset: int) -> bytes | None:
        """Up to `CHUNK_BYTES` of a file from `offset` on; empty where it has no such file (any
        longer), None while the node keeps still."""
        with self._state:
            left = self._quiet_until - time.monotonic()
            if not self._state.wait_for(self._loud, timeout=min(PATIENCE_S, left)):
                self._sent_away = True
                return None
            self._reading += 1
        try:
            return self._bytes(key, name, offset)
        finally:
            with self._state:
                self._reading -= 1
                self._asked_last = time.monotonic()
                self._state.notify_all()

    def pause_transfers(self, seconds: float) -> None:
        """Give nothing for so long; 0: give again. Returns when no answer is being read any more.
        Whoever was sent away since is given to before. The time is a limit for the case that the
        one who asked for it dies."""
        with self._state:
            if seconds and self._sent_away:
                self._give_first()
            now = time.monotonic()
            self._quiet_until = now + seconds if seconds else min(self._quiet_until, now)
            self._state.notify_all()
            if seconds:
                self._state.wait_for(lambda: self._reading == 0, timeout=PATIENCE_S)

    def _give_first(self) -> None:
        self._sent_away = False
        since = self._quiet_until = min(self._quiet_until, time.monotonic())
        self._state.notify_all()
        end, gone = (
            since + GIVE_FIRST_S,
            since + PATIENCE_S + GONE_S,
        )  # who was sent away comes back
        while self._reading or time.monotonic() < max(gone, self._asked_last + GONE_S):
            if time.monotonic() >= end:
                return
            self._state.wait(timeout=GONE_S / 10)

    def _loud(self) -> bool:
        return time.monotonic() >= self._quiet_until

    def _bytes(self, key: str, name: str, offset: int) -> bytes:
        offer = self._offer(key)
        place = None if offer is None else offer.place(name)
        if place is None:
            return b""
        try:
            with place.open("rb") as file:
                file.seek(offset)
                return file.read(CHUNK_BYTES)
        except OSError:
            self._checked_offers.pop(key, None)
            return b""

    def _offer(self, key: str) -> Offer | None:
        checked_s, offer = self._checked_offers.get(key, (0.0, None))
        if offer is None or time.monotonic() - checked_s > RECHECK_S:
            offer = find_offer(key)
            if offer is None:
                self._checked_offers.pop(key, None)
                return None
            self._checked_offers[key] = (time.monotonic(), offer)
            touch(key)  # what peers fetch is in use too
        return offer
