"""Pages by their logic, without a browser: bad stores, filters, weights, words."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

import pandas as pd
import pyarrow as pa
import pytest
from analysis_cases import Rows
from streamlit.testing.v1 import AppTest

from grid.app import pages
from grid.app.navigation import PAGES as ALL_PAGES
from grid.results import files
from grid.results.location import Location
from grid.results.schema import SCHEMA_VERSION, TABLES, VERSION_KEY, file_schema
from grid.results.store import write_tables

Open = Callable[..., AppTest]
PAGES = ("trade-offs", "speed", "quality", "compare")
ALL_PATHS = tuple(page.path for page in ALL_PAGES)
RIGHT, WRONG = [1.0] * 30, [0.0] * 30


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Open:
    """`drawn(page, store)`: a page over a store, as AppTest sees it."""

    def draw(module: str, store: Path | str) -> AppTest:
        monkeypatch.setenv("QUANTGRID_STORE", str(store))
        script = f"from grid.app.navigation import draw_page\ndraw_page({module!r})\n"
        return AppTest.from_string(script, default_timeout=60).run()

    return draw


def stored(rows: Rows, folder: Path) -> Path:
    """Rows as a store."""
    tables = {
        name: pa.Table.from_pylist(rows.rows[name], schema=file_schema(name)) for name in TABLES
    }
    folder.mkdir(exist_ok=True)
    write_tables(Location(folder), {name: table for name, table in tables.items() if len(table)})
    return folder


def four_quants() -> Rows:
    """Each quant with speed, tasks and text, in quality as in size."""
    rows = Rows()
    for i, quant in enumerate(("F16", "Q8_0", "Q4_K_M", "Q2_K")):
        rows.decode([1.0, 1.1, 1.2], quant=quant)
        rows.tasks("math", RIGHT[: 30 - 6 * i] + WRONG[: 6 * i], quant=quant)
        rows.tasks("recall", RIGHT[: 30 - i] + WRONG[:i], quant=quant)
        rows.quality(0.01 * i, quant=quant)
    return rows


def page_text(at: AppTest) -> str:
    """All words of the page, as a person reads them."""
    boxes = (*at.markdown, *at.info, *at.warning, *at.error, *at.caption, *at.header, *at.text)
    return " ".join(str(box.value) for box in boxes).replace("\\", "")


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_names_the_command_and_offers_the_published_tables(
    drawn: Open, page: str, tmp_path: Path
) -> None:
    at = drawn(page, tmp_path / "none")
    assert not at.exception
    assert f"grid sweep --store {tmp_path / 'none'}" in [code.value for code in at.code]
    next(button for button in at.button if "published" in button.label).click().run()
    assert not at.exception
    assert "Third-party figures" in page_text(at)
    assert "licence" in page_text(at)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_answers_from_one_row(drawn: Open, page: str, tmp_path: Path) -> None:
    rows = Rows()
    rows.decode([1.0])
    at = drawn(page, stored(rows, tmp_path / "rows"))
    assert not at.exception
    assert page_text(at)


def test_one_variant_has_nothing_to_be_compared_with(drawn: Open, tmp_path: Path) -> None:
    rows = Rows()
    rows.tasks("math", RIGHT)
    at = drawn("trade-offs", stored(rows, tmp_path / "rows"))
    assert "base F16 is the only variant" in page_text(at)


def test_without_quality_the_frontier_says_so_and_shows_what_there_is(
    drawn: Open, tmp_path: Path
) -> None:
    rows = Rows()
    rows.decode([1.0, 1.1])
    at = drawn("trade-offs", stored(rows, tmp_path / "rows"))
    assert "No quality was measured on box" in page_text(at)
    assert at.dataframe[0].value["decode rate"][0].startswith("95.5")


def test_without_a_reference_no_retained_quality_is_shown(drawn: Open, tmp_path: Path) -> None:
    rows = Rows()
    rows.tasks("math", RIGHT, quant="Q4_K_M")
    at = drawn("quality", stored(rows, tmp_path / "rows"))
    assert not at.exception
    assert "No 16-bit variant of base" in page_text(at)


def test_two_references_are_both_named(drawn: Open, tmp_path: Path) -> None:
    rows = four_quants()
    for engine in ("other", "llamacpp"):
        workload = {"type": "quality", "text_sha256": "t", "reference": f"base-F16@{engine}"}
        rows.attempt("quality", workload, metrics={"kld_mean": 0.0}, backend=engine)
        rows.tasks("math", RIGHT, backend=engine)
        rows.tasks("recall", RIGHT, backend=engine)
    for page in PAGES:
        at = drawn(page, stored(rows, tmp_path / "rows"))
        assert not at.exception


@pytest.mark.parametrize("page", PAGES)
def test_torn_and_newer_files_are_reported_in_one_line(
    drawn: Open, page: str, tmp_path: Path
) -> None:
    store = stored(four_quants(), tmp_path / "rows")
    (store / files.new_name("metrics")).write_bytes(b"ARROW1 and then nothing")
    newer = pa.Table.from_pylist([], schema=TABLES["attempts"])
    meta = {**(file_schema("attempts").metadata or {}), VERSION_KEY: b"%d" % (SCHEMA_VERSION + 1)}
    with pa.OSFile(str(store / files.new_name("attempts")), "wb") as sink:
        schema = newer.schema.with_metadata(meta)
        with pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(newer.cast(schema))
    at = drawn(page, store)
    assert not at.exception
    assert "2 files of the store left out" in [box.label for box in at.expander]
    assert "schema" in page_text(at)


def test_an_unreadable_store_is_explained(drawn: Open, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    at = drawn("trade-offs", tmp_path / "file")
    assert not at.exception
    assert len(at.error) == 1
    assert str(tmp_path / "file") in at.error[0].value.replace("\\", "")


def test_another_store_opens_in_place(drawn: Open, tmp_path: Path) -> None:
    at = drawn("trade-offs", tmp_path / "none")
    at.text_input[0].input(str(stored(four_quants(), tmp_path / "rows")))
    next(button for button in at.button if button.label == "Open").click().run()
    assert "4 of 4 variants are not beaten in quality against size" in page_text(at)


def per_gib(at: AppTest) -> pd.DataFrame:
    (frame,) = (f.value for f in at.dataframe if "quality per GiB" in f.value.columns)
    return frame


def test_weights_change_quality(drawn: Open, tmp_path: Path) -> None:
    store = stored(four_quants(), tmp_path / "rows")
    at = drawn("trade-offs", store)
    before = per_gib(at)
    next(box for box in at.number_input if box.label == "math").set_value(0.0).run()
    after = per_gib(at)
    assert not at.exception
    old, new = (
        dict(zip(table["variant"], table["quality"], strict=True)) for table in (before, after)
    )
    gains = [(29 * 1 - 1 / 3 * 1) / 30, (27 * 1 - 3 / 3) / 30]
    assert new["base Q8_0"] == f"{gains[0]:.3f}"
    assert new["base Q2_K"] == f"{gains[1]:.3f}"
    assert old != new


def test_all_weights_zero_is_explained(drawn: Open, tmp_path: Path) -> None:
    at = drawn("trade-offs", stored(four_quants(), tmp_path / "rows"))
    for name in ("math", "recall"):
        next(box for box in at.number_input if box.label == name).set_value(0.0)
    at.run()
    assert not at.exception
    assert "all weights are 0" in at.error[0].value


def test_quality_loss_says_where_it_begins(drawn: Open, tmp_path: Path) -> None:
    at = drawn("quality", stored(four_quants(), tmp_path / "rows"))
    assert "every quant surely loses quality" in page_text(at)


def test_missing_bandwidth_is_explained(drawn: Open, tmp_path: Path) -> None:
    at = drawn("speed", stored(four_quants(), tmp_path / "rows"))
    assert "The rows do not say the memory's bandwidth" in page_text(at)
    assert "Precision of the KV cache" not in page_text(at)


def test_sections_without_rows_are_not_drawn(drawn: Open, tmp_path: Path) -> None:
    rows = Rows()
    rows.decode([1.0, 1.1])
    rows.decode([0.5, 0.6], quant="Q8_0")
    store = stored(rows, tmp_path / "rows")
    titles = {page: [box.value for box in drawn(page, store).subheader] for page in ALL_PATHS}
    assert titles["trade-offs"] == []
    assert titles["quality"] == []
    assert titles["speed"] == ["What fits in memory"]
    assert "Suspect measurements" not in titles["runs"]


def test_loss_is_shown_by_use_and_by_confidence(drawn: Open, tmp_path: Path) -> None:
    rows = four_quants()
    for use in ("code", "prose"):
        rows.quality(0.02, quant="Q4_K_M", text=use, category=use)
        rows.quality(0.0, quant="F16", text=use, category=use)
    workload = {"type": "quality", "text_sha256": "t", "reference": "base-F16"}
    metrics = {"kld_mean": 0.02, "perplexity": 5.0, "kld_top1_below_25": 0.05,
               "kld_top1_from_90": 0.001}  # fmt: skip
    rows.attempt("quality", workload, metrics=metrics, quant="Q2_K")
    at = drawn("quality", stored(rows, tmp_path / "rows"))
    assert not at.exception
    assert {"By use", "By confidence"} <= {box.value for box in at.subheader}
    tables = [frame.value for frame in at.dataframe]
    (uses,) = (t for t in tables if "code" in t.columns)
    assert uses["quant"].tolist() == ["Q4_K_M"]
    assert uses["prose"].tolist() == ["0.02"]
    (bands,) = (t for t in tables if "from 90 %" in t.columns)
    assert bands["below 25 %"].tolist() == ["0.05"]


def test_two_variants_stand_side_by_side(drawn: Open, tmp_path: Path) -> None:
    at = drawn("compare", stored(four_quants(), tmp_path / "rows"))
    assert not at.exception
    at.selectbox(key="variant").set_value("base F16").run()
    at.selectbox(key="with").set_value("base Q2_K").run()
    assert "Against base F16, base Q2_K is 0.19 times the size" in page_text(at)
    table = " ".join(str(box.proto.body) for box in at.get("html"))
    assert "<th>base F16</th><th>base Q2_K</th>" in table


def test_the_navigation_lists_every_module_of_the_pages_folder_once() -> None:
    modules = sorted(module.name for module in iter_modules(pages.__path__))
    assert sorted(page.module for page in ALL_PAGES) == modules
    assert len({page.path for page in ALL_PAGES}) == len({page.title for page in ALL_PAGES})


def test_the_script_that_streamlit_runs_has_no_pages_folder_beside_it() -> None:
    script = find_spec("grid.app.script.run")
    assert script is not None
    assert not Path(str(script.origin)).with_name("pages").exists()
