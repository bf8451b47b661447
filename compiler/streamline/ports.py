"""Input ports: what the host does before the integers start."""

from typing import TYPE_CHECKING

import numpy as np

from thresher.compiler import analysis
from thresher.compiler import expr as ex
from thresher.compiler.expr import Apply, Constant, Expr, Leaf
from thresher.compiler.integer.ir import InputPort, Tensor
from thresher.compiler.streamline.values import Raw

if TYPE_CHECKING:
    from thresher.compiler.streamline.context import Context

__all__ = ["exact_input", "quantised_input"]


def quantised_input(context: "Context", raw: Raw, expr: Expr) -> Tensor:
    """An input port of the whole source, and the layout from there to `raw`."""
    shape = tuple(int(d) for d in context.inputs[raw.source].shape)

    def home(c: np.ndarray) -> np.ndarray:
        if c.size == 1:
            return c.reshape((1,) * len(shape))
        back = np.zeros(int(np.prod(shape)), dtype=c.dtype)
        full = np.broadcast_to(c, raw.shape)
        back[raw.index.reshape(-1)] = np.broadcast_to(full, raw.index.shape).reshape(-1)
        return back.reshape(shape)

    expr = ex.map_constants(expr, home)
    top = context
    while top.parent is not None:
        top = top.parent
    port_key = (raw.source, ex.key(expr))
    if port_key not in context.ports:
        lo, hi = _range(context, expr)
        tensor = top.builder.input(shape, lo, hi, name=raw.source)
        context.ports[port_key] = InputPort(tensor, raw.source, "float32", expr)
    return context.place(context.ports[port_key].tensor, raw)


def exact_input(context: "Context", raw: Raw, scale: np.ndarray, lo: int, hi: int) -> Tensor:
    """An input port for a float input that holds multiples of `scale`, as a state does."""
    shape = tuple(int(d) for d in context.inputs[raw.source].shape)
    if scale.ndim and scale.size > 1:
        raise context.error("a float initial state needs one scale per tensor", "quantise it")
    scale = scale.reshape(())
    port_key = (raw.source, "exact", float(scale), lo, hi)
    if port_key not in context.ports:
        tensor = context.builder.input(shape, lo, hi, name=raw.source)
        factor = Constant(np.asarray(scale, np.float32).reshape((1,) * len(shape)))
        codes = Apply("Round", (Apply("Div", (Leaf(), factor)),))
        context.ports[port_key] = InputPort(tensor, raw.source, "float32", codes, True, scale)
    return context.place(context.ports[port_key].tensor, raw)


def _range(context: "Context", expr: Expr) -> tuple[int, int]:
    """The interval of a quantiser's codes, from its values at the ends of the float line."""
    ends = ex.evaluate(expr, np.array([-np.inf, np.inf]).reshape((2,) + (1,) * _rank(expr)))
    if analysis.monotone(expr) is None or not np.isfinite(ends).all():
        raise context.error(
            "an input must be quantised by a monotone quantiser with finite range",
            "quantise the model's input with QuantIdentity / QuantizeLinear first",
        )
    return int(ends.min()), int(ends.max())


def _rank(expr: Expr) -> int:
    return max((c.ndim for c in ex.constants(expr)), default=0)
