"""A sweep file is read as written, or refused with one line that says where and what."""

from __future__ import annotations

from pathlib import Path

import pytest

from grid.errors import InputError
from grid.plan import load_sweep
from grid.plan.load import parse_sweep
from grid.plan.sweep import MEASURES, Sweep

MODEL = '[[models]]\nsource = "ref:small"\n'


def parse(text: str) -> Sweep:
    return parse_sweep(text.encode(), "my.toml", Path("/data"))


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_bundled_sweep_has_at_least_twelve_quants_of_every_size() -> None:
    quick = load_sweep()
    assert quick.models[0].source == "ref:*"
    assert len(quick.quants) >= 12
    assert quick.backends == ("llamacpp",)


def test_the_default_of_measures_is_all_of_them() -> None:
    assert parse(MODEL).measures == MEASURES


def test_the_default_name_of_a_sweep_is_its_file_name() -> None:
    assert parse(MODEL).name == "my"
    assert parse('name = "mine"\n' + MODEL).name == "mine"


def test_relative_paths_start_from_the_folder_of_the_sweep_file() -> None:
    assert parse(MODEL).path("a/b.txt") == Path("/data/a/b.txt")
    assert parse(MODEL).path("/x/b.txt") == Path("/x/b.txt")


def test_a_byte_order_mark_is_accepted() -> None:
    assert parse("\ufeff" + MODEL).models[0].source == "ref:small"


def test_durations_and_sizes_are_read_with_their_units() -> None:
    budget = parse(MODEL + '[budget]\ncell_timeout = "5min"\nmemory = "2GiB"').budget
    assert budget.cell_timeout_s == 300.0
    assert budget.memory_bytes == 2 * 2**30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "my.toml: the sweep file is empty"),
        ("# nothing", "my.toml: the sweep file is empty"),
        ("name = ", "my.toml: not TOML: Invalid value (at end of document)"),
        ("a = 1\nb = @", "my.toml: not TOML: Invalid value (at line 2, column 5)"),
        ("a = " + "[" * 5000, "my.toml: not TOML: "),
        ("measure = []", "my.toml: measure: unknown key. Did you mean 'measures'?"),
        ("[speed]\npromt = [1]", "my.toml: speed.promt: unknown key. Did you mean 'prompt'?"),
        (
            '[[models]]\nsorce = "x"',
            "models[0].sorce: unknown key. Did you mean 'source'?",
        ),
        ("base = 'x'", "my.toml: base: unknown key."),
        (MODEL + "[speed]\nprompt = 512", "my.toml: speed.prompt: expected list, got int"),
        (MODEL + '[speed]\nprompt = ["a"]', "my.toml: speed.prompt[0]: expected int, got text"),
        (MODEL + "[speed]\nprompt = [0]", "my.toml: speed.prompt[0]: expected int >= 1"),
        (MODEL + "[speed]\ndepth = [-1]", "my.toml: speed.depth[0]: expected int >= 0"),
        (MODEL + "[speed]\nprompt = [9999999999]", "my.toml: speed.prompt[0]: expected int <= "),
        (MODEL + "[speed]\nprompt = [5, 5]", "my.toml: speed.prompt: 5 is there twice"),
        (MODEL + "[memory]\ncontext = true", "my.toml: memory.context: expected int, got true"),
        (MODEL + "[latency]\ngenerate = 1", "my.toml: latency.generate: at least 2 tokens"),
        ("speed = 3\n" + MODEL, "my.toml: speed: expected table, got int"),
        ('models = "x"', "my.toml: models: expected list, got text"),
        ('quants = ["F16"]', "my.toml: no models; add [[models]]"),
        ("measures = []\n" + MODEL, "my.toml: measures: the list is empty"),
        ('measures = ["sped"]\n' + MODEL, "unknown measure 'sped'. Did you mean 'speed'?"),
        ('quants = "Q4_0"\n' + MODEL, 'quants: write a list, ["Q4_0"], or "all"'),
        ('quants = ["F16", "F16"]\n' + MODEL, "my.toml: quants: 'F16' is there twice"),
        ('[[models]]\nname = "x"', "my.toml: models[0]: give either source"),
        (MODEL + 'files = ["*.gguf"]', "my.toml: models[0]: give either source"),
        ('[[models]]\nfiles = ["a"]\nquants = ["F16"]', "models[0].quants: files are measured as"),
        (MODEL + 'reference = "a"', "models[0].reference: goes with files"),
        ('[[models]]\nsource = "ref:*"\nname = "a"', "models[0].name: ref:* stands for several"),
        (MODEL + "[options.fake]\nthreads = []", "options.fake.threads: the list is empty"),
        (
            MODEL + "[options.fake]\nthreads = [[1]]",
            "options.fake.threads: expected text",
        ),
        (MODEL + "[options.fake.threads]\na = 1", "options.fake.threads: expected text"),
        (MODEL + "[budget]\nmemory = 0", "budget.memory: must be more than zero"),
        (MODEL + "[budget]\nmemory = '48KB'", "budget.memory: '48KB' is too little; write"),
        (MODEL + "[budget]\ncell_timeout = inf", "budget.cell_timeout: must be more than zero"),
        (MODEL + "[load]\nconcurrency = [0]", "load.concurrency[0]: expected int >= 1"),
        (MODEL + "[load]\nconcurrency = [2, 2]", "load.concurrency: a value is there twice"),
        (MODEL + "[load]\nconcurrency = []", "there is nothing to run"),
        (MODEL + "[load]\nrates = [-1]", "load.rates[0]: expected"),
        (MODEL + "[load]\nrates = [inf]", "load.rates[0]: "),
        (MODEL + "[load]\nfind_rate = true", "load.find_rate: takes load.slo, such as"),
        (MODEL + '[load]\nprompt = "9-3"', "load.prompt: "),
        (MODEL + '[load]\noutput = "many"', "load.output: "),
        (MODEL + '[load]\nduration = "0s"', "load.duration: must be more than zero"),
        (MODEL + '[load]\nslo = { ttft = "-1s" }', "load.slo.ttft: "),
        (MODEL + "[load]\nslo = { attainment = 2.0 }", "load.slo.attainment: expected"),
        (
            MODEL + '[budget]\ncell_timeout = "soon"',
            "cell_timeout: 'soon' is not a duration",
        ),
    ],
)
def test_a_wrong_sweep_file_is_refused_in_one_line(text: str, message: str) -> None:
    assert message in refusal(text)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(MODEL)
    with pytest.raises(InputError, match=r"no sweep file .*swep.toml. Did you mean 'sweep.toml'\?"):
        load_sweep(tmp_path / "swep.toml")


def test_a_folder_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(MODEL)
    with pytest.raises(InputError, match=r"is a folder, not a sweep file; it holds sweep.toml"):
        load_sweep(tmp_path)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_bytes(b"GGUF\xff\xfe")
    with pytest.raises(InputError, match=r"not a text file in UTF-8 \(byte 4\)"):
        load_sweep(tmp_path / "s.toml")


def test_wrong_input_exits_with_2() -> None:
    assert InputError.exit_code == 2
