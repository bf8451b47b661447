"""Verilog: the same bytes for the same component, and readable by every tool."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from thresher.gen import tools
from thresher.gen.verilog import to_verilog


class Lookup(wiring.Component):
    """`o` is a word of a ROM at address `i`; a scratch memory keeps the last words."""

    def __init__(self, style: str = "block") -> None:
        self.style = style
        super().__init__({"i": In(stream.Signature(4)), "o": Out(stream.Signature(unsigned(70)))})

    def elaborate(self, platform):
        m = Module()
        words = [(0x123456789ABCDEF01 * (k + 3)) % 2**70 for k in range(16)]
        rom = memory.Memory(shape=70, depth=16, init=words, attrs={"ram_style": self.style})
        ram = memory.Memory(shape=8, depth=16, init=[])
        m.submodules.rom, m.submodules.ram = rom, ram
        read, write, again = rom.read_port(), ram.write_port(), ram.read_port(domain="comb")
        spare = Signal(8)
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            read.addr.eq(self.i.payload),
            read.en.eq(self.i.ready),
            write.addr.eq(self.i.payload),
            write.data.eq(self.i.payload),
            write.en.eq(self.i.valid),
            again.addr.eq(spare),
            self.o.payload.eq(read.data),
        ]
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), spare.eq(again.data)]
        return m


class Wire(wiring.Component):
    """No clocked logic at all."""

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(4)), "o": Out(stream.Signature(4))})

    def elaborate(self, platform):
        m = Module()
        wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        return m


def test_attributes_and_init_are_kept_and_sources_are_not() -> None:
    text = to_verilog(Lookup(), "lookup")
    assert '(* ram_style = "block" *)' in text
    assert f"70'h{(0x123456789ABCDEF01 * 18) % 2**70:018x}" in text
    for word in ("src =", "generator", "Yosys", ".py"):
        assert word not in text


@pytest.mark.parametrize("component", [Lookup, Wire])
def test_the_top_always_has_clock_and_reset(component: type[wiring.Component]) -> None:
    head = to_verilog(component(), "top").split(");")[0]
    assert "module top(" in head
    for port in ("clk", "rst", "i__payload", "i__valid", "i__ready", "o__payload", "o__valid"):
        assert port in head


def test_bytes_do_not_depend_on_process_or_cache(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_verilog as t\n"
        "sys.stdout.write(t.to_verilog(t.Lookup(), 'lookup'))"
    )
    texts = [
        subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent)],
            env={**os.environ, "THRESHER_CACHE": str(tmp_path / seed), "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert texts[0] == texts[1] == to_verilog(Lookup(), "lookup")


def test_another_style_is_another_text() -> None:
    assert '(* ram_style = "distributed" *)' in to_verilog(Lookup("distributed"), "lookup")


def test_yosys_reads_it_back(tmp_path: Path) -> None:
    (tmp_path / "top.v").write_text(to_verilog(Lookup(), "lookup"))
    log = tools.run_yosys(
        "read_verilog top.v\nhierarchy -check -top lookup\nproc\nmemory_collect\nstat", tmp_path
    )
    assert "$mem_v2" in log


def test_verilator_reads_it_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "top.v").write_text(to_verilog(Lookup(), "lookup"))
    tool = tools.verilator()
    command = [str(tool.binary), "--lint-only", "--no-timing", "-Wall", "-Wno-style", "top.v"]
    log = tools.run_tool(command, tmp_path, "Verilator", {"VERILATOR_ROOT": str(tool.root)})
    assert "Warning" not in log


@pytest.mark.skipif(tools.icarus() is None, reason="Icarus Verilog is not installed")
def test_icarus_reads_it(tmp_path: Path) -> None:
    (tmp_path / "top.v").write_text(to_verilog(Lookup(), "lookup"))
    tools.run_tool(["iverilog", "-g2005", "-Wall", "-o", "a.out", "top.v"], tmp_path, "Icarus")
