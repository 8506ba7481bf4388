"""Files that nobody vouches for: what is read is whole and sensible, or refused in one line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imports_files import BENCH_MD, KLD_LOG, LM_EVAL, OPTIMUM, bench, bench_csv, put

from grid.errors import InputError
from grid.results.imports import FORMATS, ImportedReport, read_report
from grid.results.store import arrow_tables

WHOLE = {
    "llama-bench-json": json.dumps([bench(), bench(n_prompt=512, n_gen=0)]),
    "llama-bench-jsonl": json.dumps(bench()) + "\n" + json.dumps(bench(n_gen=64)) + "\n",
    "llama-bench-csv": bench_csv(bench(), bench(n_gen=64)),
    "llama-bench-md": BENCH_MD,
    "llama-perplexity": KLD_LOG,
    "lm-eval": json.dumps(LM_EVAL),
    "optimum-benchmark": json.dumps(OPTIMUM),
}
JSON = {"llama-bench-json": [bench()], "lm-eval": LM_EVAL, "optimum-benchmark": OPTIMUM}


def read_or_refuse(folder: Path, content: bytes, kind: str | None = None) -> ImportedReport | None:
    """What is read of the bytes; None where they are refused in one line that names the file."""
    path = folder / "report"
    path.write_bytes(content)
    try:
        report = read_report(path, kind)
    except InputError as refused:
        text = str(refused)
        assert str(path) in text
        assert "\n" not in text
        assert len(text) < len(str(path)) + 400
        return None
    assert_sensible(report)
    return report


def assert_sensible(report: ImportedReport) -> None:
    """Rows fit the schema, and figures are finite and of the sign that they must have."""
    written = arrow_tables(report.rows)
    assert ("attempts" in written) == (report.count > 0)
    assert report.count or report.skipped
    for metric in report.rows.get("metrics", []):
        assert metric["value"] is None or math.isfinite(metric["value"])
        if metric["name"].endswith(("_tps", "_bytes", "_s")):
            assert metric["value"] > 0


@pytest.mark.parametrize("kind", WHOLE)
def test_each_format_is_detected_from_its_content(kind: str, tmp_path: Path) -> None:
    report = read_or_refuse(tmp_path, WHOLE[kind].encode())
    assert report is not None
    assert report.count > 0
    assert report.origin == FORMATS[kind].origin.name
    named = read_report(tmp_path / "report", kind)
    assert named.rows == report.rows


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "is a web page"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0", "is a binary file"),
        (b"GGUF\x03\0\0\0" + bytes(64), "is a binary file"),
        (b"\xe4\xf6\xfc no utf-8", r"is not text in UTF-8 \(byte 0\)"),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
        (b"{}", "is JSON, but no report that is known"),
        (b"[]", "is JSON, but no report that is known"),
        (b"[1, 2]", "is JSON, but no report that is known"),
        (b'[{"model_type": "x"', r"not whole JSON \(line 1"),
        (b"[" * 100_000, r"not whole JSON"),
        (b"[1" + b"0" * 10_000 + b"]", "not whole JSON"),
        (b"hello, world", "no report that is known; known are reports of .*llama-bench"),
    ],
)
def test_a_file_that_is_no_report_is_refused_in_one_line(
    content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "report"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_report(path)
    assert read_or_refuse(tmp_path, content) is None


def test_folder_and_missing_file_have_different_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; give the files in it"):
        read_report(tmp_path)
    with pytest.raises(InputError, match=r"there is no file .*nothing"):
        read_report(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"there is no file|cannot read"):
        read_report("a\0b")


def test_reports_in_utf_16_are_read(tmp_path: Path) -> None:
    for encoding in ("utf-16", "utf-8-sig"):
        report = read_or_refuse(tmp_path, WHOLE["llama-bench-json"].encode(encoding))
        assert report is not None
        assert report.count == 2


def test_a_csv_line_with_too_few_fields_is_refused(tmp_path: Path) -> None:
    whole = WHOLE["llama-bench-csv"]
    report = read_report(put(tmp_path, "b.csv", whole[:-60]))
    assert report.count == read_report(put(tmp_path, "w.csv", whole)).count - 1
    assert len(report.refused) == 1
    assert "line 3" in report.refused[0]
    assert "cut short" in report.refused[0]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_are_refused_or_give_sensible_rows(content: bytes, tmp_path: Path) -> None:
    read_or_refuse(tmp_path, content)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), kind=st.sampled_from(sorted(WHOLE)))
def test_a_damaged_report_is_refused_or_gives_sensible_rows(
    data: st.DataObject, kind: str, tmp_path: Path
) -> None:
    content = bytearray(WHOLE[kind].encode())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[at] = data.draw(st.sampled_from(b'0123456789-+.eE,:|"{}[] \nxNI'))
    end = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    given_kind = data.draw(st.sampled_from([None, kind]))
    read_or_refuse(tmp_path, bytes(content[:end]), given_kind)


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(min_value=10**300, max_value=10**320),
        st.floats(),
        st.sampled_from(["", "N/A", "1e999", "-1", "a,b", "\ud800", "x" * 500, "Q4_K - Medium"]),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)


def field_paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    paths = [at] if at else []
    if isinstance(value, dict | list):
        for key, child in inner:
            paths += (
                field_paths(child, (*at, key)) if isinstance(child, dict | list) else [(*at, key)]
            )
    return paths


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), kind=st.sampled_from(sorted(JSON)))
def test_any_json_value_in_any_field_is_refused_or_gives_sensible_rows(
    data: st.DataObject, kind: str, tmp_path: Path
) -> None:
    whole = json.loads(json.dumps(JSON[kind]))
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(field_paths(whole)))
        inner = whole
        try:
            for key in path:
                inner = inner[key]
            inner[last] = data.draw(VALUES)
        except (TypeError, KeyError, IndexError):
            continue  # an earlier change took the place away
    read_or_refuse(tmp_path, json.dumps(whole).encode(), data.draw(st.sampled_from([None, kind])))


ESCAPE, TITLE = "\x1b[31m", "\x1b]0;owned\x07"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("llama-bench-json", "Qwen2.5-7B-Instruct"), ("llama-bench-csv", "Qwen2.5-7B-Instruct")],
)
def test_terminal_control_sequences_are_removed(kind: str, name: str, tmp_path: Path) -> None:
    bad = f"{ESCAPE}{TITLE}\u202e{name}\x07"
    shown = json.dumps(bad)[1:-1] if kind.endswith("json") else bad
    content = WHOLE[kind].replace(name, shown)
    report = read_report(put(tmp_path, "report", content), kind)
    texts = [str(value) for row in report.rows["attempts"] for value in row.values()]
    texts += [text for row in report.rows["attempts"] for text in row["environment"].values()]
    assert all(char.isprintable() for text in texts for char in text)
    assert {row["model"] for row in report.rows["attempts"]} == {name}


def test_a_null_character_in_json_is_removed(tmp_path: Path) -> None:
    content = WHOLE["llama-bench-json"].replace("Qwen2.5", "Qwen\\u00002.5")
    report = read_report(put(tmp_path, "report", content))
    assert {row["model"] for row in report.rows["attempts"]} == {"Qwen2.5-7B-Instruct"}


@pytest.mark.parametrize(
    "line", ["", "x", "| a |", "| some junk 123 |", "a,b", "{", "[", '{"a": 1}', "PPL = 1.0", "\r"]
)
@pytest.mark.parametrize("extra", [0, 1])
def test_texts_of_too_many_lines_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, extra: int
) -> None:
    monkeypatch.setattr("grid.results.imports.content.MOST_LINES", 100)
    path = put(tmp_path, "junk.txt", "no report\n" + f"{line}\n" * (99 + extra))
    with pytest.raises(InputError) as caught:
        read_report(path)
    assert ("more than 100 lines" in str(caught.value)) == bool(extra)
