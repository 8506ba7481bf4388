"""Sends a load and keeps what came of every request; says of itself whether it kept up.

Arrivals of an open load are times on one clock, set before the load: a slow server moves none of
them (no coordinated omission), and what the client itself was late by is recorded.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import msgspec

from grid.cells.load import ServerLoad
from grid.engine.load.completion import (
    CompletionRequest,
    Features,
    Result,
    body_of,
    path_of,
    read_result,
)
from grid.engine.load.http_stream import HttpClient
from grid.engine.load.prompts import arrival_times

MOST_IN_FLIGHT = 4000
"""Requests at once; a server that lets so many pile up is saturated, and no more are sent."""

MOST_REQUESTS = 1_000_000

HOPELESS = 20
"""So many failures before any answer end a load; so do failures for twice a request's limit."""

PAUSE_S = 0.25
"""After a failed request a client of a closed load waits so long: a server that refuses is not
flooded."""

TICK_S = 0.01
"""Gap of the ticks by which the client sees its own delays."""


class Sent(msgspec.Struct, kw_only=True):
    """All requests of a load. Times are in `perf_counter` seconds; the window begins at `begin` and
    ends at `end`. `counted` were sent in the window, `others` are of the warm-up. `lags_s` are the
    client's own delays, `piled_up`: requests were left out because too many ran."""

    begin: float
    end: float
    counted: list[Result]
    others: list[Result]
    lags_s: list[float]
    piled_up: bool = False

    @property
    def window_s(self) -> float:
        return self.end - self.begin


class Target(msgspec.Struct, frozen=True):
    """Where requests go and what they may carry."""

    client: HttpClient
    model: str
    features: Features


class LoadRun:
    """One load at one concurrency or rate."""

    def __init__(
        self,
        target: Target,
        workload: ServerLoad,
        requests: Iterator[CompletionRequest],
        on_progress: Callable[[int, int, str], None] | None = None,
    ) -> None:
        self._target = target
        self._workload = workload
        self._requests = requests
        self._on_progress = on_progress
        self.results: list[Result] = []
        """Of the requests that are over, in that order."""
        self.in_flight = 0
        self._answered = 0
        self._sent = 0
        self.piled_up = False
        self._started = perf_counter()

    @property
    def warmup(self) -> int:
        """Requests before the window: without a number as many as run at once, of an open load a
        tenth of it."""
        load = self._workload
        if load.warmup:
            return load.warmup
        if load.arrivals == "closed":
            return load.concurrency
        expected = load.requests or load.rate * load.duration_s
        return max(1, round(expected / 10))

    async def run(self) -> Sent:
        """Send the load and wait for its answers. Raises HopelessLoad where nothing but failures
        came."""
        with _steady_clock():
            lags: list[float] = []
            ticker = asyncio.create_task(_tick(lags))
            try:
                closed = self._workload.arrivals == "closed"
                return await (self._closed(lags) if closed else self._open(lags))
            finally:
                ticker.cancel()

    async def _closed(self, lags: list[float]) -> Sent:
        load, warmup = self._workload, self.warmup
        if load.requests:  # all that count begin and end in the window, as other tools have it
            await self._clients(warmup, None)
            del lags[:]
            begin = perf_counter()
            await self._clients(warmup + load.requests, None)
            counted = [result for result in self.results if result.sent >= begin]
            end = max((result.ended for result in counted), default=perf_counter())
        else:
            clients = asyncio.create_task(self._clients(MOST_REQUESTS, load.duration_s))
            await clients
            begin, end = self._begin, self._begin + load.duration_s
            counted = [result for result in self.results if begin <= result.sent < end]
        return self._all(begin, end, counted, lags)

    async def _clients(self, total: int, duration_s: float | None) -> None:
        """Every client sends until `total` requests went out, or so long after the warm-up."""
        load, loop = self._workload, asyncio.get_running_loop()
        self._begin = float("inf")

        async def client() -> None:
            due = perf_counter()
            while self._sent < total:
                if duration_s is not None:
                    if self._sent == self.warmup:
                        self._begin = perf_counter()
                    if perf_counter() >= self._begin + duration_s:
                        return
                result = await self._send(next(self._requests), due)
                due = result.ended
                if result.error:
                    await asyncio.sleep(PAUSE_S)
                    due = perf_counter()

        async with asyncio.TaskGroup() as group:
            del loop
            for _ in range(load.concurrency):
                group.create_task(client())

    async def _open(self, lags: list[float]) -> Sent:
        load = self._workload
        warmup = self.warmup
        total = warmup + load.requests if load.requests else 0
        until_s = warmup / load.rate + load.duration_s
        start = perf_counter() + TICK_S
        begin = end = start
        due_times: list[float] = []
        async with asyncio.TaskGroup() as group:
            for place, time_s in enumerate(arrival_times(load, load.rate, until_s, total)):
                due = start + time_s
                await asyncio.sleep(max(0.0, due - perf_counter()))
                if self.in_flight >= MOST_IN_FLIGHT:
                    self.piled_up = True
                    break
                if place == warmup:
                    begin = due
                    del lags[:]
                due_times.append(due)
                group.create_task(self._send(next(self._requests), due))
                end = due
            if not (load.requests or self.piled_up):
                end = start + until_s
                begin = start + warmup / load.rate
                await asyncio.sleep(max(0.0, end - perf_counter()))
            in_window = list(lags)
        counted = [result for result in self.results if begin <= result.scheduled <= end]
        if load.requests:
            end = max((result.ended for result in counted), default=end)
        return self._all(begin, end, counted, in_window)

    def _all(self, begin: float, end: float, counted: list[Result], lags: list[float]) -> Sent:
        counted = sorted(counted, key=lambda result: result.scheduled)
        numbers = {id(result) for result in counted}
        others = [result for result in self.results if id(result) not in numbers]
        return Sent(
            begin=begin,
            end=end,
            counted=counted,
            others=others,
            lags_s=lags,
            piled_up=self.piled_up,
        )

    async def _send(self, request: CompletionRequest, due: float) -> Result:
        target = self._target
        body = body_of(request, target.model, target.features)
        self._sent += 1
        self.in_flight += 1
        sent = perf_counter()
        answer = await target.client.request(path_of(request), body, self._workload.timeout_s)
        self.in_flight -= 1
        result = read_result(answer, request, target.features)
        result.scheduled, result.sent = due, sent
        self.results.append(result)
        self._answered += not result.error
        waited_s = result.ended - self._started
        hopeless = len(self.results) >= HOPELESS or waited_s > 2 * self._workload.timeout_s
        if not self._answered and hopeless:
            raise HopelessLoad(result.error)
        if self._on_progress:
            self._on_progress(len(self.results), 0, "requests")
        return result


class HopelessLoad(Exception):
    """Nothing but failures came; its text is the last one's error."""


async def _tick(lags: list[float]) -> None:
    """How late this process is to what it means to do at a time, in seconds, again and again."""
    due = perf_counter() + TICK_S
    while True:
        await asyncio.sleep(max(0.0, due - perf_counter()))
        now = perf_counter()
        lags.append(now - due)
        due = max(due + TICK_S, now)


@contextmanager
def _steady_clock() -> Iterator[None]:
    """No collection of garbage while times are taken."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
