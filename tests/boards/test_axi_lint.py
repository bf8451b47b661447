"""Shell and core together through Verilator's lint and Yosys' check of the hierarchy."""

import re
from functools import cache
from pathlib import Path

import pytest

from cocotb_benches.axi_wrapper import parse_ports
from thresher.boards.shell.axi_core import AXI_NAME, axi_verilog
from thresher.boards.shell.core import core_stub
from thresher.gen.compiled import TOP_NAME
from thresher.gen.tools import ToolError, run_tool, run_yosys, verilator
from zoo.rtl import compiled

WAIVED = {
    "PROCASSINIT": "registers start with a value, as an FPGA's do",
    "UNUSEDSIGNAL": "Yosys keeps names of wires that it no longer reads; nobody reads AxPROT",
    "WIDTHEXPAND": "Yosys writes each operand as wide as it is",
    "WIDTHTRUNC": "the same: a sum into a register that wraps",
    "DECLFILENAME": "a file holds a module and all below it",
    "SYMRSVDWORD": "the port is called interrupt, as Vivado calls it",
    "CASEOVERLAP": "a case of all values behind single ones: the first that fits is meant",
}
"""Warnings that are not faults, where they are not about a port of an instance."""
MODELS = ["finn_mlp_logits", "lstm_init_input"]


@cache
def sources(name: str) -> dict[str, str]:
    """Texts of the two files, by module."""
    model = compiled(name)
    return {AXI_NAME: axi_verilog(model), TOP_NAME: model.verilog}


def write(folder: Path, texts: dict[str, str]) -> list[str]:
    """The files' names."""
    for module, text in texts.items():
        (folder / f"{module}.v").write_text(text)
    return [f"{module}.v" for module in texts]


def faults(folder: Path, texts: dict[str, str]) -> list[str]:
    """What Verilator says, without what is waived."""
    tool = verilator()
    options = ["--lint-only", "-Wall", "-Wno-fatal", "--top-module", AXI_NAME]
    files = write(folder, texts)
    printed = run_tool(
        [tool.binary, *options, *files], folder, "Verilator", {"VERILATOR_ROOT": str(tool.root)}
    )
    found = re.findall(r"^%Warning-(\w+): (.*)$", printed, re.MULTILINE)
    return [
        f"{kind}: {text}" for kind, text in found if kind not in WAIVED or "port connection" in text
    ]


def check_hierarchy(folder: Path, texts: dict[str, str]) -> None:
    """:raises ToolError: a module, a port or a width does not fit, or a wire has two drivers."""
    reads = [f"read_verilog {name}" for name in write(folder, texts)]
    last = [f"hierarchy -check -top {AXI_NAME}", "proc", "check -assert"]
    run_yosys("\n".join([*reads, *last]), folder)


@pytest.mark.parametrize("name", MODELS)
def test_verilator(name: str, tmp_path: Path) -> None:
    assert not faults(tmp_path, sources(name))


@pytest.mark.parametrize("name", MODELS)
def test_yosys(name: str, tmp_path: Path) -> None:
    check_hierarchy(tmp_path, sources(name))


@pytest.mark.parametrize("name", MODELS)
def test_the_stub_has_the_ports_of_the_core(name: str) -> None:
    model = compiled(name)
    inside = core_stub(model.design).replace("(* blackbox *)\n", "")
    declared = inside.partition("(")[2].partition(")")[0].split(", ")
    stub = parse_ports(
        f"module {TOP_NAME}();\n" + "".join(f"{p};\n" for p in declared) + "endmodule", TOP_NAME
    )
    core = parse_ports(model.verilog, TOP_NAME)
    assert stub == core


@pytest.mark.parametrize(
    "module, old, new, words",
    [
        (AXI_NAME, r"\.\w+__valid\(\w+\),\n", "", "PINMISSING"),
        (AXI_NAME, r"\.(\w+)__valid\((\w+)\),\n", r".\1__valid({\2, \2}),\n", "port connection"),
        (AXI_NAME, r"__tready\(s_axis_tready\)", "__tready()", "UNDRIVEN"),
    ],
)
def test_a_fault_is_found(module: str, old: str, new: str, words: str, tmp_path: Path) -> None:
    texts = dict(sources(MODELS[0]))
    changed, count = re.subn(old, new, texts[module], count=1)
    assert count
    assert any(words in fault for fault in faults(tmp_path, texts | {module: changed}))


@pytest.mark.parametrize(
    "old, new",
    [
        (r"module thresher_top\(", "module other("),
        (r"\(x__ready\)", "(x__reedy)"),
        (r"endmodule\s*$", "wire t;assign t = rst;assign t = clk;endmodule"),
    ],
)
def test_yosys_finds_a_wrong_hierarchy(old: str, new: str, tmp_path: Path) -> None:
    texts = {name: re.sub(old, new, text) for name, text in sources(MODELS[0]).items()}
    assert texts != sources(MODELS[0])
    with pytest.raises(ToolError):
        check_hierarchy(tmp_path, texts)
