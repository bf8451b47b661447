"""What the command line prints about boards and builds."""

from typing import Any

from thresher.boards.registry import BOARDS
from thresher.boards.vivado.build import Built, NotRun
from thresher.gen.show import table

__all__ = ["boards", "build"]

_TITLES = {
    "lut": "LUT",
    "lutram": "of them memory",
    "ff": "FF",
    "dsp": "DSP",
    "bram36": "BRAM36",
    "uram": "URAM",
}


def boards() -> str:
    """Every board: name, title, FPGA, link and clock."""
    return table(
        [
            (b.name, f"{b.title}: {b.part}, {b.link.kind}, {b.clock_mhz:g} MHz")
            for b in BOARDS.values()
        ]
    )


def build(done: Built | NotRun) -> str:
    """After `thresher build`: slacks, areas and the bitstream, or how to come by them."""
    return table(_not_run(done) if isinstance(done, NotRun) else _built(done))


def _not_run(done: NotRun) -> list[tuple[str, str]]:
    return [
        ("project", str(done.folder)),
        ("not built", f"{done.why}; run it, there or wherever Vivado is, with"),
        ("command", done.command),
        ("leaves", ", ".join(done.project.outputs)),
    ]


def _built(done: Built) -> list[tuple[str, str]]:
    result: dict[str, Any] = done.result
    rows = [
        ("board", f"{done.project.board.name} ({result['tool']})"),
        ("clock", f"{result['clock_mhz']:g} MHz, about {result['fmax_mhz_estimate']:g} reachable"),
        ("slack", f"WNS {result['wns_ns']:g} ns, WHS {result['whs_ns']:g} ns"),
    ]
    for name, title in _TITLES.items():
        area = result["utilisation"][name]
        if area["of"]:
            share = area["used"] / area["of"]
            rows.append((title, f"{area['used']:g} of {area['of']:g} ({share:.0%})"))
    rows.append(("bitstream", str(done.folder / done.project.outputs[0])))
    if not done.fresh:
        rows.append(("built", "before: nothing has changed"))
    return rows
