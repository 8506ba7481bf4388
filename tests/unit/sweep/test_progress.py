"""Progress: the same steps told live, plainly and as JSON, here and far away."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from grid.sweep.progress import (
    Ended,
    Finished,
    JsonProgress,
    LiveProgress,
    Nodes,
    Note,
    PlainProgress,
    Planned,
    Prepared,
    Preparing,
    Started,
    Step,
    replay,
)
from grid.sweep.progress.pace import CELL_S, PRIOR_S, Doing, Pace

BOX, MAC = "box", "mac"


def done(number: int, at: float, status: str = "ok", **fields: object) -> Finished:
    told = {"cell": f"c{number}", "label": f"toy Q{number}", "modelled_s": 1.0, **fields}
    return Finished(status=status, at=at, **told)  # type: ignore[arg-type]


def pace_of(*steps: Step) -> Pace:
    pace = Pace()
    for step in steps:
        pace.count(step)
    return pace


class Kept:
    def __init__(self) -> None:
        self.steps: list[Step] = []

    def tell(self, step: Step) -> None:
        self.steps.append(step)


def test_time_left_is_the_models_before_anything_is_measured() -> None:
    pace = pace_of(Planned(cells=10, modelled_s=100.0, at=0.0))
    assert pace.eta_s == pytest.approx(100.0 + 10 * CELL_S)


def test_time_left_is_scaled_by_what_was_measured() -> None:
    pace = pace_of(Planned(cells=2, modelled_s=2.0, at=0.0), done(1, at=41.1))
    assert pace.eta_s == pytest.approx((1 + CELL_S) * (PRIOR_S + 41.1) / (PRIOR_S + 1 + CELL_S))


def test_nodes_share_the_time_left() -> None:
    plan = Planned(cells=10, modelled_s=100.0, at=0.0)
    alone = pace_of(plan)
    pair = pace_of(plan, Nodes(names=(BOX, MAC), at=0.0))
    assert pair.eta_s == pytest.approx(alone.eta_s / 2)


def test_two_nodes_that_are_as_fast_as_modelled_keep_the_models_time() -> None:
    pace = pace_of(
        Planned(cells=4, modelled_s=4.0 - 4 * CELL_S, at=0.0),
        Nodes(names=(BOX, MAC), at=0.0),
        done(1, at=1.0, modelled_s=1.0 - CELL_S),
        done(2, at=1.0, modelled_s=1.0 - CELL_S),
    )
    assert pace.eta_s == pytest.approx(1.0)


def test_a_plan_that_grows_changes_the_total() -> None:
    pace = pace_of(Planned(cells=1, at=0.0), done(1, at=1.0), Planned(cells=3, at=2.0))
    assert (pace.done, pace.total) == (1, 3)


def test_a_sweep_that_is_replayed_has_the_pace_it_had() -> None:
    pace = pace_of(
        Note(text="told here and now, by another clock"),
        Planned(cells=4, modelled_s=4.0, at=100.0),
        done(1, at=110.0),
        done(2, at=120.0),
    )
    assert pace.rate == pytest.approx(2 / 20)


def test_a_cell_to_be_tried_again_is_not_done() -> None:
    pace = pace_of(Planned(cells=1, at=0.0), done(1, at=1.0, status="error", again=True))
    assert (pace.done, pace.failed) == (0, 0)


def test_several_nodes_are_named_with_what_they_are_at() -> None:
    doing = Doing()
    for step in (
        Nodes(names=(BOX, MAC, "pi")),
        Started(cell="a", label="large Q4_0 pp512", node=BOX),
        Started(cell="b", label="small Q8_0 task math", node=MAC),
    ):
        doing.count(step)
    assert str(doing) == "3 nodes: box large Q4_0 pp512, mac small Q8_0 task math"
    doing.count(Nodes(names=(BOX, "pi")))
    assert str(doing) == "2 nodes: box large Q4_0 pp512"


def test_one_node_is_not_named() -> None:
    doing = Doing()
    doing.count(Started(cell="a", label="large Q4_0 pp512"))
    assert str(doing) == "large Q4_0 pp512"


def test_json_lines_have_the_pace_beside_the_step(capsys: pytest.CaptureFixture[str]) -> None:
    progress = JsonProgress()
    progress.tell(Planned(cells=2, skipped=1, measured=3))
    progress.tell(done(1, at=1.0, status="oom", reason="too big", node=BOX))
    plan, cell = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (plan["event"], plan["cells"], plan["skipped"], plan["measured"]) == ("planned", 2, 1, 3)
    assert (cell["event"], cell["done"], cell["total"], cell["node"]) == ("finished", 1, 2, BOX)
    assert (cell["status"], cell["reason"], cell["label"]) == ("oom", "too big", "toy Q1")
    assert cell["eta_s"] >= 0


def test_replay_gives_the_steps_again_and_hands_back_other_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps: list[Step] = [
        Planned(cells=1, modelled_s=2.0),
        Nodes(names=(BOX, MAC)),
        Preparing(what="fetch", label="w", line="1 GiB", node=MAC),
        Prepared(what="fetch", label="w", wall_s=1.0, node=MAC),
        Started(cell="c1", label="toy Q1", node=BOX),
        done(1, at=1.0, node=BOX),
        Note(text="a note"),
        Ended(),
    ]
    progress = JsonProgress()
    for step in steps:
        progress.tell(step)
    lines = capsys.readouterr().out.splitlines()
    kept = Kept()
    others = ["grid: no room", '{"event": "done", "measured": 1}', "[1]", ""]
    assert list(replay([*lines[:4], *others, *lines[4:]], kept)) == others
    assert kept.steps == steps


def test_plain_lines_say_a_reason_once_and_how_often_it_came(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = PlainProgress()
    progress.tell(Planned(cells=3))
    for number in (1, 2, 3):
        progress.tell(done(number, at=1.0, status="error", reason="no room", node=BOX))
    progress.tell(Ended())
    progress.tell(Ended())
    said = capsys.readouterr().err
    assert said.count("error: toy Q1 on box: no room\n") == 1
    assert said.count("2 more cells failed so: no room\n") == 1
    assert "3/3 cells" in said


def test_the_live_line_fits_the_terminal() -> None:
    screen = io.StringIO()
    progress = LiveProgress(Console(file=screen, force_terminal=True, width=100))
    progress.tell(Planned(cells=2, modelled_s=10.0))
    progress.tell(Nodes(names=tuple(f"node-{n}" for n in range(9))))
    for number in range(9):
        progress.tell(Started(cell=f"c{number}", label="large Q4_0 pp512", node=f"node-{number}"))
    progress.tell(Ended())
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    lines = [line for line in re.split(r"[\r\n]", written) if "9 nodes: node-0" in line]
    assert lines
    assert all(len(line) <= 100 and line.rstrip().endswith("…") for line in lines)
