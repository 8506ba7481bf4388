"""A hub of the test's own: its server, and huggingface_hub turned to it and to an empty cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gguf_bytes import gguf_file
from hub_server import HubServer

if TYPE_CHECKING:
    from grid.models.hub import HubWeights

REPO = "owner/tiny-GGUF"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The server, with `owner/tiny-GGUF` on it."""
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed here")
    with HubServer() as server:
        server.add(REPO, {"tiny-Q8_0.gguf": gguf_file(), "README.md": b"# tiny"})
        use_hub(server.url, tmp_path, monkeypatch)
        yield server


def use_hub(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what huggingface_hub reads from the environment when it is imported."""
    from huggingface_hub import constants

    from grid.models.hub import transfer

    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setenv("QUANTGRID_CACHE", str(folder / "cache"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(folder / "stored_tokens"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 5)
    monkeypatch.setattr(transfer, "RETRY_WAIT_S", 0.0)


def weights_at(text: str) -> HubWeights:
    """The only weights that an address means, nothing of them downloaded."""
    from grid.models import hub

    address = hub.parse(text)
    (weights,) = hub.select(hub.list_files(address), address.file)
    return weights


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
