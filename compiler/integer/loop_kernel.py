"""The Loop node in the golden interpreter: its body's kernels, step after step."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from thresher.compiler.integer.ir import Loop, Tensor
from thresher.compiler.integer.memory import Env, Kernel, Memory, dtype_of

__all__ = ["loop_kernel"]


def loop_kernel(node: Loop, body: Sequence[Kernel], memory: Memory) -> Kernel:
    """The closure that runs the loop.

    A state is copied from step to step: its update's array is filled anew while others still read
    the state. Scan inputs and outputs are held step by step, each step contiguous.

    :param body: the kernels of the body's nodes.
    """
    slot = memory.slot
    scans = [(slot(s.outer), slot(s.inner), s.inner) for s in node.scans]
    outs = [(slot(s.inner), slot(s.outer), _of_step(s.outer)) for s in node.scan_outputs]
    states = [(slot(s.inner), slot(s.update), _dtype(s.inner)) for s in node.states]
    finals = [
        (slot(s.update), slot(s.final), _dtype(s.final)) for s in node.states if s.final is not None
    ]
    starts = [_start(s.initial, s.inner, memory) for s in node.states]
    held: dict[str, np.ndarray] = {}

    def hold(x: Tensor, count: int) -> np.ndarray:
        """Memory (steps, N, *shape of one step) that stays from run to run."""
        shape = (node.steps, count, *x.shape)
        if x.name not in held or held[x.name].shape != shape:
            held[x.name] = np.empty(shape, _dtype(x))
        return held[x.name]

    def run(env: Env) -> None:
        count = len(env[0])
        moved = [(i, hold(x, count)) for _, i, x in scans]
        for (outer, _, _), (_, array) in zip(scans, moved, strict=True):
            np.copyto(array, env[outer].swapaxes(0, 1), casting="unsafe")
        taken = [(i, o, hold(x, count)) for i, o, x in outs]
        for (inner, _, _), start in zip(states, starts, strict=True):
            env[inner] = start(env)
        for t in range(node.steps):
            if t:
                new = [env[update].astype(dtype) for _, update, dtype in states]
                for (inner, _, _), value in zip(states, new, strict=True):
                    env[inner] = value
            for i, array in moved:
                env[i] = array[t]
            for kernel in body:
                kernel(env)
            for i, _, array in taken:
                array[t] = env[i]
        for update, final, dtype in finals:
            env[final] = env[update].astype(dtype, copy=False)
        for _, o, array in taken:
            env[o] = array.swapaxes(0, 1)

    return run


def _of_step(outer: Tensor) -> Tensor:
    return replace(outer, shape=outer.shape[1:])


def _dtype(x: Tensor) -> np.dtype:
    return dtype_of(x.lo, x.hi)


def _start(
    initial: Tensor | np.ndarray, inner: Tensor, memory: Memory
) -> Callable[[Env], np.ndarray]:
    """The state before the first step."""
    dtype = _dtype(inner)
    if isinstance(initial, Tensor):
        place = memory.slot(initial)
        return lambda env: env[place].astype(dtype, copy=False)
    constant = initial.astype(dtype)[None]
    return lambda env: constant.repeat(len(env[0]), 0)
