"""A compiled model as something that engines run."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from thresher.compiler.integer.edges import OutputPort, to_host, to_stream
from thresher.compiler.integer.ports import dequantised, quantised
from thresher.compiler.schedule.design import TopPort
from thresher.gen.compiled import TOP_NAME, Compiled
from thresher.gen.elaborate import Top
from thresher.sim.engine import Engine, SimPort, SimResult, SimTop, Stalls
from thresher.sim.engines import get_engine
from thresher.sim.packing import to_frames, to_samples

__all__ = ["predict", "run_design", "top_of"]


@dataclass(frozen=True, eq=False)
class _CompiledTop(SimTop):
    compiled: Compiled | None = None

    @cached_property
    def verilog(self) -> str:
        """The very text that OUT holds, made once."""
        assert self.compiled is not None
        return self.compiled.verilog

    def cycles(self, frames: int) -> int:
        """As predicted."""
        assert self.compiled is not None
        predicted = self.compiled.design.predicted
        return predicted.latency + (frames - 1) * predicted.interval


def top_of(compiled: Compiled) -> SimTop:
    """The top of a compiled model; a frame is as many samples as the design takes at once."""
    design = compiled.design

    def model(*arrays: np.ndarray) -> list[np.ndarray]:
        codes = {
            p.io.tensor.name: _samples(a, p, design.samples)
            for p, a in zip(design.inputs, arrays, strict=True)
        }
        found = compiled.golden.run(codes)
        return [_frames(found[_name(p)], p, design.samples) for p in design.outputs]

    return _CompiledTop(
        TOP_NAME,
        tuple(SimPort(p.name, p.port) for p in design.inputs),
        tuple(SimPort(p.name, p.port) for p in design.outputs),
        lambda: Top(design),
        model,
        compiled=compiled,
    )


def _frames(codes: np.ndarray, port: TopPort, samples: int) -> np.ndarray:
    """Codes (N, *shape of the model) -> (frames, elements)."""
    return to_frames(to_stream(codes, port.io), samples, port.place)


def _samples(frames: np.ndarray, port: TopPort, samples: int) -> np.ndarray:
    """What `_frames` made, back."""
    return to_host(to_samples(frames, port.io.tensor.shape, samples, port.place), port.io)


def _name(port: TopPort) -> str:
    """The model's output behind a port."""
    assert isinstance(port.io, OutputPort)
    return port.io.name


def run_design(
    compiled: Compiled,
    engine: Engine,
    inputs: Mapping[str, np.ndarray],
    *,
    stalls: Stalls | None = None,
) -> tuple[SimResult, dict[str, np.ndarray]]:
    """Run model inputs (N, *shape) through an engine.

    Samples that do not fill a frame are filled up with more of the last one, which are dropped.

    :returns: the raw result, frame by frame, and int64 codes (N, *shape) by model output.
    :raises ThresherError: an input does not fit, a tool is missing, or the simulation is stuck.
    """
    design = compiled.design
    codes = quantised(compiled.streamlined.graph.inputs, inputs)
    frames = {p.name: _frames(codes[p.io.tensor.name], p, design.samples) for p in design.inputs}
    count = len(next(iter(codes.values())))
    result = engine.run(top_of(compiled), frames, stalls=stalls)
    outputs = {}
    for p in design.outputs:
        rows = _samples(result.outputs[p.name], p, design.samples)
        outputs[_name(p)] = rows[:count]
    return result, outputs


def predict(
    compiled: Compiled, engine: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The model's outputs (N, *shape), in its own units, by an engine's name; "golden" too."""
    graph = compiled.streamlined.graph
    if engine == "golden":
        return compiled.golden.run_model(inputs)
    return dequantised(graph.outputs, run_design(compiled, get_engine(engine), inputs)[1])
