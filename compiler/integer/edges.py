"""The edges of an integer graph: what the host makes of the model's inputs and outputs.

The host's arrays, floats and codes alike, have the axes of the model. A port's tensor may have them
in another order, channels last above all: then the stream does, and the host sends and receives
its codes so (`to_stream`, `to_host`), which spares the hardware a buffer.
"""

from dataclasses import dataclass

import numpy as np

from thresher.compiler.expr import Expr
from thresher.compiler.integer.tensor import Tensor

__all__ = ["InputPort", "OutputPort", "to_host", "to_stream"]


@dataclass(frozen=True, eq=False)
class InputPort:
    """How the host makes the codes of `tensor` from the model's input `source`.

    :param source: name of the model's input; several ports may share one.
    :param dtype: NumPy's name of the source's element type.
    :param quantise: float32 expression of the source whose values are the codes; None where the
        source is integer and passes through.
    :param exact: the source must be a value that a code stands for; the host refuses others.
    :param scale: with `exact`, float64 value of one code (broadcasts to the shape), else None.
    :param order: axis k of `tensor` is axis order[k] of the source; None where they are the same.
    """

    tensor: Tensor
    source: str
    dtype: str
    quantise: Expr | None
    exact: bool = False
    scale: np.ndarray | None = None
    order: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the source, and of its codes on the host."""
        return as_model(self.tensor.shape, self.order)


@dataclass(frozen=True, eq=False)
class OutputPort:
    """The model's output `name`: float32 `dequantise` of the codes, or the codes where None.

    :param order: axis k of `tensor` is axis order[k] of the output; None where they are the same.
    """

    name: str
    tensor: Tensor
    dtype: str
    dequantise: Expr | None
    order: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the model's output, and of its codes on the host."""
        return as_model(self.tensor.shape, self.order)


def to_stream(codes: np.ndarray, port: InputPort | OutputPort) -> np.ndarray:
    """Codes (N, *shape of the model) -> (N, *shape of the tensor)."""
    if port.order is None:
        return codes
    return codes.transpose(0, *(k + 1 for k in port.order))


def to_host(codes: np.ndarray, port: InputPort | OutputPort) -> np.ndarray:
    """Codes (N, *shape of the tensor) -> (N, *shape of the model)."""
    if port.order is None:
        return codes
    return codes.transpose(0, *(int(k) + 1 for k in np.argsort(port.order)))


def as_model(shape: tuple[int, ...], order: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape of the model's tensor whose axes in `order` have this shape."""
    return shape if order is None else tuple(shape[int(k)] for k in np.argsort(order))
