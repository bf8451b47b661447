"""The account of how quantisers became steps."""

from dataclasses import dataclass

from thresher.compiler.expr import Expr
from thresher.compiler.integer.ir import Tensor

__all__ = ["Closing"]


@dataclass(frozen=True, eq=False)
class Closing:
    """Where a quantiser of the model became a step: what `verify` needs to explain a difference.

    A search for the greatest elements is one too; `codes` is None there.

    :param source: the model's float tensor that the quantiser reads.
    :param before: integer tensor whose `expr` is that float tensor.
    :param expr: float32 expression of `before` that the quantiser reads.
    :param codes: float32 expression, of the float tensor, that gives the codes.
    :param after: integer tensor that holds the codes.
    :param loop: name of the Scan node whose body holds it, "" at the top.
    :param axis: of the float tensor, along which the greatest is sought: the last of `before`.
    :param last: of equal elements the last is taken.
    :param sign: -1 where the least elements are sought, else 1.
    """

    node: str
    op: str
    source: str
    before: Tensor
    expr: Expr
    codes: Expr | None
    after: Tensor
    loop: str
    axis: int = -1
    last: bool = False
    sign: int = 1
