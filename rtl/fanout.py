"""An output of a kernel that goes to several readers, without a register between."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring

from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.timing import Firing, Pipe, Timing

__all__ = ["Fanout", "core", "is_register"]

_LAST = "~last"


def is_register(pipe: Pipe) -> bool:
    """Whether the pipe ends in a place for one beat, which can have several readers."""
    return pipe.capacity == 1 or (pipe.capacity == pipe.forward and not pipe.backward)


@dataclass(frozen=True, kw_only=True)
class Fanout(Kernel):
    """`kernel` with `port` replaced by `<port>0`, `<port>1`, ...; see `FanoutComponent`.

    :param kernel: what gives the beats; its port must end in a register.
    :param port: the output.
    :param branches: per reader the lanes that it takes, in order.
    :raises ValueError: there is no such port, it does not end in a register, or has no such lane.
    """

    kernel: Kernel
    port: str
    branches: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if self.port not in self.kernel.outputs:
            known = ", ".join(self.kernel.outputs)
            raise ValueError(f"port must be one of {known}, not {self.port!r}")
        if not is_register(self.kernel.timing().pipes[self.port]):
            raise ValueError(f"port must end in a register, and {self.port!r} does not")
        if not self.branches:
            raise ValueError("branches must not be empty")
        lanes = self.kernel.outputs[self.port].lanes
        for k, branch in enumerate(self.branches):
            if not branch or not all(0 <= lane < lanes for lane in branch):
                raise ValueError(f"branches[{k}] must name lanes below {lanes}, not {branch!r}")

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs in place of `port`."""
        return tuple(f"{self.port}{k}" for k in range(len(self.branches)))

    @property
    def inputs(self) -> Mapping[str, Port]:
        return self.kernel.inputs

    @cached_property
    def _outputs(self) -> dict[str, Port]:
        made: dict[str, Port] = {}
        for name, port in self.kernel.outputs.items():
            if name != self.port:
                made[name] = port
                continue
            for branch_name, branch in zip(self.names, self.branches, strict=True):
                made[branch_name] = Port(port.beats, len(branch), port.lo, port.hi)
        return made

    @property
    def outputs(self) -> Mapping[str, Port]:
        return self._outputs

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        found = []
        for (name, port), rows in zip(
            self.kernel.outputs.items(), self.kernel.compute(*inputs), strict=True
        ):
            if name != self.port:
                found.append(rows)
                continue
            beats = rows.reshape(len(rows), port.beats, port.lanes)
            found += [beats[:, :, list(b)].reshape(len(rows), -1) for b in self.branches]
        return tuple(found)

    @property
    def work(self) -> int:
        return self.kernel.work

    def timing(self) -> Timing:
        """The port's last register stage is what the readers share."""
        inner = self.kernel.timing()
        pipe = inner.pipes[self.port]
        pipes = {n: p for n, p in inner.pipes.items() if n != self.port}
        if pipe.capacity == 1:
            pipes |= dict.fromkeys(self.names, pipe)
            to: tuple[str, ...] = self.names
        else:
            pipes |= dict.fromkeys(self.names, Pipe(1, 1, 0))
            pipes[_LAST] = Pipe(pipe.capacity - 1, pipe.forward - 1, 0)
            to = (_LAST,)

        def renamed(firing: Firing) -> Firing:
            gives = [to if name == self.port else (name,) for name in firing.gives]
            return Firing(firing.takes, sum(gives, ()), firing.repeat)

        processes = [tuple(renamed(f) for f in process) for process in inner.processes]
        if to == (_LAST,):
            beats = self.kernel.outputs[self.port].beats
            processes.append((Firing((_LAST,), self.names, beats),))
        held = {n: inner.initial[self.port] for n in to if self.port in inner.initial}
        rest = {n: count for n, count in inner.initial.items() if n != self.port}
        return Timing(tuple(processes), pipes, rest | held)

    def resources(self) -> Resources:
        count = len(self.branches)
        return self.kernel.resources() + Resources(lut=2 * count, ff=count)

    def create(self) -> "FanoutComponent":
        return FanoutComponent(self)


class FanoutComponent(wiring.Component):
    """Hardware of `Fanout`.

    In and out as the kernel within; each beat of the port goes to every branch, and a branch that
    is ready does not wait for the others: a bit for each remembers that it has taken the beat. No
    latency; the beat leaves the kernel in the cycle in which the last branch takes it. Reset as
    the kernel within.
    """

    def __init__(self, parameters: Fanout) -> None:
        self.parameters = parameters
        super().__init__(parameters.component_signature())

    def elaborate(self, platform):
        p = self.parameters
        m = Module()
        m.submodules.kernel = inner = p.kernel.create()
        for name in p.inputs:
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(inner, name))
        for name in p.kernel.outputs:
            if name != p.port:
                wiring.connect(m, getattr(inner, name), wiring.flipped(getattr(self, name)))
        source = getattr(inner, p.port)
        taken = Signal(len(p.branches))
        ends = []
        for k, (name, lanes) in enumerate(zip(p.names, p.branches, strict=True)):
            o = getattr(self, name)
            m.d.comb += o.valid.eq(source.valid & ~taken[k])
            m.d.comb += [o.payload[n].eq(source.payload[lane]) for n, lane in enumerate(lanes)]
            ends.append(taken[k] | o.ready)
        m.d.comb += source.ready.eq(Cat(ends).all())
        with m.If(source.valid):
            m.d.sync += taken.eq(Cat(ends))
            with m.If(source.ready):
                m.d.sync += taken.eq(0)
        return m


def core(kernel: Kernel) -> Kernel:
    """The kernel without the Fanouts around it."""
    while isinstance(kernel, Fanout):
        kernel = kernel.kernel
    return kernel
