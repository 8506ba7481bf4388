"""What a report says of a hardware class: picks, trade-offs, figures, and how they came about."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from grid.advice import Advice, PickCard, pick_card
from grid.advice.advice import Candidate
from grid.advice.class_pick import picks_of_class
from grid.advice.machine_name import short_machine_name
from grid.advice.replay import telling_attempt_of
from grid.advice.sentences import headline
from grid.analysis import Variant, frontier
from grid.analysis.dataset import Dataset, repeat_command
from grid.analysis.figures import interval_in_words, number, score
from grid.analysis.labels import options_text
from grid.analysis.quality_views import QualityView, quality_views
from grid.app.charts.labels import Labels
from grid.app.charts.trade_off import NOTHING, Highlights
from grid.app.charts.trade_points import DECODE_TPS, SIZE, points_of_frontier
from grid.app.report.chart import draw_trade_off
from grid.app.report.drawing import Drawing
from grid.errors import InputError
from grid.models.display_names import visible
from grid.results.statistics import Interval
from grid.units import format_bytes

COSTS = {SIZE: "size of the weights", DECODE_TPS: "decode speed"}

LONGEST_FILE_NAME = 100
"""Letters of a chart's name; file systems allow 255 with the report's own name and ending."""

NOT_SHOWN = frozenset({"load_average_1m", "other_cpu_share", "cpu_mhz"})
"""Of a row's environment what changes from row to row."""


@dataclass(frozen=True)
class ReportedPick:
    """One pick: the sentence, its card, and the same in one line to paste."""

    headline: str
    card: PickCard | None
    line: str


@dataclass(frozen=True)
class TableCell:
    """A figure of the table: its text, and what it sorts by (None: last)."""

    text: str
    sort: float | str | None


NO_FIGURE = TableCell("", None)


@dataclass(frozen=True)
class VariantRow:
    """A variant's figures by column, and how they came about: names and texts."""

    cells: tuple[TableCell, ...]
    origin: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ClassReport:
    """All of one hardware class; `charts` have names that fit a file."""

    name: str
    machine: str
    answers: tuple[ReportedPick, ...]
    why_no_answer: str
    charts: tuple[tuple[str, Drawing], ...]
    columns: tuple[str, ...]
    rows: tuple[VariantRow, ...]
    warnings: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]


def class_report(dataset: Dataset, name: str, warnings: Sequence[str] = ()) -> ClassReport:
    """The report of a hardware class that has measured variants."""
    variants = dataset.variants(name)
    labels = Labels(variants)
    advices, why = _advices(dataset, name)
    attempts = _attempt_rows(dataset, variants)
    filled = [(column, read) for column, read in _COLUMNS.items() if any(map(read, variants))]
    return ClassReport(
        name=visible(name),
        machine=short_machine_name(name),
        answers=tuple(map(_answer, advices)),
        why_no_answer=why,
        charts=tuple(_charts(dataset, name, labels, advices)),
        columns=("variant", *(column for column, _ in filled)),
        rows=tuple(
            VariantRow(
                (_text_cell(labels.full(v)), *(read(v) or NO_FIGURE for _, read in filled)),
                _origin(dataset, v, attempts),
            )
            for v in variants
        ),
        warnings=tuple(warnings),
        environment=_environment(attempts.values()),
    )


def _advices(dataset: Dataset, name: str) -> tuple[tuple[Advice, ...], str]:
    try:
        return picks_of_class(dataset, name), ""
    except InputError as error:
        return (), str(error)


def _answer(advice: Advice) -> ReportedPick:
    card = pick_card(advice)
    source = "" if advice.pick is None else _source(advice.pick)
    return ReportedPick(headline(advice), card, "" if card is None else card_line(card, source))


def card_line(card: PickCard, source: str) -> str:
    """The answer in one line to paste: `Run small Q4_K_M in llamacpp on AMD EPYC: 3.3 MiB, ...`,
    with the source of its figures."""
    facts = [card.size, card.speed.removesuffix(", measured here"), card.closeness]
    if card.capability:
        facts.append(f"capability {card.capability}")
    named = ", ".join(filter(None, facts))
    return f"Run {card.label} in {card.engine} on {card.machine}: {named} ({source})"


def _source(pick: Candidate) -> str:
    """Who measured the figures of a pick."""
    if pick.variant.origin:
        return f"third-party figures, from {visible(pick.variant.origin)}"
    if pick.predicted:
        return "speed predicted, the rest measured with quantgrid"
    return "measured with quantgrid"


def _charts(
    dataset: Dataset, name: str, labels: Labels, advices: Sequence[Advice]
) -> list[tuple[str, Drawing]]:
    """Each quality against size and speed, as far as there are figures of both."""
    charts: list[tuple[str, Drawing]] = []
    for view in quality_views(dataset.posterior(name)):
        for cost, words in COSTS.items():
            trade_off = points_of_frontier(frontier(view.posterior, cost, view.axis.name), labels)
            if trade_off.points:
                about = f"{view.model}: " if view.model else ""
                title = f"{about}{view.title} against {words}, on {short_machine_name(name)}"
                drawing = draw_trade_off(trade_off, labels, _highlights(view, advices), title)
                taken = {name for name, _ in charts}
                charts.append((_file_name(view, cost, taken), drawing))
    return charts


def _file_name(view: QualityView, cost: str, taken: Container[str]) -> str:
    """A name of at most `LONGEST_FILE_NAME` ASCII letters that is not `taken`."""
    whose = _file_words(f"{view.model} {view.origin}")
    about = _file_words(f"{view.axis.name} {cost}")
    ends = (f"{about}-{number}" if number > 1 else about for number in count(1))
    names = (f"{whose[: LONGEST_FILE_NAME - len(end) - 1]}-{end}".lstrip("-") for end in ends)
    return next(name for name in names if name not in taken)


def _file_words(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")


def _highlights(view: QualityView, advices: Sequence[Advice]) -> Highlights:
    """Of the advice whose pick is on the view."""
    ids = {variant.id for variant in view.variants}
    for advice in advices:
        if advice.pick is not None and advice.pick.variant.id in ids:
            ids_of_choices = (
                "" if choice is None else choice.variant.id
                for choice in (advice.pick, advice.smaller, advice.faster)
            )
            return Highlights(*ids_of_choices)
    return NOTHING


def _text_cell(text: str) -> TableCell:
    return TableCell(visible(text), visible(text).casefold())


def _figure(figure: Interval | None, write: Callable[[float], str] = number) -> TableCell | None:
    if figure is None:
        return None
    return TableCell(interval_in_words(figure, write), figure.value)


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _size(variant: Variant) -> TableCell | None:
    if not variant.artifact_bytes:
        return None
    size, about = variant.artifact_bytes, "about " if variant.size_text else ""
    return TableCell(f"{about}{format_bytes(size)}", float(size))


def _bits(variant: Variant) -> TableCell | None:
    bits = variant.bpw_file
    return None if bits is None else TableCell(f"{bits:.2f}", bits)


_COLUMNS: Mapping[str, Callable[[Variant], TableCell | None]] = {
    "size": _size,
    "bits per weight": _bits,
    "decode, token/s": lambda v: _figure(v.decode_tps),
    "prefill, token/s": lambda v: _figure(v.prefill_tps),
    "peak memory": lambda v: _figure(v.peak_vram_bytes or v.peak_rss_bytes, format_bytes),
    "capability (0 chance, 1 perfect)": lambda v: _figure(v.capability, score),
    "KLD from 16 bits, nat": lambda v: _figure(v.kld_mean),
    "same next token": lambda v: _figure(v.same_top1, _share),
    "perplexity": lambda v: _figure(v.perplexity, lambda value: number(value, 5)),
    "first token, s": lambda v: _figure(v.ttft_s),
    "engine": lambda v: _text_cell(v.backend),
}
"""Columns of the table; those without any figure are left out."""


def _attempt_rows(dataset: Dataset, variants: Sequence[Variant]) -> dict[str, dict[str, Any]]:
    """The row that tells of each variant, by the variant's id."""
    ids = {v.id: name for v in variants if (name := telling_attempt_of(v)) is not None}
    return {variant: dataset.attempt_row(name) for variant, name in ids.items()}


def _origin(
    dataset: Dataset, variant: Variant, attempts: Mapping[str, dict[str, Any]]
) -> tuple[tuple[str, str], ...]:
    row = attempts.get(variant.id)
    if row is None:
        return ()
    started: datetime | None = row["started_at"]
    pairs = [
        ("measure again", repeat_command(row, dataset.display_name)),
        ("engine", row["engine_version"]),
        ("settings" if variant.origin else "options", options_text(variant.options)),
        ("made by", row["quantizer"]),
        ("sha256 of the weights", row["artifact_sha256"]),
        ("measured", f"{started:%Y-%m-%d %H:%M} UTC" if started else ""),
        ("third-party", f"{variant.origin}, licence {variant.licence or 'not stated'}"),
    ]
    if not variant.origin:
        pairs.pop()
    return tuple((name, visible(str(text))) for name, text in pairs if text)


def _environment(rows: Any) -> tuple[tuple[str, str], ...]:
    """What the rows say of versions and machine: each value once, in the order of first sight."""
    values: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, text in row["environment"] or ():
            if name not in NOT_SHOWN and text:
                values.setdefault(name, {})[visible(str(text))] = None
    return tuple((visible(name), "; ".join(texts)) for name, texts in sorted(values.items()))
