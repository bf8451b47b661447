"""Areas by Yosys: what kernels take on a 7-series FPGA, and a pre-route critical path.

Every kernel is synthesised by itself: one run over a whole network would take many times longer,
and equal kernels need one run only. Each has a Yosys process of its own, though sharing one would
save most of the time: what else a process has seen changes the names inside, and through them what
ABC9 finds, by a few LUTs. Results are cached by content.

The counts are Yosys's for xc7 (DSP48E1), and no more than that: Vivado packs two small LUTs into
one, and other families have other blocks.
"""

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from amaranth.lib import wiring

from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.links import links
from thresher.gen.cache import cached, content_key
from thresher.gen.tools import run_yosys
from thresher.gen.verilog import to_rtlil
from thresher.rtl.kernel import Kernel

__all__ = ["DesignSynthesis", "SynthResult", "synthesise", "synthesise_all", "synthesise_design"]

_JOBS = 2
_TOP = "thresher_kernel"
# Yosys refuses "distributed" for a memory that is never written, and in one module with other logic
# ABC9 finds thrice the LUTs for it; xc7 has no UltraRAM, so block RAM stands for it; in one go
# synth_xilinx crashes on some designs. Its stage "begin", left out here, reads a large library of
# cells that nothing here uses.
_SYNTH = "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf -top {top} -run"
_SCRIPT = f"""\
read_verilog -lib -specify +/xilinx/cells_sim.v
read_rtlil top.il
hierarchy -check -top {{top}}
proc
opt -full
memory_collect
opt_clean -purge
select -set roms t:$mem_v2 r:WR_PORTS=0 %i
setattr -set ram_style "logic" @roms a:ram_style=distributed %i
setattr -set ram_style "block" a:ram_style=ultra
setattr -mod -set keep_hierarchy 1 @roms %m
{_SYNTH} prepare:map_luts
splitnets
{_SYNTH} map_luts:
setattr -mod -unset keep_hierarchy
flatten
tee -q -o stat.json stat -top {{top}} -json
write_rtlil net.il
design -reset
read_rtlil net.il
delete =A:whitebox =A:blackbox =A:lib_whitebox
read_verilog -lib -specify +/xilinx/cells_sim.v
hierarchy -top {{top}}
tee -q -o sta.txt sta""".format(top=_TOP)
_VERSION = 2  # of how cells are counted
_LUT = re.compile(r"LUT[1-6]|INV")
_LUTRAM = {
    "RAM32X1S": 1, "RAM32X1D": 2, "RAM64X1S": 1, "RAM64X1D": 2, "RAM32M": 4, "RAM64M": 4,
    "RAM128X1S": 2, "RAM128X1D": 4, "RAM256X1S": 4,
}  # fmt: skip
_SRL = ("SRL16E", "SRLC16E", "SRLC32E")
_FF = ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1")


@dataclass(frozen=True)
class SynthResult:
    """Areas on xc7.

    :param lut: LUTs in all, those used as memory or shift register and inverters among them.
    :param lutram: LUTs used as memory.
    :param srl: LUTs used as shift register.
    :param dsp: DSP48E1.
    :param bram18: RAMB18E1.
    :param bram36: RAMB36E1.
    :param carry: CARRY4.
    :param path_ns: the longest path inside one kernel before routing, in ns; None where there is no
        path from register to register.
    :param depth: LUTs, wide multiplexers, DSPs and carry chains on that path.
    """

    lut: int = 0
    lutram: int = 0
    srl: int = 0
    ff: int = 0
    dsp: int = 0
    bram18: int = 0
    bram36: int = 0
    carry: int = 0
    path_ns: float | None = None
    depth: int | None = None

    @property
    def bram(self) -> float:
        """Block RAMs of 36 Kbit; a RAMB18 is half of one."""
        return self.bram36 + self.bram18 / 2

    def __add__(self, other: "SynthResult") -> "SynthResult":
        """Counts add up; the longer path remains."""
        counts = {
            f.name: getattr(self, f.name) + getattr(other, f.name)
            for f in fields(self)
            if f.name not in ("path_ns", "depth")
        }
        longer = max(self, other, key=lambda r: r.path_ns or 0.0)
        return SynthResult(**counts, path_ns=longer.path_ns, depth=longer.depth)


@dataclass(frozen=True)
class DesignSynthesis:
    """Areas of a design.

    :param kernels: by kernel name.
    :param fifos: all FIFOs together.
    """

    kernels: Mapping[str, SynthResult]
    fifos: SynthResult

    @property
    def total(self) -> SynthResult:
        """The sum, and the longest path."""
        return sum(self.kernels.values(), self.fifos)

    def to_dict(self) -> dict[str, object]:
        """For `report.json`."""
        return {
            "family": "xc7",
            "total": asdict(self.total),
            "kernels": {name: asdict(result) for name, result in self.kernels.items()},
            "fifos": asdict(self.fifos),
        }


def synthesise(what: Kernel | wiring.Component) -> SynthResult:
    """The area of one kernel or component.

    :raises ToolError: when Yosys is absent or fails.
    """
    return synthesise_all({"it": what})["it"]


def synthesise_design(
    design: Design, *, say: Callable[[str], None] | None = None
) -> DesignSynthesis:
    """The areas of a design: its kernels and FIFOs; what joins them is wires.

    :param say: called with a line about the progress.
    :raises ToolError: when Yosys is absent or fails.
    """
    fifos = {f"{link.name} (FIFO)": link.fifo for link in links(design) if link.fifo is not None}
    found = synthesise_all({**design.kernels, **fifos}, say=say)
    return DesignSynthesis(
        {name: found[name] for name in design.kernels},
        sum((found[name] for name in fifos), SynthResult()),
    )


def synthesise_all(
    items: Mapping[str, Kernel | wiring.Component], *, say: Callable[[str], None] | None = None
) -> dict[str, SynthResult]:
    """The area of each of these; equal ones are synthesised once.

    :raises ToolError: when Yosys is absent or fails.
    """
    sources: dict[object, str] = {}
    same = {name: item if isinstance(item, Kernel) else id(item) for name, item in items.items()}
    for name, item in items.items():
        if same[name] not in sources:
            component = item.create() if isinstance(item, Kernel) else item
            sources[same[name]] = to_rtlil(component, _TOP)
    results = _synthesise(set(sources.values()), say or (lambda _: None))
    return {name: results[sources[same[name]]] for name in items}


def _synthesise(sources: set[str], say: Callable[[str], None]) -> dict[str, SynthResult]:
    """The areas of these RTLIL texts, the largest first, `_JOBS` at a time."""
    done = 0

    def one(source: str) -> tuple[str, SynthResult]:
        nonlocal done
        key = content_key(source, _SCRIPT, str(_VERSION))
        file = cached("synth", key, lambda folder: _run(source, folder)) / "area.json"
        done += 1
        say(f"{done} of {len(sources)} different kernels and FIFOs synthesised")
        return source, SynthResult(**json.loads(file.read_text()))

    with ThreadPoolExecutor(_JOBS) as pool:
        running = [pool.submit(one, s) for s in sorted(sources, key=lambda s: (-len(s), s))]
        try:
            return dict(future.result() for future in running)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _run(source: str, folder: Path) -> None:
    """Synthesise one RTLIL text and write its area."""
    with tempfile.TemporaryDirectory(prefix="thresher-") as scratch:
        work = Path(scratch)
        (work / "top.il").write_text(source)
        run_yosys(_SCRIPT, work)
        cells = json.loads((work / "stat.json").read_text())["design"]["num_cells_by_type"]
        result = _counted(cells, (work / "sta.txt").read_text())
    (folder / "area.json").write_text(json.dumps(asdict(result)))


def _counted(cells: Mapping[str, int], sta: str) -> SynthResult:
    def count(names: Sequence[str]) -> int:
        return sum(cells.get(n, 0) for n in names)

    logic = sum(n for kind, n in cells.items() if _LUT.fullmatch(kind))
    lutram = sum(each * cells.get(kind, 0) for kind, each in _LUTRAM.items())
    srl = count(_SRL)
    path_ns, depth = _longest(sta)
    return SynthResult(
        lut=logic + lutram + srl,
        lutram=lutram,
        srl=srl,
        ff=count(_FF),
        dsp=count(["DSP48E1"]),
        bram18=count(["RAMB18E1"]),
        bram36=count(["RAMB36E1"]),
        carry=count(["CARRY4"]),
        path_ns=path_ns,
        depth=depth,
    )


def _longest(sta: str) -> tuple[float | None, int | None]:
    """Length in ns and depth of the path that `sta` prints, last cell first."""
    arrival = re.search(r"Latest arrival time in '\S+' is (\d+)", sta)
    if arrival is None:
        return None, None
    steps = re.findall(r"\((\w+)\.(\w+)(?:\[\d+\])?->\w+", sta)
    depth, last = 0, ""
    for kind, port in steps:
        launches = port in ("C", "CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK")
        if not launches and not kind == last == "CARRY4":
            depth += 1
        last = kind
    return int(arrival[1]) / 1000, depth
