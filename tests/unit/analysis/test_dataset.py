"""A store as pages ask of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.compute as pc
import pytest
from analysis_cases import SIZES, START, Rows
from dataset_cases import same, write
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.analysis import by_hardware_class, draw_posterior, variants
from grid.analysis.dataset import Dataset, fingerprint, repeat_command
from grid.errors import InputError
from grid.results.compact import compact
from grid.results.files import new_name
from grid.results.schema import SCHEMA_VERSION, file_schema

QUANTS = tuple(SIZES)
PLACES = (("box", "cpu-avx2"), ("other box", "cpu-avx2"), ("card", "cuda"))
OPTIONS = ('{"threads": 2, "batch": 512}', '{"kv": "q4_0"}')


def full(place: tuple[str, str] = PLACES[0]) -> Rows:
    rows = Rows()
    place_fields = {"hardware_class": place[0], "device_kind": place[1]}
    for quant, seconds, right in (("F16", 2.0, 9), ("Q8_0", 1.0, 9), ("Q4_K_M", 0.5, 6)):
        rows.decode([seconds, 1.1 * seconds], quant=quant, **place_fields)
        rows.tasks("math", [1.0] * right + [0.0] * (12 - right), quant=quant, **place_fields)
        rows.quality(
            {"F16": 0.0, "Q8_0": 0.001, "Q4_K_M": 0.05}[quant], quant=quant, **place_fields
        )
    return rows


@st.composite
def stores(draw: st.DrawFn) -> Rows:
    """Attempts of every measure anywhere, of any status, some of them at the same cell."""
    rows = Rows()
    for _ in range(draw(st.integers(1, 14))):
        place, kind = draw(st.sampled_from(PLACES))
        fields = {
            "quant": draw(st.sampled_from(QUANTS)),
            "options": draw(st.sampled_from(OPTIONS)),
            "hardware_class": place,
            "device_kind": kind,
            "status": draw(st.sampled_from(("ok", "ok", "ok", "error", "oom", "skipped"))),
            "cell_id": f"c{draw(st.integers(0, 11))}",
            "started_at": START + timedelta(seconds=draw(st.integers(0, 5))),
            "environment": draw(st.sampled_from(([], [("bandwidth_bytes_s", "2e10")]))),
        }
        match draw(st.sampled_from(("decode", "tasks", "quality", "memory"))):
            case "decode":
                rows.decode(draw(st.lists(st.floats(0.5, 2), min_size=1, max_size=3)), **fields)
            case "tasks":
                name = draw(st.sampled_from(("math", "code")))
                scores = draw(st.lists(st.sampled_from((0.0, 1.0)), max_size=5))
                rows.tasks(name, scores, metrics={"capability": 0.4}, **fields)
            case "quality":
                kld = draw(st.sampled_from((None, 0.0, 0.001, 0.05)))
                rows.quality(kld, draw(st.sampled_from(("t", "u"))), **fields)
            case "memory":
                rows.attempt("memory", {"context": 64}, metrics={"peak_rss_bytes": 1e6}, **fields)
    return rows


@settings(max_examples=60, deadline=None)
@given(stores(), st.integers(1, 4))
def test_variants_are_those_of_the_whole_store(rows: Rows, files: int) -> None:
    with TemporaryDirectory() as folder:
        data = Dataset(write(rows, Path(folder) / "store", files))
        wanted = variants(rows.tables())
        assert same(data.all_variants(), wanted)
        for name, group in by_hardware_class(wanted).items():
            assert same(data.variants(name), group)
            of_class = by_hardware_class(variants(data.tables(name)))
            assert same(of_class[name], group)


def test_weights_are_those_of_the_analysis(tmp_path: Path) -> None:
    rows = full()
    rows.tasks("code", [1.0, 0.0], quant="F16", hardware_class="card", device_kind="cuda")
    data = Dataset(write(rows, tmp_path))
    weights = {"math": 3.0, "code": 1.0}
    assert same(data.all_variants(weights), variants(rows.tables(), weights))
    assert [v.missing for v in data.variants("box", weights)] == [("code",)] * 3
    with pytest.raises(InputError, match="Did you mean 'math'"):
        data.variants("box", {"maths": 1.0})


def test_a_posterior_is_of_its_class_and_computed_once(tmp_path: Path) -> None:
    data = Dataset(write(full(), tmp_path))
    posterior = data.posterior("box")
    wanted = draw_posterior(data.variants("box"))
    assert np.array_equal(posterior.capability, wanted.capability)
    assert np.array_equal(posterior.rates["decode_tps"], wanted.rates["decode_tps"])
    assert data.posterior("box") is posterior


def test_classes_of_one_device_kind_share_quality_but_no_speed(tmp_path: Path) -> None:
    rows = full()
    for quant in ("F16", "Q8_0", "Q4_K_M"):
        rows.decode([0.25], quant=quant, hardware_class="other box")
    data = Dataset(write(rows, tmp_path, files=3))
    box, other_box = data.posterior("box"), data.posterior("other box")
    assert np.array_equal(box.capability, other_box.capability)
    assert {v.decode_tps.value for v in other_box.variants} == {400.0}


def test_measured_classes_come_first_then_those_with_more_results(tmp_path: Path) -> None:
    rows = Rows()
    for name, count, origin in (("few", 1, ""), ("many", 3, ""), ("foreign", 5, "llama-bench")):
        for _ in range(count):
            rows.decode([1.0], hardware_class=name, origin=origin)
    rows.decode([1.0], hardware_class="many", status="oom")
    rows.attempt("decode", {}, status="skipped", hardware_class=None, device_kind=None)
    classes = Dataset(write(rows, tmp_path)).classes
    assert [hardware_class.name for hardware_class in classes] == ["many", "few", "foreign"]
    assert (classes[0].attempts, classes[0].ok, classes[0].failed) == (4, 3, 1)
    assert (classes[0].models, classes[0].device_kind) == (("base",), "cpu-avx2")
    assert classes[2].origins == ("llama-bench",)


def test_measured_classes_with_a_capability_come_first(tmp_path: Path) -> None:
    rows = Rows()
    for _ in range(3):
        rows.decode([1.0], hardware_class="fast", device_kind="cuda")
        rows.decode([1.0], hardware_class="foreign", device_kind="cpu", origin="tool")
    rows.tasks("math", [1.0], hardware_class="able", device_kind="cpu")
    rows.decode([1.0], hardware_class="shares", device_kind="cpu")
    rows.tasks("math", [1.0], hardware_class="scored", device_kind="cpu", origin="tool")
    classes = Dataset(write(rows, tmp_path)).classes
    assert [hardware_class.name for hardware_class in classes] == [
        "able",
        "shares",
        "fast",
        "foreign",
        "scored",
    ]


def test_a_store_without_a_reference_has_variants(tmp_path: Path) -> None:
    rows = Rows()
    rows.decode([1.0])
    rows.tasks("math", [1.0, 0.0])
    data = Dataset(write(rows, tmp_path))
    assert [variant.quant for variant in data.variants("box")] == ["F16"]
    assert same(data.all_variants(), variants(rows.tables()))


def test_attempts_are_all_rows_and_final_only_those_that_count(tmp_path: Path) -> None:
    rows = Rows()
    rows.decode([1.0], cell_id="c")
    rows.decode([1.0], cell_id="c", status="error")
    data = Dataset(write(rows, tmp_path))
    assert data.attempts().num_rows == data.overview.attempts.num_rows == 2
    assert data.final()["attempt_id"].to_pylist() == ["a0000"]
    assert data.overview.ok["attempt_id"].to_pylist() == ["a0000"]


def test_a_skip_does_not_take_back_a_result(tmp_path: Path) -> None:
    rows = Rows()
    rows.decode([1.0], cell_id="c")
    rows.decode([1.0], cell_id="c", status="skipped")
    assert len(Dataset(write(rows, tmp_path)).variants("box")) == 1


def test_an_attempt_is_shown_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    rows = Rows()
    rows.decode([1.0, 2.0], environment=[("threads", "2")])
    rows.tasks("math", [1.0, 0.0])
    data = Dataset(write(rows, tmp_path))
    detail = data.attempt("a0000")
    assert detail.row["measure"] == "decode"
    assert detail.environment == {"threads": "2"}
    assert detail.samples["values"].to_pylist() == [[1.0, 2.0]]
    assert detail.metrics["name"].to_pylist() == ["decode_tps"]
    assert detail.items.num_rows == 0
    assert data.attempt("a0001").items.num_rows == 2
    with pytest.raises(InputError, match="no attempt 'nothing'"):
        data.attempt("nothing")


def test_a_filtered_dataset_equals_a_store_of_only_those_rows(tmp_path: Path) -> None:
    data = Dataset(write(full(), tmp_path))
    part = data.filter(pc.field("quant") != "F16").filter(pc.field("measure") != "tasks")
    assert [v.quant for v in part.variants("box")] == ["Q4_K_M", "Q8_0"]
    assert all(v.capability is None for v in part.variants("box"))
    assert len(data.variants("box")) == 3


def test_the_fingerprint_changes_with_the_rows(tmp_path: Path) -> None:
    before = fingerprint(tmp_path)
    write(full(), tmp_path)
    after = fingerprint(tmp_path)
    assert len({before, after}) == 2
    assert Dataset(tmp_path).fingerprint == after == fingerprint(str(tmp_path))
    assert fingerprint(tmp_path) != fingerprint(tmp_path.parent)


def test_a_dataset_outlives_a_compaction(tmp_path: Path) -> None:
    rows = full()
    rows.decode([1.0], hardware_class="card", device_kind="cuda")
    data = Dataset(write(rows, tmp_path, files=4))
    assert len(data.variants("box")) == 3
    compact(tmp_path)
    assert [v.hardware_class for v in data.variants("card")] == ["card"]
    assert same(data.all_variants(), variants(rows.tables()))


class TestBadStores:
    def test_an_empty_or_absent_store_has_nothing(self, tmp_path: Path) -> None:
        data = Dataset(tmp_path / "absent")
        assert data.is_empty
        assert (data.classes, data.all_variants(), data.problems) == ((), [], [])
        assert data.variants("box") == []
        assert data.posterior("box").variants == ()
        assert data.attempts().num_rows == data.final().num_rows == 0
        assert data.tables("box").metrics.num_rows == 0

    def test_a_file_instead_of_a_store_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="is a file"):
            Dataset(tmp_path / "file")

    def test_one_row_is_one_variant(self, tmp_path: Path) -> None:
        rows = Rows()
        rows.decode([1.0], quant="Q8_0")
        (only,) = Dataset(write(rows, tmp_path)).variants("box")
        assert (only.decode_tps.value, only.capability, only.sixteen_bit) == (100.0, None, False)

    def test_torn_and_newer_files_are_named_and_the_rest_is_read(self, tmp_path: Path) -> None:
        write(full(), tmp_path, files=2)
        lost = sorted(tmp_path.glob("samples-*"))[0]
        lost.write_bytes(lost.read_bytes()[:-20])
        schema = file_schema("metrics")
        version = str(SCHEMA_VERSION + 1).encode()
        newer = schema.with_metadata({**schema.metadata, b"quantgrid.schema": version})
        import pyarrow as pa

        name = new_name("metrics")
        with pa.ipc.new_file(str(tmp_path / name), newer) as writer:
            writer.write_table(newer.empty_table())
        data = Dataset(tmp_path)
        assert len(data.variants("box")) == 3
        assert {problem.file for problem in data.problems} == {lost.name, name}

    def test_no_reference_leaves_the_quant_to_tell_16_bits(self, tmp_path: Path) -> None:
        rows = Rows()
        rows.quality(None)
        rows.quality(None, quant="Q8_0")
        group = Dataset(write(rows, tmp_path)).variants("box")
        assert [(v.quant, v.sixteen_bit) for v in group] == [("Q8_0", False), ("F16", True)]

    def test_two_references_are_both_16_bits(self, tmp_path: Path) -> None:
        rows = full()
        workload = {"type": "quality", "text_sha256": "t", "reference": "base-Q8_0"}
        rows.attempt("quality", workload, quant="Q4_K_M", metrics={"perplexity": 6.0})
        group = Dataset(write(rows, tmp_path)).variants("box")
        assert {v.quant for v in group if v.sixteen_bit} == {"F16", "Q8_0"}

    def test_what_is_no_json_and_figures_that_cannot_be_are_left_out(self, tmp_path: Path) -> None:
        rows = full()
        rows.attempt("tasks", {}, quant="Q2_K")
        rows.rows["attempts"][-1]["workload"] = "no json"
        rows.decode([1.0], quant="Q2_K", options="{", environment=[("llc_bytes", "much")])
        rows.decode([0.0], quant="Q2_K", metrics={"decode_tps": float("inf")})
        rows.tasks("math", [float("nan"), 1.0], quant="Q2_K")
        by_quant = {v.quant: v for v in Dataset(write(rows, tmp_path)).variants("box")}
        assert by_quant["Q2_K"].capability is None
        assert by_quant["Q2_K"].options == "{"
        assert by_quant["Q4_K_M"].capability is not None


@pytest.mark.parametrize(
    ("row", "command"),
    [
        ({"sweep": "quick", "origin": ""}, "grid sweep --fresh"),
        ({"sweep": None, "origin": None}, "grid sweep --fresh"),
        ({"sweep": "nightly"}, "grid sweep nightly.toml --fresh"),
        ({"sweep": "my sweep"}, "grid sweep 'my sweep.toml' --fresh"),
        ({"sweep": "ref:small"}, "grid sweep ref:small --fresh"),
        ({"sweep": "hf:owner/model"}, "grid sweep hf:owner/model --fresh"),
    ],
)
def test_the_command_that_repeats_a_row(row: dict[str, str | None], command: str) -> None:
    assert repeat_command(row) == command
    assert repeat_command(row, "other rows") == command.replace(
        " --fresh", " --store 'other rows' --fresh"
    )


def test_an_imported_row_says_where_it_is_from() -> None:
    assert "imported from llama-bench" in repeat_command({"sweep": "x", "origin": "llama-bench"})


def test_layers_and_origin_are_those_of_the_rows(tmp_path: Path) -> None:
    rows = Rows()
    layers = [{"key": 64, "value": 32}, {"key": 64, "value": 32, "window": 512, "fixed": 1}]
    rows.decode(
        [1.0], kv_cache=json.dumps(layers), context_length=4096, origin="tool", licence="MIT"
    )
    rows.decode([1.0], quant="Q8_0", kv_cache="broken")
    broken, whole = Dataset(write(rows, tmp_path)).variants("box")
    assert [(layer.key, layer.value, layer.window) for layer in whole.layers] == [
        (64, 32, None),
        (64, 32, 512),
    ]
    assert (whole.context_length, whole.origin, whole.licence) == (4096, "tool", "MIT")
    assert broken.layers == ()
