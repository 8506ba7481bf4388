"""How near dispatch comes to the best of all schedules, and what it costs the driver.

    python scripts/bench_dispatch.py [--nodes 1000] [--cells 100000] [--seeds 3]

Plays the simulated executor over a grid of twelve classes (`dispatch_simulation.workload`), with
and without failures, for several seeds. `driver` is the processor time inside the state's calls,
`process` that of the whole simulation, `memory` the most that the process had. Exits 1 where a
ratio, the time or the memory is beyond what was promised.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from dispatch_simulation.lower_bound import lower_bound_s
from dispatch_simulation.simulation import Scenario, Simulation
from dispatch_simulation.workload import SEED, scenario

from grid.sweep.dispatch.scheduler_state import SchedulerState

MOST_WITHOUT_FAILURES, MOST_WITH_FAILURES = 1.05, 1.15
MOST_DRIVER_S, MOST_MEMORY = 30.0, 1e9


class TimedSchedulerState(SchedulerState):
    """Counts the processor time of its calls; a call inside a call is part of it."""

    busy_s = 0.0

    def __getattribute__(self, name: str) -> Any:
        member = super().__getattribute__(name)
        if name in ("choose", "start", "record_end", "end_batch", "join", "leave", "note_artifact"):
            return self._timed(member)
        return member

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            start = time.process_time()
            try:
                return call(*arguments)
            finally:
                self.busy_s += time.process_time() - start

        return timed


def play(name: str, scenario: Scenario, most: float) -> bool:
    """Play the scenario and print its row; True where all is as promised."""
    started = time.process_time()
    state = TimedSchedulerState(scenario.works, scenario.costs, scenario.nodes)
    state.busy_s = time.process_time() - started
    outcomes = Simulation(scenario, state).run()
    process_s = time.process_time() - started
    bound_s = lower_bound_s(scenario)
    ratio = outcomes.makespan_s / bound_s
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{name:22} {len(scenario.works):7} {len(scenario.nodes):6} {outcomes.makespan_s:9.0f} "
        f"{bound_s:8.0f} {ratio:6.3f} {outcomes.loads:6} {state.busy_s:8.1f} {process_s:9.1f} "
        f"{memory / 2**20:7.0f}",
        flush=True,
    )
    return ratio <= most and state.busy_s <= MOST_DRIVER_S and memory <= MOST_MEMORY


def main() -> None:
    """One row for each kind of scenario and seed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{'scenario':22} {'cells':>7} {'nodes':>6} {'makespan s':>9} {'bound s':>7} {'ratio':>6} "
        f"{'loads':>6} {'driver s':>8} {'process s':>9} {'memory':>7}"
    )
    all_within = True
    for seed in range(SEED, SEED + options.seeds):
        for name, most, changes in (
            ("all their part", MOST_WITHOUT_FAILURES, {}),
            ("one class too much", MOST_WITHOUT_FAILURES, {"hardest": 3.0}),
            ("failures", MOST_WITH_FAILURES, {"failures": True}),
        ):
            scenario_of_kind = scenario(seed, options.nodes, options.cells, **changes)
            all_within &= play(f"{name}, {seed}", scenario_of_kind, most)
    sys.exit(0 if all_within else 1)


if __name__ == "__main__":
    main()
