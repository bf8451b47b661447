"""The project of a board with a processor on the same chip: the core as IP in a block design."""

from thresher.boards.board import Board
from thresher.boards.driver import driver_files
from thresher.boards.framing import axi_frames, axi_width
from thresher.boards.host.registers import CORE, DMA
from thresher.boards.shell.axi_core import AXI_NAME, axi_verilog
from thresher.boards.vivado.project import Project, check_clock, content_digest, script, source_hz
from thresher.compiler.errors import ThresherError
from thresher.gen.compiled import TOP_NAME, Compiled

__all__ = ["mpsoc_project"]

_JOBS = 4
_MOST_BITS = 1024  # of a stream through the DMA engine
_LENGTH_BITS = 26  # of the DMA engine's length registers
_SCRIPTS = ("build.tcl", "common.tcl", "package_ip.tcl", "block_design.tcl")


def mpsoc_project(compiled: Compiled, board: Board) -> Project:
    """The project, with the core at the compilation's clock.

    :raises ThresherError: the board cannot make this clock, or the DMA engine cannot carry the
        design's frames.
    """
    mhz = compiled.options.mhz
    clock = check_clock(board, mhz)
    frame_bits, result_bits = _stream_bits(compiled, board)
    shell = axi_verilog(compiled)
    settings = {
        "part": board.part,
        "board_part": board.board_part,
        "clock_mhz": clock / 1_000_000,
        "clock_hz": clock,
        "source_mhz": source_hz(board) // 1_000_000,
        "frame_bits": frame_bits,
        "frame_memory_bits": max(64, frame_bits),
        "result_bits": result_bits,
        "result_memory_bits": max(64, result_bits),
        "jobs": _JOBS,
        "core_base": f"0x{CORE[0]:08X}",
        "core_size": f"0x{CORE[1]:08X}",
        "dma_base": f"0x{DMA[0]:08X}",
        "dma_size": f"0x{DMA[1]:08X}",
    }
    files = {name: script(name) for name in _SCRIPTS}
    files |= {
        f"rtl/{TOP_NAME}.v": compiled.verilog.encode(),
        f"rtl/{AXI_NAME}.v": shell.encode(),
        "settings.tcl": _tcl(settings),
    }
    digest = content_digest(files)
    files["settings.tcl"] += _tcl({"digest": digest})
    files |= {f"driver/{name}": data for name, data in driver_files(compiled).items()}
    return Project(
        board=board, clock_mhz=mhz, baud=None, files=files, main="build.tcl",
        outputs=("thresher.bit", "thresher.hwh", "thresher.xsa"),
        utilisation="utilisation.rpt", timing="timing.rpt", digest=digest,
    )  # fmt: skip


def _tcl(settings: dict[str, object]) -> bytes:
    return "".join(f"set {name} {value}\n" for name, value in settings.items()).encode()


def _stream_bits(compiled: Compiled, board: Board) -> tuple[int, int]:
    design = compiled.design
    bits = (8 * axi_width(design.inputs), 8 * axi_width(design.outputs))
    if max(bits) > _MOST_BITS:
        raise ThresherError(
            f"a beat of the design takes {max(bits)} bits, the DMA engine of {board.name} carries "
            f"{_MOST_BITS}; compile with a --folding of less simd or pe at its ports"
        )
    size = max(frame.size for frame in axi_frames(design))
    if size >= 1 << _LENGTH_BITS:
        raise ThresherError(
            f"a frame of the design takes {size} bytes, the DMA engine of {board.name} carries "
            f"{(1 << _LENGTH_BITS) - 1}; compile with a smaller --interleave or --seq-len"
        )
    return bits
