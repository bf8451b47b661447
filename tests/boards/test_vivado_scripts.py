"""Every script that we write for Vivado, run by a real Tcl interpreter on a model of Vivado.

The model (`vivado_blocks.Vivado`) refuses commands, options, properties, pins and files that are
not there. The mutations show that it does.
"""

from pathlib import Path

import pytest
from projects import project_for, put, run_standin
from tcl import ENGINES

from thresher.boards.registry import BOARDS
from thresher.boards.vivado.project import FINISHED

ENGINE = pytest.mark.parametrize("engine", ["tkinter", "tclsh"])


def test_there_is_a_tcl_interpreter() -> None:
    assert ENGINES, "no Tcl interpreter: apt-get install tcl, or use a Python with tkinter"


@pytest.mark.parametrize("name", BOARDS)
@ENGINE
def test_scripts_run_to_their_end(name: str, engine: str, tmp_path: Path) -> None:
    if engine not in ENGINES:
        pytest.skip(f"{engine} is not here; the scripts run in {ENGINES}")
    project = project_for(name)
    done = run_standin(project, put(project, tmp_path), {"VIVADO_TCL": engine})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "ERROR" not in done.stdout
    for left in (*project.outputs, project.utilisation, project.timing):
        assert (tmp_path / left).is_file()
    assert (tmp_path / FINISHED).read_text() == f"{project.digest} 2022.2\n"


@pytest.mark.parametrize("name", ["zcu104", "arty-s7-50", "elastic-node-v5"])
@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("timing", "ERROR: [Thresher 1-1] timing failed: WNS -0.412 ns"),
        ("hold", "ERROR: [Thresher 1-1] timing failed: WHS -0.033 ns"),
    ],
)
def test_failed_timing_leaves_no_bitstream(
    name: str, scenario: str, words: str, tmp_path: Path
) -> None:
    project = project_for(name)
    done = run_standin(project, put(project, tmp_path), {"VIVADO_SCENARIO": scenario})
    assert done.returncode == 1
    assert words in done.stdout
    assert (tmp_path / project.timing).is_file()
    assert not [p for p in tmp_path.rglob("*.bi[tn]")]
    assert not (tmp_path / FINISHED).exists()


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("no_board", "no board files of xilinx.com:zcu104:part0; install them"),
        ("no_ip", "Vivado has no IP xilinx.com:ip:zynq_ultra_ps_e"),
        ("clock", "the clock would be 187498125 Hz, not 200000000 Hz; compile with another"),
        ("unsound", "the packaged core is not sound"),
        ("synthesis", "synth_1 ended with 'synth_design ERROR'"),
    ],
)
def test_what_the_block_design_finds_out(scenario: str, words: str, tmp_path: Path) -> None:
    project = project_for("zcu104")
    done = run_standin(project, put(project, tmp_path), {"VIVADO_SCENARIO": scenario})
    assert done.returncode == 1
    assert f"ERROR: [Thresher 1-1] {words}" in done.stdout or words in done.stdout


SERIAL = "thresher_board.tcl"
MUTATIONS = [
    ("zcu104", "build.tcl", "update_ip_catalog", "update_ip_catalogue", "invalid command name"),
    ("zcu104", "build.tcl", "-jobs $jobs\nrun_to_end synth_1", "-job $job", "no such variable"),
    ("zcu104", "build.tcl", "-part $part thresher", "-prt $part thresher", "unknown option '-prt'"),
    ("zcu104", "build.tcl", "source common.tcl", "source comon.tcl", "comon.tcl"),
    ("zcu104", "build.tcl", "ip_repo_paths [list ip]", "ip_repo_paths [list pi]", "no folder 'pi'"),
    ("zcu104", "build.tcl", "set_property top thresher_wrapper", "set_property top x", "'x' not"),
    ("zcu104", "build.tcl", "synth_checkpoint_mode", "synth_checkpoint", "Property 'synth_checkp"),
    ("zcu104", "build.tcl", "source block_design.tcl\n", "", "No files matched"),
    ("zcu104", "build.tcl", "run_to_end impl_1\nopen_run", "open_run synth_1\nopen_rn", "open_rn"),
    ("zcu104", "build.tcl", "close_design\n", "close_design now\n", "wrong number of arguments"),
    ("zcu104", "package_ip.tcl", "rtl/thresher_axi.v", "rtl/thresher_ax.v", "does not exist"),
    ("zcu104", "package_ip.tcl", "display_name", "displayname", "Property 'displayname'"),
    ("zcu104", "package_ip.tcl", "ipx::remove_port_map TUSER $result", "", "TUSER_WIDTH"),
    ("zcu104", "package_ip.tcl", "set_property value 0", "set_property value 1", "TUSER_WIDTH"),
    ("zcu104", "package_ip.tcl", "-busif $bus -clock aclk", "-busif $bus -clock clk", "no bus"),
    ("zcu104", "package_ip.tcl", "ipx::save_core $core\n", "", "no folder 'ip'|no IP thresher"),
    ("zcu104", "block_design.tcl", "net ps/pl_resetn0 reset/ext_reset_in\n", "", "ext_reset_in is"),
    ("zcu104", "block_design.tcl", "axi_resetn core/", "axi_reset core/", "No pins"),
    ("zcu104", "block_design.tcl", "cell reset xil", "cell rst xil", "no cell 'reset'"),
    ("zcu104", "block_design.tcl", "PSU__USE__IRQ0 1", "PSU__USE__IRQ0 0", "pl_ps_irq0'"),
    ("zcu104", "block_design.tcl", "PSU__USE__S_AXI_GP2", "PSU__USE_S_AXI_GP2", "not exist"),
    ("zcu104", "block_design.tcl", "CONFIG.NUM_SI 2", "CONFIG.NUM_SI 1", "memory/S01_AXI'"),
    ("zcu104", "block_design.tcl", "PRIM_SOURCE No_buffer", "PRIM_SOURCE none", "out of range for"),
    ("zcu104", "block_design.tcl", "bus core/m_axis dma/S_AXIS_S2MM\n", "", "is not connected"),
    ("zcu104", "block_design.tcl", "dma/M_AXIS_MM2S core/s_axis", "dma/M_AXIS_MM2S core/m_axis",
     "do not fit"),
    ("zcu104", "settings.tcl", "0xA0010000", "0xA0000000", "addresses overlap"),
    ("zcu104", "block_design.tcl", "HP0_LPS_OCM ", "", "HP0_LPS_OCM is not assigned"),
    ("zcu104", "block_design.tcl", "core/s_axi/reg0]", "core/s_axi/reg1]", "no address segment"),
    ("zcu104", "block_design.tcl", "validate_bd_design\n", "", "FREQ_HZ|was not validated"),
    ("zcu104", "settings.tcl", "set frame_bits 8", "set frame_bits 24", "out of range"),
    ("zcu104", "settings.tcl", "set frame_bits 8", "set frame_bits 16", "TDATA_NUM_BYTES of s"),
    ("zcu104", "settings.tcl", "zcu104:part0", "zcu104:part1", "no board files of"),
    ("zcu104", "rtl/thresher_axi.v", "m_axis TVALID", "n_axis TVALID", "'n_axis' has no ports"),
    ("arty-s7-50", SERIAL, "place_design", "place_desing", "invalid command name"),
    ("arty-s7-50", SERIAL, "-bin_file", "-binfile", "unknown option '-binfile'"),
    ("arty-s7-50", SERIAL, "opt_design\nplace", "place", "place_design before its turn"),
    ("arty-s7-50", SERIAL, 'read_xdc "thresher_io.xdc"', 'read_xdc "thresher.xdc"', "not exist"),
    ("arty-s7-50", SERIAL, "-top thresher_board", "-top thresher", "'thresher' not found"),
    ("arty-s7-50", SERIAL, "read_xdc thresher_board.xdc\n", "", "has no IOSTANDARD"),
    ("arty-s7-50", "thresher_board.xdc", 'get_ports "led_0__io"', 'get_ports "led_9__io"',
     "No ports matched 'led_9__io'"),
    ("arty-s7-50", "thresher_board.xdc", "LOC E18", "LOC F13", "pin F13 is taken by"),
    ("arty-s7-50", "thresher_board.xdc", "set_property LOC R12", "set_property LC R12", "'LC'"),
    ("arty-s7-50", "thresher_io.xdc", "uart_0__rx__io", "uart_0__rxd__io", "No ports matched"),
    ("arty-s7-50", "thresher_io.xdc", "*synchroniser/", "*synchronizer/", "has no object"),
    ("elastic-node-v5", "thresher_io.xdc", "/stage*", "/stag3*", "has no object"),
    ("arty-s7-50", "common.tcl", "get_timing_paths -delay_type", "get_timing_paths -kind",
     "unknown option '-kind'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "words"), MUTATIONS, ids=[f"{m[1]}-{m[3]}" for m in MUTATIONS]
)
def test_a_mistake_in_a_script_is_found(
    name: str, file: str, old: str, new: str, words: str, tmp_path: Path
) -> None:
    project = project_for(name)
    path = put(project, tmp_path) / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    done = run_standin(project, tmp_path, {})
    assert done.returncode == 1, done.stdout[-500:]
    told = done.stdout + done.stderr
    assert any(w in told for w in words.split("|")), told[-1500:]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("zcu104", "rtl/thresher_top.v"), ("zcu104", "package_ip.tcl"), ("zcu104", "settings.tcl"),
        ("arty-s7-50", "thresher_serial.v"), ("arty-s7-50", "common.tcl"),
        ("arty-s7-50", "thresher_board.xdc"),
    ],
)  # fmt: skip
def test_a_missing_file_is_found(name: str, file: str, tmp_path: Path) -> None:
    project = project_for(name)
    (put(project, tmp_path) / file).unlink()
    done = run_standin(project, tmp_path, {})
    assert done.returncode == 1
    assert Path(file).name in done.stdout
