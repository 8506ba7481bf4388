"""An estimate is the documented model, scaled by what was measured."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from plan_helpers import NODE, plan_of

from grid.backend.registry import backend
from grid.models.artifact import Artifact
from grid.models.model import Model
from grid.plan import Plan, estimate, expand
from grid.plan.estimate import (
    FLOPS_PER_CORE,
    LOAD_BYTES_S,
    QUANTIZED_PER_S,
    START_S,
    STEP_OVERHEAD_S,
    cell_seconds,
    making_seconds,
    seconds_of,
)
from grid.plan.load import parse_sweep


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(
        tmp_path,
        'measures = ["speed"]\nquants = ["Q4"]\n[[models]]\nsource = "x.fake"\n'
        "[speed]\nprompt = [100]\ngenerate = [10]\nrepetitions = 4\n",
    )


def test_prefill_costs_two_operations_a_parameter_and_token(plan: Plan) -> None:
    prefill_s = 2 * 100_000 / (FLOPS_PER_CORE * NODE.cores)
    assert cell_seconds(plan, plan.cells[0]) == pytest.approx(100 * (4 + 1) * prefill_s)


def test_a_decode_step_reads_the_weights(plan: Plan) -> None:
    prefill_s = 2 * 100_000 / (FLOPS_PER_CORE * NODE.cores)
    read_s = 50_000 / NODE.bandwidth_bytes_s
    step_s = max(prefill_s, read_s) + STEP_OVERHEAD_S
    assert cell_seconds(plan, plan.cells[1]) == pytest.approx((10 * 4 + 1) * step_s)


def test_a_plan_adds_starting_loading_and_making(plan: Plan) -> None:
    set_up = START_S + 50_000 / LOAD_BYTES_S + 100_000 / QUANTIZED_PER_S
    cells = sum(cell_seconds(plan, cell) for cell in plan.cells)
    assert estimate(plan).seconds == pytest.approx(set_up + cells)


MATRIX = """
measures = ["quality"]
quants = ["F16", "Q4_K_M+imatrix", "IQ2_XS", "Q8_0"]
[[models]]
source = "ref:small"
[quality]
context = 64
chunks = 1
[calibration]
samples = 8
tokens = 64
"""


def test_a_computed_matrix_costs_one_prefill_of_its_text_for_all_quants(tmp_path: Path) -> None:
    llama = {"llamacpp": backend("llamacpp")}
    sweep = parse_sweep(('backends = ["llamacpp"]' + MATRIX).encode(), "s.toml", tmp_path)
    plan = expand(sweep, llama, NODE)
    assert plan.calibration_tokens == 8 * 64
    source = next(a.made_from for a in plan.artifacts if a.quant == "IQ2_XS")
    assert source is not None
    weights = plan.weight_bytes[source.id]
    read_s = 8 * 64 * 2 * source.model.parameters / (FLOPS_PER_CORE * NODE.cores)
    matrix_s = START_S + weights / LOAD_BYTES_S + read_s
    quantized_s = source.model.parameters / QUANTIZED_PER_S
    seconds = {
        artifact.quant: making_seconds(plan)[artifact.id]
        for artifact in plan.artifacts
        if artifact.made_from is source
    }
    assert seconds["Q8_0"] == pytest.approx(quantized_s)
    for quant in ("Q4_K_M+imatrix", "IQ2_XS"):
        assert seconds[quant] == pytest.approx(quantized_s + matrix_s / 2)


def test_the_matrix_of_a_real_model_costs_about_what_it_took() -> None:
    """SmolLM2-135M at F16, 2,048 tokens on one core of a desktop: 9.6 s of computing."""
    model = Model(
        name="SmolLM2-135M", family="SmolLM2", source="x.gguf", revision="1", architecture="llama",
        parameters=134_515_008, context_length=8192, vocabulary=49152,
    )  # fmt: skip
    artifact = Artifact(model=model, format="gguf", quant="F16")
    node = msgspec.structs.replace(NODE, cores=1)
    modelled = seconds_of(node, artifact, 270_885_952, 2048, 0)
    assert modelled == pytest.approx(9.6, rel=0.3)


def test_a_calibration_text_that_is_short_counts_as_long_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("word " * 300)
    text = MATRIX.replace("samples = 8", 'text = "c.txt"\nsamples = 128')
    sweep = parse_sweep(text.encode(), "s.toml", tmp_path)
    assert sweep.calibration_tokens == 500


def test_measured_cells_scale_the_rest(plan: Plan) -> None:
    first, second = plan.cells
    left = plan.without_finished({first.id})
    modelled = estimate(left).seconds
    scaled = estimate(left, {first.id: 3 * cell_seconds(plan, first)})
    assert scaled.from_measured == 1
    assert scaled.seconds - modelled == pytest.approx(2 * cell_seconds(plan, second))


def test_memory_is_that_of_the_largest_cell_left(plan: Plan) -> None:
    assert estimate(plan).host_bytes == max(plan.host_bytes[cell.id] for cell in plan.cells)


def test_nothing_left_takes_no_time_and_no_memory(plan: Plan) -> None:
    done = estimate(plan.without_finished({cell.id for cell in plan.cells}))
    assert (done.seconds, done.host_bytes) == (0.0, None)


def test_an_engine_in_an_environment_of_its_own_takes_longer_to_start_and_to_step(
    plan: Plan,
) -> None:
    own = msgspec.structs.replace(plan, environments={"fake": True})
    unmade = msgspec.structs.replace(plan, environments={"fake": False})
    assert estimate(own).seconds > estimate(plan).seconds + 10 * len(plan.sessions)
    assert estimate(unmade).seconds == pytest.approx(estimate(own).seconds + 60)
