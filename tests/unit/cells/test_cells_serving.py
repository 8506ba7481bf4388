"""Commands as text for a shell: bash itself reads them back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from grid.cells.serving import WIDTH, ServeCommand, ShellCommand

ECHO = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ.get('SETTING')]))"
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)


def read_by_bash(text: str, folder: Path | None = None) -> list[object]:
    done = subprocess.run(
        ["bash", "-c", text], cwd=folder, capture_output=True, text=True, check=True
    )
    value: list[object] = json.loads(done.stdout)
    return value


def command(*words: str, **environment: str) -> ShellCommand:
    return ShellCommand(argv=(sys.executable, "-c", ECHO, *words), environment=environment)


@settings(deadline=None, max_examples=25)
@given(st.lists(WORDS, max_size=6), WORDS)
def test_bash_reads_a_command_as_it_was_meant(words: list[str], setting: str) -> None:
    text = command("--model", *words, SETTING=setting).text()
    assert read_by_bash(text) == [["--model", *words], setting]


def test_a_long_command_is_broken_before_options_and_still_pastes() -> None:
    words = ["--model", "/models of mine/it's here.gguf", "--context", "4096", "--layers", "-1"]
    words += ["--type-k", "q8_0", "--type-v", "q8_0", "--threads", "8", "--flag"]
    line = ShellCommand(argv=("serve", *words))
    lines = line.text().splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= WIDTH
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert all(line.startswith("    --") for line in lines[1:])
    assert read_by_bash(command(*words).text()) == [words, None]


def test_a_negative_number_stays_with_its_option() -> None:
    line = ShellCommand(argv=("serve", "--layers", "-1", "--context", "1" * 70))
    assert "--layers -1 \\\n" in line.text()


def test_files_are_written_before_the_commands_run(tmp_path: Path) -> None:
    content = "FROM /a b/$HOME `x` 'y'\nPARAMETER num_ctx 4096\n"
    reader = "import json; print(json.dumps([open('m.Modelfile').read()]))"
    serve = ServeCommand(
        program="ollama",
        files={"m.Modelfile": content},
        commands=(ShellCommand(argv=(sys.executable, "-c", reader)),),
    )
    assert read_by_bash(serve.text(), tmp_path) == [content]
