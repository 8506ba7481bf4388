"""Progress: the same events told live, plainly and as JSON, here and far away."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from rich.console import Console

from grid.cells.measurement import Measurement, Status
from grid.sweep.events import (
    CellDone,
    CellStarted,
    Event,
    Nodes,
    Notice,
    Planned,
    Prepared,
    Preparing,
    SweepEnded,
    Working,
    for_progress,
)
from grid.sweep.progress import JsonProgress, LiveProgress, PlainProgress, replay
from grid.sweep.progress.pace import CELL_S, PRIOR_S, CurrentWork, Pace

BOX, MAC = "box", "mac"


def done(number: int, at: float, status: Status = "ok", **fields: Any) -> CellDone:
    defaults = {"cell_id": f"c{number}", "label": f"toy Q{number}", "modelled_s": 1.0}
    return CellDone(status=status, at=at, **defaults | fields)


def pace_of(*events: Event) -> Pace:
    pace = Pace()
    for event in events:
        pace.count(event)
    return pace


class RecordedProgress:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)


def test_time_left_is_the_modelled_time_before_anything_is_measured() -> None:
    pace = pace_of(Planned(cells=10, modelled_s=100.0, at=0.0))
    assert pace.eta_s == pytest.approx(100.0 + 10 * CELL_S)


def test_time_left_is_scaled_by_what_was_measured() -> None:
    pace = pace_of(Planned(cells=2, modelled_s=200.0, at=0.0), done(1, at=300.0, modelled_s=100.0))
    cell_s = 100 + CELL_S
    assert pace.eta_s == pytest.approx(cell_s * (PRIOR_S + 300.0) / (PRIOR_S + cell_s))


def test_the_model_of_a_short_sweep_soon_yields_to_what_was_measured() -> None:
    """Of two cells modelled at 0.1 s the first took 10 s: the other is no matter of a second."""
    pace = pace_of(Planned(cells=2, at=0.0), done(1, at=10.0, modelled_s=0.0))
    assert 5.0 < pace.eta_s < 10.0


def test_time_before_the_first_cell_does_not_lengthen_the_time_left() -> None:
    plan = Planned(cells=2, modelled_s=200.0, at=0.0)
    first = CellStarted(cell_id="c1", label="toy Q1", at=60.0)
    late = pace_of(plan, first, done(1, at=160.0, modelled_s=100.0))
    assert late.eta_s == pace_of(plan, done(1, at=100.0, modelled_s=100.0)).eta_s


def test_time_left_is_told_once_a_tenth_was_measured() -> None:
    plan = Planned(cells=100, modelled_s=1000.0, at=0.0)
    assert str(pace_of(plan)) == "0/100 cells"
    assert str(pace_of(plan, done(1, at=10.0))) == "1/100 cells"
    cells = (done(n, at=10.1 * (n + 1), modelled_s=10.0) for n in range(11))
    soon = pace_of(plan, *cells)
    assert str(soon) == "11/100 cells, 14 min 59 s left"
    end = pace_of(plan, *(done(n, at=n, modelled_s=10.0) for n in range(99)))
    assert str(end) == "99/100 cells"


def test_a_single_node_says_what_it_is_at() -> None:
    doing = CurrentWork()

    def after(event: Event) -> str:
        doing.count(event)
        return str(doing)

    assert after(Working(what="making toy Q4_0")) == "making toy Q4_0"
    assert after(CellStarted(cell_id="c1", label="toy Q4_0 quality")) == "toy Q4_0 quality"
    assert after(Working(what="making the reference of toy F16")).startswith("making the reference")
    assert after(Prepared(what="reference", label="toy F16", wall_s=1.0)) == "toy Q4_0 quality"
    assert after(Working(what="toy Q4_0 quality: scoring 3 of 8 chunks")).endswith("3 of 8 chunks")
    assert after(done(1, at=1.0)) == ""


def test_time_left_is_divided_by_the_number_of_nodes() -> None:
    plan = Planned(cells=10, modelled_s=100.0, at=0.0)
    alone = pace_of(plan)
    pair = pace_of(plan, Nodes(names=(BOX, MAC), at=0.0))
    assert pair.eta_s == pytest.approx(alone.eta_s / 2)


def test_time_left_of_two_nodes_as_fast_as_modelled_is_the_modelled_time() -> None:
    pace = pace_of(
        Planned(cells=4, modelled_s=4.0 - 4 * CELL_S, at=0.0),
        Nodes(names=(BOX, MAC), at=0.0),
        done(1, at=1.0, modelled_s=1.0 - CELL_S),
        done(2, at=1.0, modelled_s=1.0 - CELL_S),
    )
    assert pace.eta_s == pytest.approx(1.0)


def test_total_follows_a_plan_that_grows() -> None:
    pace = pace_of(Planned(cells=1, at=0.0), done(1, at=1.0), Planned(cells=3, at=2.0))
    assert (pace.done, pace.total) == (1, 3)


def test_rate_of_a_replayed_sweep_is_that_of_the_original() -> None:
    pace = pace_of(
        Notice(text="told here and now, by another clock"),
        Planned(cells=4, modelled_s=4.0, at=100.0),
        done(1, at=110.0),
        done(2, at=120.0),
    )
    assert pace.rate == pytest.approx(2 / 20)


def test_a_cell_that_will_be_retried_is_not_done() -> None:
    pace = pace_of(Planned(cells=1, at=0.0), done(1, at=1.0, status="error", will_retry=True))
    assert (pace.done, pace.failed) == (0, 0)


def test_several_nodes_are_named_with_their_current_cells() -> None:
    doing = CurrentWork()
    for event in (
        Nodes(names=(BOX, MAC, "pi")),
        CellStarted(cell_id="a", label="large Q4_0 pp512", node=BOX),
        CellStarted(cell_id="b", label="small Q8_0 task math", node=MAC),
    ):
        doing.count(event)
    assert str(doing) == "3 nodes: box large Q4_0 pp512, mac small Q8_0 task math"
    doing.count(Nodes(names=(BOX, "pi")))
    assert str(doing) == "2 nodes: box large Q4_0 pp512"


def test_a_single_node_is_not_named() -> None:
    doing = CurrentWork()
    doing.count(CellStarted(cell_id="a", label="large Q4_0 pp512"))
    assert str(doing) == "large Q4_0 pp512"


def test_json_lines_have_the_pace_beside_the_event(capsys: pytest.CaptureFixture[str]) -> None:
    progress = JsonProgress()
    progress.tell(Planned(cells=2, skipped=1, measured=3))
    progress.tell(done(1, at=1.0, status="oom", reason="too big", node=BOX))
    plan, cell = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (plan["event"], plan["cells"], plan["skipped"], plan["measured"]) == ("planned", 2, 1, 3)
    assert (cell["event"], cell["done"], cell["total"], cell["node"]) == ("finished", 1, 2, BOX)
    assert (cell["status"], cell["reason"], cell["label"]) == ("oom", "too big", "toy Q1")
    assert cell["eta_s"] >= 0


def test_replay_gives_equal_events_and_hands_back_other_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    events: list[Event] = [
        Planned(cells=1, modelled_s=2.0),
        Nodes(names=(BOX, MAC)),
        Preparing(what="fetch", label="w", line="1 GiB", node=MAC),
        Prepared(what="fetch", label="w", wall_s=1.0, node=MAC),
        CellStarted(cell_id="c1", label="toy Q1", node=BOX),
        Working(what="toy Q1: scoring 3 of 8 chunks", node=BOX),
        done(1, at=1.0, node=BOX),
        Notice(text="a note"),
        SweepEnded(),
    ]
    progress = JsonProgress()
    for event in events:
        progress.tell(event)
    lines = capsys.readouterr().out.splitlines()
    recorded = RecordedProgress()
    others = ["grid: no room", '{"event": "done", "measured": 1}', "[1]", ""]
    assert list(replay([*lines[:4], *others, *lines[4:]], recorded)) == others
    assert recorded.events == events


def test_json_line_of_a_cell_has_no_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    measurement = Measurement(cell_id="c1", status="ok")
    event = for_progress(done(1, at=1.0, measurement=measurement), node=BOX, modelled_s=2.0)
    JsonProgress().tell(event)
    assert list(json.loads(capsys.readouterr().out)) == (
        [
            "event",
            "at",
            "cell",
            "label",
            "status",
            "reason",
            "wall_s",
            "modelled_s",
            "node",
            "again",
            "done",
            "total",
            "eta_s",
        ]
    )


def test_plain_progress_prints_a_repeated_reason_once_with_its_count(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = PlainProgress()
    progress.tell(Planned(cells=3))
    for number in (1, 2, 3):
        progress.tell(done(number, at=1.0, status="error", reason="no room", node=BOX))
    progress.tell(SweepEnded())
    progress.tell(SweepEnded())
    written = capsys.readouterr().err
    assert written.count("error: toy Q1 on box: no room\n") == 1
    assert written.count("2 more cells failed so: no room\n") == 1
    assert "3/3 cells" in written


def test_live_progress_fits_the_width_of_the_terminal() -> None:
    screen = io.StringIO()
    progress = LiveProgress(Console(file=screen, force_terminal=True, width=100))
    progress.tell(Planned(cells=2, modelled_s=10.0))
    progress.tell(Nodes(names=tuple(f"node-{n}" for n in range(9))))
    for number in range(9):
        progress.tell(
            CellStarted(cell_id=f"c{number}", label="large Q4_0 pp512", node=f"node-{number}")
        )
    progress.tell(SweepEnded())
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    lines = [line for line in re.split(r"[\r\n]", written) if "9 nodes: node-0" in line]
    assert lines
    assert all(len(line) <= 100 and line.rstrip().endswith("…") for line in lines)
