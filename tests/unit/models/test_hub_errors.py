"""What each failure between here and the hub says: one line, and what to try."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_fixtures import REPO, go_offline, use_hub
from hub_fixtures import hub as hub
from hub_server import HubServer

from grid.errors import EngineError, GridError, InputError
from grid.models import hub as grid_hub
from grid.models.hub import Address

FILE = "tiny-Q8_0.gguf"


def error_of(kind: type[GridError], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def error_of_listing(text: str) -> str:
    return error_of(InputError, lambda: grid_hub.list_files(grid_hub.parse(text)))


def error_of_download() -> str:
    return error_of(EngineError, lambda: grid_hub.fetch(grid_hub.find_weights(f"hf:{REPO}/{FILE}")))


def use_token(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HF_TOKEN", value)


def test_a_missing_repository_is_reported(hub: HubServer) -> None:
    assert error_of_listing("hf:owner/absent") == (
        "hf:owner/absent: no such repository, or it is private; check the name, and if it is "
        "private log in with `hf auth login` or set HF_TOKEN"
    )


def test_a_missing_repository_is_reported_to_the_holder_of_a_token(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_token(monkeypatch, HubServer.outsider)
    assert error_of_listing("hf:owner/absent") == (
        "hf:owner/absent: no such repository, or your account may not see it; check the name at "
        f"{hub.url}/owner/absent"
    )


def test_a_private_repository_is_there_for_its_members_only(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories[REPO].private = True
    assert "or it is private" in error_of_listing(f"hf:{REPO}")
    use_token(monkeypatch, HubServer.member)
    assert grid_hub.list_files(Address(REPO)).repo == REPO


def test_a_refused_token_is_reported_and_not_shown(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_token(monkeypatch, "hf_expired")
    message = error_of_listing(f"hf:{REPO}")
    assert "does not accept the token" in message
    assert "hf auth login" in message
    assert "hf_expired" not in message


def test_a_gated_repository_is_reported_with_its_page(hub: HubServer) -> None:
    hub.repositories[REPO].gated = True
    assert error_of_download() == (
        f"hf:{REPO}/{FILE}: hf:{REPO} is gated; accept its terms at {hub.url}/{REPO}, then log in "
        "with `hf auth login` or set HF_TOKEN"
    )


def test_a_gated_repository_is_reported_to_an_account_without_access(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories[REPO].gated = True
    use_token(monkeypatch, HubServer.outsider)
    assert error_of_download() == (
        f"hf:{REPO}/{FILE}: hf:{REPO} is gated, and your account has no access; accept its terms "
        f"at {hub.url}/{REPO} and wait until it is granted"
    )


def test_a_gated_repository_is_reported_when_its_header_is_read(hub: HubServer) -> None:
    hub.repositories[REPO].gated = True
    (weights,) = grid_hub.select(grid_hub.list_files(Address(REPO)), FILE)
    assert "is gated" in error_of(InputError, lambda: grid_hub.stand_in(weights))


def test_a_missing_revision_is_reported(hub: HubServer) -> None:
    assert error_of_listing(f"hf:{REPO}@v9") == (
        f"hf:{REPO} has no revision 'v9'; name a branch, a tag or a commit, or leave it out for "
        "the default branch"
    )


def test_a_missing_file_is_reported_with_the_nearest(hub: HubServer) -> None:
    listing = grid_hub.list_files(Address(REPO))
    message = error_of(InputError, lambda: grid_hub.select(listing, "tiny-Q8_1.gguf"))
    assert message == (
        f"hf:{REPO}: there is no 'tiny-Q8_1.gguf' at {listing.commit[:12]}. Did you mean '{FILE}'?"
    )


def test_a_file_removed_since_it_was_listed_is_reported(hub: HubServer) -> None:
    (weights,) = grid_hub.select(grid_hub.list_files(Address(REPO)), FILE)
    hub.repositories[REPO].revisions.add(weights.commit)
    del hub.repositories[REPO].files[FILE]
    message = error_of(EngineError, lambda: grid_hub.fetch(weights))
    assert "the file is not there at" in message


def test_a_host_that_refuses_connections_is_reported(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        host = f"127.0.0.1:{nobody.getsockname()[1]}"
        use_hub(f"http://{host}", tmp_path, monkeypatch)
        message = error_of_listing(f"hf:{REPO}")
    assert message.startswith(f"hf:{REPO}: cannot reach {host} (")
    assert "HF_HUB_OFFLINE=1" in message


def test_a_malformed_endpoint_is_reported(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub("nonsense", tmp_path, monkeypatch)
    assert "check the network and HF_ENDPOINT" in error_of_listing(f"hf:{REPO}")


def test_a_host_that_does_not_answer_in_time_is_reported(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub.answering.clear()
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.05)
    message = error_of_listing(f"hf:{REPO}")
    assert "does not answer in time" in message
    assert "HF_HUB_DOWNLOAD_TIMEOUT" in message


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_error_of_the_hub_is_reported(hub: HubServer, status: int) -> None:
    hub.statuses = [status]
    assert error_of_listing(f"hf:{REPO}") == (
        f"hf:{REPO}: {hub.url.removeprefix('http://')} has a problem of its own "
        f"({status} out of order); try again later"
    )


def test_a_rate_limit_is_reported(hub: HubServer) -> None:
    hub.statuses = [429]
    assert "too many requests; wait a few minutes" in error_of_listing(f"hf:{REPO}")


def test_a_login_page_instead_of_the_hub_is_reported(hub: HubServer) -> None:
    hub.body = b"<html>Welcome to the hotel</html>"
    assert "is not a hub's answer" in error_of_listing(f"hf:{REPO}")


def test_offline_an_empty_cache_is_reported(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_offline(monkeypatch)
    assert error_of_listing(f"hf:{REPO}") == (
        f"hf:{REPO}: HF_HUB_OFFLINE is set and nothing of {REPO} at main is in the cache; unset it "
        "to ask the hub, or name a revision that is there"
    )
    assert not hub.requests


def test_offline_a_file_listed_but_not_downloaded_is_reported(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid_hub.list_files(Address(REPO))
    go_offline(monkeypatch)
    message = error_of_download()
    assert message.startswith(f"hf:{REPO}/{FILE}: not in the cache, and HF_HUB_OFFLINE is set")
    assert "KiB" in message


def test_offline_a_header_never_read_is_reported(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (weights,) = grid_hub.select(grid_hub.list_files(Address(REPO)), FILE)
    go_offline(monkeypatch)
    message = error_of(InputError, lambda: grid_hub.stand_in(weights))
    assert message == f"hf:{REPO}/{FILE}: HF_HUB_OFFLINE is set; unset it to ask the hub"


def test_hub_environment_variables_are_obeyed(hub: HubServer, tmp_path: Path) -> None:
    script = f"import grid.models.hub as h; print(h.fetch(h.find_weights('hf:{REPO}/{FILE}')))"
    home = tmp_path / "home"
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(home)}
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.stderr == ""
    assert Path(run.stdout.strip()).is_relative_to(home / "hub")
