"""Which axes of a module's inputs and outputs are the batch, found by trying."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import torch
from brevitas.nn.quant_rnn import _QuantLSTMLayer
from torch import Tensor, nn

from thresher.quant.errors import ExportError

__all__ = ["find_batch", "grow"]

BatchAxis = int | Mapping[str, int] | None
Run = Callable[..., list[Tensor]]
GAINS = (0.3, 1.0)
TIES = 0.01


def grow(tensor: Tensor, axis: int, seed: int, gain: float = 1.0) -> Tensor:
    """Append random values of the sample's magnitude, as many as there are, along an axis.

    :param gain: magnitude of what is appended, relative to the sample's.
    """
    generator = torch.Generator().manual_seed(seed)
    spread = tensor.square().mean().sqrt().item() or 1.0
    extra = torch.randn(tensor.shape, generator=generator) * spread * gain
    return torch.cat([tensor, extra], axis)


@contextmanager
def _recorded(module: nn.Module) -> Iterator[list[tuple[int, int]]]:
    """Record sequence length and batch size of every LSTM layer's input."""
    seen: list[tuple[int, int]] = []

    def record(layer: Any, arguments: tuple[Tensor, ...]) -> None:
        steps, batch = arguments[0].shape[:2]
        seen.append((batch, steps) if layer.cell.batch_first else (steps, batch))

    hooks = [
        child.register_forward_pre_hook(record)
        for child in module.modules()
        if isinstance(child, _QuantLSTMLayer)
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _doubled(whole: Tensor, half: Tensor) -> int | None:
    """Return the axis along which `whole` is twice `half`, if it is the only difference."""
    if whole.ndim != half.ndim:
        return None
    changed = [i for i in range(half.ndim) if whole.shape[i] != half.shape[i]]
    if len(changed) != 1 or whole.shape[changed[0]] != 2 * half.shape[changed[0]]:
        return None
    return changed[0]


class _Trials:
    """Runs two batches joined along some axes, and each alone."""

    def __init__(self, module: nn.Module, run: Run, inputs: Sequence[Tensor]) -> None:
        self.module, self.run, self.inputs = module, run, inputs
        with _recorded(module) as self.alone:
            self.firsts = run(*inputs)

    def worst(self, axes: Sequence[int]) -> tuple[float, list[int]] | None:
        """Compare joined with single batches.

        :returns: the largest share of an output's values that differ, and the outputs' axes; None
            where LSTM layers do not see twice the batch and the same sequence, or shapes do not
            double.
        """
        shares, found = [0.0], []
        for gain in GAINS:
            joined = [
                grow(t, a, i, gain) for i, (t, a) in enumerate(zip(self.inputs, axes, strict=True))
            ]
            with _recorded(self.module) as together:
                try:
                    wholes = self.run(*joined)
                except (RuntimeError, IndexError, ValueError):
                    return None
            if together != [(steps, 2 * batch) for steps, batch in self.alone]:
                return None
            found = [_doubled(w, f) for w, f in zip(wholes, self.firsts, strict=True)]
            pairs = zip(joined, axes, self.inputs, strict=True)
            seconds = self.run(*(j.narrow(a, t.shape[a], t.shape[a]) for j, a, t in pairs))
            for axis, whole, *halves in zip(found, wholes, self.firsts, seconds, strict=True):
                if axis is None:
                    return None
                same = torch.isclose(whole, torch.cat(halves, axis), rtol=1e-4, atol=1e-6)
                shares.append(1 - same.double().mean().item())
        return max(shares), [axis for axis in found if axis is not None]


def find_batch(
    module: nn.Module, run: Run, inputs: Mapping[str, Tensor], batch_axis: BatchAxis
) -> tuple[list[int], list[int]]:
    """Find the batch axis of every input and output: the one along which samples do not interact.

    :param run: flat tensors in, flat tensors out.
    :param batch_axis: the axis of all inputs, or by name; None to try the first three of each.
    :raises ExportError: where no axis qualifies, or the given one does not.
    """
    tensors = list(inputs.values())
    candidates: list[tuple[int, ...]]
    if isinstance(batch_axis, Mapping):
        candidates = [tuple(batch_axis.get(name, -1) for name in inputs)]
    elif batch_axis is not None:
        candidates = [(batch_axis,) * len(tensors)]
    else:
        every = product(*(range(min(t.ndim, 3)) for t in tensors))
        candidates = sorted(every, key=lambda axes: (len(set(axes)), axes))
    trials = _Trials(module, run, tensors)
    best: tuple[float, list[int], list[int]] | None = None
    for axes in candidates:
        if not all(0 <= a < t.ndim for a, t in zip(axes, tensors, strict=True)):
            continue
        tried = trials.worst(axes)
        if tried is not None and (best is None or tried[0] < best[0]):
            best = tried[0], list(axes), tried[1]
            if not tried[0]:
                break
    if best is None or best[0] > TIES:
        shapes = {name: tuple(tensor.shape) for name, tensor in inputs.items()}
        which = "none of the first three axes" if batch_axis is None else f"axis {batch_axis}"
        raise ExportError(
            "batch_axis",
            f"samples along the batch axis must not influence each other, and {which} of {shapes} "
            "is like that",
            "pass batch_axis (an int, or a dict by input name), or dynamic_batch=False",
        )
    return best[1], best[2]
