"""How a GGUF file of a public model is made by llama.cpp's own tools, where none is at hand."""

from __future__ import annotations

from grid.cells.serving import ShellCommand

_NEED_MATRIX = ("IQ1_", "IQ2_", "IQ3_XXS", "IQ3_XS", "Q2_K_S")
"""Presets that llama-quantize refuses without an importance matrix."""
_NATIVE = "MXFP4"
"""What some models are published in: the converter keeps it."""

WHOLE = ("F16", "BF16", "F32")
"""What the converter writes by itself."""


def making_lines(repository: str, name: str, preset: str, target: str) -> tuple[str, ...]:
    """Lines for a shell that download a model's 16-bit weights and make `target` of them at a
    preset. They take llama.cpp's tools and its convert_hf_to_gguf.py; a preset that needs an
    importance matrix takes a text, `calibration.txt`."""
    lines = [["hf", "download", repository, "--local-dir", name]]
    convert = ["python", "convert_hf_to_gguf.py", name, "--outfile"]
    if preset.startswith(_NATIVE):
        return _texts([*lines, [*convert, target]])
    if preset in WHOLE:
        return _texts([*lines, [*convert, target, "--outtype", preset.lower()]])
    whole = f"{name}-F16.gguf"
    lines.append([*convert, whole, "--outtype", "f16"])
    matrix: list[str] = []
    if preset.startswith(_NEED_MATRIX):
        lines.append(["llama-imatrix", "-m", whole, "-f", "calibration.txt", "-o", "imatrix.gguf"])
        matrix = ["--imatrix", "imatrix.gguf"]
    return _texts([*lines, ["llama-quantize", *matrix, whole, target, preset]])


def _texts(lines: list[list[str]]) -> tuple[str, ...]:
    return tuple(ShellCommand(argv=tuple(line)).text() for line in lines)
