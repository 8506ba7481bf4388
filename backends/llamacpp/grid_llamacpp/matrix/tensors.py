"""A view of ggml's tensors from Python: what a computation's nodes read.

The layout is that of `struct ggml_tensor` in the pinned llama.cpp (ggml/include/ggml.h), checked
against the library's own functions before it is used.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError
from grid_llamacpp.library import Library

MUL_MAT, MUL_MAT_ID = "MUL_MAT", "MUL_MAT_ID"
"""Operations that read weights: of a matrix, of the experts that a router chose."""

_DIMENSIONS, _SOURCES, _NAME, _PARAMETERS = 4, 10, 64, 16
_F32, _I32 = 0, 26


class NativeTensor(ctypes.Structure):
    """`struct ggml_tensor`. `ne` are lengths, the row's first, `nb` strides in bytes."""


NativeTensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * _DIMENSIONS),
    ("nb", ctypes.c_size_t * _DIMENSIONS),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * _PARAMETERS),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(NativeTensor) * _SOURCES),
    ("view_src", ctypes.c_void_p),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * _NAME),
    ("extra", ctypes.c_void_p),
    ("padding", ctypes.c_char * 8),
]


class TensorReader:
    """Names, operations and values of tensors while a graph is computed.

    Raises EngineError where the library's tensors are laid out otherwise than this view.
    """

    def __init__(self, library: Library) -> None:
        self._calls = _declare(library.cdll)
        self._check_layout()
        self._operations: dict[int, str] = {}

    def operation(self, address: int, tensor: NativeTensor) -> str:
        """Name of the operation that computes the tensor."""
        if tensor.op not in self._operations:
            self._operations[tensor.op] = self._calls.ggml_op_desc(address).decode()
        return self._operations[tensor.op]

    def is_float(self, tensor: NativeTensor) -> bool:
        return bool(tensor.type == _F32)

    def floats(self, tensor: NativeTensor) -> npt.NDArray[np.float32]:
        """Its values, [ne3, ne2, ne1, ne0]; a view of host memory where it lies there."""
        return self._array(tensor, np.float32)

    def integers(self, tensor: NativeTensor) -> npt.NDArray[np.int32]:
        return self._array(tensor, np.int32)

    def _array(self, tensor: NativeTensor, kind: type[np.generic]) -> npt.NDArray[Any]:
        pointer = ctypes.byref(tensor)
        size = self._calls.ggml_nbytes(pointer)
        if tensor.buffer and not self._calls.ggml_backend_buffer_is_host(tensor.buffer):
            content = (ctypes.c_char * size)()
            self._calls.ggml_backend_tensor_get(pointer, content, 0, size)
        else:
            content = (ctypes.c_char * size).from_address(tensor.data)
        shape, strides = tuple(tensor.ne)[::-1], tuple(tensor.nb)[::-1]
        return np.ndarray(shape, kind, content, 0, strides)

    def _check_layout(self) -> None:
        """Compare lengths, name, data and size of a tensor with what the library says of it."""
        calls = self._calls
        context = calls.ggml_init(_Init(4096, None, True))
        try:
            address = calls.ggml_new_tensor_2d(context, _F32, 7, 3)
            product = calls.ggml_mul_mat(context, address, address)
            calls.ggml_set_name(address, b"blk.0.probe.weight")
            tensor = NativeTensor.from_address(address)
            node = NativeTensor.from_address(product)
            right = (
                tuple(tensor.ne) == (7, 3, 1, 1)
                and tuple(tensor.nb) == (4, 28, 84, 84)
                and tensor.name == b"blk.0.probe.weight"
                and ctypes.addressof(node.src[1].contents) == address
                and calls.ggml_op_desc(product) == MUL_MAT.encode()
                and calls.ggml_get_name(address) == tensor.name
            )
        finally:
            calls.ggml_free(context)
        if not right:
            raise EngineError(
                "this llama.cpp lays its tensors out in another way, so that no importance matrix "
                "can be computed; give a file: imatrix in [[models]]"
            )


class _Init(ctypes.Structure):
    """`ggml_init_params`: bytes, a buffer of the caller's or none, whether data is left out."""

    _fields_ = (
        ("mem_size", ctypes.c_size_t),
        ("mem_buffer", ctypes.c_void_p),
        ("no_alloc", ctypes.c_bool),
    )


def _declare(cdll: Any) -> Any:
    """Functions of ggml with their types; libllama's handle finds those of its dependencies."""
    tensor, size = ctypes.c_void_p, ctypes.c_size_t
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "ggml_op_desc": (ctypes.c_char_p, [tensor]),
        "ggml_get_name": (ctypes.c_char_p, [tensor]),
        "ggml_set_name": (tensor, [tensor, ctypes.c_char_p]),
        "ggml_nbytes": (size, [tensor]),
        "ggml_backend_buffer_is_host": (ctypes.c_bool, [ctypes.c_void_p]),
        "ggml_backend_tensor_get": (None, [tensor, ctypes.c_void_p, size, size]),
        "ggml_init": (ctypes.c_void_p, [_Init]),
        "ggml_free": (None, [ctypes.c_void_p]),
        "ggml_new_tensor_2d": (
            tensor,
            [ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_int64],
        ),
        "ggml_mul_mat": (tensor, [ctypes.c_void_p, tensor, tensor]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(cdll, name)
        function.restype, function.argtypes = result, arguments
    return cdll
