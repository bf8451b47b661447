"""The project of a board with a serial link: Amaranth's platform writes its script and pins."""

from fractions import Fraction
from typing import Any

from amaranth.build.run import BuildPlan
from amaranth.vendor import XilinxPlatform

from thresher.boards.board import Board
from thresher.boards.driver import driver_files
from thresher.boards.mmcm import LIMITS, plan
from thresher.boards.shell.serial_core import SERIAL_NAME, serial_verilog
from thresher.boards.shell.uart import uart_divisor
from thresher.boards.vivado.ports import ports
from thresher.boards.vivado.project import Project, check_clock, content_digest, script
from thresher.boards.vivado.serial_top import SerialTop, io_ports
from thresher.compiler.errors import ThresherError
from thresher.gen.compiled import TOP_NAME, Compiled

__all__ = ["TOP", "serial_project"]

TOP = "thresher_board"
_SYNCHRONISERS = "*synchroniser/stage*_reg"
"""Registers of the shell that bring a pin into the clock: `FFSynchronizer`s of these names."""
_CHECK = "source common.tcl\nthresher_check_timing\n"


class _Checked(XilinxPlatform):
    """Stands between a board's platform and Amaranth's: adds to what the board's own one adds."""

    device = package = speed = ""
    finish = ""

    def toolchain_prepare(
        self,
        fragment: Any,
        name: str,
        *,
        script_before_bitstream: str = "",
        script_after_bitstream: str = "",
        **kwargs: Any,
    ) -> BuildPlan:
        return super().toolchain_prepare(
            fragment,
            name,
            script_before_bitstream=_CHECK + script_before_bitstream,
            script_after_bitstream=f"{script_after_bitstream}\n{self.finish}".lstrip(),
            **kwargs,
        )


def serial_project(compiled: Compiled, board: Board, baud: int | None) -> Project:
    """The project, with the core at the compilation's clock.

    :raises ThresherError: the board can make neither this clock nor this baud rate.
    """
    mhz, source = compiled.options.mhz, board.oscillator_hz
    clock = check_clock(board, mhz)
    baud = _check_baud(board, clock, baud)
    shell = serial_verilog(compiled, board.link.kind, clock, baud)
    sources = {f"{TOP_NAME}.v": compiled.verilog.encode(), f"{SERIAL_NAME}.v": shell.encode()}
    digest = content_digest(
        {**sources, "board": f"{board.name} {board.part} {mhz} {baud}".encode()}
    )
    outputs = (f"{TOP}.bit", f"{TOP}.bin")
    limits = LIMITS[board.family, board.speed_grade]
    mmcm = None if clock == source else plan(source, Fraction(clock), limits)
    top = SerialTop(board, ports(shell, SERIAL_NAME), clock, mmcm)
    made = _plan(board, top, sources, f"thresher_finish {digest} {{{' '.join(outputs)}}}")
    driver = {f"driver/{n}": data for n, data in driver_files(compiled).items()}
    return Project(
        board=board, clock_mhz=mhz, baud=baud, files={**made, **driver}, main=f"{TOP}.tcl",
        outputs=outputs, utilisation=f"{TOP}_utilization_place.rpt", timing=f"{TOP}_timing.rpt",
        digest=digest,
    )  # fmt: skip


def _plan(board: Board, top: SerialTop, sources: dict[str, bytes], finish: str) -> dict[str, bytes]:
    """What Amaranth writes, and the files that its script reads."""
    kind = type("Checked", (board.platform, _Checked), {"finish": finish})
    platform = kind(toolchain="Vivado")
    for name, data in sources.items():
        platform.add_file(name, data)
    # No clock of the design times these pins; the shell brings inputs into its clock itself.
    taken, given = (" ".join(names) for names in io_ports(board))
    platform.add_file(
        "thresher_io.xdc",
        f"set_false_path -from [get_ports {{{taken}}}]\n"
        f"set_false_path -to [get_ports {{{given}}}]\n"
        "set_property ASYNC_REG TRUE "
        f"[get_cells -hierarchical -filter {{NAME =~ {_SYNCHRONISERS}}}]\n",
    )
    platform.add_file("common.tcl", script("common.tcl"))
    plan = platform.build(top, name=TOP, do_build=False)
    kept = {*sources, "thresher_io.xdc", "common.tcl", *(f"{TOP}.{e}" for e in ("v", "tcl", "xdc"))}
    return {
        name: data if isinstance(data, bytes) else data.encode()
        for name, data in plan.files.items()
        if name in kept
    }


def _check_baud(board: Board, clock_hz: int, baud: int | None) -> int | None:
    if board.link.kind != "uart":
        if baud is not None:
            raise ThresherError(f"--baud is for boards with a UART, not {board.name}; leave it out")
        return None
    baud = board.link.baud if baud is None else baud
    assert baud is not None
    try:
        uart_divisor(clock_hz, baud)
    except ValueError as e:
        raise ThresherError(f"--baud {baud}: {e}") from e
    return baud
