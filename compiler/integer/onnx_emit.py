"""Collects the ONNX nodes of one graph (or Scan body): types, constants and unique names."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from thresher.compiler.integer.ir import Tensor
from thresher.compiler.integer.memory import dtype_of

__all__ = ["QONNX", "Emitter", "datatype", "element_type"]

QONNX = "qonnx.custom_op.general"

_TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64}


def element_type(dtype: np.dtype) -> int:
    """ONNX's number of the element type."""
    return _TYPES[dtype.name]


def datatype(lo: int, hi: int) -> str:
    """qonnx's name of the least integer type that holds [lo, hi]."""
    if lo >= 0:
        return "BINARY" if hi <= 1 else f"UINT{hi.bit_length()}"
    return f"INT{max((-lo - 1).bit_length(), hi.bit_length()) + 1}"


class Emitter:
    """Nodes, initializers and value types of a graph that grows.

    :param parent: the emitter of the graph around it, whose names are shared.
    :param reserved: names that only tensors may bear.
    """

    def __init__(self, parent: "Emitter | None" = None, reserved: Sequence[str] = ()) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.values: list[onnx.ValueInfoProto] = []
        self.annotations: list[onnx.TensorAnnotation] = []
        self.used: set[str] = set(reserved) if parent is None else parent.used
        self.types: dict[str, np.dtype] = {}

    def fresh(self, hint: str) -> str:
        """A name nobody has."""
        name, count = hint, 0
        while name in self.used:
            count += 1
            name = f"{hint}_{count}"
        self.used.add(name)
        return name

    def declare(self, name: str, shape: Sequence[int], dtype: np.dtype) -> onnx.ValueInfoProto:
        """Fix a value's type and shape."""
        self.types[name] = dtype
        return helper.make_tensor_value_info(name, element_type(dtype), list(shape))

    def constant(self, array: np.ndarray, dtype: np.dtype, hint: str) -> str:
        """The name of a new initializer."""
        name = self.fresh(hint)
        data = np.ascontiguousarray(array, dtype=dtype)
        self.constants.append(numpy_helper.from_array(data, name))
        self.types[name] = dtype
        return name

    def op(
        self,
        op: str,
        inputs: Sequence[str],
        out: Tensor | None,
        shape: Sequence[int],
        dtype: np.dtype,
        *,
        domain: str = "",
        first: bool = True,
        **attrs: Any,
    ) -> str:
        """A node; its output bears the name of `out`, or one of its own where `out` is None.

        That output is its first, or else its second, with one before it that nobody reads. It
        has type `dtype`; `out` gets a Cast where its interval asks for another.
        """
        final = dtype if out is None else dtype_of(out.lo, out.hi)
        direct = out is not None and final == dtype
        name = out.name if out is not None and direct else self.fresh(f"{inputs[0]}_{op}")
        self.nodes.append(
            helper.make_node(
                op,
                list(inputs),
                [name] if first else [self.fresh(f"{name}_unread"), name],
                name=self.fresh(f"{op}_{name}"),
                domain=domain,
                **attrs,
            )
        )
        self.values.append(self.declare(name, shape, dtype))
        if out is None or direct:
            if out is not None:
                self.annotate(out)
            return name
        return self.op("Cast", [name], out, shape, final, to=element_type(final))

    def cast(self, name: str, shape: Sequence[int], dtype: np.dtype) -> str:
        """The value as `dtype`."""
        if self.types[name] == dtype:
            return name
        return self.op("Cast", [name], None, shape, dtype, to=element_type(dtype))

    def annotate(self, x: Tensor) -> None:
        """Tell qonnx the integer type of x."""
        note = onnx.TensorAnnotation(tensor_name=x.name)
        pair = note.quant_parameter_tensor_names.add()
        pair.key, pair.value = "finn_datatype", datatype(x.lo, x.hi)
        self.annotations.append(note)
