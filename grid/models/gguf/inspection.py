"""Inspect GGUF files: the model's shape, its precision and its size, from headers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from grid.models.artifact import ArtifactFacts, Inspection
from grid.models.checksum import files_sha256
from grid.models.gguf.companions import refuse_companion
from grid.models.gguf.ggml_types import FILE_TYPES
from grid.models.gguf.layers import MetadataFields, layer_states
from grid.models.gguf.reader import GgufHeader, GgufTensor, SkippedValue, read_header
from grid.models.gguf.weight_roles import summary_of_file
from grid.models.model import Model
from grid.models.names import gguf_name
from grid.models.split_files import parse_split_name, part_paths
from grid.models.weight_parts import WeightParts

CHAT_TEMPLATE = "tokenizer.chat_template"
"""Metadata of the chat template; named ones have a dot and their name after it."""


def inspect(path: Path) -> Inspection:
    """Model, quantization and size of a GGUF file, or of all parts where it is the first part.

    Raises InputError with one line if the file, or the header, cannot be true; NotAModel where it
    is sound and no model, such as a LoRA adapter.
    """
    headers = read_all_headers(read_header(path))
    return inspect_headers(headers, files_sha256([header.path for header in headers]))


def inspect_headers(headers: Sequence[GgufHeader], sha256: str) -> Inspection:
    """The same from the headers of all parts and the hash of their content. Raises InputError."""
    first = headers[0]
    refuse_companion(first)
    path = first.path
    fields = MetadataFields(first)
    tensors = [tensor for header in headers for tensor in header.tensors]
    quant = quant_of(headers)
    summary = summary_of_file(fields, tensors)
    facts = _facts(headers, tensors, summary.parts, sha256)
    architecture = fields.text("general.architecture")
    if not architecture:
        raise fields.error("general.architecture is missing")
    model = Model(
        name=gguf_name(path.absolute(), fields.text("general.name") or "", quant),
        family=fields.text("general.basename") or architecture,
        source=str(path),
        revision=facts.sha256,
        architecture=architecture,
        parameters=facts.elements,
        context_length=fields.integer("context_length") or 0,
        vocabulary=_vocabulary(fields, tensors),
        layers=layer_states(fields),
        chat=any(key.startswith(CHAT_TEMPLATE) for key in first.metadata),
        active_parameters=summary.active_parameters,
        experts=summary.experts,
    )
    return Inspection(model, quant, facts)


def read_all_headers(first: GgufHeader) -> list[GgufHeader]:
    """The headers of all parts of a GGUF, given the first; only that one where it is not split.

    Raises InputError where it is not the first, or where a part is missing or cannot be read.
    """
    fields = MetadataFields(first)
    count = fields.integer_at("split.count") or 1
    if count == 1:
        return [first]
    part = parse_split_name(first.path.name)
    if part is None or part.parts != count:
        raise fields.error(f"one of {count} parts, but not named …-00001-of-{count:05}.gguf")
    paths = part_paths(first.path)
    if fields.integer_at("split.no") or part.number != 1:
        raise fields.error(f"part {part.number} of {count}", f"name the first, {paths[0].name}")
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise fields.error(
            f"part {missing[0]} of {count} is missing", "put all parts into one folder"
        )
    return [first, *(read_header(path) for path in paths[1:])]


def _facts(
    headers: Sequence[GgufHeader], tensors: Sequence[GgufTensor], parts: WeightParts, sha256: str
) -> ArtifactFacts:
    elements = sum(tensor.elements for tensor in tensors)
    if not elements:
        raise MetadataFields(headers[0]).error(
            "there are no weights in it", "name a file with tensors"
        )
    matrices = [
        tensor for tensor in tensors if tensor.name.startswith("blk.") and len(tensor.dims) > 1
    ]
    return ArtifactFacts(
        bytes=sum(header.file_bytes for header in headers),
        sha256=sha256,
        bpw_file=bits_per_weight(tensors),
        bpw_layer=bits_per_weight(matrices or tensors),
        elements=elements,
        parts=parts,
    )


def bits_per_weight(tensors: Sequence[GgufTensor]) -> float:
    """Tensor bytes * 8 / elements (llama.cpp's figure)."""
    return sum(tensor.bytes for tensor in tensors) * 8 / sum(tensor.elements for tensor in tensors)


def quant_of(headers: Sequence[GgufHeader]) -> str:
    """The preset that the file names, else the type that most of its bytes are stored in."""
    number = MetadataFields(headers[0]).integer_at("general.file_type")
    if number in FILE_TYPES:
        return FILE_TYPES[number]
    sizes: Counter[str] = Counter()
    for header in headers:
        for tensor in header.tensors:
            sizes[tensor.type.name] += tensor.bytes
    return sizes.most_common(1)[0][0] if sizes else "unknown"


def _vocabulary(fields: MetadataFields, tensors: Sequence[GgufTensor]) -> int:
    tokens = fields.header.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, SkippedValue):
        return tokens.length
    embedding = next((tensor for tensor in tensors if tensor.name == "token_embd.weight"), None)
    return fields.integer("vocab_size") or (embedding.dims[-1] if embedding else 0)
