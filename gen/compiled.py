"""`compile_model`: from a model file to a design and its Verilog."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx

from thresher.compiler.importer import import_model, load_model
from thresher.compiler.integer.golden import Golden
from thresher.compiler.integer.passes.driver import optimise
from thresher.compiler.reference import Reference
from thresher.compiler.schedule import ScheduleOptions, schedule
from thresher.compiler.schedule.design import Design
from thresher.compiler.streamline import Streamlined, streamline
from thresher.gen.collection import uncollected
from thresher.gen.elaborate import Top
from thresher.gen.options import CompileOptions
from thresher.gen.verilog import to_verilog

__all__ = ["TOP_NAME", "Compiled", "compile_model"]

TOP_NAME = "thresher_top"

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Compiled:
    """A compiled model.

    :param model: the model file's bytes, external data included.
    :param streamlined: the model on integers.
    :param design: kernels, folding, FIFOs, predicted cycles.
    """

    model: bytes
    options: CompileOptions
    streamlined: Streamlined
    design: Design

    @cached_property
    def verilog(self) -> str:
        """The top as Verilog, module `thresher_top`."""
        return to_verilog(Top(self.design), TOP_NAME)

    @cached_property
    def golden(self) -> Golden:
        """The integer graph's interpreter."""
        return Golden(self.streamlined.graph)

    @cached_property
    def reference(self) -> Reference:
        """The model file's own runtime: what everything is compared with."""
        model = onnx.load_model_from_string(self.model)
        return Reference(model, self.streamlined.dims)

    @property
    def model_sha256(self) -> str:
        """Digest of the model."""
        return hashlib.sha256(self.model).hexdigest()

    @property
    def verilog_sha256(self) -> str:
        """Digest of the Verilog."""
        return hashlib.sha256(self.verilog.encode()).hexdigest()


@uncollected()
def compile_model(
    path: str | Path, options: CompileOptions | None = None, *, say: Say | None = None
) -> Compiled:
    """Import, streamline and schedule a model; Verilog is made on demand.

    :param path: an ONNX file.
    :param say: called with a line about each stage.
    :raises ThresherError: one clear line about what is wrong with the model or the options.
    """
    options = options or CompileOptions()
    say = say or (lambda _: None)
    say(f"importing {path}")
    model = load_model(path)
    graph = import_model(model)
    say("streamlining to integers")
    streamlined = streamline(graph, seq_len=options.seq_len)
    say("scheduling")
    design = schedule(
        streamlined.graph,
        ScheduleOptions(
            clock_mhz=options.mhz,
            target_fps=options.target_fps,
            max_latency_us=options.max_latency_us,
            capacity=options.capacity,
            folding=options.folding or None,
            samples=options.interleave,
        ),
        alternatives=(
            optimise(streamlined.source, join=True),
            optimise(streamlined.source, shrink=False),
        ),
    )
    if design.limit:
        say(design.limit)
    return Compiled(model.SerializeToString(), options, streamlined, design)
