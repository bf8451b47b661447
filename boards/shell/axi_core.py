"""The core with AXI around it: what Vivado gets as an IP, and what its tests simulate."""

from collections.abc import Iterator, Mapping

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from thresher.boards.framing import axi_frames, axi_width
from thresher.boards.host.registers import ID, VERSION, Register
from thresher.boards.shell.axi_lite import AxiLite
from thresher.boards.shell.axi_ports import interface_attributes, lite_signature, stream_signature
from thresher.boards.shell.axis_in import AxisIn
from thresher.boards.shell.axis_out import AxisOut
from thresher.boards.shell.buffers import find_buffers, frames_inside, shell_network
from thresher.boards.shell.control import Registers
from thresher.boards.shell.core import Core, core_stub
from thresher.boards.shell.inflight import InFlight
from thresher.compiler.integer.ir import Block, Loop
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.predict import predict
from thresher.gen.compiled import Compiled
from thresher.gen.verilog import to_verilog

__all__ = ["ADDRESS_BITS", "AXI_NAME", "AxiCore", "axi_verilog", "constants"]

AXI_NAME = "thresher_axi"
ADDRESS_BITS = 12  # of s_axi: the least that Vivado gives a peripheral


class AxiCore(wiring.Component):
    """`docs/links.md` in hardware: streams `s_axis` and `m_axis`, registers `s_axi`, `interrupt`.

    A beat takes one cycle on the way in and one on the way out, and one more where an output port
    has a FIFO (`buffers`); `predicted` tells the cycles of all together, which the core's own
    interval bounds, or the words of a frame or of a result. All outputs but `s_axis_tready` come
    from registers.

    :param constants: value of each register that never changes.
    """

    def __init__(self, design: Design, constants: Mapping[Register, int]) -> None:
        self._design, self._constants = design, constants
        self.buffers = find_buffers(design)
        self.predicted = predict(shell_network(design, self.buffers))
        super().__init__(
            {
                "aclk": In(1),
                "aresetn": In(1),
                "s_axis": In(stream_signature(axi_width(design.inputs))),
                "m_axis": Out(stream_signature(axi_width(design.outputs), user=True)),
                "s_axi": In(lite_signature(ADDRESS_BITS)),
                "interrupt": Out(1),
            }
        )
        self._tell_vivado()

    def _tell_vivado(self) -> None:
        parameters: dict[tuple[str, ...], Mapping[str, str]] = {
            ("aclk",): {
                "ASSOCIATED_BUSIF": "s_axis:m_axis:s_axi",
                "ASSOCIATED_RESET": "aresetn",
            },
            ("aresetn",): {"POLARITY": "ACTIVE_LOW"},
            ("interrupt",): {"SENSITIVITY": "LEVEL_HIGH"},
            ("s_axis", "tdata"): _stream_parameters(axi_width(self._design.inputs), 0),
            ("m_axis", "tdata"): _stream_parameters(axi_width(self._design.outputs), 1),
            ("s_axi", "awaddr"): {
                "PROTOCOL": "AXI4LITE",
                "DATA_WIDTH": "32",
                "ADDR_WIDTH": str(ADDRESS_BITS),
            },
        }
        for path, _, signal in self.signature.flatten(self):
            names = tuple(map(str, path))
            signal.attrs.update(interface_attributes(names, parameters.get(names, {})))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = sync = ClockDomain("sync")
        m.d.comb += [sync.clk.eq(self.aclk), sync.rst.eq(~self.aresetn)]
        depth = frames_inside(self.predicted)
        tops_in, tops_out = self._design.inputs, self._design.outputs
        m.submodules.core = core = Core(self._design)
        m.submodules.axis_in = axis_in = AxisIn(
            [p.port for p in tops_in], axi_width(tops_in), self.buffers.inputs
        )
        m.submodules.axis_out = axis_out = AxisOut(
            [p.port for p in tops_out], axi_width(tops_out), self.buffers.outputs
        )
        m.submodules.inflight = inflight = InFlight(depth)
        m.submodules.lite = lite = AxiLite(ADDRESS_BITS)
        m.submodules.registers = registers = Registers(self._constants, ADDRESS_BITS, depth)

        wiring.connect(m, wiring.flipped(self.s_axis), axis_in.s_axis)
        wiring.connect(m, axis_out.m_axis, wiring.flipped(self.m_axis))
        wiring.connect(m, wiring.flipped(self.s_axi), lite.s_axi)
        wiring.connect(m, lite.registers, registers.bus)
        for k, p in enumerate(tops_in):
            wiring.connect(m, getattr(axis_in, f"o{k}"), getattr(core, p.name))
        for k, p in enumerate(tops_out):
            wiring.connect(m, getattr(core, p.name), getattr(axis_out, f"i{k}"))
        m.d.comb += self.interrupt.eq(registers.interrupt)
        m.d.comb += _joined(core, axis_in, axis_out, inflight, registers)
        return m


def _stream_parameters(size: int, user: int) -> dict[str, str]:
    features = {"HAS_TKEEP": 1, "HAS_TLAST": 1, "HAS_TREADY": 1, "HAS_TSTRB": 0}
    widths = {"TDATA_NUM_BYTES": size, "TUSER_WIDTH": user, "TID_WIDTH": 0, "TDEST_WIDTH": 0}
    return {name: str(value) for name, value in (widths | features).items()}


def _joined(*components: wiring.Component) -> Iterator[object]:
    """Each single signal that a component gives goes to all others that have one of its name."""
    for source in components:
        for name, member in source.signature.members.items():
            if member.is_port and member.flow == Out:
                for target in components:
                    others = target.signature.members
                    if name in others and others[name] == member.flip():
                        yield getattr(target, name).eq(getattr(source, name))


def constants(compiled: Compiled) -> dict[Register, int]:
    """Registers that tell what this core is."""
    model = bytes.fromhex(compiled.model_sha256)
    verilog = bytes.fromhex(compiled.verilog_sha256)
    frame, result = axi_frames(compiled.design)
    return {
        Register.ID: ID,
        Register.VERSION: VERSION,
        Register.MODEL0: int.from_bytes(model[:4]),
        Register.MODEL1: int.from_bytes(model[4:8]),
        Register.VERILOG0: int.from_bytes(verilog[:4]),
        Register.VERILOG1: int.from_bytes(verilog[4:8]),
        Register.SEQUENCE_LENGTH: _longest(compiled.streamlined.graph.block),
        Register.FRAME_WORDS: frame.beats,
        Register.RESULT_WORDS: result.beats,
        Register.SAMPLES: compiled.design.samples,
        Register.CLOCK_HZ: round(compiled.options.mhz * 1e6),
    }


def _longest(block: Block) -> int:
    """Steps of the longest loop; 0 without any."""
    loops = [node for node in block if isinstance(node, Loop)]
    return max((max(loop.steps, _longest(loop.body)) for loop in loops), default=0)


def axi_verilog(compiled: Compiled) -> str:
    """Module `thresher_axi` as Verilog; `thresher_top`, which it holds, is a file of its own.

    :raises ToolError: Yosys is absent.
    """
    core = AxiCore(compiled.design, constants(compiled))
    return to_verilog(core, AXI_NAME, shell=True, boxes=core_stub(compiled.design))
