"""`grid report`: one file that needs nothing else, with the same pick as everywhere."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from io import BytesIO
from pathlib import Path

import pytest
from advice_cases import OWN_CLASS, add_ladder, add_quality, add_speed, family, write_store
from analysis_cases import Rows
from hostile_names import NAME, hostile_store
from page_stores import write_kld_ladder, write_long_names
from PIL import Image

import grid
from grid.analysis.dataset import Dataset
from grid.app.charts.labels import Labels
from grid.app.report.content import class_report
from grid.app.report.page import page_text, write_report
from grid.app.report.png import png_bytes
from grid.app.report.svg import svg_text
from grid.errors import InputError

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "family"
    write_store(family(), folder)
    return folder


def _text(store: Path) -> str:
    dataset = Dataset(str(store))
    reports = [class_report(dataset, of_class.name) for of_class in dataset.classes]
    return page_text("results", reports)


def test_the_report_names_the_pick_of_every_other_place(store: Path) -> None:
    dataset = Dataset(str(store))
    (of_class,) = [class_report(dataset, c.name) for c in dataset.classes]
    advice = grid.recommend(str(store), hardware=of_class.name)
    assert advice.pick is not None
    assert [answer.card.label for answer in of_class.answers if answer.card] == [advice.pick.label]
    assert advice.pick.label in of_class.answers[0].line
    assert "\n" not in of_class.answers[0].line


def test_the_line_to_paste_says_who_measured(tmp_path: Path) -> None:
    dataset = write_store(family(), tmp_path / "own")
    (answer,) = class_report(dataset, OWN_CLASS).answers
    assert answer.line.endswith("(measured with quantgrid)")
    theirs = write_store(family(origin="Someone's table", licence="MIT"), tmp_path / "theirs")
    name = theirs.classes[0].name
    (answer,) = class_report(theirs, name).answers
    assert answer.line.endswith("(third-party figures, from Someone's table)")
    assert "measured" not in answer.line


def test_a_predicted_speed_is_not_said_to_be_measured(tmp_path: Path) -> None:
    rows = family()
    add_quality(rows, "F16", "other box")
    add_speed(rows, "Q2_K", "other box")
    add_quality(rows, "Q2_K", "other box")
    dataset = write_store(rows, tmp_path / "s")
    advice = grid.recommend(dataset.display_name, hardware="other box")
    assert advice.pick is not None
    assert advice.pick.predicted
    (answer,) = class_report(dataset, "other box").answers
    assert answer.line.endswith("(speed predicted, the rest measured with quantgrid)")


def test_a_table_of_a_single_variant_says_so_and_names_options_plainly(tmp_path: Path) -> None:
    rows = Rows()
    add_speed(rows, "Q2_K", options='{"batch": 512, "threads": 2}')
    dataset = write_store(rows, tmp_path / "single")
    of_class = class_report(dataset, OWN_CLASS)
    assert dict(of_class.rows[0].origin)["options"] == "batch=512 threads=2"
    assert "<h3>The only variant</h3>" in page_text("results", [of_class])
    rows = Rows()
    add_speed(rows, "Q2_K", options="{}")
    bare = class_report(write_store(rows, tmp_path / "bare"), OWN_CLASS)
    assert "options" not in dict(bare.rows[0].origin)


def test_charts_of_models_with_long_and_like_names_have_files_of_their_own(tmp_path: Path) -> None:
    rows = Rows()
    names = ("a.b", "A b", "量子", "格子", 300 * "x", 300 * "x" + "y")
    for name in names:
        add_ladder(rows, model=name)
    dataset = write_store(rows, tmp_path / "s")
    of_class = class_report(dataset, OWN_CLASS)
    paths = write_report(tmp_path / "r.html", "results", [of_class])
    assert len(of_class.charts) == 2 * len(names)
    assert len({path.name.lower() for path in paths}) == 1 + 2 * len(of_class.charts)
    assert all(path.name.isascii() and len(path.name) < 120 for path in paths)


def test_every_variant_is_in_the_table_with_the_command_behind_it(store: Path) -> None:
    dataset = Dataset(str(store))
    name = dataset.classes[0].name
    of_class = class_report(dataset, name)
    variants = dataset.variants(name)
    labels = Labels(variants)
    assert [row.cells[0].text for row in of_class.rows] == [labels.full(v) for v in variants]
    assert all(len(row.cells) == len(of_class.columns) for row in of_class.rows)
    assert all(dict(row.origin)["measure again"].startswith("grid sweep") for row in of_class.rows)
    sizes = of_class.columns.index("size")
    assert [row.cells[sizes].sort for row in of_class.rows] == [v.artifact_bytes for v in variants]


def test_the_page_loads_nothing(store: Path) -> None:
    page = _text(store)
    assert "default-src 'none'" in page
    links = re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(\w+:)?//""", page)
    assert links == []
    assert "<link" not in page


@pytest.mark.parametrize("write", [write_kld_ladder, write_long_names])
def test_reports_of_other_stores_have_a_chart_of_every_view(tmp_path: Path, write: object) -> None:
    write(tmp_path / "s")  # type: ignore[operator]
    dataset = Dataset(str(tmp_path / "s"))
    for hardware in dataset.classes:
        of_class = class_report(dataset, hardware.name)
        assert len(of_class.charts) >= 2
        for _, drawing in of_class.charts:
            _check_svg(svg_text(drawing), drawing.width, drawing.height)


def _check_svg(text: str, width: int, height: int) -> None:
    """It is XML, says what it shows, and no text begins or ends outside it."""
    root = ElementTree.fromstring(text)
    assert root.attrib["aria-label"].endswith(".")
    for words in root.iter(f"{SVG}text"):
        assert 0 <= float(words.attrib["x"]) <= width, words.text
        assert 0 <= float(words.attrib["y"]) <= height, words.text


def test_the_png_shows_what_the_svg_shows(store: Path) -> None:
    dataset = Dataset(str(store))
    _, drawing = class_report(dataset, dataset.classes[0].name).charts[0]
    image = Image.open(BytesIO(png_bytes(drawing)))
    assert image.size == (2 * drawing.width, 2 * drawing.height)
    colours = {colour for _, colour in image.convert("RGB").getcolors(2**20) or ()}
    assert (0x00, 0x72, 0xB2) in colours  # the first series
    assert (0x12, 0x14, 0x19) in colours  # words


def test_the_charts_lie_beside_the_file(store: Path, tmp_path: Path) -> None:
    dataset = Dataset(str(store))
    of_class = class_report(dataset, dataset.classes[0].name)
    paths = write_report(tmp_path / "new" / "r.html", "results", [of_class])
    assert {path.suffix for path in paths} == {".html", ".svg", ".png"}
    assert all(path.is_file() and path.stat().st_size > 1000 for path in paths)
    assert len(paths) == 1 + 2 * len(of_class.charts)


def test_a_place_that_cannot_be_written_is_one_line(store: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    dataset = Dataset(str(store))
    of_class = class_report(dataset, dataset.classes[0].name)
    with pytest.raises(InputError, match=r"taken.*cannot be written.*name another file"):
        write_report(tmp_path / "taken" / "r.html", "results", [of_class])


def test_names_of_strangers_are_inert(tmp_path: Path) -> None:
    page = _text(hostile_store(tmp_path / "theirs", NAME))
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert page.count("<script>") == 1


def test_the_command_says_what_it_wrote(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from grid.cli import command_line

    words = ["report", str(tmp_path / "r.html"), "--store", str(store), "--json"]
    command_line(args=words, standalone_mode=False)
    data = json.loads(capsys.readouterr().out)
    assert {Path(path).suffix for path in data["files"]} == {".html", ".svg", ".png"}
    assert data["cards"][0].startswith("Run ")
    with pytest.raises(InputError, match=r"r\.pdf: a report is an HTML file; name it r\.html"):
        command_line(args=["report", "r.pdf", "--store", str(store)], standalone_mode=False)
