"""Builder methods of the nodes that images have, and of Reshape, which they need."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from thresher.compiler.integer import intervals
from thresher.compiler.integer.arrays import digest, ints
from thresher.compiler.integer.images import GroupedMatMul, Reduce, Repeat, Window
from thresher.compiler.integer.overflow import fit
from thresher.compiler.integer.scope import Scope
from thresher.compiler.integer.tensor import Reshape, Tensor
from thresher.rtl.windowplan import places

__all__ = ["ImageBuilder"]

_ONE = (1, 1)


class ImageBuilder(Scope):
    """See `Builder`."""

    def reshape(self, x: Tensor, shape: Sequence[int], *, name: str | None = None) -> Tensor:
        """`x` under another shape of the same size."""
        shape = tuple(map(int, shape))
        if int(np.prod(shape, dtype=np.int64)) != x.size:
            raise ValueError(f"shape must have {x.size} elements, not {shape}")
        made = self.producer(x)
        if isinstance(made, Reshape):
            x = made.x
        if shape == x.shape:
            return x
        bounds = intervals.of_reshape(self.bounds(x), x.shape, shape)
        key = ("reshape", x.name, shape)
        return self._add(key, name or "reshape", shape, bounds, lambda t: Reshape(x, t))

    def window(
        self, x: Tensor, kernel: tuple[int, int], *, strides: tuple[int, int] = _ONE,
        dilations: tuple[int, int] = _ONE, pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        upsample: tuple[int, int] = _ONE, groups: int = 1, fill: int = 0, name: str | None = None,
    ) -> Tensor:  # fmt: skip
        """A `Window` of x (..., H, W, C); x itself where it is that.

        Padding of padding with the same fill is one. Without padded places the fill is 0.
        """
        pairs = (kernel, strides, dilations, upsample)
        if min(min(p) for p in pairs) < 1 or min(pads) < 0 or len(pads) != 4:
            raise ValueError(f"kernel, strides, dilations, upsample must be positive, not {pairs}")
        if len(x.shape) < 3 or groups < 1 or x.shape[-1] % groups:
            raise ValueError(f"x must be (..., H, W, C), C a multiple of {groups}, not {x.shape}")
        made = self.producer(x)
        dilations = (dilations[0] if kernel[0] > 1 else 1, dilations[1] if kernel[1] > 1 else 1)
        joins = isinstance(made, Window) and upsample == _ONE and _only_pads(made)
        if isinstance(made, Window) and joins and (made.fill == fill or not any(pads)):
            top, left, bottom, right = (a + b for a, b in zip(pads, made.pads, strict=True))
            x, pads, fill = made.x, (top, left, bottom, right), made.fill
        if kernel == strides == upsample == _ONE and not any(pads):
            return x
        at = [
            places(x.shape[k - 3], kernel[k], strides[k], dilations[k], pads[k::2], upsample[k])  # type: ignore[arg-type]
            for k in (0, 1)
        ]
        if not all(len(a) for a in at):
            raise ValueError(f"kernel {kernel} must fit {x.shape} with pads {pads}")
        if all((a >= 0).all() for a in at):
            fill = 0
        bounds = intervals.of_window(self.bounds(x), x.shape, at[0], at[1], groups, fill)
        shape = (*x.shape[:-3], len(at[0]), len(at[1]), kernel[0] * kernel[1] * x.shape[-1])
        key = ("window", x.name, kernel, strides, dilations, pads, upsample, groups, fill)
        return self._add(
            key, name or "window", shape, bounds,
            lambda t: Window(x, kernel, strides, dilations, pads, upsample, groups, fill, t),
        )  # fmt: skip

    def grouped_matmul(
        self, x: Tensor, weights: np.ndarray, bias: np.ndarray | None = None, *,
        name: str | None = None,
    ) -> Tensor:  # fmt: skip
        """A `GroupedMatMul`: x (..., G * K), weights (G, K, N), bias (G * N,) -> (..., G * N).

        :raises ModelError: the accumulator would need more than 62 bits.
        """
        weights = ints(weights)
        if weights.ndim != 3 or x.shape[-1:] != (weights.shape[0] * weights.shape[1],):
            raise ValueError(
                f"weights must be (G, K, N) with G * K as in {x.shape}, not {weights.shape}"
            )
        width = weights.shape[0] * weights.shape[2]
        if bias is not None:
            bias = ints(bias).reshape(-1)
            if bias.shape != (width,):
                raise ValueError(f"bias must be ({width},), not {bias.shape}")
            bias = bias if bias.any() else None
        hint = name or "grouped_matmul"
        bounds = fit(
            hint, "GroupedMatMul",
            lambda: intervals.of_grouped_matmul(self.bounds(x), x.shape, weights, bias),
        )  # fmt: skip
        key = ("grouped", x.name, digest(weights), digest(bias))
        shape = (*x.shape[:-1], width)
        return self._add(key, hint, shape, bounds, lambda t: GroupedMatMul(x, weights, bias, t))

    def reduce(self, op: Literal["max", "sum"], x: Tensor, *, name: str | None = None) -> Tensor:
        """A `Reduce` of x (..., K, C) along K -> (..., C); x itself reshaped where K is 1.

        :raises ModelError: a sum would need more than 62 bits.
        """
        if op not in ("max", "sum") or len(x.shape) < 2:
            raise ValueError(f"op must be 'max' or 'sum' of (..., K, C), not {op!r} of {x.shape}")
        if x.shape[-2] == 1:
            return self.reshape(x, (*x.shape[:-2], x.shape[-1]), name=name)
        hint = name or f"reduce_{op}"
        bounds = fit(hint, "Reduce", lambda: intervals.of_reduce(op, self.bounds(x), x.shape))
        shape = (*x.shape[:-2], x.shape[-1])
        return self._add(
            ("reduce", op, x.name), hint, shape, bounds, lambda t: Reduce(op, x, t)
        )  # fmt: skip

    def repeat(self, x: Tensor, rows: int, columns: int, *, name: str | None = None) -> Tensor:
        """A `Repeat` of x (..., H, W, C); x itself where nothing is repeated."""
        if len(x.shape) < 3 or min(rows, columns) < 1:
            raise ValueError(f"x must be (..., H, W, C), not {x.shape}; {rows} x {columns} times")
        if rows == columns == 1:
            return x
        *lead, height, width, channels = x.shape
        bounds = intervals.of_repeat(self.bounds(x), rows, columns)
        return self._add(
            ("repeat", x.name, rows, columns), name or "repeat",
            (*lead, height * rows, width * columns, channels), bounds,
            lambda t: Repeat(x, rows, columns, t),
        )  # fmt: skip


def _only_pads(node: Window) -> bool:
    return node.kernel == node.strides == node.upsample == _ONE
