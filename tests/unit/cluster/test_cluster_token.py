"""The token's file: who may read it, and whether two are equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from grid.cluster.token import TOKEN_VARIABLE, TokenState, tighten, token_path, token_state


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "auth_token"
    path.write_text("ab" * 32)
    path.chmod(0o644)
    return path


def test_a_file_that_others_may_read_is_seen_and_mended(token: Path) -> None:
    assert token_state(token).readable
    assert tighten(token)
    assert token.stat().st_mode & 0o777 == 0o600
    assert not token_state(token).readable
    assert not tighten(token)


def test_equal_tokens_have_equal_fingerprints(token: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other"
    copy.write_text("ab" * 32 + "\n")
    assert token_state(copy).fingerprint == token_state(token).fingerprint
    copy.write_text("cd" * 32)
    assert token_state(copy).fingerprint != token_state(token).fingerprint


def test_the_state_does_not_tell_the_token(token: Path) -> None:
    assert token.read_text() not in repr(token_state(token))


def test_no_file_is_no_token(tmp_path: Path) -> None:
    assert token_state(tmp_path / "none") == TokenState()
    assert not tighten(tmp_path / "none")


def test_rays_variable_says_where_it_is(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, str(token))
    assert token_path() == token
