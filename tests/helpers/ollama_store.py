"""A store as Ollama lays it out: manifests by registry, namespace, model and tag; blobs by hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

MEDIA = "application/vnd.ollama.image."
REGISTRY = "registry.ollama.ai/library"


def add_blob(store: Path, content: bytes) -> str:
    """Write a blob; returns its digest, `sha256:...`."""
    digest = hashlib.sha256(content).hexdigest()
    blobs = store / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / f"sha256-{digest}").write_bytes(content)
    return f"sha256:{digest}"


def add_model(
    store: Path, name: str, weights: bytes, place: str = REGISTRY, **layers: bytes
) -> Path:
    """Add `MODEL:TAG` with further layers by their kind (`template`, `params`, `projector`, ...);
    returns its manifest."""
    model, tag = name.split(":")
    contents = {"model": weights, "license": b"a licence", "params": b'{"stop":["x"]}', **layers}
    config = {"model_format": "gguf", "model_family": "llama", "file_type": "Q8_0"}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": add_blob(store, json.dumps(config).encode()),
            "size": len(json.dumps(config)),
        },
        "layers": [
            {"mediaType": MEDIA + kind, "digest": add_blob(store, content), "size": len(content)}
            for kind, content in contents.items()
        ],
    }
    path = store / "manifests" / place / model / tag
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest, separators=(",", ":")))
    return path


def blob_of(store: Path, content: bytes) -> Path:
    return store / "blobs" / f"sha256-{hashlib.sha256(content).hexdigest()}"
