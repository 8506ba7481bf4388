"""A sweep expands to exactly the cells it asks for, in an order that works, each run or skipped."""

from __future__ import annotations

import time
from pathlib import Path

import grid_fake
import msgspec
import pytest
from grid_fake.backend import PROCESS_BYTES
from hypothesis import given
from hypothesis import strategies as st
from plan_helpers import FAKE, NODE, plan_of, sweep_file

from grid.cells.cell import Cell, Options
from grid.cells.workload import Decode, Prefill, Quality, Tasks, kind
from grid.errors import InputError
from grid.hardware.node import Accelerator
from grid.models.artifact import Artifact
from grid.models.model import Model
from grid.plan import Plan, expand, load_sweep
from grid.units import GIB, KIB

SOURCE = '[[models]]\nsource = "x.fake"\n'
QUANTS = 'quants = ["F16", "Q8", "Q4"]\n'
TEXT = '[quality]\ntext = "t.txt"\n'


def kinds(cells: tuple[Cell, ...]) -> list[tuple[str, str]]:
    return [(cell.artifact.quant, kind(cell.workload)) for cell in cells]


def test_every_artifact_meets_every_workload(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        'measures = ["memory", "speed", "latency"]\n'
        + QUANTS
        + SOURCE
        + "[speed]\nprompt = [8, 16]\ngenerate = [4]\ndepth = [0, 32]\n",
    )
    labels = [cell.workload.label for cell in plan.cells if cell.artifact.quant == "Q4"]
    assert labels == [
        "memory c1024",
        "pp8",
        "pp16",
        "pp8 @ d32",
        "pp16 @ d32",
        "tg4",
        "tg4 @ d32",
        "latency 64+64",
    ]
    assert len(plan.cells) == 3 * len(labels)
    assert plan.skipped == ()


def test_a_list_of_an_option_is_an_axis(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        'measures = ["memory"]\nquants = ["Q4"]\n'
        + SOURCE
        + "[options.fake]\nthreads = [1, 2]\nbatch = [8, 16, 32]\n",
    )
    combinations = [(cell.options["threads"], cell.options["batch"]) for cell in plan.cells]
    assert sorted(combinations) == [(t, b) for t in (1, 2) for b in (8, 16, 32)]


def test_cells_have_all_options_with_their_defaults(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'measures = ["memory"]\nquants = ["Q4"]\n' + SOURCE)
    assert plan.cells[0].options == grid_fake.backend.options({}, NODE)


def test_speed_belongs_to_the_hardware_and_quality_to_its_arithmetic(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUANTS + SOURCE + TEXT + '[tasks]\nsource = "ref:items"\n')
    for cell in plan.cells:
        quality = isinstance(cell.workload, Quality | Tasks)
        assert cell.scope == (NODE.device_kind if quality else NODE.hardware_class)


def test_quality_is_compared_with_the_16_bit_artifact(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'measures = ["quality"]\n' + QUANTS + SOURCE + TEXT)
    base = plan.cells[0].artifact
    assert base.quant == "F16"
    key = f"{base.id}@fake"
    assert {cell.workload.reference for cell in plan.cells} == {key}  # type: ignore[union-attr]
    assert plan.references == {key: plan.cells[0]}


def test_each_model_has_one_noise_floor(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        'measures = ["quality"]\n' + QUANTS + SOURCE + TEXT + "[options.fake]\nthreads = [1, 2]\n",
    )
    floors = [cell for cell in plan.cells if cell.options["batch"] == 1]
    assert [(cell.artifact.quant, cell.options["threads"]) for cell in floors] == [("F16", 1)]


def test_a_noise_floor_equal_to_a_requested_cell_is_planned_once(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        'measures = ["quality"]\n' + QUANTS + SOURCE + TEXT + "[options.fake]\nbatch = [8, 1]\n",
    )
    assert len({cell.id for cell in plan.cells}) == len(plan.cells) == 3 * 2


def test_an_unrequested_reference_has_quality_cells_only(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'measures = ["memory", "quality"]\nquants = ["Q4"]\n' + SOURCE + TEXT)
    assert kinds(plan.cells) == [
        ("F16", "quality"),
        ("F16", "quality"),  # the noise floor
        ("Q4", "memory"),
        ("Q4", "quality"),
    ]


def test_quality_has_no_reference_where_the_reference_does_not_fit(tmp_path: Path) -> None:
    grid_fake.write(tmp_path / "x.fake", parameters=400_000)  # 800 kB at 16 bits, 100 kB at 2
    limit = PROCESS_BYTES + 512 * KIB  # KV of 512 tokens takes 256 KiB of it
    plan = plan_of(
        tmp_path,
        'measures = ["quality"]\nquants = ["F16", "Q2"]\n'
        + SOURCE
        + TEXT
        + f"[budget]\nmemory = {limit}\n",
    )
    assert {skip.cell.artifact.quant for skip in plan.skipped} == {"F16"}
    (cell,) = plan.cells
    assert isinstance(cell.workload, Quality)
    assert (cell.artifact.quant, cell.workload.reference) == ("Q2", None)
    assert plan.references == {}


def test_the_reference_comes_first_then_growing_files(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path, 'measures = ["quality"]\nquants = ["Q2", "Q8", "F16", "Q4"]\n' + SOURCE + TEXT
    )
    assert [session.artifact.quant for session in plan.sessions] == ["F16", "F16", "Q2", "Q4", "Q8"]


def test_small_models_come_first(tmp_path: Path) -> None:
    grid_fake.write(tmp_path / "big.fake", name="big", parameters=300_000)
    grid_fake.write(tmp_path / "tiny.fake", name="tiny", parameters=3_000)
    plan = plan_of(
        tmp_path,
        'measures = ["memory"]\nquants = ["F16"]\n[[models]]\nsource = "big.fake"\n'
        + '[[models]]\nsource = "tiny.fake"\n',
    )
    assert [cell.artifact.model.name for cell in plan.cells] == ["tiny", "big"]


def test_a_session_starts_with_memory_and_grows(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        'quants = ["F16"]\n'
        + SOURCE
        + TEXT
        + '[speed]\nprompt = [64, 8]\n[tasks]\nsource = "ref:items"\nclasses = ["math"]\n',
    )
    session = plan.sessions[0]
    assert [kind(cell.workload) for cell in session.cells] == [
        "memory",
        "prefill",
        "prefill",
        "decode",
        "latency",
        "quality",
        "tasks",
    ]
    assert [c.workload.tokens for c in session.cells if isinstance(c.workload, Prefill)] == [8, 64]


def test_every_cell_is_in_one_session(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUANTS + SOURCE + TEXT + "[options.fake]\nthreads = [1, 2]\n")
    held = [cell.id for session in plan.sessions for cell in session.cells]
    assert sorted(held) == sorted(cell.id for cell in plan.cells)
    for session in plan.sessions:
        assert {cell.artifact.id for cell in session.cells} == {session.artifact.id}
        assert all(cell.options == session.options for cell in session.cells)


def test_artifacts_come_after_their_sources(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'measures = ["memory"]\nquants = ["Q2", "Q4"]\n' + SOURCE)
    assert [artifact.quant for artifact in plan.artifacts] == ["F16", "Q2", "Q4"]


def test_finished_cells_move_to_measured(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'measures = ["memory"]\n' + QUANTS + SOURCE)
    left = plan.without_finished({plan.cells[0].id})
    assert left.measured == plan.cells[:1]
    assert left.cells == plan.cells[1:]
    assert left.without_finished({cell.id for cell in plan.cells}).cells == ()


def test_a_finished_reference_stays_in_the_plan_of_the_cells_left(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'measures = ["quality"]\n' + QUANTS + SOURCE + TEXT)
    left = plan.without_finished({cell.id for cell in plan.cells if cell.artifact.quant != "Q4"})
    assert [artifact.quant for artifact in left.artifacts] == ["F16", "Q4"]
    assert left.references == plan.references


def test_cell_ids_do_not_depend_on_the_path_of_the_text(tmp_path: Path) -> None:
    plans = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        grid_fake.write(folder / "x.fake")
        plans.append(
            plan_of(
                folder,
                '[[models]]\nfiles = ["x.fake"]\nreference = "x.fake"\n'
                + TEXT
                + '[tasks]\nsource = "ref:items"\n',
            )
        )
    assert [c.id for c in plans[0].cells] == [c.id for c in plans[1].cells]


@given(st.permutations(sorted(grid_fake.backend.options({}, NODE))))
def test_a_cell_id_does_not_depend_on_the_order_of_options(names: list[str]) -> None:
    defaults = grid_fake.backend.options({}, NODE)
    options: Options = {name: defaults[name] for name in names}
    assert _cell(options).id == _cell(defaults).id


def _cell(options: Options) -> Cell:
    model = Model(
        name="m", family="f", source="s", revision="r", architecture="a",
        parameters=1, context_length=1, vocabulary=1,
    )  # fmt: skip
    return Cell(
        artifact=Artifact(model=model, format="fake", quant="F16"),
        backend="fake",
        options=options,
        workload=Decode(8),
        scope="cpu",
    )


def test_every_field_that_changes_the_number_changes_the_cell_id() -> None:
    cell = _cell({"threads": 1})
    others = [
        msgspec.structs.replace(cell, options={"threads": 2}),
        msgspec.structs.replace(cell, backend="other"),
        msgspec.structs.replace(cell, workload=Decode(9)),
        msgspec.structs.replace(cell, workload=Prefill(8)),
        msgspec.structs.replace(cell, scope="gpu"),
        msgspec.structs.replace(cell, artifact=msgspec.structs.replace(cell.artifact, quant="Q4")),
    ]
    assert len({cell.id, *(changed.id for changed in others)}) == 1 + len(others)


def test_a_cell_that_does_not_fit_is_skipped_with_its_bytes(tmp_path: Path) -> None:
    grid_fake.write(tmp_path / "x.fake", parameters=10 * GIB)
    plan = plan_of(tmp_path, 'measures = ["memory"]\nquants = ["Q8", "Q2"]\n' + SOURCE)
    assert kinds(plan.cells) == [("Q2", "memory")]
    assert [skip.reason for skip in plan.skipped] == ["needs 10.1 GiB, 8 GiB available"]


def test_a_memory_budget_limits_below_the_node(tmp_path: Path) -> None:
    text = 'measures = ["memory"]\nquants = ["Q8"]\n' + SOURCE + '[budget]\nmemory = "32MiB"\n'
    plan = plan_of(tmp_path, text)
    assert plan.cells == ()
    assert plan.skipped[0].reason.endswith("32 MiB available")


def test_a_cell_beyond_the_context_length_is_skipped(tmp_path: Path) -> None:
    grid_fake.write(tmp_path / "x.fake", context_length=512)
    plan = plan_of(
        tmp_path,
        'measures = ["speed"]\nquants = ["Q8"]\n'
        + SOURCE
        + "[speed]\nprompt = [512]\ngenerate = [1]\ndepth = [0, 1]\n",
    )
    assert [cell.workload.label for cell in plan.cells] == ["pp512", "tg1", "tg1 @ d1"]
    assert plan.skipped[0].reason == "needs 513 tokens of context, the model has 512"


def test_other_models_get_the_bundled_text_and_no_tasks_of_their_own(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'measures = ["quality", "tasks"]\nquants = ["F16"]\n' + SOURCE)
    workloads = [cell.workload for cell in plan.cells]
    assert {w.text for w in workloads if isinstance(w, Quality)} == {"ref:heldout"}
    assert not any(isinstance(w, Tasks) for w in workloads)
    assert [note for note in plan.notes if "no tasks are asked" in note]


@pytest.mark.parametrize("line", ['source = "ref:items"', 'classes = ["recall", "math"]'])
def test_other_models_get_the_bundled_items_that_a_sweep_names(tmp_path: Path, line: str) -> None:
    text = f'measures = ["tasks"]\nquants = ["F16"]\n{SOURCE}[tasks]\n{line}\n'
    plan = plan_of(tmp_path, text)
    classes = {cell.workload.task_class for cell in plan.cells if isinstance(cell.workload, Tasks)}
    assert classes >= {"recall", "math"}
    assert not plan.notes


def test_tasks_ask_as_many_items_as_there_are(tmp_path: Path) -> None:
    folder = tmp_path / "items"
    folder.mkdir()
    item = '{"id": "%d", "kind": "choice", "context": "a", "choices": ["b", "c"], "answer": 1}'
    (folder / "mine.jsonl").write_text("\n".join(item % n for n in range(3)))
    text = 'measures = ["tasks"]\nquants = ["F16"]\n' + SOURCE + '[tasks]\nsource = "items"\n'
    (cell,) = plan_of(tmp_path, text).cells
    assert isinstance(cell.workload, Tasks)
    assert (cell.workload.task_class, cell.workload.limit) == ("mine", 3)
    assert cell.workload.source == str(folder.resolve())


class _OnlySteps(grid_fake.FakeBackend):
    capabilities = frozenset({"tokenizes", "steps"})


class _OnAccelerator(grid_fake.FakeBackend):
    def needs(self, *arguments):  # type: ignore[no-untyped-def]
        host = super().needs(*arguments)
        return msgspec.structs.replace(host, device_bytes=GIB, accelerator="cuda")


def test_a_backend_that_is_not_ready_says_how_to_mend_it(tmp_path: Path) -> None:
    path = sweep_file(tmp_path, 'measures = ["memory"]\n' + QUANTS + SOURCE)
    reason = "fake is not ready: no compiler; apt install g++"
    plan = expand(load_sweep(path), FAKE, NODE, obstacles={"fake": reason})
    assert not plan.cells
    assert {skip.reason for skip in plan.skipped} == {reason}


def test_workloads_of_a_missing_capability_are_skipped(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        '[[models]]\nfiles = ["x.fake"]\n' + TEXT,
        backends={"fake": _OnlySteps()},
    )
    assert {kind(cell.workload) for cell in plan.cells} == {"memory", "prefill", "decode"}
    reasons = {kind(skip.cell.workload): skip.reason for skip in plan.skipped}
    assert reasons["quality"] == "fake does not declare logits, which quality takes"


def test_cells_of_a_missing_accelerator_are_skipped(tmp_path: Path) -> None:
    text = 'measures = ["memory"]\nquants = ["F16"]\n' + SOURCE
    backends = {"fake": _OnAccelerator()}
    plan = plan_of(tmp_path, text, backends=backends)
    assert plan.skipped[0].reason == "needs a cuda accelerator, the node has none"
    gpu = Accelerator(name="G", kind="cuda-sm90", memory_bytes=GIB // 2)
    plan = plan_of(tmp_path, text, msgspec.structs.replace(NODE, accelerators=(gpu,)), backends)
    assert plan.skipped[0].reason == "needs 1 GiB on the accelerator, 512 MiB available"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('quants = ["Q16"]\n' + SOURCE, r"quants: unknown quant 'Q16'. Did you mean 'F16'"),
        (SOURCE, r"x.fake is to be quantized, but there are no quants"),
        (QUANTS + SOURCE + "[options.fake]\nthread = 1", "options.fake: unknown option 'thread'"),
        (
            QUANTS + SOURCE + "[options.fak]\nthread = 1",
            "options.fak: no backend 'fak'. Did you mean 'fake'",
        ),
        (QUANTS + SOURCE + '[quality]\ntext = "no.txt"', "quality.text: .*No such file"),
        (
            QUANTS + SOURCE + '[quality]\ntext = "t.txt"\nchunks = 1000',
            "12000 bytes, too short for 1000 chunks of 512 tokens",
        ),
        (
            QUANTS + SOURCE + '[tasks]\nsource = "ref:items"\nclasses = ["maths"]',
            "tasks.classes: unknown task class 'maths'. Did you mean 'math'",
        ),
        (
            'measures = ["speed"]\n' + QUANTS + SOURCE + "[speed]\nprompt = []\ngenerate = []",
            "the sweep comes to no cell",
        ),
    ],
)
def test_wrong_names_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        plan_of(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert "s.toml: " in str(caught.value)


def test_a_backend_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    path = sweep_file(tmp_path, QUANTS + SOURCE)
    path.write_text(path.read_text().replace('["fake"]', '["fak"]'))
    with pytest.raises(InputError, match=r"no backend 'fak'. Did you mean 'fake'"):
        expand(load_sweep(path), FAKE, NODE)


def _hundred_thousand(folder: Path) -> Plan:
    numbers = ", ".join(map(str, range(1, 76)))
    return plan_of(
        folder,
        'measures = ["memory", "speed"]\n'
        + QUANTS.replace('"F16", ', "")
        + SOURCE
        + "[speed]\ndepth = [0, 32, 64, 128]\n"
        + f"[options.fake]\nthreads = [{numbers}]\nbatch = [{numbers}]\n",
    )


def test_a_hundred_thousand_cells_are_planned_and_subtracted_in_time(tmp_path: Path) -> None:
    start = time.perf_counter()
    plan = _hundred_thousand(tmp_path)
    assert len(plan.cells) == 2 * 9 * 75 * 75
    finished = {cell.id for cell in plan.cells[:-1]}
    assert len(finished) == len(plan.cells) - 1  # no two ids are the same
    left = plan.without_finished(finished)
    assert left.cells == plan.cells[-1:]
    assert time.perf_counter() - start < 20


def test_a_session_has_the_reference_cell_of_its_quality_cells(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 'measures = ["memory", "quality"]\n' + QUANTS + SOURCE + TEXT)
    (reference,) = plan.references.values()
    assert len(plan.sessions) == 4
    assert all(session.reference == reference for session in plan.sessions)
    speed = plan_of(tmp_path, 'measures = ["memory"]\n' + QUANTS + SOURCE)
    assert all(session.reference is None for session in speed.sessions)
