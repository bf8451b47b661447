"""The golden engine: the integer model in NumPy. It knows no cycles."""

from collections.abc import Mapping

import numpy as np

from thresher.sim.engine import Engine, Progress, SimResult, SimTop, Stalls

__all__ = ["GoldenEngine"]


class GoldenEngine(Engine):
    """The integer model; stalls, resets and timeouts mean nothing to it."""

    name = "golden"

    def run(
        self,
        top: SimTop,
        inputs: Mapping[str, np.ndarray],
        *,
        stalls: Stalls | None = None,
        reset_at: int | None = None,
        timeout: int | None = None,
        progress: Progress | None = None,
    ) -> SimResult:
        arrays = top.arrays(inputs)
        frames = len(next(iter(arrays.values())))
        results = top.model(*(arrays[p.name] for p in top.inputs))
        if progress:
            progress(frames, frames)
        outputs = {
            p.name: np.asarray(rows, dtype=np.int64).reshape(frames, -1)
            for p, rows in zip(top.outputs, results, strict=True)
        }
        return SimResult(frames, outputs)
