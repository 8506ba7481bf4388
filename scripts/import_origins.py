"""Where figures of servers' reports and of tables come from: the checks of the fuzz of imports. An
attempt's figures and tokens must stand together, in one object of JSON or one row of a table."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
_SECONDS = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "us": 1e-6, "ns": 1e-9}
_LABEL_TOKENS = re.compile(r"latency (\d+|\?)\+(\d+)")
_RULE = re.compile(r"\|\s*:?-+:?\s*(?:\||$)")
_NEAR = 1e-6


def objects(text: str) -> list[dict[str, Any]]:
    """All JSON objects of a text, those inside of others too."""
    decoder, parts = json.JSONDecoder(strict=False), []
    for match in re.finditer(r"\{", text):
        try:
            parts.append(decoder.raw_decode(text[match.start() :])[0])
        except (ValueError, RecursionError):
            continue
    return parts


def check_object(row: Any, figures: Any, _: list[str], text: str) -> list[str]:
    """One object has all figures of the attempt, each in its field, and the attempt's tokens."""
    expected = _FIELDS[row["origin"]]
    stored = {name: figure["value"] for name, figure in figures.items()}
    for part in objects(text):
        try:
            values, tokens = expected(part)
        except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError, IndexError):
            continue
        is_labelled = tokens is None or row["label"] in tokens
        if is_labelled and all(_is_near(stored[name], values.get(name)) for name in stored):
            return []
    return [f"{stored} of {row['label']} are not in one object"]


def _is_near(value: float, expected: float | None) -> bool:
    return expected is not None and math.isclose(value, expected, rel_tol=_NEAR)


def _number(value: Any) -> float | None:
    """The number that a field holds, also as text."""
    if isinstance(value, str):
        value = value.replace(",", "").strip()
    return None if value is None or isinstance(value, bool) else float(value)


def _scaled(part: Mapping[str, Any], name: str, scale: float) -> float | None:
    value = _number(part.get(name))
    return None if value is None else value * scale


ObjectFigures = tuple[dict[str, float | None], tuple[str, ...] | None]


def _serve(part: Any) -> ObjectFigures:
    names = {"ttft_s": "ttft", "tpot_s": "tpot", "itl_p50_s": "itl", "e2e_s": "e2el"}
    done = _number(part["completed"]) or 0
    tokens = [round(_number(part[f"total_{end}_tokens"]) / done) for end in ("input", "output")]  # type: ignore[operator]
    values = {name: _scaled(part, f"median_{word}_ms", 1e-3) for name, word in names.items()}
    return values, ("latency {}+{}".format(*tokens),)


def _benchy(part: Any) -> ObjectFigures:
    held, prompt, generated = (
        int(_number(part.get(name)) or 0)
        for name in ("context_size", "prompt_size", "response_size")
    )
    values: dict[str, float | None] = {}
    for name, field in (("prefill_tps", "pp_throughput"), ("decode_tps", "tg_throughput")):
        repeated = (part.get(field) or {}).get("values")
        values[name] = statistics.fmean(map(float, repeated)) if repeated else None
    first = (part.get("e2e_ttft") or {}).get("values")
    values["ttft_s"] = statistics.median(map(float, first)) * 1e-3 if first else None
    filled = part.get("is_context_prefill_phase")
    depths = (0 if filled else held, held + (0 if filled else prompt))
    prefill = held if filled else prompt
    labels = [_rate_label("pp", prefill, depths[0]), _rate_label("tg", generated, depths[1])]
    return values, (*labels, f"latency {held + prompt}+{generated}")


def _rate_label(kind: str, tokens: int, depth: int) -> str:
    return f"{kind}{tokens}" + (f" @ d{depth}" if depth else "")


def _guidellm(part: Any) -> ObjectFigures:
    metrics = part["metrics"]
    fields = {
        "ttft_s": ("time_to_first_token_ms", 1e-3), "tpot_s": ("inter_token_latency_ms", 1e-3),
        "e2e_s": ("request_latency", 1.0),
    }  # fmt: skip
    values = {
        name: _scaled((metrics.get(field) or {}).get("successful") or {}, "median", scale)
        for name, (field, scale) in fields.items()
    }
    lengths = [metrics[f"{end}_token_count"]["successful"]["mean"] for end in ("prompt", "output")]
    return values, ("latency {}+{}".format(*(round(_number(at) or 0) for at in lengths)),)


_AIPERF_FIELDS = {
    "ttft_s": "time_to_first_token", "tpot_s": "inter_token_latency", "e2e_s": "request_latency",
}  # fmt: skip
_LENGTHS = ("input_sequence_length", "output_sequence_length")


def _aiperf(part: Any) -> ObjectFigures:
    """The summary of a run, or a combination of a sweep."""
    inner = part.get("metrics")
    source, end, field = (inner, "_p50", "mean") if inner else (part, "", "p50")
    average = ("_avg", "mean") if inner else ("", "avg")
    values: dict[str, float | None] = {}
    for name, title in _AIPERF_FIELDS.items():
        figure = source.get(title + end) or {}
        values[name] = (
            _scaled(figure, field, _SECONDS[figure["unit"].strip().lower()]) if figure else None
        )
    lengths = [round(_number(source[name + average[0]][average[1]]) or 0) for name in _LENGTHS]
    return values, ("latency {}+{}".format(*lengths),)


def check_aiperf(row: Any, figures: Any, lines: list[str], text: str) -> list[str]:
    """Of the CSV, each figure is in its metric's line; of requests, the median over them."""
    if any(line.startswith("Metric,") for line in lines):
        return _aiperf_csv(figures, lines)
    requests = [part["metrics"] for part in objects(text) if _is_request(part)]
    if not requests:
        return check_object(row, figures, lines, text)
    wrong = []
    for name, figure in figures.items():
        values = [
            value
            for request in requests
            if (of := request.get(_AIPERF_FIELDS[name]))
            and (
                value := _scaled(
                    of, "value", _SECONDS.get(str(of.get("unit")).strip().lower(), 0.0)
                )
            )
        ]
        if not values or not _is_near(figure["value"], statistics.median(values)):
            wrong.append(f"{name} {figure['value']} is not the median of {values}")
    return wrong


def _is_request(part: Mapping[str, Any]) -> bool:
    about = part.get("metadata")
    return (
        isinstance(about, dict)
        and about.get("benchmark_phase") in (None, "", "profiling")
        and "request_start_ns" in about
        and isinstance(part.get("metrics"), dict)
        and not part.get("error")
    )


def _aiperf_csv(figures: Any, lines: list[str]) -> list[str]:
    head: list[str] = []
    stated: dict[str, list[float]] = {}
    for fields in (line.split(",") for line in lines):
        if fields[0] == "Metric":
            head = fields
        elif "p50" in head and len(fields) == len(head):
            title, _, unit = fields[0].rstrip(")").partition(" (")
            number = _NUMBER.fullmatch(fields[head.index("p50")].strip())
            if number and unit.lower() in _SECONDS:
                name = title.lower().replace(" ", "_")
                stated.setdefault(name, []).append(float(number[0]) * _SECONDS[unit.lower()])
    return [
        f"{name} {figure['value']} is not in the line of its metric"
        for name, figure in figures.items()
        if not any(_is_near(figure["value"], at) for at in stated.get(_AIPERF_FIELDS[name], ()))
    ]


def _mlperf(part: Any) -> ObjectFigures:
    prompt, generated = (
        round(_number(part[f"Avg {end} Tokens"]) or 0) for end in ("Input", "Generated")
    )
    values = {
        "ttft_s": _number(part.get("Avg Time to First Token")),
        "decode_tps": _number(part.get("Avg 2nd+ Token Generation Rate")),
    }
    return values, (
        f"latency {prompt}+{generated}", _rate_label("tg", generated - 1, prompt),
    )  # fmt: skip


def _llmfit(part: Any) -> ObjectFigures:
    tokens = _number(part["avgOutputTokens"]) or 0
    whole, first = _scaled(part, "avgTotalMs", 1e-3), _scaled(part, "avgTtftMs", 1e-3)
    gap = (whole - first) / (tokens - 1) if whole is not None and first is not None else None
    return {"e2e_s": whole, "ttft_s": first, "tpot_s": gap}, (f"latency ?+{round(tokens)}",)


def _qbench(part: Any) -> ObjectFigures:
    names = {
        "perplexity": "ppl", "kld_mean": "kld", "kld_median": "kld_median", "kld_p90": "kld_p90",
    }  # fmt: skip
    return {name: _number(part.get(field)) for name, field in names.items()}, None


def _batched(part: Any) -> ObjectFigures:
    values = {"prefill_tps": _number(part["speed_pp"]), "decode_tps": _number(part["speed_tg"])}
    prompt, generated = int(_number(part["pp"]) or 0), int(_number(part["tg"]) or 0)
    held = int(_number(part["n_kv"]) or 0)
    depths = (0, prompt) if "pl" in part else (held, held)
    return values, (
        _rate_label("pp", prompt, depths[0]), _rate_label("tg", generated, depths[1]),
    )  # fmt: skip


_FIELDS: dict[str, Callable[[Any], ObjectFigures]] = {
    "vllm bench serve": _serve, "llama-benchy": _benchy, "guidellm": _guidellm, "AIPerf": _aiperf,
    "MLPerf Client": _mlperf, "llmfit": _llmfit, "exllamav3 qbench": _qbench,
    "llama-batched-bench": _batched, "llama-sweep-bench": _batched,
}  # fmt: skip
"""Figures in our units and labels that an object gives, by the origin of rows. Labels are None
where the object has no tokens. What is raised says that it is no such object."""


def check_rates(row: Any, figures: Any, lines: list[str], text: str) -> list[str]:
    """Of a table of batched-bench or sweep-bench: the row's cells under the heads of the rates."""
    at = _line_of(row)
    if "|" not in lines[at - 1] or '"n_kv"' in lines[at - 1]:
        return check_object(row, figures, lines, text)
    cells = _cells_under_head(lines, at, ("PP", "TG", "S_PP t/s", "S_TG t/s"))
    kind, end = ("prefill", "PP") if row["measure"] == "prefill" else ("decode", "TG")
    rate, workload = figures[f"{kind}_tps"]["value"], json.loads(row["workload"])
    held = int(_first_number(cells.get("N_KV", "")))
    if "B" in cells:
        held = 0 if kind == "prefill" else int(_first_number(cells["PP"]))
    expected = (_first_number(cells.get(end, "")), held)
    if (workload["tokens"], workload["depth"]) != expected:
        return [f"{row['label']} is not in {lines[at - 1]!r}"]
    return _not_in_cell(rate, cells.get(f"S_{end} t/s", ""), lines[at - 1])


def check_mapped(columns: Mapping[str, tuple[str, float]]) -> Callable[..., list[str]]:
    """The check of a mapped table, by column and factor to our unit of each metric."""

    def check(row: Any, figures: Any, lines: list[str], _: str) -> list[str]:
        at = _line_of(row)
        cells = _cells_under_head(lines, at, [column for column, _ in columns.values()])
        quant = _plain(cells.get("Quant", ""))
        wrong = (
            []
            if _plain(row["quant"]).strip('"') == quant
            else [f"{row['quant']} is not in {lines[at - 1]!r}"]
        )
        for name, figure in figures.items():
            column, scale = columns[name]
            wrong += _not_in_cell(figure["value"] / scale, cells.get(column, ""), lines[at - 1])
        return wrong

    return check


def _plain(cell: str) -> str:
    return " ".join(re.sub(r"[*`]", "", cell).split())


def _line_of(row: Any) -> int:
    match = re.search(r"line (\d+)", row["environment"]["place"])
    assert match is not None
    return int(match[1])


def _cells_under_head(lines: Sequence[str], at: int, columns: Collection[str]) -> dict[str, str]:
    """A row's cells by the heads of the nearest line above that has the columns."""
    for i in range(at - 2, -1, -1):
        mark = "|" if _RULE.search(lines[i + 1]) else ","
        names = _split(lines[i], mark)
        if set(columns) <= set(names):
            return dict(zip(names, _split(lines[at - 1], mark), strict=False))
    return {}


def _split(line: str, mark: str) -> list[str]:
    line = line[line.find(mark) :].strip().strip(mark) if mark == "|" else line
    return [_plain(cell).strip('"') for cell in line.split(mark)]


def _first_number(cell: str) -> float:
    match = _NUMBER.search(cell)
    return float(match[0]) if match else 0.0


def _not_in_cell(value: float, cell: str, line: str) -> list[str]:
    spellings = (cell, cell.replace(",", "."), cell.replace(",", ""))
    numbers = [float(n) for spelling in spellings for n in _NUMBER.findall(spelling)]
    if any(math.isclose(value, n, rel_tol=_NEAR) for n in numbers):
        return []
    return [f"{value} is not in {cell!r} of {line!r}"]
