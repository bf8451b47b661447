"""NumPy kernels of the golden interpreter: each node becomes a closure over an environment.

An environment is a list with one array (N, *shape) a tensor. A tensor's arrays are float32 where
its interval lies within 2^24, float64 within 2^53, else int64: every value is exact, and matrix
products run in BLAS wherever no partial sum can leave that range. The outputs of `OWNERS` have
arrays of their own, which are filled anew each time; other kernels put an array or a view in place.
"""

from collections.abc import Callable

import numpy as np

from thresher.compiler.integer.ir import (
    ArgMax,
    Binary,
    Concat,
    MatMul,
    Reorder,
    Reshape,
    Step,
    Tensor,
)
from thresher.compiler.integer.step_kernels import Env, Kernel, Slots, dtype_of, step_kernel

__all__ = ["OWNERS", "kernel"]

OWNERS = (MatMul, Binary, Step)

_UFUNCS = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


def _dtype(x: Tensor) -> np.dtype:
    return dtype_of(x.lo, x.hi)


def kernel(node: object, slot: Slots) -> Kernel:
    """The closure that runs one node (any but a Loop); `slot` gives a tensor's place."""
    match node:
        case MatMul():
            return _matmul(node, slot)
        case Binary():
            return _binary(node, slot)
        case Step():
            return step_kernel(node, slot)
        case Reshape():
            return _reshape(node, slot)
        case Reorder():
            return _reorder(node, slot)
        case Concat():
            return _concat(node, slot)
        case ArgMax():
            return _argmax(node, slot)
    raise TypeError(f"node must be one of the integer graph's, not {type(node).__name__}")


def _matmul(node: MatMul, slot: Slots) -> Kernel:
    x, out = slot(node.x), slot(node.out)
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


def _binary(node: Binary, slot: Slots) -> Kernel:
    ufunc, out, final = _UFUNCS[node.op], slot(node.out), _dtype(node.out)
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
        place, factor = slot(x), np.asarray(1 << shift, dtype=work)
        if shift:
            return lambda env: np.multiply(env[place], factor, dtype=work, casting="unsafe")
        if _dtype(x) != work:
            return lambda env: env[place].astype(work)
        return lambda env: env[place]

    plain = all(isinstance(t, Tensor) for t in (node.x, node.y)) and all(d == work for d in ends)
    if plain and not node.shift_x and not node.shift_y and not cast:
        i, j = slot(node.inputs[0]), slot(node.inputs[1])

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


def _reshape(node: Reshape, slot: Slots) -> Kernel:
    x, out, shape = slot(node.x), slot(node.out), node.out.shape
    final = _dtype(node.out)

    def run(env: Env) -> None:
        a = env[x]
        env[out] = a.reshape(len(a), *shape).astype(final, copy=False)

    return run


def _reorder(node: Reorder, slot: Slots) -> Kernel:
    x, out, shape, final = slot(node.x), slot(node.out), node.index.shape, _dtype(node.out)
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


def _concat(node: Concat, slot: Slots) -> Kernel:
    xs, out, axis = [slot(x) for x in node.xs], slot(node.out), node.axis + 1
    final = _dtype(node.out)

    def run(env: Env) -> None:
        env[out] = np.concatenate([env[x] for x in xs], axis, dtype=final, casting="unsafe")

    return run


def _argmax(node: ArgMax, slot: Slots) -> Kernel:
    x, out, last = slot(node.x), slot(node.out), node.last
    value = None if node.value is None else slot(node.value)
    size = node.x.shape[-1]
    kinds = [_dtype(t) for t in node.outputs]

    def run(env: Env) -> None:
        a = env[x]
        best = a[..., ::-1].argmax(-1, keepdims=True) if last else a.argmax(-1, keepdims=True)
        env[out] = (size - 1 - best if last else best).astype(kinds[0])
        if value is not None:
            env[value] = a.max(axis=-1, keepdims=True).astype(kinds[1], copy=False)

    return run
