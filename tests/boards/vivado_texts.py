"""Reports as Vivado writes them, with figures of our own."""

__all__ = ["timing_text", "utilisation_text"]

_HEAD = """\
Copyright 1986-2022 Xilinx, Inc. All Rights Reserved.
---------------------------------------------------------------------------------------------------
| Tool Version : Vivado v.2022.2 (lin64) Build 3671981 Fri Oct 14 04:59:54 MDT 2022
| Date         : Mon Jan  1 12:00:00 2024
| Host         : somewhere running 64-bit Linux
| Command      : {command}
| Design       : {design}
| Device       : {part}
| Design State : Routed
---------------------------------------------------------------------------------------------------

"""


def _row(prohibited: bool, site: str, used: str, available: str, share: str) -> str:
    cells = [f"{site:<27}", f"{used:>5}", "    0", *(["         0"] if prohibited else [])]
    return "| " + " | ".join([*cells, f"{available:>9}", f"{share:>5}"]) + " |\n"


def utilisation_text(part: str, design: str) -> str:
    """`report_utilization` of a routed design, as 7-series and as UltraScale+ have it."""
    plus = part.startswith("xczu")
    slices, luts = ("CLB", "230400") if plus else ("Slice", "32600")
    rule = "+" + "-" * 29 + "+-------+-------+-----------+-------+\n"
    header = ["Site Type".center(27), " Used", "Fixed", *(["Prohibited"] if plus else [])]
    head = "| " + " | ".join([*header, "Available", "Util%"]) + " |\n"
    tables = (
        (
            f"1. {slices} Logic",
            (
                f"{slices} LUTs" + ("" if plus else "*"),
                "3120",
                "230400" if plus else "32600",
                "1.35",
            ),
            ("  LUT as Logic", "2980", "230400" if plus else "32600", "1.29"),
            ("  LUT as Memory", "140", "101760" if plus else "9600", "0.14"),
            ("    LUT as Distributed RAM", "96", "", ""),
            (f"{slices} Registers", "4410", "460800" if plus else "65200", "0.96"),
        ),
        (
            "2. Memory",
            ("Block RAM Tile", "4.5", "312" if plus else "75", "1.44"),
            ("  RAMB36/FIFO*", "4", "312" if plus else "75", "1.28"),
            *((("URAM", "0", "96", "0.00"),) if plus else ()),
        ),
        ("3. DSP", ("DSPs", "12", "1728" if plus else "120", "<0.01")),
    )
    text = _HEAD.format(command="report_utilization", design=design, part=part)
    for title, *rows in tables:
        text += f"{title}\n{'-' * len(title)}\n\n{rule}{head}{rule}"
        text += "".join(_row(plus, *row) for row in rows) + rule + "\n"
    return text


def timing_text(part: str, design: str, setup: float, hold: float) -> str:
    """`report_timing_summary` with these worst slacks in ns."""
    names = ["WNS(ns)", "TNS(ns)", "TNS Failing Endpoints", "TNS Total Endpoints"]
    names += [name.replace("TNS", "THS").replace("WNS", "WHS") for name in names]
    values = (f"{setup:.3f}", "0.000", "0", "9731", f"{hold:.3f}", "0.000", "0", "9731")
    met = setup >= 0 and hold >= 0
    columns = list(zip(names, values, strict=True))
    return (
        _HEAD.format(command="report_timing_summary", design=design, part=part)
        + "Timing Summary Report\n\n"
        + "| Design Timing Summary\n| ---------------------\n\n    "
        + "  ".join(f"{n:>12}" for n, _ in columns)
        + "  \n    "
        + "  ".join(f"{'-' * len(n):>12}" for n, _ in columns)
        + "  \n    "
        + "  ".join(f"{v:>{max(12, len(n))}}" for n, v in columns)
        + "  \n\n\n"
        + ("All user specified timing constraints are met.\n" if met else
           "Timing constraints are not met.\n")
    )  # fmt: skip
