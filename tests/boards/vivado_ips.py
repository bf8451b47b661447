"""Pins and settings of the IP that the block design uses, after AMD's product guides.

PG201 (processor), PG021 (AXI DMA), PG247 (SmartConnect), PG065 (clocking wizard), PG164 (reset).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["IPS", "Ip"]

Settings = Mapping[str, str]


@dataclass(frozen=True)
class Ip:
    """One IP.

    :param settings: its properties without "CONFIG.", and what they are at first; what a value may
        be, where that is a short list, stands in `choices`.
    :param pins: direction and kind of each pin, and the setting that must be 1 for it, if any.
    :param buses: direction and kind of each bus, likewise.
    :param segments: address segments that it offers, by name.
    :param spaces: address spaces of its masters.
    """

    settings: Settings = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    buses: Mapping[str, str] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()


_SMART = {f"NUM_{side}": "1" for side in ("SI", "MI", "CLKS")}

IPS: Mapping[str, Ip] = {
    "xilinx.com:ip:zynq_ultra_ps_e:3.5": Ip(
        settings={
            "PSU__USE__M_AXI_GP0": "1", "PSU__USE__M_AXI_GP1": "1", "PSU__USE__M_AXI_GP2": "0",
            "PSU__USE__S_AXI_GP0": "0", "PSU__USE__S_AXI_GP2": "0", "PSU__USE__IRQ0": "0",
            "PSU__FPGA_PL0_ENABLE": "1", "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": "100",
            "PSU__SAXIGP2__DATA_WIDTH": "128",
        },
        choices={"PSU__USE__M_AXI_GP0": "0 1", "PSU__USE__S_AXI_GP2": "0 1"},
        pins={
            "pl_clk0": "out clock PSU__FPGA_PL0_ENABLE",
            "pl_resetn0": "out reset",
            "maxihpm0_fpd_aclk": "in clock PSU__USE__M_AXI_GP0",
            "maxihpm1_fpd_aclk": "in clock PSU__USE__M_AXI_GP1",
            "maxihpm0_lpd_aclk": "in clock PSU__USE__M_AXI_GP2",
            "saxihp0_fpd_aclk": "in clock PSU__USE__S_AXI_GP2",
            "pl_ps_irq0": "in interrupt PSU__USE__IRQ0",
        },
        buses={
            "M_AXI_HPM0_FPD": "master memory PSU__USE__M_AXI_GP0",
            "M_AXI_HPM1_FPD": "master memory PSU__USE__M_AXI_GP1",
            "M_AXI_HPM0_LPD": "master memory PSU__USE__M_AXI_GP2",
            "S_AXI_HP0_FPD": "slave memory PSU__USE__S_AXI_GP2",
        },
        segments=(
            "SAXIGP2/HP0_DDR_LOW", "SAXIGP2/HP0_DDR_HIGH", "SAXIGP2/HP0_LPS_OCM",
            "SAXIGP2/HP0_QSPI",
        ),
        spaces=("Data",),
    ),
    "xilinx.com:ip:clk_wiz:6.0": Ip(
        settings={
            "PRIM_SOURCE": "Single_ended_clock_capable_pin", "PRIM_IN_FREQ": "100.000",
            "CLKOUT1_REQUESTED_OUT_FREQ": "100.000", "USE_LOCKED": "true", "USE_RESET": "true",
            "RESET_TYPE": "ACTIVE_HIGH",
        },
        choices={
            "PRIM_SOURCE": "Single_ended_clock_capable_pin Global_buffer No_buffer "
            "Differential_clock_capable_pin",
            "USE_LOCKED": "true false", "USE_RESET": "true false",
        },
        pins={
            "clk_in1": "in clock", "clk_out1": "out clock", "locked": "out signal USE_LOCKED",
            "reset": "in reset USE_RESET",
        },
    ),
    "xilinx.com:ip:proc_sys_reset:5.0": Ip(
        settings={"C_EXT_RESET_HIGH": "0", "C_AUX_RESET_HIGH": "0"},
        pins={
            "slowest_sync_clk": "in clock", "ext_reset_in": "in reset", "dcm_locked": "in signal",
            "aux_reset_in": "maybe reset", "mb_debug_sys_rst": "maybe reset",
            "mb_reset": "out reset", "bus_struct_reset": "out reset",
            "peripheral_reset": "out reset", "interconnect_aresetn": "out reset",
            "peripheral_aresetn": "out reset",
        },
    ),
    "xilinx.com:ip:axi_dma:7.1": Ip(
        settings={
            "c_include_sg": "1", "c_sg_include_stscntrl_strm": "1", "c_sg_length_width": "14",
            "c_include_mm2s": "1", "c_include_s2mm": "1",
            "c_m_axi_mm2s_data_width": "32", "c_m_axis_mm2s_tdata_width": "32",
            "c_m_axi_s2mm_data_width": "32", "c_s_axis_s2mm_tdata_width": "32",
            "c_mm2s_burst_size": "16", "c_s2mm_burst_size": "16", "c_addr_width": "32",
        },
        choices={
            "c_include_sg": "0 1", "c_sg_include_stscntrl_strm": "0 1",
            "c_sg_length_width": " ".join(map(str, range(8, 27))),
            "c_m_axi_mm2s_data_width": "32 64 128 256 512 1024",
            "c_m_axi_s2mm_data_width": "32 64 128 256 512 1024",
            "c_m_axis_mm2s_tdata_width": "8 16 32 64 128 256 512 1024",
            "c_s_axis_s2mm_tdata_width": "8 16 32 64 128 256 512 1024",
        },
        pins={
            "s_axi_lite_aclk": "in clock", "m_axi_mm2s_aclk": "in clock",
            "m_axi_s2mm_aclk": "in clock", "m_axi_sg_aclk": "in clock c_include_sg",
            "axi_resetn": "in reset", "mm2s_introut": "out interrupt",
            "s2mm_introut": "out interrupt", "mm2s_prmry_reset_out_n": "out reset",
            "s2mm_prmry_reset_out_n": "out reset",
        },
        buses={
            "S_AXI_LITE": "slave memory", "M_AXI_MM2S": "master memory",
            "M_AXI_S2MM": "master memory", "M_AXI_SG": "master memory c_include_sg",
            "M_AXIS_MM2S": "master stream", "S_AXIS_S2MM": "slave stream",
        },
        segments=("S_AXI_LITE/Reg",),
        spaces=("Data_MM2S", "Data_S2MM"),
    ),
    "xilinx.com:ip:smartconnect:1.0": Ip(
        settings=_SMART,
        pins={"aclk": "in clock", "aresetn": "in reset"},
        buses={
            **{f"S{n:02}_AXI": f"slave memory NUM_SI>{n}" for n in range(16)},
            **{f"M{n:02}_AXI": f"master memory NUM_MI>{n}" for n in range(16)},
        },
    ),
    "xilinx.com:ip:xlconcat:2.1": Ip(
        settings={"NUM_PORTS": "2"},
        pins={"dout": "out interrupt", **{f"In{n}": f"in any NUM_PORTS>{n}" for n in range(32)}},
    ),
}  # fmt: skip
