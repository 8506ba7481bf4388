"""What the pages should say, computed from the Arrow files with pyarrow and nothing of ours."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

Key = tuple[str, str]
"""Model and quant."""

GIB = 2**30


@dataclass(frozen=True)
class Truth:
    """The rows of a store's folder. Every cell of the tests' store was measured once."""

    folder: Path

    def table(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for file in sorted(self.folder.glob(f"{name}-*.arrow")):
            with pa.OSFile(str(file)) as source:
                rows += pa.ipc.open_file(source).read_all().to_pylist()
        return rows

    @cached_property
    def attempts(self) -> dict[str, dict[str, Any]]:
        return {row["attempt_id"]: row for row in self.table("attempts") if row["status"] == "ok"}

    @cached_property
    def sizes(self) -> dict[Key, int]:
        return {_key(row): row["artifact_bytes"] for row in self.attempts.values()}

    @cached_property
    def gains(self) -> dict[Key, dict[str, dict[str, float]]]:
        """(score - chance) / (1 - chance) by variant, task class and item."""
        by_key: dict[Key, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        for row in self.table("items"):
            attempt = self.attempts[row["attempt_id"]]
            gain = (row["score"] - row["chance"]) / (1 - row["chance"])
            by_key[_key(attempt)][row["task_class"]][row["item"]] = gain
        return by_key

    @cached_property
    def capability(self) -> dict[Key, float]:
        """Mean over classes of the mean gain."""
        return {
            key: mean([mean(list(items.values())) for items in classes.values()])
            for key, classes in self.gains.items()
        }

    def retained(self, key: Key, task_class: str, whole: str = "F16") -> float:
        """Score above chance over that of the 16 bits, on the same items: items of a class share
        one chance here, so that it is the ratio of gains."""
        mine, base = (self.gains[key[0], quant][task_class] for quant in (key[1], whole))
        return sum(mine.values()) / sum(base[item] for item in mine)

    def metric(self, measure: str, name: str, **workload: object) -> dict[Key, float]:
        """A metric by variant, of the attempts of a measure whose workload has these fields."""
        workloads = {key: json.loads(row["workload"]) for key, row in self.attempts.items()}
        return {
            _key(row): self.values[attempt_id, name]
            for attempt_id, row in self.attempts.items()
            if row["measure"] == measure
            and all(workloads[attempt_id].get(field) == value for field, value in workload.items())
            and (attempt_id, name) in self.values
        }

    @cached_property
    def values(self) -> Mapping[tuple[str, str], float]:
        return {(row["attempt_id"], row["name"]): row["value"] for row in self.table("metrics")}

    def samples(self, measure: str, name: str, key: Key, **workload: object) -> list[float]:
        """A raw series of one variant."""
        for row in self.table("samples"):
            attempt = self.attempts.get(row["attempt_id"])
            if attempt and row["name"] == name and attempt["measure"] == measure:
                fields = json.loads(attempt["workload"])
                same = all(fields.get(k) == v for k, v in workload.items())
                if _key(attempt) == key and same:
                    return list(row["values"])
        raise AssertionError(f"no {name} of {key}")

    def unbeaten(self, cost: Mapping[Key, float], lower: bool = True) -> set[Key]:
        """Variants that none beats in capability against the cost."""
        points = {k: (cost[k] if lower else -cost[k], -c) for k, c in self.capability.items()}
        return {
            key
            for key, (x, y) in points.items()
            if not any(a <= x and b <= y and (a, b) != (x, y) for a, b in points.values())
        }


def by_name(drawn: list[dict[str, Any]], field: str) -> dict[Key, float]:
    """A coordinate of a chart's points by the model and quant that their hover names."""
    by_label = {}
    for trace in drawn:
        for value, text in zip(trace[field] or [], trace["hovertext"] or [], strict=False):
            name = re.search(r"<b>(.*?)</b>", text)
            assert name
            model, _, quant = name[1].partition(" ")
            by_label[model, quant] = value
    return by_label


def _key(row: Mapping[str, Any]) -> Key:
    return str(row["model"]), str(row["quant"])


def mean(values: list[float]) -> float:
    return sum(values) / len(values)
