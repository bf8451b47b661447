"""Latency, interval and completion times of a design, from the exact cycle solver."""

import numpy as np

from thresher.compiler.schedule.cycles import Network, Trace, solve
from thresher.compiler.schedule.design import Design, Predicted

__all__ = ["completion_times", "frame_ends", "predict", "predict_shortly", "predict_trace"]

_FIRST_RUN, _LONGEST_RUN = 6, 48  # frames
_STEADY = 3  # equal intervals


def frame_ends(network: Network, trace: Trace, frames: int) -> np.ndarray:
    """int64 (frames,): the cycle of the last output transfer of each frame."""
    ends = np.zeros(frames, dtype=np.int64)
    for name, (_, _, beats) in network.outputs.items():
        ends = np.maximum(ends, trace.outputs[name][beats - 1 :: beats])
    return ends


def predict(network: Network) -> Predicted:
    """Latency of one frame alone, and the interval of many.

    The interval is the difference that the last three pairs of frames agree on; where they do not
    within 48 frames, the mean over the second half, rounded up.
    """
    trace = solve(network, 1)
    first = min((int(times[0]) for times in trace.inputs.values()), default=0)
    latency = int(frame_ends(network, trace, 1)[0]) - first + 1
    frames = _FIRST_RUN
    while True:
        ends = frame_ends(network, solve(network, frames), frames)
        gaps = np.diff(ends)
        if (gaps[-_STEADY:] == gaps[-1]).all():
            return Predicted(latency, int(gaps[-1]))
        if frames >= _LONGEST_RUN:
            half = gaps[len(gaps) // 2 :]
            return Predicted(latency, -(-int(half.sum()) // len(half)))
        frames *= 2


def predict_shortly(network: Network) -> Predicted:
    """The same from two frames: the latency of the first, and what the second adds.

    :raises Deadlock: when the outputs do not complete.
    """
    trace = solve(network, 2)
    first = min((int(times[0]) for times in trace.inputs.values()), default=0)
    one, two = (int(end) for end in frame_ends(network, trace, 2))
    return Predicted(one - first + 1, two - one)


def predict_trace(design: Design, frames: int) -> Trace:
    """The cycle of every transfer on the top's ports while `frames` frames run back to back."""
    return solve(design.network(), frames)


def completion_times(design: Design, frames: int) -> np.ndarray:
    """int64 (frames,): the cycle, from the reset, of each frame's last output transfer.

    All frames are offered from cycle 0 on, and the outputs are always ready.
    """
    network = design.network()
    return frame_ends(network, solve(network, frames), frames)
