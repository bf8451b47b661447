"""The core inside a shell: the verified Verilog as a black box."""

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.lib import wiring

from thresher.compiler.schedule.design import Design
from thresher.gen.compiled import TOP_NAME

__all__ = ["Core", "core_stub"]


class Core(wiring.Component):
    """`rtl/thresher_top.v` of OUT, byte for byte: the module is instantiated, not made again.

    A stream member per port of the top, with the port's own name and layout; behaves as
    `gen.elaborate.Top`. In the cycle after `reset` the core is as after power-up; the reset of the
    domain does the same. What its streams do while `reset` is high has no meaning.

    The module must reach the tools as a file of its own; see `core_stub`.
    """

    def __init__(self, design: Design) -> None:
        self._design = design
        members: dict[str, wiring.Member] = {"reset": wiring.In(1)}
        members |= {p.name: wiring.In(p.port.signature) for p in design.inputs}
        members |= {p.name: wiring.Out(p.port.signature) for p in design.outputs}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: dict[str, Value] = {"i_clk": ClockSignal(), "i_rst": ResetSignal() | self.reset}
        design = self._design
        for tops, ahead, back in ((design.inputs, "i", "o"), (design.outputs, "o", "i")):
            for top in tops:
                port = getattr(self, top.name)
                ports[f"{ahead}_{top.name}__payload"] = Value.cast(port.payload)
                ports[f"{ahead}_{top.name}__valid"] = port.valid
                ports[f"{back}_{top.name}__ready"] = port.ready
        m.submodules.core = Instance(TOP_NAME, **ports)
        return m


def core_stub(design: Design) -> str:
    """The core's module without its contents, as Verilog: its ports for tools that check names."""
    ports = ["input clk", "input rst"]
    for tops, ahead, back in (
        (design.inputs, "input", "output"),
        (design.outputs, "output", "input"),
    ):
        for top in tops:
            bits = top.port.width * top.port.lanes
            ports.append(f"{ahead} [{bits - 1}:0] {top.name}__payload")
            ports.append(f"{ahead} {top.name}__valid")
            ports.append(f"{back} {top.name}__ready")
    return f"(* blackbox *)\nmodule {TOP_NAME}({', '.join(ports)});\nendmodule\n"
