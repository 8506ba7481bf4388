"""The user's pip settings reach uv, and a requirements file may say how it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from grid.engine.venv import Directives, directives
from grid.models.packages.uv import find_uv, uv_settings


def test_leading_comments_may_hold_directives() -> None:
    text = (
        "# what it is\n# uv: --no-deps --no-cache\n# env: BUILD=0\n# env: A=b=c\nsix==1\n# uv: -x"
    )
    assert directives(text) == Directives(("--no-deps", "--no-cache"), {"BUILD": "0", "A": "b=c"})


def test_a_file_without_directives_has_none() -> None:
    assert directives("six==1.17.0\n") == Directives((), {})


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"PIP_INDEX_URL": "http://a/simple"}, {"UV_DEFAULT_INDEX": "http://a/simple"}),
        (
            {"PIP_EXTRA_INDEX_URL": "http://a\n  http://b"},
            {"UV_INDEX": "http://a http://b", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ({"PIP_FIND_LINKS": "/wheels /more"}, {"UV_FIND_LINKS": "/wheels,/more"}),
        ({"PIP_CERT": "/ca.crt"}, {"SSL_CERT_FILE": "/ca.crt"}),
    ],
)
def test_settings_of_pip_are_handed_on_to_uv(
    variables: dict[str, str], wanted: dict[str, str]
) -> None:
    assert uv_settings(variables) == {**variables, **wanted}


def test_a_folder_is_handed_on_as_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheels").mkdir()
    monkeypatch.chdir(tmp_path)
    settings = uv_settings({"PIP_FIND_LINKS": "./wheels"})
    assert settings["UV_FIND_LINKS"] == str(tmp_path / "wheels")


@pytest.mark.parametrize("own", ["UV_INDEX_URL", "UV_DEFAULT_INDEX"])
def test_settings_of_uv_come_before_those_of_pip(own: str) -> None:
    variables = {own: "http://mine", "PIP_INDEX_URL": "http://other"}
    assert uv_settings(variables) == variables


def test_variables_of_this_interpreter_do_not_reach_uv() -> None:
    variables = {"VIRTUAL_ENV": "/v", "PYTHONPATH": "/p", "PYTHONHOME": "/h", "HOME": "/home/me"}
    assert uv_settings(variables) == {"HOME": "/home/me"}


def test_uv_comes_with_the_package() -> None:
    assert find_uv().endswith("uv")
