"""A lower bound on when any schedule ends; the policy's makespan is compared with it.

Let T be when a schedule ends, with everything known beforehand: durations, stragglers, failures,
who leaves. A node of pace f (all takes f times as long) that is there for t seconds until T does
t / f seconds of its class's work, so a class does at most K(T), the sum of t / f over its nodes.
In that time fall at least

* every attempt of the cells that only this class can run;
* for each engine of which it has such cells, one opening;
* for each artifact of those, the cheaper of making and copying it once;
* its part of the attempts that several classes could run, which a linear program chooses, cells
  divided at will (`grid.sweep.dispatch.balance`). Cells whose durations on their classes have
  the same ratios are one variable: of such cells only the sum matters.

Dropping everything else that costs time (a second opening, idle ends, whole cells, work lost with a
node) only lowers T. So the least T at which the program's loads fit K(T) bounds every schedule. A
failing cell counts an attempt more for each failure that the rules let it repeat.

The other bound is the longest chain: a cell's artifact is made by some node, then its engine opened
and the cell run by some node. The larger of both is the lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping

from dispatch_simulation.simulation import Scenario
from grid.sweep.dispatch.balance import balance
from grid.sweep.dispatch.work import Work

TRIES = 2
"""Times that a failing cell is tried."""

PRECISION = 1e-4


def lower_bound_s(scenario: Scenario) -> float:
    """Seconds that no schedule of the scenario beats."""
    return max(_by_load(scenario), _by_chain(scenario))


def _by_load(scenario: Scenario) -> float:
    pools, fixed = _shared_pools(scenario), _unshared_s(scenario)
    presence = _presence(scenario)
    low, high = 0.0, 1.0
    while not _enough(pools, fixed, _capacity(scenario, presence, high)):
        low, high = high, 2 * high
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        if _enough(pools, fixed, _capacity(scenario, presence, middle)):
            high = middle
        else:
            low = middle
    return low


def _enough(
    pools: list[dict[str, float]], fixed: Mapping[str, float], capacity: Mapping[str, float]
) -> bool:
    return balance(pools, fixed, capacity, thrift=0.0).end_s <= 1.0


def _presence(scenario: Scenario) -> list[tuple[str, str, float, float]]:
    """Name, profile, first and last second of every stay."""
    left = sorted(scenario.leaves)
    came = [(0.0, spec) for spec in scenario.nodes] + list(scenario.joins)
    stays = []
    for start, spec in came:
        end = next((t for t, name in left if name == spec.name and t > start), float("inf"))
        stays.append((spec.name, spec.profile, start, end))
    return stays


def _capacity(
    scenario: Scenario, presence: list[tuple[str, str, float, float]], end_s: float
) -> dict[str, float]:
    """Seconds of work that each class can do until then."""
    capacity: dict[str, float] = {}
    for name, profile, start, stop in presence:
        present_s = max(0.0, min(stop, end_s) - start)
        capacity[profile] = capacity.get(profile, 1e-9) + present_s / scenario.pace[name]
    return capacity


def _attempts_s(scenario: Scenario, work: Work, profile: str) -> float:
    """Seconds of all tries of the cell that the rules ask for."""
    failures = min(scenario.failing.get(work.cell_id, 0), TRIES)
    whole = 1 if failures < TRIES else 0
    return (failures * scenario.failed_part + whole) * scenario.cell_s(work, profile)


def _shared_pools(scenario: Scenario) -> list[dict[str, float]]:
    """Sums over the cells that several classes can run, by the ratios of their durations."""
    pools: dict[tuple[tuple[str, float], ...], dict[str, float]] = {}
    for work in scenario.works:
        if len(work.seconds) > 1:
            total = sum(work.seconds.values()) or 1.0
            ratios = tuple((p, round(s / total, 9)) for p, s in sorted(work.seconds.items()))
            pool = pools.setdefault(ratios, dict.fromkeys(work.seconds, 0.0))
            for profile in pool:
                pool[profile] += _attempts_s(scenario, work, profile)
    return list(pools.values())


def _unshared_s(scenario: Scenario) -> dict[str, float]:
    """What only one class can do, and the openings and artifacts that it needs for that."""
    fixed: dict[str, float] = {}
    engines: dict[tuple[str, str], None] = {}
    artifacts: dict[tuple[str, str], None] = {}
    for work in scenario.works:
        if len(work.seconds) == 1:
            (profile,) = work.seconds
            fixed[profile] = fixed.get(profile, 0.0) + _attempts_s(scenario, work, profile)
            engines[work.engine, profile] = None
            artifacts[work.artifact, profile] = None
    for engine, profile in engines:
        fixed[profile] += scenario.bias[profile] * scenario.costs.load_s(engine, profile)
    for artifact, profile in artifacts:
        make_s = scenario.bias[profile] * scenario.costs.make_s(artifact, profile)
        fixed[profile] += min(make_s, scenario.peer_s[artifact])
    return fixed


def _by_chain(scenario: Scenario) -> float:
    """The longest of: make somewhere, open and run somewhere."""
    fastest: dict[str, float] = {}
    for spec in (*scenario.nodes, *(spec for _, spec in scenario.joins)):
        pace = scenario.pace[spec.name]
        fastest[spec.profile] = min(fastest.get(spec.profile, pace), pace)
    longest = 0.0
    for work in scenario.works:
        made_s = min(
            pace * scenario.bias[p] * scenario.costs.make_s(work.artifact, p)
            for p, pace in fastest.items()
        )
        run_s = min(
            fastest[p]
            * (
                scenario.bias[p] * scenario.costs.load_s(work.engine, p)
                + _attempts_s(scenario, work, p)
            )
            for p in work.seconds
        )
        longest = max(longest, made_s + run_s)
    return longest
