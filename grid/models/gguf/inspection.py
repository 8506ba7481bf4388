"""What a GGUF file holds: the model's shape, its precision, its size; from the header alone."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from grid.models.artifact import ArtifactFacts, Inspection
from grid.models.checksum import file_sha256
from grid.models.gguf.ggml_types import FILE_TYPES
from grid.models.gguf.layers import Fields, layer_states
from grid.models.gguf.reader import Header, Skipped, Tensor, read_header
from grid.models.model import Model

_SPLIT = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")
_MAX_PARTS = 1000


def inspect(path: Path) -> Inspection:
    """Model, quantization and size of a GGUF file, or of all parts where it is the first part.

    Raises InputError with one line if the file, or the header, cannot be true.
    """
    headers = all_parts(read_header(path))
    first = headers[0]
    fields = Fields(first)
    tensors = [tensor for header in headers for tensor in header.tensors]
    quant = quant_of(headers)
    facts = _facts(headers, tensors)
    architecture = fields.text("general.architecture")
    if not architecture:
        raise fields.fail("general.architecture is missing")
    model = Model(
        name=fields.text("general.name") or _plain_stem(path, quant),
        family=fields.text("general.basename") or architecture,
        source=str(path),
        revision=facts.sha256,
        architecture=architecture,
        parameters=facts.elements,
        context_length=fields.whole("context_length") or 0,
        vocabulary=_vocabulary(fields, tensors),
        layers=layer_states(fields),
    )
    return Inspection(model, quant, facts)


def parts_of(path: Path) -> list[Path]:
    """The files that belong to a GGUF: itself, or every part where its name says it is split."""
    match = _SPLIT.fullmatch(path.name)
    if match is None:
        return [path]
    return [
        path.with_name(f"{match[1]}-{i:05}-of-{match[3]}.gguf") for i in range(1, int(match[3]) + 1)
    ]


def all_parts(first: Header) -> list[Header]:
    """The headers of a GGUF's parts, given the first one's; it alone where it is not split.

    Raises InputError where it is not the first, or where a part is missing or cannot be read.
    """
    fields = Fields(first)
    count = fields.whole_key("split.count") or 1
    if count == 1:
        return [first]
    match = _SPLIT.fullmatch(first.path.name)
    if match is None or int(match[3]) != count or count > _MAX_PARTS:
        raise fields.fail(f"one of {count} parts, but not named …-00001-of-{count:05}.gguf")
    paths = parts_of(first.path)
    if fields.whole_key("split.no") or int(match[2]) != 1:
        raise fields.fail(f"part {int(match[2])} of {count}", f"name the first, {paths[0].name}")
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise fields.fail(
            f"part {missing[0]} of {count} is missing", "put all parts into one folder"
        )
    return [first, *(read_header(path) for path in paths[1:])]


def _facts(headers: Sequence[Header], tensors: Sequence[Tensor]) -> ArtifactFacts:
    elements = sum(tensor.elements for tensor in tensors)
    if not elements:
        raise Fields(headers[0]).fail("there are no weights in it", "name a file with tensors")
    digests = [file_sha256(header.path) for header in headers]
    joined = hashlib.sha256("".join(digests).encode()).hexdigest()
    matrices = [t for t in tensors if t.name.startswith("blk.") and len(t.dims) > 1]
    return ArtifactFacts(
        bytes=sum(header.file_bytes for header in headers),
        sha256=digests[0] if len(digests) == 1 else joined,
        bpw_file=bits_per_weight(tensors),
        bpw_layer=bits_per_weight(matrices or tensors),
        elements=elements,
    )


def bits_per_weight(tensors: Sequence[Tensor]) -> float:
    """Tensor bytes * 8 / elements (llama.cpp's figure)."""
    return sum(t.bytes for t in tensors) * 8 / sum(t.elements for t in tensors)


def quant_of(headers: Sequence[Header]) -> str:
    """The preset that the file names, else the type that most of its bytes are stored in."""
    number = Fields(headers[0]).whole_key("general.file_type")
    if number in FILE_TYPES:
        return FILE_TYPES[number]
    sizes: Counter[str] = Counter()
    for header in headers:
        for tensor in header.tensors:
            sizes[tensor.type.name] += tensor.bytes
    return sizes.most_common(1)[0][0] if sizes else "unknown"


def _vocabulary(fields: Fields, tensors: Sequence[Tensor]) -> int:
    tokens = fields.header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, Skipped):
        return tokens.length
    embedding = next((t for t in tensors if t.name == "token_embd.weight"), None)
    return fields.whole("vocab_size") or (embedding.dims[-1] if embedding else 0)


def _plain_stem(path: Path, quant: str) -> str:
    """The file's name without ending, part number and quantization."""
    match = _SPLIT.fullmatch(path.name)
    stem = match[1] if match else path.stem
    plain = re.sub(rf"[-_.]{re.escape(quant)}$", "", stem, flags=re.IGNORECASE)
    return plain or stem
