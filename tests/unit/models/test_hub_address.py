"""`hf:REPO[/FILE][@REVISION]` as people write it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.errors import InputError
from grid.models.hub import Address, parse

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9]{0,8}([._-][A-Za-z0-9]{1,8}){0,2}", fullmatch=True)
FILES = st.from_regex(r"[A-Za-z0-9*?]{1,9}([._-][A-Za-z0-9*]{1,9}){0,3}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hf:Qwen/Qwen3-0.6B", Address("Qwen/Qwen3-0.6B")),
        ("hf:gpt2", Address("gpt2")),
        ("hf:gpt2@607a30d", Address("gpt2", None, "607a30d")),
        ("hf:gpt2/model.safetensors", Address("gpt2", "model.safetensors")),
        ("hf:gpt2/*.gguf", Address("gpt2", "*.gguf")),
        ("hf:a/b/c.gguf", Address("a/b", "c.gguf")),
        ("hf:a/b/Q4_K_M", Address("a/b", "Q4_K_M")),
        ("hf:a/b/*Q4_K_M.gguf@v1.0", Address("a/b", "*Q4_K_M.gguf", "v1.0")),
        ("hf:a/b/UD/c-00001-of-00002.gguf", Address("a/b", "UD/c-00001-of-00002.gguf")),
        ("hf:a/b@refs/pr/7", Address("a/b", None, "refs/pr/7")),
        ("hf:TheBloke/Llama-2-7B-GPTQ@gptq-4bit-32g-actorder_True",
         Address("TheBloke/Llama-2-7B-GPTQ", None, "gptq-4bit-32g-actorder_True")),
    ],
)  # fmt: skip
def test_an_address_has_a_repository_a_file_and_a_revision(text: str, address: Address) -> None:
    assert parse(text) == address


@given(owner=NAMES, name=NAMES, file=st.none() | FILES, revision=st.none() | NAMES)
def test_a_printed_address_parses_to_itself(
    owner: str, name: str, file: str | None, revision: str | None
) -> None:
    address = Address(f"{owner}/{name}", file, revision)
    assert parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hf:", "write hf:owner/name"),
        ("owner/name", "names nothing on the hub"),
        ("hf:owner/name@", "'' is no revision"),
        ("hf:owner/name@a b", "'a b' is no revision"),
        ("hf:owner/name/../x.gguf", "empty or relative part"),
        ("hf:owner//name", "address of a web page"),
        ("hf:owner/name/", "empty or relative part"),
        ("hf:owner/na me", "'na me' cannot name"),
        ("hf:owner/na--me", "'na--me' cannot name"),
        ("hf:datasets/owner/name", "none of the hub's models"),
        ("hf:owner/name:Q4_K_M", "write hf:owner/name/Q4_K_M"),
        ("hf:https://huggingface.co/owner/name", "address of a web page"),
        ("hf:https://huggingface.co/owner/name/blob/main/x/y.gguf", "write hf:owner/name/x/y.gguf"),
        ("hf://huggingface.co/a/b/resolve/v2/y.gguf?download=true", "write hf:a/b/y.gguf@v2"),
    ],
)
def test_a_malformed_address_is_refused_in_one_line(text: str, fault: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_commit_pins_an_address_and_a_branch_does_not() -> None:
    assert parse("hf:a/b@" + "0" * 40).pinned
    assert not parse("hf:a/b@main").pinned
    assert not parse("hf:a/b").pinned


def test_the_hub_package_imports_without_huggingface_hub() -> None:
    script = "import grid.models.hub, sys; assert 'huggingface_hub' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
