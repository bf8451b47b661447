"""Element types, constants and graph inputs."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper

from thresher.compiler.errors import ModelError
from thresher.compiler.graph import Dim, GraphInput

__all__ = ["code_range", "dtype_name", "finn_interval", "graph_input", "plain_constant"]

_SMALL = {"int2": "int8", "int4": "int8", "uint2": "uint8", "uint4": "uint8"}
_CODE_BITS = {f"{sign}int{bits}": bits for bits in (2, 4, 8, 16) for sign in ("", "u")}
_REAL = ("float16", "float32", "float64")
_INTEGERS = tuple(f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u"))


def code_range(dtype: str) -> tuple[int, int] | None:
    """First and last code of a quantised element type, None for other types."""
    bits = _CODE_BITS.get(dtype)
    if bits is None:
        return None
    return (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def dtype_name(elem_type: int) -> str | None:
    """NumPy's name of an ONNX element type ("int4" for 4 bits); None where unsupported."""
    try:
        name = helper.tensor_dtype_to_np_dtype(elem_type).name
    except (KeyError, ValueError):
        return None
    return name if name in (*_REAL, *_INTEGERS, *_SMALL, "bool") else None


def plain_constant(name: str, value: np.ndarray) -> np.ndarray:
    """A constant in one of NumPy's own types: codes below 8 bits are widened.

    :raises ModelError: bfloat16, float8, strings.
    """
    dtype = value.dtype.name
    if dtype in _SMALL:
        return value.astype(_SMALL[dtype])
    if dtype not in (*_REAL, *_INTEGERS, "bool"):
        rule = f"unsupported element type {dtype}"
        raise ModelError(name, "initializer", rule, "use float32 or integers")
    return value


def finn_interval(datatype: str) -> tuple[int, int] | None:
    """The interval of a FINN datatype such as "INT4"; None where it is not an integer type."""
    named = {"BIPOLAR": (-1, 1), "BINARY": (0, 1), "TERNARY": (-1, 1)}
    if datatype in named:
        return named[datatype]
    unsigned = datatype.startswith("U")
    digits = datatype.removeprefix("U").removeprefix("INT")
    if not datatype.removeprefix("U").startswith("INT") or not digits.isdigit() or digits == "0":
        return None
    bits = int(digits)
    return (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def graph_input(
    value: onnx.ValueInfoProto, name: str, annotations: Mapping[str, str], *, body: bool
) -> GraphInput:
    """An input of a graph, or of a Scan body, whose shape and interval come from outside.

    :param annotations: FINN datatypes by tensor name.
    :raises ModelError: not a tensor, unsupported element type, no shape.
    """
    kind = value.type.WhichOneof("value")
    if body and (kind is None or not value.type.tensor_type.elem_type):
        return GraphInput(name)
    if kind != "tensor_type":
        rule = f"input must be a tensor, not {kind or 'untyped'}"
        raise ModelError(value.name, "graph input", rule, "export with tensor inputs")
    tensor = value.type.tensor_type
    dtype = dtype_name(tensor.elem_type)
    if dtype is None or dtype in ("float16", "float64"):
        names = {number: name for name, number in onnx.TensorProto.DataType.items()}
        what = names.get(tensor.elem_type, "unknown")
        rule = f"element type must be float32 or integer, not {what}"
        raise ModelError(value.name, "graph input", rule, "export a float32 model")
    dtype = _SMALL.get(dtype, dtype)
    if body:
        return GraphInput(name, (), dtype)
    if not tensor.HasField("shape"):
        raise ModelError(value.name, "graph input", "shape is missing", "export with input shapes")
    shape = tuple(_dim(dim) for dim in tensor.shape.dim)
    integer = finn_interval(annotations.get(value.name, "")) or _type_interval(dtype)
    return GraphInput(name, shape, dtype, integer)


def _dim(dim: onnx.TensorShapeProto.Dimension) -> Dim:
    if dim.HasField("dim_value") and dim.dim_value > 0:
        return int(dim.dim_value)
    return str(dim.dim_param)


def _type_interval(dtype: str) -> tuple[int, int] | None:
    if dtype == "bool":
        return 0, 1
    if not np.issubdtype(np.dtype(dtype), np.integer):
        return None
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)
