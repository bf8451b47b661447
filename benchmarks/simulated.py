"""A compiled model in Verilator, held against the golden model."""

from collections.abc import Mapping

import numpy as np

from thresher.compiler.errors import ThresherError
from thresher.compiler.integer.ports import quantised
from thresher.gen.compiled import Compiled
from thresher.sim.engine import SimResult
from thresher.sim.top import run_design
from thresher.sim.verify import compare
from thresher.sim.verilator import VerilatorEngine

__all__ = ["simulated"]


def simulated(made: Compiled, inputs: Mapping[str, np.ndarray]) -> SimResult:
    """Run model inputs (N, *shape) through the shipped Verilog.

    :raises ThresherError: an output differs from the golden model.
    """
    result, codes = run_design(made, VerilatorEngine(), inputs)
    golden = made.golden.run(quantised(made.streamlined.graph.inputs, inputs))
    _, first = compare(golden, codes)
    if first is not None:
        raise ThresherError(f"the simulation differs from the golden model: {first}")
    return result
