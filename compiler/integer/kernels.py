"""NumPy kernels of the golden interpreter: each node becomes a closure over an environment.

Matrix products run in BLAS wherever no partial sum can leave what float32 or float64 holds exactly.
"""

from collections.abc import Callable

import numpy as np

from thresher.compiler.integer.image_kernels import image_kernel
from thresher.compiler.integer.ir import (
    ArgMax,
    Binary,
    Concat,
    GroupedMatMul,
    MatMul,
    Reduce,
    Reorder,
    Repeat,
    Reshape,
    Step,
    Tensor,
    Window,
)
from thresher.compiler.integer.memory import Env, Kernel, Memory, dtype_of
from thresher.compiler.integer.step_kernels import step_kernel

__all__ = ["kernel"]


_UFUNCS = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


def _dtype(x: Tensor) -> np.dtype:
    return dtype_of(x.lo, x.hi)


def kernel(node: object, memory: Memory) -> Kernel:
    """The closure that runs one node (any but a Loop); `memory` gives tensors their places."""
    match node:
        case MatMul():
            return _matmul(node, memory)
        case Binary():
            return _binary(node, memory)
        case Step():
            return step_kernel(node, memory)
        case Reshape():
            return _reshape(node, memory)
        case Reorder():
            return _reorder(node, memory)
        case Concat():
            return _concat(node, memory)
        case ArgMax():
            return _argmax(node, memory)
        case Window() | GroupedMatMul() | Reduce() | Repeat():
            return image_kernel(node, memory)
    raise TypeError(f"node must be one of the integer graph's, not {type(node).__name__}")


def _matmul(node: MatMul, memory: Memory) -> Kernel:
    x, out = memory.slot(node.x), memory.own(node.out)
    bias = np.zeros(1, np.int64) if node.bias is None else node.bias
    most = max(abs(node.x.lo), abs(node.x.hi))
    partial = most * int(np.abs(node.weights).sum(axis=0).max()) + int(np.abs(bias).max())
    work, final = dtype_of(partial), _dtype(node.out)
    inner, width = node.weights.shape
    weights = np.ascontiguousarray(node.weights, dtype=work)
    offset = None if node.bias is None else node.bias.astype(work)
    direct = work == final

    def run(env: Env) -> None:
        a = env[x].reshape(-1, inner)
        whole = env[out].reshape(-1, width)
        y = np.matmul(a.astype(work, copy=False), weights, out=whole if direct else None)
        if offset is not None:
            y += offset
        if not direct:
            np.copyto(whole, y, casting="unsafe")

    return run


def _binary(node: Binary, memory: Memory) -> Kernel:
    ufunc, out, final = _UFUNCS[node.op], memory.own(node.out), _dtype(node.out)
    ends = [_dtype(t) for t in node.inputs]
    shifted = [
        abs(end) << shift
        for x, shift in ((node.x, node.shift_x), (node.y, node.shift_y))
        for end in ((x.lo, x.hi) if isinstance(x, Tensor) else (int(x.min()), int(x.max())))
    ]
    work = dtype_of(node.out.lo, node.out.hi, *shifted)
    cast = work != final

    def side(x: Tensor | np.ndarray, shift: int) -> Callable[[Env], np.ndarray]:
        if not isinstance(x, Tensor):
            constant = x.astype(work)[None]
            return lambda env: constant
        place, factor = memory.slot(x), np.asarray(1 << shift, dtype=work)
        if shift:
            return lambda env: np.multiply(env[place], factor, dtype=work, casting="unsafe")
        if _dtype(x) != work:
            return lambda env: env[place].astype(work)
        return lambda env: env[place]

    plain = all(isinstance(t, Tensor) for t in (node.x, node.y)) and all(d == work for d in ends)
    if plain and not node.shift_x and not node.shift_y and not cast:
        i, j = memory.slot(node.inputs[0]), memory.slot(node.inputs[1])

        def quick(env: Env) -> None:
            ufunc(env[i], env[j], env[out])

        return quick
    left, right = side(node.x, node.shift_x), side(node.y, node.shift_y)

    def run(env: Env) -> None:
        if cast:
            np.copyto(env[out], ufunc(left(env), right(env)), casting="unsafe")
        else:
            ufunc(left(env), right(env), env[out])

    return run


def _reshape(node: Reshape, memory: Memory) -> Kernel:
    x, out, shape = memory.slot(node.x), memory.slot(node.out), node.out.shape
    final = _dtype(node.out)

    def run(env: Env) -> None:
        a = env[x]
        env[out] = a.reshape(len(a), *shape).astype(final, copy=False)

    return run


def _reorder(node: Reorder, memory: Memory) -> Kernel:
    x, out, shape, final = (
        memory.slot(node.x),
        memory.slot(node.out),
        node.index.shape,
        _dtype(node.out),
    )
    size, item = node.x.size, _dtype(node.x).itemsize
    found = _strides(node.index)
    if found is None:
        index = np.ascontiguousarray(node.index.reshape(-1), dtype=np.intp)

        def gather(env: Env) -> None:
            a = env[x]
            y = a.reshape(len(a), size).take(index, axis=1)
            env[out] = y.reshape(len(a), *shape).astype(final, copy=False)

        return gather
    offset = int(node.index.flat[0]) * item
    strides = (size * item, *(s * item for s in found))

    def view(env: Env) -> None:
        a = np.ascontiguousarray(env[x])
        y: np.ndarray = np.ndarray((len(a), *shape), a.dtype, a, offset, strides)
        env[out] = y.astype(final, copy=False)

    return view


def _strides(index: np.ndarray) -> tuple[int, ...] | None:
    """Strides in elements where the index is first + sum(strides * position), else None."""
    strides = []
    line = np.asarray(index.flat[0])
    for axis in range(index.ndim):
        at = [0] * index.ndim
        at[axis] = 1
        stride = int(index[tuple(at)] - index.flat[0]) if index.shape[axis] > 1 else 0
        strides.append(stride)
        steps = np.arange(index.shape[axis]) * stride
        line = line + steps.reshape(-1, *(1,) * (index.ndim - axis - 1))
    return tuple(strides) if (line == index).all() else None


def _concat(node: Concat, memory: Memory) -> Kernel:
    xs, out, axis = [memory.slot(x) for x in node.xs], memory.slot(node.out), node.axis + 1
    final = _dtype(node.out)

    def run(env: Env) -> None:
        env[out] = np.concatenate([env[x] for x in xs], axis, dtype=final, casting="unsafe")

    return run


def _argmax(node: ArgMax, memory: Memory) -> Kernel:
    x, out, last = memory.slot(node.x), memory.slot(node.out), node.last
    value = None if node.value is None else memory.slot(node.value)
    size, k = node.x.shape[-1], node.out.shape[-1]
    kinds = [_dtype(t) for t in node.outputs]

    def several(env: Env) -> None:
        a = env[x]
        best = np.argsort(-a.astype(np.int64), axis=-1, kind="stable")[..., :k]
        env[out] = best.astype(kinds[0])
        if value is not None:
            env[value] = np.take_along_axis(a, best, -1).astype(kinds[1], copy=False)

    if k > 1:
        return several

    def run(env: Env) -> None:
        a = env[x]
        best = a[..., ::-1].argmax(-1, keepdims=True) if last else a.argmax(-1, keepdims=True)
        env[out] = (size - 1 - best if last else best).astype(kinds[0])
        if value is not None:
            env[value] = a.max(axis=-1, keepdims=True).astype(kinds[1], copy=False)

    return run
