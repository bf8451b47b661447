"""Kernels on images: sizes and pads written out, auto_pad and ceil_mode resolved.

One dimension becomes two: rows of height 1. Formulas are those of ONNX's operators Conv,
ConvTranspose, MaxPool and AveragePool; with ceil_mode a place that would start beyond the image and
its first pads is dropped, as onnxruntime does.
"""

from dataclasses import dataclass

import numpy as np

from thresher.compiler.graph import Node
from thresher.compiler.streamline.context import Context
from thresher.rtl.windowplan import places

__all__ = ["Geometry", "geometry", "transposed"]

Pair = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """Where a kernel is laid on an image of `size`; see `Window`.

    :param pads: top, left, bottom, right; the last two with what ceil_mode adds.
    :param asked: bottom and right as the model has them.
    :param crop: rows and columns that the result loses at top, left, bottom, right.
    """

    size: Pair
    kernel: Pair
    strides: Pair
    dilations: Pair
    pads: tuple[int, int, int, int]
    asked: Pair
    upsample: Pair = (1, 1)
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)

    def along(self, axis: int) -> np.ndarray:
        """int64 (O, K): `places` along an axis."""
        return places(
            self.size[axis], self.kernel[axis], self.strides[axis], self.dilations[axis],
            (self.pads[axis], self.pads[axis + 2]), self.upsample[axis],
        )  # fmt: skip

    @property
    def out(self) -> Pair:
        """Rows and columns of the result."""
        rows, columns = (len(self.along(k)) - self.crop[k] - self.crop[k + 2] for k in (0, 1))
        return rows, columns

    def counts(self, include_pads: bool) -> np.ndarray:
        """int64 (OH, OW): elements of the image, or also of the model's pads, at each place."""
        found = []
        for k in (0, 1):
            if not include_pads:
                found.append((self.along(k) >= 0).sum(axis=1))
                continue
            whole = self.size[k] + self.pads[k] + self.asked[k]
            end = (0, self.pads[k + 2] - self.asked[k])
            seen = places(whole, self.kernel[k], self.strides[k], self.dilations[k], end, 1)
            found.append((seen >= 0).sum(axis=1))
        return np.outer(*found)


def _ints(node: Node, name: str) -> tuple[int, ...]:
    values = node.attrs[name]
    assert isinstance(values, tuple)
    return tuple(int(v) for v in values)


def _pair(values: tuple[int, ...], default: int) -> Pair:
    """Of one axis, columns; of two, rows and columns."""
    return (default, values[0]) if len(values) == 1 else (values[0], values[1])


def _check(context: Context, node: Node, shape: tuple[int, ...]) -> None:
    dims = len(shape) - 2
    if dims not in (1, 2):
        raise context.error(
            f"its input must have 3 or 4 axes (N, C, H, W), not shape {shape}",
            "use operators of one or two spatial dimensions",
        )
    if len(_ints(node, "kernel_shape")) != dims:
        raise context.error(
            f"kernel_shape {node.attrs['kernel_shape']} does not fit shape {shape}",
            "check the model",
        )


def _quad(node: Node, dims: int) -> tuple[int, int, int, int]:
    pads = _ints(node, "pads")
    (top, left), (bottom, right) = _pair(pads[:dims], 0), _pair(pads[dims:], 0)
    return top, left, bottom, right


def geometry(context: Context, node: Node, shape: tuple[int, ...]) -> Geometry:
    """Of a Conv, MaxPool or AveragePool on a tensor (N, C, W) or (N, C, H, W)."""
    _check(context, node, shape)
    dims = len(shape) - 2
    size = _pair(shape[2:], 1)
    kernel, strides, dilations = (
        _pair(_ints(node, name), 1) for name in ("kernel_shape", "strides", "dilations")
    )
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if node.attrs["pads"] is None:
        lower = node.attrs["auto_pad"] == "SAME_LOWER"
        ends = [_same(*a, lower=lower) for a in zip(size, reach, strides, strict=True)]
        pads = (ends[0][0], ends[1][0], ends[0][1], ends[1][1])
    else:
        pads = _quad(node, dims)
    if min(pads) < 0:
        raise context.error(f"pads {pads} must not be negative", "use Slice to crop")
    asked = pads[2:]
    if node.attrs.get("ceil_mode", 0):
        more = [
            _ceiling(size[k], reach[k], strides[k], pads[k], pads[k + 2]) for k in (0, 1)
        ]  # fmt: skip
        pads = (*pads[:2], *more)  # type: ignore[assignment]
    found = Geometry(size, kernel, strides, dilations, pads, asked)
    if min(found.out) < 1:
        raise context.error(
            f"kernel {kernel} is larger than the image {size} with its pads", "check the model"
        )
    return found


def _same(size: int, reach: int, stride: int, *, lower: bool) -> Pair:
    """Pads with which ceil(size / stride) places fit."""
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    half = total // 2
    return (total - half, half) if lower else (half, total - half)


def _ceiling(size: int, reach: int, stride: int, before: int, after: int) -> int:
    """The pads behind with which the number of places is rounded up."""
    count = -(-(size + before + after - reach) // stride) + 1
    if (count - 1) * stride >= size + before:
        count -= 1
    return max(after, (count - 1) * stride + reach - size - before)


def transposed(context: Context, node: Node, shape: tuple[int, ...]) -> Geometry:
    """Of a ConvTranspose: a kernel, turned around, on the image with its pixels set apart.

    An image padded by the kernel's reach gives all places that a pixel has a part in; pads of the
    model take away from these, output_padding adds to the end.
    """
    _check(context, node, shape)
    dims = len(shape) - 2
    size = _pair(shape[2:], 1)
    kernel, strides, dilations = (
        _pair(_ints(node, name), 1) for name in ("kernel_shape", "strides", "dilations")
    )
    more = _pair(_ints(node, "output_padding"), 0)
    reach = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    full = [
        t * (n - 1) + m + r + 1 for t, n, m, r in zip(strides, size, more, reach, strict=True)
    ]  # fmt: skip
    if node.attrs["output_shape"] is None and node.attrs["pads"] is not None:
        cut = _quad(node, dims)
    else:
        cut = _cut(node, full, [t * n for t, n in zip(strides, size, strict=True)])
    pads = [reach[k % 2] - cut[k] + (more[k % 2] if k > 1 else 0) for k in range(4)]
    top, left, bottom, right = (max(p, 0) for p in pads)
    crop = tuple(max(-p, 0) for p in pads)
    found = Geometry(
        size, kernel, (1, 1), dilations, (top, left, bottom, right), (bottom, right), strides,
        crop,  # type: ignore[arg-type]
    )  # fmt: skip
    if min(found.out) < 1:
        raise context.error(f"pads {cut} leave nothing of the image {size}", "check the model")
    return found


def _cut(node: Node, full: list[int], same: list[int]) -> tuple[int, int, int, int]:
    """What a ConvTranspose of this full size loses for output_shape, or for auto_pad's.

    Where the full size is too small, it gains at the end.
    """
    wanted = same
    if node.attrs["output_shape"] is not None:
        wanted = list(_pair(_ints(node, "output_shape")[-len(_ints(node, "strides")) :], 1))
    totals = [f - w for f, w in zip(full, wanted, strict=True)]
    upper = node.attrs["auto_pad"] == "SAME_UPPER"
    begin = [(max(t, 0) + (not upper)) // 2 for t in totals]
    return begin[0], begin[1], totals[0] - begin[0], totals[1] - begin[1]
