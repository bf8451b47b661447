"""Matrix-vector product with constant weights on chip, *broadcast* dataflow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from thresher.rtl.broadcastarea import broadcast_resources
from thresher.rtl.broadcastarray import BroadcastComponent
from thresher.rtl.broadcastplan import BroadcastPlan
from thresher.rtl.checks import (
    check_choice,
    check_int,
    check_interval,
    greatest_sum,
    integer_array,
    integer_bias,
    stream_rows,
)
from thresher.rtl.fifo import Fifo
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.packing import MOST_ROWS, OPERAND_WIDTH, signed_width
from thresher.rtl.rom import rom_memory
from thresher.rtl.timing import Firing, Pipe, Timing

__all__ = ["BroadcastMVAU"]

_EXACT_IN_FLOAT = 1 << 53
_INPUT_WIDTH, _SUM_WIDTH = 18, 48
_LEAST_DEPTH = 32  # what the smallest LUT memory holds


@dataclass(frozen=True, kw_only=True)
class BroadcastMVAU(Kernel):
    """``o = i @ weights + bias`` for each input vector; see `BroadcastComponent` for the hardware.

    :param weights: int (K, N).
    :param rows: outputs accumulated at once; divides N.
    :param lanes: outputs in one beat; divides rows. Only rows of one beat share a multiplier.
    :param i_lo: least input element.
    :param i_hi: greatest input element.
    :param bias: int (N,); default none.
    :param memory: of the weights, "auto", "logic" or "block".
    :param multiplier: "dsp48e1", or "dsp48e2" whose operand has two bits more.
    :param pack: rows in one multiplier at most.
    :param lut_groups: beats of a pass, the last ones, whose multipliers are built from LUTs.
    :param depth: beats that the output FIFO holds, a power of two; by default as many as are
        needed for a vector every `cycles` cycles, at least 32.
    :raises TypeError: for a parameter of the wrong type.
    :raises ValueError: for one out of range.
    """

    weights: np.ndarray = field(compare=False)
    rows: int
    lanes: int
    i_lo: int
    i_hi: int
    bias: np.ndarray | None = field(default=None, compare=False)
    memory: str = "auto"
    multiplier: str = "dsp48e1"
    pack: int = MOST_ROWS
    lut_groups: int = 0
    depth: int | None = None
    content: tuple[object, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        weights = integer_array("weights", self.weights, 2)
        object.__setattr__(self, "weights", weights)
        n = weights.shape[1]
        if self.bias is not None:
            object.__setattr__(self, "bias", integer_bias(self.bias, n))
        check_int("rows", self.rows, 1)
        check_int("lanes", self.lanes, 1)
        check_int("pack", self.pack, 1)
        check_interval("i", self.i_lo, self.i_hi)
        check_choice("multiplier", self.multiplier, OPERAND_WIDTH)
        rom_memory(1, 0, self.memory)
        if n % self.rows:
            raise ValueError(f"rows must divide the N = {n} columns of weights, not {self.rows}")
        if self.rows % self.lanes:
            raise ValueError(f"lanes must divide the {self.rows} rows, not {self.lanes}")
        check_int("lut_groups", self.lut_groups, 0)
        groups = self.rows // self.lanes
        if self.lut_groups > groups:
            raise ValueError(f"lut_groups must be at most {groups}, not {self.lut_groups}")
        self._check_widths()
        if self.depth is not None:
            check_int("depth", self.depth, self.plan.least_depth)
            if self.depth & (self.depth - 1):
                raise ValueError(f"depth must be a power of two, not {self.depth}")
        content = (weights.shape, weights.tobytes(), self.biases.tobytes())
        object.__setattr__(self, "content", content)

    def _check_widths(self) -> None:
        most = OPERAND_WIDTH[self.multiplier]
        lo, hi = int(self.weights.min()), int(self.weights.max())
        if signed_width(lo, hi) > most:
            raise ValueError(f"weights must fit {most} bits, not reach [{lo}, {hi}]")
        if signed_width(self.i_lo, self.i_hi) > _INPUT_WIDTH:
            ends = f"[{self.i_lo}, {self.i_hi}]"
            raise ValueError(f"i must fit {_INPUT_WIDTH} signed bits, not reach {ends}")
        reach = greatest_sum(self.weights, self.biases, self.i_lo, self.i_hi)
        if reach >= 1 << (_SUM_WIDTH - 1):
            raise ValueError(f"sums must stay below 2**{_SUM_WIDTH - 1}, not reach {reach}")

    @property
    def biases(self) -> np.ndarray:
        """int64 (N,): the bias, or zeros."""
        return np.zeros(self.weights.shape[1], np.int64) if self.bias is None else self.bias

    @cached_property
    def plan(self) -> BroadcastPlan:
        """What the array is made of."""
        return BroadcastPlan(
            weights=self.weights, biases=self.biases, rows=self.rows, lanes=self.lanes,
            lo=self.i_lo, hi=self.i_hi, memory=self.memory,
            multiplier=self.multiplier, pack=self.pack, lut_groups=self.lut_groups,
        )  # fmt: skip

    @cached_property
    def fifo(self) -> Fifo:
        """The output FIFO."""
        depth = self.depth or max(_LEAST_DEPTH, self.plan.full_rate_depth())
        port = self.outputs["o"]
        return Fifo(depth=depth, lanes=self.lanes, lo=port.lo, hi=port.hi)

    @property
    def cycles(self) -> int:
        """Cycles a vector takes at full rate."""
        return self.plan.passes * self.plan.pass_cycles

    @property
    def latency(self) -> int:
        """Cycles from the last element of a vector's first pass to the first output beat."""
        return self.plan.drain_latency + 1

    @cached_property
    def _intervals(self) -> np.ndarray:
        ends = np.stack([self.weights * self.i_lo, self.weights * self.i_hi])
        return np.stack([ends.min(axis=0).sum(axis=0), ends.max(axis=0).sum(axis=0)]) + self.biases

    @property
    def inputs(self) -> Mapping[str, Port]:
        return {"i": Port(self.weights.shape[0], 1, self.i_lo, self.i_hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        lo, hi = self._intervals
        beats = self.weights.shape[1] // self.lanes
        return {"o": Port(beats, self.lanes, int(lo.min()), int(hi.max()))}

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        # below 2**48, and so exact in float64
        rows = stream_rows("i", inputs[0], self.inputs["i"]).astype(np.float64)
        return ((rows @ self.weights).astype(np.int64) + self.biases,)

    @property
    def work(self) -> int:
        return self.plan.passes * self.plan.inputs

    def timing(self) -> Timing:
        plan = self.plan
        groups, depth = plan.groups, self.fifo.depth
        tokens, position = plan.credit(depth)
        issue: list[Firing] = []
        for number in range(plan.passes):
            element = Firing(takes=("i",) if number == 0 else ())
            firings = [element] * plan.inputs
            if number == 0:
                firings[0] = Firing(takes=("i", "primed"))
            firings[-1] = Firing(firings[-1].takes, ("done", "credit"))
            issue += _runs(firings)
            if groups > plan.inputs:
                issue.append(Firing(repeat=groups - plan.inputs))
        drain = _runs([Firing(("done",), ("kept",)), *[Firing((), ("kept",))] * (groups - 1)])
        read = [Firing(("kept",), ("o",))] * groups
        read[position] = Firing(("kept", "credit"), ("o",))
        return Timing.of(
            [Firing(gives=("primed",))],
            issue,
            drain * plan.passes,
            _runs(read) * plan.passes,
            primed=Pipe(1, 1, 0),
            done=Pipe(tokens + 1, plan.drain_latency, 0),
            credit=Pipe(tokens, 0, 1),
            # the reader stands at the FIFO's head, whose beat keeps its place there until taken
            kept=Pipe(depth - 1, 1, 0),
            o=Pipe(1, 0, 1),
        )

    def resources(self) -> Resources:
        return broadcast_resources(self.plan, self.fifo)

    def create(self) -> BroadcastComponent:
        return BroadcastComponent(self, self.plan, self.fifo)


def _runs(firings: list[Firing]) -> list[Firing]:
    """Equal neighbours as one entry."""
    found: list[Firing] = []
    for firing in firings:
        if found and (found[-1].takes, found[-1].gives) == (firing.takes, firing.gives):
            firing = Firing(firing.takes, firing.gives, found.pop().repeat + firing.repeat)
        found.append(firing)
    return found
