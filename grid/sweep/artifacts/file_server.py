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
"""Seconds that a reader waits for a paused server before it is turned away."""

GIVE_FIRST_S = 60.0
"""Most seconds that a server which has turned readers away serves them before it pauses again: else
a row of measurements would starve them."""

GONE_S = 2.0
"""Seconds without a read after which no reader is waiting any longer."""

RECHECK_S = 10.0
"""Seconds between two checks whether an offer still stands."""


class FileServer:
    """Serves one node's files, in a process of its own. Calls may come from several threads.

    `cache` is the node's cache folder where its environment does not say it.
    """

    def __init__(self, cache: str | None = None) -> None:
        if cache is not None:
            os.environ[CACHE_VARIABLE] = cache
        self._state = threading.Condition()
        self._paused_until = 0.0
        self._reading = 0
        self._turned_away = False
        self._last_read_s = 0.0
        self._checked_offers: dict[str, tuple[float, Offer]] = {}

    def host_name(self) -> str:
        """What people call this node."""
        return socket.gethostname()

    def offered_manifests(self) -> dict[str, Manifest]:
        """What this node has for others, by key."""
        return {offer.key: offer.manifest for offer in standing_offers()}

    def read(self, key: str, name: str, offset: int) -> bytes | None:
        """Up to `CHUNK_BYTES` of a file from `offset` on; empty where it has no such file (any
        longer), None while the node is paused."""
        with self._state:
            left = self._paused_until - time.monotonic()
            if not self._state.wait_for(self._may_serve, timeout=min(PATIENCE_S, left)):
                self._turned_away = True
                return None
            self._reading += 1
        try:
            return self._bytes(key, name, offset)
        finally:
            with self._state:
                self._reading -= 1
                self._last_read_s = time.monotonic()
                self._state.notify_all()

    def pause_transfers(self, seconds: float) -> None:
        """Serve nothing for so many seconds; 0 ends the pause. Returns when no answer is being read
        any more. Readers turned away before are served first. The time is a limit for the case that
        the caller dies."""
        with self._state:
            if seconds and self._turned_away:
                self._serve_waiting_first()
            now = time.monotonic()
            self._paused_until = now + seconds if seconds else min(self._paused_until, now)
            self._state.notify_all()
            if seconds:
                self._state.wait_for(lambda: self._reading == 0, timeout=PATIENCE_S)

    def _serve_waiting_first(self) -> None:
        """End the pause until the readers that were turned away have been served."""
        self._turned_away = False
        since = self._paused_until = min(self._paused_until, time.monotonic())
        self._state.notify_all()
        end = since + GIVE_FIRST_S
        gone = since + PATIENCE_S + GONE_S  # a reader that was turned away comes back
        while self._reading or time.monotonic() < max(gone, self._last_read_s + GONE_S):
            if time.monotonic() >= end:
                return
            self._state.wait(timeout=GONE_S / 10)

    def _may_serve(self) -> bool:
        return time.monotonic() >= self._paused_until

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
