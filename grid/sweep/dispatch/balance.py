"""Divides work that several profiles could do among them: a small linear program.

With x[g, p] the fraction of group g that profile p takes, `fixed[p]` the seconds that only p can
do, `capacity[p]` how many nodes it has:

    minimise T   where   fixed[p] + sum over g of seconds[g, p] x[g, p]  <=  capacity[p] T
                 and     sum over p of x[g, p] = 1,   x >= 0

A vertex of it gives whole groups to one profile but for as many groups as there are profiles, so
it splits hardly any engine. Among equals the one with the least work is taken (`THRIFT`). Profiles
that share no group have nothing to do with each other: each such part is a program of its own, so
that all end early and not only the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

THRIFT = 1e-3
"""Weight of the sum of all work beside the end time: large enough to decide where the end time does
not, small enough not to lengthen it by more than a thousandth of the mean load."""


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """A division. `end_s` is when all work ends if nothing is lost; `shares[g]` is the fraction of
    group g by profile, without zeros."""

    end_s: float
    shares: tuple[Mapping[str, float], ...]


def balance(
    seconds: Sequence[Mapping[str, float]],
    fixed: Mapping[str, float],
    capacity: Mapping[str, float],
    *,
    prices: Sequence[Mapping[str, float]] | None = None,
    thrift: float = THRIFT,
) -> Balance:
    """Divide the groups, each with its seconds at every profile that may take it; `prices` are what
    a second of it counts in the sum of all work, 1 where it is None.

    Every profile that is named has a capacity above 0. With `thrift=0` no division ends sooner than
    `end_s`.
    """
    end_s = max((fixed.get(p, 0.0) / count for p, count in capacity.items()), default=0.0)
    shares: list[dict[str, float]] = [{} for _ in seconds]
    for part in _independent_parts(seconds):
        pairs = [(g, p, s) for g in part for p, s in sorted(seconds[g].items())]
        costs = [thrift * s * (prices[g][p] if prices else 1.0) for g, p, s in pairs]
        values, part_end_s = _solve_program(pairs, costs, fixed, capacity)
        end_s = max(end_s, part_end_s)
        for (group, profile, _), value in zip(pairs, values, strict=True):
            if value > 1e-6:  # the solver's own tolerance is 1e-7
                shares[group][profile] = value
    return Balance(end_s=end_s, shares=tuple(shares))


def _independent_parts(seconds: Sequence[Mapping[str, float]]) -> list[list[int]]:
    """Indices of groups, split into parts that share no profile."""
    parts: list[tuple[set[str], list[int]]] = []
    for profiles in dict.fromkeys(tuple(sorted(of)) for of in seconds):
        touching = [part for part in parts if not part[0].isdisjoint(profiles)]
        parts = [part for part in parts if part not in touching]
        parts.append((set(profiles).union(*(part[0] for part in touching)), []))
    of_profile = {profile: part for part in parts for profile in part[0]}
    for group, of in enumerate(seconds):
        of_profile[next(iter(of))][1].append(group)
    return [groups for _, groups in parts]


def _solve_program(
    pairs: Sequence[tuple[int, str, float]],
    costs: Sequence[float],
    fixed: Mapping[str, float],
    capacity: Mapping[str, float],
) -> tuple[list[float], float]:
    """Solve one part: x in the order of `pairs`, and T in seconds."""
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix

    profiles = {name: row for row, name in enumerate(sorted({p for _, p, _ in pairs}))}
    numbers = {name: row for row, name in enumerate(dict.fromkeys(g for g, _, _ in pairs))}
    n, rows, groups = len(pairs), len(profiles), len(numbers)
    work = np.array([s for _, _, s in pairs])
    load = np.array([fixed.get(p, 0.0) for p in profiles])
    nodes = np.array([float(capacity[p]) for p in profiles])
    unit = max(float((work.sum() + load.sum()) / nodes.sum()), 1e-12)  # so that T is about 1
    columns = np.arange(n)
    at = np.array([profiles[p] for _, p, _ in pairs])
    of = np.array([numbers[g] for g, _, _ in pairs])
    within: Any = csr_matrix(
        (
            np.append(work / unit, -nodes),
            (np.append(at, np.arange(rows)), np.append(columns, np.full(rows, n))),
        ),
        shape=(rows, n + 1),
    )
    whole: Any = csr_matrix((np.ones(n), (of, columns)), shape=(groups, n + 1))
    solution = linprog(
        c=np.append(np.array(costs) / unit / nodes.sum(), 1.0),
        A_ub=within,
        b_ub=(-load / unit).astype(np.float64),
        A_eq=whole,
        b_eq=np.ones(groups),
        bounds=(0.0, None),
        method="highs-ds",  # the simplex: a vertex, as the docstring says
    )
    if solution.x is None:  # bounded and feasible by construction
        raise AssertionError(f"the balance has no solution: {solution.message}")
    return [float(value) for value in solution.x[:n]], float(solution.x[n]) * unit
