"""NumPy kernels of the nodes that images have: whole batches, exact, few passes over memory."""

import numpy as np

from thresher.compiler.integer.images import GroupedMatMul, Reduce, Repeat, Window
from thresher.compiler.integer.memory import Env, Kernel, Memory, dtype_of
from thresher.compiler.integer.windows import columns_of, rows_of

__all__ = ["image_kernel"]

_FEW = 16  # elements along an axis that are reduced one after the other, each a pass


def image_kernel(node: Window | GroupedMatMul | Reduce | Repeat, memory: Memory) -> Kernel:
    """The closure that runs the node; `memory` gives tensors their places."""
    match node:
        case Window():
            return _window(node, memory)
        case GroupedMatMul():
            return _grouped(node, memory)
        case Reduce():
            return _reduce(node, memory)
    return _repeat(node, memory)


def _window(node: Window, memory: Memory) -> Kernel:
    """The wider image once, then one strided view of it: copied, it is the result."""
    x, out = memory.slot(node.x), memory.own(node.out)
    dtype = dtype_of(node.x.lo, node.x.hi)
    *lead, height, width, channels = node.x.shape
    images, (up, left_up), (top, left, *_) = int(np.prod(lead)), node.upsample, node.pads
    rows, columns = rows_of(node), columns_of(node)
    (oh, kh), (ow, kw) = rows.shape, columns.shape
    (sh, sw), (dh, dw) = node.strides, node.dilations
    # As much of the wider image as any place sees, and all that the image itself takes.
    high = max((oh - 1) * sh + (kh - 1) * dh + 1, top + (height - 1) * up + 1)
    broad = max((ow - 1) * sw + (kw - 1) * dw + 1, left + (width - 1) * left_up + 1)
    plain = (high, broad) == (height, width)
    wide = memory.scratch(f"wide {node.out.name}", (images, high, broad, channels), dtype)
    inside = (slice(top, top + (height - 1) * up + 1, up),
              slice(left, left + (width - 1) * left_up + 1, left_up))  # fmt: skip
    shape = (images, oh, ow, node.groups, kh, kw, channels // node.groups)

    def run(env: Env) -> None:
        source = env[x].reshape(-1, height, width, channels)
        if plain:
            image = np.ascontiguousarray(source)
        else:
            image = env[wide].reshape(-1, high, broad, channels)
            image[...] = node.fill
            image[:, inside[0], inside[1]] = source
        n, r, c, e = image.strides
        view = np.lib.stride_tricks.as_strided(
            image,
            (len(image), *shape[1:]),
            (n, sh * r, sw * c, e * shape[-1], dh * r, dw * c, e),
            writeable=False,
        )
        whole = env[out].reshape(view.shape)
        if node.groups == 1 or shape[-1] > 1:
            np.copyto(whole, view, casting="unsafe")
            return
        for i in range(
            kh
        ):  # one channel a group: groups lie side by side, what a kernel sees does not
            for j in range(kw):
                np.copyto(whole[..., i, j, :], view[..., i, j, :], casting="unsafe")

    return run


def _grouped(node: GroupedMatMul, memory: Memory) -> Kernel:
    x, out = memory.slot(node.x), memory.own(node.out)
    groups, inner, width = node.weights.shape
    bias = np.zeros(1, np.int64) if node.bias is None else node.bias
    most = max(abs(node.x.lo), abs(node.x.hi))
    work = dtype_of(most * int(np.abs(node.weights).sum(axis=1).max()) + int(np.abs(bias).max()))
    weights = np.ascontiguousarray(node.weights, dtype=work)
    offset = bias.astype(work)

    def narrow(env: Env) -> None:
        """One product an element of the output: a few passes instead of many small matrices."""
        a = env[x].reshape(-1, groups, inner).astype(work, copy=False)
        y = a[:, :, 0, None] * weights[:, 0]
        for k in range(1, inner):
            y += a[:, :, k, None] * weights[:, k]
        whole = env[out].reshape(-1, groups * width)
        np.copyto(whole, y.reshape(whole.shape) + offset, casting="unsafe")

    def wide(env: Env) -> None:
        a = env[x].reshape(-1, groups, inner).astype(work, copy=False)
        whole = env[out].reshape(-1, groups, width)
        for g in range(groups):
            np.copyto(whole[:, g], a[:, g] @ weights[g], casting="unsafe")
        flat = whole.reshape(-1, groups * width)
        np.copyto(flat, flat.astype(work, copy=False) + offset, casting="unsafe")

    return narrow if width == 1 else wide


def _reduce(node: Reduce, memory: Memory) -> Kernel:
    x, out = memory.slot(node.x), memory.own(node.out)
    count, channels = node.x.shape[-2:]
    most = max(abs(node.x.lo), abs(node.x.hi))
    work = dtype_of(most * count if node.op == "sum" else most)
    ufunc = np.add if node.op == "sum" else np.maximum

    def run(env: Env) -> None:
        a = env[x].reshape(-1, count, channels)
        if count > _FEW:
            y = ufunc.reduce(a, axis=1, dtype=work)
        else:
            y = a[:, 0].astype(work)
            for k in range(1, count):
                ufunc(y, a[:, k], out=y, casting="unsafe")
        np.copyto(env[out].reshape(-1, channels), y, casting="unsafe")

    return run


def _repeat(node: Repeat, memory: Memory) -> Kernel:
    x, out = memory.slot(node.x), memory.own(node.out)
    *_, height, width, channels = node.x.shape

    def run(env: Env) -> None:
        a = env[x].reshape(-1, height, 1, width, 1, channels)
        whole = env[out].reshape(-1, height, node.rows, width, node.columns, channels)
        np.copyto(whole, a, casting="unsafe")

    return run
