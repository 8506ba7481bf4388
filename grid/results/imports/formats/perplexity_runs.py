"""A log of llama-perplexity as runs: facts of one never stand on the figures of another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from grid.results.imports.device_lines import DeviceNames
from grid.results.imports.glyphs import DELTA, PLUS_MINUS

_END = rf"(?=\s*(?:{PLUS_MINUS})|(?![.,]?\w))"
"""A number ends here, and is not the beginning of a longer one."""

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+\.\d+|\d+(?:\.\d+)?)(?:[eE][-+]?\d+)?"
_N = rf"([-+]?{_DIGITS}|[-+]?nan|[-+]?inf){_END}"
_ERROR = rf"(?:\s*(?:{PLUS_MINUS})\s*{_N})?"
_FINAL = re.compile(
    rf"Final estimate: PPL(?: over (\d{{1,9}}) chunks for n_ctx=(\d{{1,9}}))?\s*=\s*{_N}{_ERROR}",
    re.IGNORECASE,
)
_TITLED = re.compile(
    rf"(?<![\w.])((?:Mean|Maximum|Minimum|Median|RMS|Same|Cor|\d{{1,2}}\.\d{{1,3}}%)[^:=]*?)"
    rf"\s*:\s*{_N}\s*(%?){_ERROR}\s*(%?)"
)
_UNKNOWN = re.compile(rf"([\w.%()/ -]*(?:KLD|PPL|KL divergence|top p)[^:=]*?)\s*[:=]\s*{_N}")
_DELTA_P = re.compile(rf"\s(?:{DELTA})?p$")
_WINOGRANDE = re.compile(rf"Final Winogrande score\((\d{{1,9}}) tasks\):\s*{_N}{_ERROR}")
_HELLASWAG = re.compile(rf"(?:^|\s)(\d{{1,9}})\s+{_N}%")
_CHOICES = re.compile(r"Final result:\s*[\d.]+")
_FACTS = {
    "file": re.compile(r"loaded meta data with .* from (.+?) \(version"),
    "header_name": re.compile(r"general\.name(?: str)? = (.+)"),
    "type": re.compile(r"(?:model ftype|file type)\s*=\s*(.+)"),
    "params": re.compile(r"model params\s*=\s*([\d.]+ [KMBT])"),
    "size": re.compile(r"(?:model size|file size)\s*=\s*([\d.]+ [KMGT]iB)"),
    "family": re.compile(r"(?:print_info|llm_load_print_meta): arch\s*=\s*(\S+)"),
    "chunks": re.compile(r"over (\d{1,9}) chunks"),
    "context": re.compile(r"n_ctx\s*=\s*(\d{1,9}), batch_size"),
    "build": re.compile(r"build(?::| =) (\d+ \([0-9a-f]+\))"),
}
_OPENING = ("build", "file")
"""Facts that begin a run: the same once more, after others of the run, is another attempt."""

_ONCE = ("type", "params", "size", "family", "chunks", "context")
"""Facts that a run may say twice, and never differently; a header's name may be cut short."""

_FAILED = re.compile(
    r"error loading model|unable to load model|failed to (?:load model|create context|init)"
    r"|CUDA error|out of memory|GGML_ASSERT|Segmentation fault|Aborted|core dumped|bad_alloc"
    r"|^terminate called|^Killed",
    re.IGNORECASE,
)
"""Lines after which a run ends without figures: what follows is of another."""

_INTEREST = re.compile(
    r"PPL|KLD|KL div|top p|: *[-+]?[\d.]+ *%|build|meta data|general\.name|ftype|file type"
    r"|model params|(?:model|file) size|arch|chunks|n_ctx|Device \d|ggml_|Winogrande|hellaswag"
    r"|Final result|multiple_choice|\d%|RMS|Mean|Median|Maximum|Minimum"
    r"|[Ee]rror|[Ff]ailed|out of memory|GGML_ASSERT|fault|[Aa]borted|dumped|bad_alloc|terminate"
    r"|Killed"
)
"""All lines that can say anything; the others are passed over at once."""

LONGEST = 1000
"""Characters of a line that are looked at: no line with a figure is longer."""


@dataclass(frozen=True)
class PrintedFigure:
    """A figure as printed: its title, numbers as text, `%` or nothing as its unit."""

    line: int
    title: str
    value: str
    error: str | None
    unit: str = ""


@dataclass
class LogRun:
    """What a log says of one run. `scores` are printed task scores: (task, items, figure)."""

    number: int
    facts: dict[str, str] = field(default_factory=dict)
    devices: DeviceNames = field(default_factory=DeviceNames)
    figures: dict[str, PrintedFigure] = field(default_factory=dict)
    scores: dict[str, tuple[int, PrintedFigure]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    choices: bool = False
    hellaswag: bool = False
    failed: bool = False

    @property
    def has_figures(self) -> bool:
        return bool(self.figures or self.scores or self.choices)


def runs_of(lines: Sequence[str]) -> Iterator[LogRun]:
    """The runs of a log. A run ends where a fact stands after its figures or its failure, and where
    a figure, the build, the weights' file or the first card is named a second time, or another fact
    differently: so an attempt that failed says nothing of the next one."""
    run = LogRun(1)
    for at, line in enumerate(lines, 1):
        if not _INTEREST.search(line, 0, LONGEST):
            continue
        plain = " ".join(line[:LONGEST].split())
        if not run.has_figures and _FAILED.search(plain):
            run.failed = bool(run.facts)
            continue
        if _opens_run(run, plain):
            yield run
            run = LogRun(run.number + 1)
        if _take_fact(run, plain):
            continue
        figure = _figure(at, plain)
        if figure is not None:
            if figure.title in run.figures:
                yield run
                run = LogRun(run.number + 1)
            run.figures[figure.title] = figure
            _take_final(run, plain)
        else:
            _take_score(run, at, plain)
    yield run


def _opens_run(run: LogRun, line: str) -> bool:
    """Whether a line's fact is of the next run."""
    if run.has_figures:
        return DeviceNames().add(line) or any(p.search(line) for p in _FACTS.values())
    if run.failed or (run.facts.get("file") and run.devices.has(line)):
        return True
    if _FINAL.search(line):
        return False
    loaded = any(name not in _OPENING for name in run.facts)
    for name in (*_OPENING, *_ONCE):
        match = _FACTS[name].search(line) if run.facts.get(name) else None
        if match and (match[1].strip() != run.facts[name] or (loaded and name in _OPENING)):
            return True
    return False


def _take_fact(run: LogRun, line: str) -> bool:
    """Take in what the line says of the run; whether it was such a line, which is no figure."""
    if _FINAL.search(line):
        return False
    is_fact = run.devices.add(line)
    for name, pattern in _FACTS.items():
        match = pattern.search(line)
        if match:
            run.facts.setdefault(name, match[1].strip())
            is_fact = True
    return is_fact


def _take_final(run: LogRun, line: str) -> None:
    """Chunks and context that the final line itself names."""
    match = _FINAL.search(line)
    if match and match[1]:
        run.facts |= {"chunks": match[1], "context": match[2]}


def _figure(at: int, line: str) -> PrintedFigure | None:
    if match := _FINAL.search(line):
        return PrintedFigure(at, "PPL", match[3], match[4])
    if match := _TITLED.search(line):
        title = _DELTA_P.sub(" Δp", match[1].strip()) if "top" not in match[1] else match[1]
        return PrintedFigure(at, title.strip(), match[2], match[4], match[3] or match[5])
    return None


def _take_score(run: LogRun, at: int, line: str) -> None:
    if match := _WINOGRANDE.search(line):
        run.scores["winogrande"] = (
            int(match[1]),
            PrintedFigure(at, "winogrande", match[2], match[3], "%"),
        )
    elif "hellaswag_score" in line:
        run.hellaswag = True
    elif run.hellaswag and (match := _HELLASWAG.search(line)):
        run.scores["hellaswag"] = int(match[1]), PrintedFigure(at, "hellaswag", match[2], None, "%")
    elif _CHOICES.search(line):
        run.choices = True
    elif "Final estimate: PPL" in line:
        run.unread.append(line[line.index("Final") :][:60])
    elif match := _UNKNOWN.search(line):
        run.unread.append(match[1].strip())
