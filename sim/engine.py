"""What every engine runs and gives back: a top of stream ports, stalls, outputs and cycles."""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from amaranth.lib import wiring

from thresher.compiler.errors import ThresherError
from thresher.gen.verilog import to_verilog
from thresher.rtl.kernel import Kernel, Port

__all__ = [
    "Engine",
    "PortState",
    "Progress",
    "SimPort",
    "SimResult",
    "SimTop",
    "SimulationError",
    "Stalls",
    "broken",
    "stuck",
]

Progress = Callable[[int, int], None]
"""Called now and then with the frames done and the frames in all."""

_LENGTHS = (2039, 2029, 2027, 2017, 2011, 2003, 1999, 1997, 1993, 1987)


class SimulationError(ThresherError):
    """A simulation that stopped: a stream that broke its rules, or one that no longer moves."""


@dataclass(frozen=True)
class PortState:
    """A stream when a simulation was given up.

    :param done: beats transferred.
    :param total: beats to transfer.
    """

    name: str
    done: int
    total: int
    valid: bool
    ready: bool


def broken(top: str, port: str, rule: str, cycle: int) -> SimulationError:
    """The error for an output that broke this rule."""
    return SimulationError(f"simulation of {top!r}: output {port!r} {rule} (cycle {cycle})")


def stuck(top: str, cycle: int, states: Sequence[PortState]) -> SimulationError:
    """The error for a simulation that no longer moves: it says which ports wait."""
    waits = [
        f"{s.name} after {s.done} of {s.total} beats ({'valid' if s.valid else 'not valid'}, "
        f"{'ready' if s.ready else 'not ready'})"
        for s in states
        if s.done != s.total
    ]
    return SimulationError(
        f"simulation of {top!r} is stuck in cycle {cycle}; waiting: {', '.join(waits)}"
    )


@dataclass(frozen=True)
class SimPort:
    """A stream port of a top.

    :param name: the stream's name; in Verilog `<name>__payload`, `<name>__valid`, `<name>__ready`.
    :param port: beats a frame, lanes and interval.
    """

    name: str
    port: Port


@dataclass(frozen=True, eq=False)
class SimTop:
    """Something that engines can run.

    :param name: the top module's name.
    :param create: makes the Amaranth component; a new one at every call.
    :param model: the integer model: int64 arrays (N, elements) in the order of `inputs` -> of
        `outputs`.
    :param drains: nothing comes out that nothing went in for, so a beat after the last is an error.
    """

    name: str
    inputs: tuple[SimPort, ...]
    outputs: tuple[SimPort, ...]
    create: Callable[[], wiring.Component]
    model: Callable[..., Sequence[np.ndarray]]
    drains: bool = True

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ValueError(f"top {self.name!r} must have an input")

    @classmethod
    def of_kernel(cls, kernel: Kernel, name: str = "top") -> "SimTop":
        """One kernel alone; a frame is one of its periods."""
        return cls(
            name,
            tuple(SimPort(n, p) for n, p in kernel.inputs.items()),
            tuple(SimPort(n, p) for n, p in kernel.outputs.items()),
            kernel.create,
            kernel.compute,
            not kernel.timing().gives_unasked(kernel.outputs),
        )

    @cached_property
    def verilog(self) -> str:
        """The top's Verilog, the same that goes to every engine and board."""
        return to_verilog(self.create(), self.name)

    def cycles(self, frames: int) -> int:
        """About how many cycles so many frames take at full rate; these are the least."""
        return frames * max(p.port.beats for p in (*self.inputs, *self.outputs))

    def arrays(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The inputs as int64 arrays (N, elements), checked.

        :raises ValueError: for a missing or unknown name, a wrong shape, or a code out of range.
        :raises TypeError: for anything but integers.
        """
        names = [p.name for p in self.inputs]
        if sorted(inputs) != sorted(names):
            raise ValueError(f"inputs must be {names}, not {list(inputs)}")
        frames = {len(np.asarray(a)) for a in inputs.values()}
        if len(frames) > 1 or 0 in frames:
            raise ValueError(f"inputs must hold equally many frames, at least 1, not {frames}")
        return {p.name: _checked(p, inputs[p.name]) for p in self.inputs}


def _checked(port: SimPort, values: np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(f"input {port.name!r} must hold integers, not {array.dtype}")
    if array.ndim < 1 or array[0].size != port.port.elements:
        raise ValueError(
            f"input {port.name!r} must be (N, {port.port.elements}), not {array.shape}"
        )
    array = array.reshape(len(array), -1).astype(np.int64)
    if array.min() < port.port.lo or array.max() > port.port.hi:
        raise ValueError(
            f"input {port.name!r} must stay in [{port.port.lo}, {port.port.hi}], "
            f"not reach [{array.min()}, {array.max()}]"
        )
    return array


@dataclass(frozen=True)
class Stalls:
    """When ports pause; every engine does exactly the same, cycle by cycle.

    A port's pattern repeats for ever, one entry a cycle, cycle 0 being the first after reset. On an
    input a 0 keeps the source from offering its next beat (one that waits already stays); on an
    output it is `ready`.

    :param probability: share of 0 in the random patterns, 0 <= p < 1.
    :param seed: of the random patterns.
    :param patterns: given patterns by port name, in place of random ones.
    """

    probability: float = 0.5
    seed: int = 0
    patterns: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.probability < 1:
            raise ValueError(f"probability must be in [0, 1), not {self.probability!r}")
        for name, pattern in self.patterns.items():
            if not any(pattern):
                raise ValueError(f"pattern of {name!r} must hold a 1")

    def pattern(self, name: str, index: int) -> np.ndarray:
        """The uint8 pattern of this port, the top's `index`-th."""
        if name in self.patterns:
            return np.asarray(self.patterns[name], dtype=np.uint8)
        rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        bits = (rng.random(_LENGTHS[index % len(_LENGTHS)]) >= self.probability).astype(np.uint8)
        bits[int(rng.integers(len(bits)))] = 1
        return bits


@dataclass(frozen=True, eq=False)
class SimResult:
    """What a run gave.

    :param frames: N.
    :param outputs: int64 (N, elements) per output port.
    :param input_times: int64 per input port, the cycle of each transfer; cycle 0 is the first after
        the last reset. Empty for an engine that knows no cycles.
    :param output_times: likewise per output port.
    """

    frames: int
    outputs: Mapping[str, np.ndarray]
    input_times: Mapping[str, np.ndarray] = field(default_factory=dict)
    output_times: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def frame_ends(self) -> np.ndarray:
        """int64 (N,): the cycle of the last output transfer of each frame.

        :raises ValueError: when the engine knows no cycles.
        """
        if not self.output_times:
            raise ValueError("this engine counts no cycles")
        ends = [t.reshape(self.frames, -1)[:, -1] for t in self.output_times.values()]
        return np.maximum.reduce(ends)

    @property
    def latency(self) -> int:
        """Cycles from the first input to the last output transfer of frame 0, both included."""
        ends = self.frame_ends
        first = min(int(t[0]) for t in self.input_times.values())
        return int(ends[0]) - first + 1

    @property
    def interval(self) -> int:
        """Cycles between the ends of the last two frames.

        :raises ValueError: for fewer than two frames.
        """
        if self.frames < 2:
            raise ValueError("an interval takes at least 2 frames")
        return int(self.frame_ends[-1] - self.frame_ends[-2])


class Engine(ABC):
    """Runs tops."""

    name: str

    @abstractmethod
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
        """Run N frames back to back.

        :param inputs: integers (N, elements) per input port, in stream order.
        :param stalls: None: sources always valid, sinks always ready.
        :param reset_at: reset in this cycle, after which all N frames start anew.
        :param timeout: cycles without any transfer after which the run is given up; None: the
            engine's own.
        :raises SimulationError: when a stream stops moving or breaks its rules.
        :raises ThresherError: when a tool is missing.
        :raises ValueError, TypeError: for inputs that do not fit.
        """
