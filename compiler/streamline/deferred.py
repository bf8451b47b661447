"""Float inputs that are pooled, padded or moved before any quantiser: done with their codes."""

from typing import TYPE_CHECKING

from thresher.compiler import expr as ex
from thresher.compiler.expr import Expr
from thresher.compiler.integer.ir import Tensor
from thresher.compiler.streamline.values import Codes, Deferred, Lazy, Raw, full_rank

if TYPE_CHECKING:
    from thresher.compiler.streamline.context import Context

__all__ = ["closed_before", "undeferred"]


def closed_before(context: "Context", deferred: Deferred, expr: Expr) -> Tensor:
    """The codes of deferred elements: their base is closed, and then what is deferred is done.

    :param expr: an integer-valued expression of the elements.
    :raises ModelError: it is not the same for elements that meet.
    """
    rank = len(deferred.shape)
    shapes = [full_rank(c, rank).shape for c in ex.constants(expr)]
    if any(shape[k] > 1 for shape in shapes for k in deferred.axes):
        raise context.error(
            f"input '{deferred.source}' is pooled, padded or turned as float, and its quantiser "
            "is not the same for all elements that meet",
            "quantise it in front of that, or per tensor",
        )
    base = deferred.base
    closed = context.close(Lazy(base.tensor, ex.composed(expr, base.expr)))
    assert isinstance(closed.tensor, Tensor)
    return deferred.make(context, closed.tensor, expr)


def undeferred(context: "Context", value: Lazy) -> Tensor | Raw | Codes:
    """The tensor of a value that a loop reads: nothing that waits for a quantiser inside it.

    :raises ModelError: the value does.
    """
    if isinstance(value.tensor, Deferred):
        raise context.error(
            f"input '{value.tensor.source}' is pooled or padded as float, then read by a loop",
            "quantise it outside the loop",
        )
    return value.tensor
