"""How deep the FIFOs between the stream of words and the core's ports must be.

On the stream the ports of a frame take turns, while the core moves all of them in its own order: it
may want the last port's first beat before it takes the first port's second one. Too small a FIFO
then costs cycles, or stops everything for ever. Shell and core together are a network as the cycle
solver knows it, so the least depths that neither stop it nor slow it down are found exactly. What
moves does not depend on data, so what the solver finds free of deadlock is so for every frame and
under all stalls.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import partial

from thresher.compiler.schedule.cycles import Deadlock, Edge, Network
from thresher.compiler.schedule.design import Design, Predicted
from thresher.compiler.schedule.predict import predict
from thresher.rtl.timing import Firing, Timing, fifo_pipe

__all__ = ["Buffers", "find_buffers", "frames_inside", "shell_network"]

_LEAST = 2  # beats, of a FIFO that takes and gives one a cycle
_SPARE = 8  # cycles and frames beyond what full rate needs


@dataclass(frozen=True)
class Buffers:
    """Beats of the FIFO at each port.

    :param inputs: at least 2 each.
    :param outputs: 0: none.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def shell_network(design: Design, buffers: Buffers) -> Network:
    """The core between `AxisIn` and `AxisOut`; its ports are `s_axis` and `m_axis`."""
    core = design.network()
    timings, edges = dict(core.timings), list(core.edges)
    ports = [(f"o{k}", p) for k, p in enumerate(design.inputs)]
    timings["s_axis"] = Timing(
        (tuple(Firing(("i",), (o,), p.port.beats) for o, p in ports),),
        {o: fifo_pipe(depth) for (o, _), depth in zip(ports, buffers.inputs, strict=True)},
    )
    edges += [Edge(("s_axis", o), p.end, p.depth) for o, p in ports]
    results = [(f"i{k}", p) for k, p in enumerate(design.outputs)]
    for (i, p), depth in zip(results, buffers.outputs, strict=True):
        if depth:
            timings[f"m_axis.{i}"] = Timing.of([Firing(("i",), ("o",))], o=fifo_pipe(depth))
            edges.append(Edge(p.end, (f"m_axis.{i}", "i"), p.depth))
            edges.append(Edge((f"m_axis.{i}", "o"), ("m_axis", i), 0))
        else:
            edges.append(Edge(p.end, ("m_axis", i), p.depth))
    timings["m_axis"] = Timing.of(
        [Firing((i,), ("o",), p.port.beats) for i, p in results], o=fifo_pipe(_LEAST)
    )
    words = sum(p.port.beats for p in design.inputs), sum(p.port.beats for p in design.outputs)
    return Network(
        timings,
        tuple(edges),
        {"s_axis": (("s_axis", "i"), 0, words[0])},
        {"m_axis": (("m_axis", "o"), 0, words[1])},
    )


def find_buffers(design: Design) -> Buffers:
    """The least depths, port by port, with which the shell is as fast as with any."""
    inputs, outputs = design.inputs, design.outputs
    ahead = 2 + -(-design.predicted.latency // design.predicted.interval)  # frames
    found = Buffers(
        tuple(p.port.beats * ahead for p in inputs) if len(inputs) > 1 else (_LEAST,),
        tuple(p.port.beats * ahead for p in outputs) if len(outputs) > 1 else (0,),
    )
    if len(inputs) == len(outputs) == 1:
        return found
    best = predict(shell_network(design, found))
    for side, smallest in (("inputs", []), ("outputs", [0])):
        for k, most in enumerate(getattr(found, side)):
            depths = [*smallest, *range(_LEAST, most + 1)]
            enough = partial(_is_enough, design, best, found, side, k)
            least = depths[bisect_left(depths, True, key=enough)]
            found = _changed(found, side, k, least)
    return found


def _is_enough(
    design: Design, best: Predicted, found: Buffers, side: str, k: int, depth: int
) -> bool:
    """Whether it is as good as the best with this depth at port k; so it is with more."""
    try:
        result = predict(shell_network(design, _changed(found, side, k, depth)))
    except Deadlock:
        return False
    return result.latency <= best.latency and result.interval <= best.interval


def _changed(found: Buffers, side: str, k: int, depth: int) -> Buffers:
    depths = getattr(found, side)
    changed = (*depths[:k], depth, *depths[k + 1 :])
    return replace(found, **{side: changed})


def frames_inside(predicted: Predicted) -> int:
    """Frames to keep account of, a power of two: more than are ever inside at full rate.

    A frame that is inside for `latency` cycles while one begins every `interval` makes
    latency / interval of them (Little's law); a stream that runs ahead of the core fills FIFOs,
    which makes no result come sooner.

    :param predicted: of shell and core together.
    """
    frames = -(-(predicted.latency + _SPARE) // predicted.interval) + _SPARE
    return 1 << (frames - 1).bit_length()
