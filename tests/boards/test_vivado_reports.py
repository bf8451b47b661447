"""Vivado's reports, of both families and of old and new columns."""

import pytest
from vivado_texts import timing_text, utilisation_text

from thresher.boards.vivado.ports import Port, ports
from thresher.boards.vivado.reports import Slacks, slacks, tool_version, utilisation
from thresher.compiler.errors import ThresherError


@pytest.mark.parametrize(
    ("part", "lut", "lutram", "ff", "bram", "uram", "dsp"),
    [
        ("xczu7ev-ffvc1156-2-e", 230_400, 101_760, 460_800, 312, 96, 1_728),
        ("xc7s50csga324-1", 32_600, 9_600, 65_200, 75, 0, 120),
    ],
)
def test_utilisation(
    part: str, lut: int, lutram: int, ff: int, bram: int, uram: int, dsp: int
) -> None:
    assert utilisation(utilisation_text(part, "top")) == {
        "lut": {"used": 3120, "of": lut},
        "lutram": {"used": 140, "of": lutram},
        "ff": {"used": 4410, "of": ff},
        "bram36": {"used": 4.5, "of": bram},
        "uram": {"used": 0, "of": uram},
        "dsp": {"used": 12, "of": dsp},
    }


@pytest.mark.parametrize("row", ["Slice LUTs", "Slice Registers", "Block RAM Tile", "DSPs"])
def test_a_missing_row_is_told(row: str) -> None:
    text = utilisation_text("xc7s50csga324-1", "top").replace(f"| {row}", "| Other")
    with pytest.raises(ThresherError, match=rf"utilisation report cannot be read \(no row '{row}'"):
        utilisation(text)


@pytest.mark.parametrize(
    ("setup", "hold", "met"), [(0.137, 0.021, True), (-0.412, 0.021, False), (0.5, -0.033, False)]
)
def test_slacks(setup: float, hold: float, met: bool) -> None:
    found = slacks(timing_text("xc7s50csga324-1", "top", setup, hold))
    assert found == Slacks(setup, hold)
    assert found.met == met


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "timing report cannot be read (no design timing summary)"),
        (timing_text("x", "top", 1, 1).replace(" 1.000 ", "    NA "), "cannot be read (no slack)"),
        (timing_text("x", "top", 1, 1).split("    -----")[0], "cannot be read (no slack)"),
    ],
)
def test_no_slacks(text: str, words: str) -> None:
    with pytest.raises(ThresherError) as caught:
        slacks(text)
    assert words in str(caught.value)


def test_the_clock_that_slack_leaves() -> None:
    assert Slacks(0.0, 0.0).fmax_mhz(100.0) == pytest.approx(100.0)
    assert Slacks(1.0, 0.0).fmax_mhz(200.0) == pytest.approx(250.0)
    assert Slacks(-1.0, 0.0).fmax_mhz(250.0) == pytest.approx(200.0)


def test_version() -> None:
    text = timing_text("xc7s50csga324-1", "top", 1, 1)
    assert (
        tool_version(text) == "Vivado v.2022.2 (lin64) Build 3671981 Fri Oct 14 04:59:54 MDT 2022"
    )
    assert tool_version("nothing") is None


def test_ports_of_a_module() -> None:
    text = (
        "module \\a.b (x);\n  input x;\nendmodule\n\n"
        "module top(clk, d, q);\n  (* keep *)\n  input clk;\n  wire clk;\n  input [7:0] d;\n"
        "  output [0:0] q;\n  reg [3:0] r;\nendmodule\n"
    )
    assert ports(text, "top") == {
        "clk": Port("input", 1), "d": Port("input", 8), "q": Port("output", 1),
    }  # fmt: skip
    with pytest.raises(ValueError, match="Verilog must hold the module tip"):
        ports(text, "tip")
