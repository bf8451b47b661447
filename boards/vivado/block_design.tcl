# Processor, DMA engine and core. All of the logic runs on one clock, which clk_wiz makes of pl_clk0:
# the processor's own dividers make few frequencies exactly.

proc cell {name vlnv properties} {
    set found [lindex [lsort -dictionary [get_ipdefs -quiet $vlnv:*]] end]
    if {$found eq ""} {
        thresher_fail "Vivado has no IP $vlnv"
    }
    set cell [create_bd_cell -type ip -vlnv $found $name]
    if {[llength $properties] > 0} {
        set_property -dict $properties $cell
    }
    return $cell
}

proc bus {from to} {
    connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to]
}

proc net {from args} {
    foreach to $args {
        connect_bd_net [get_bd_pins $from] [get_bd_pins $to]
    }
}

create_bd_design thresher
cell ps xilinx.com:ip:zynq_ultra_ps_e {}
apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e \
    -config {apply_board_preset "1"} [get_bd_cells ps]
set_property -dict [list \
    CONFIG.PSU__USE__M_AXI_GP0 1 \
    CONFIG.PSU__USE__M_AXI_GP1 0 \
    CONFIG.PSU__USE__M_AXI_GP2 0 \
    CONFIG.PSU__USE__S_AXI_GP2 1 \
    CONFIG.PSU__USE__IRQ0 1 \
    CONFIG.PSU__FPGA_PL0_ENABLE 1 \
    CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $source_mhz \
] [get_bd_cells ps]
cell clock xilinx.com:ip:clk_wiz [list \
    CONFIG.PRIM_SOURCE No_buffer \
    CONFIG.CLKOUT1_REQUESTED_OUT_FREQ $clock_mhz \
    CONFIG.USE_LOCKED true \
    CONFIG.USE_RESET false \
]
cell reset xilinx.com:ip:proc_sys_reset {}
cell dma xilinx.com:ip:axi_dma [list \
    CONFIG.c_include_sg 0 \
    CONFIG.c_sg_include_stscntrl_strm 0 \
    CONFIG.c_sg_length_width 26 \
    CONFIG.c_m_axi_mm2s_data_width $frame_memory_bits \
    CONFIG.c_m_axis_mm2s_tdata_width $frame_bits \
    CONFIG.c_m_axi_s2mm_data_width $result_memory_bits \
    CONFIG.c_s_axis_s2mm_tdata_width $result_bits \
]
cell core thresher:user:thresher_axi {}
cell control xilinx.com:ip:smartconnect {CONFIG.NUM_SI 1 CONFIG.NUM_MI 2}
cell memory xilinx.com:ip:smartconnect {CONFIG.NUM_SI 2 CONFIG.NUM_MI 1}
cell interrupts xilinx.com:ip:xlconcat {CONFIG.NUM_PORTS 3}

net ps/pl_clk0 clock/clk_in1
net clock/clk_out1 ps/maxihpm0_fpd_aclk ps/saxihp0_fpd_aclk reset/slowest_sync_clk \
    dma/s_axi_lite_aclk dma/m_axi_mm2s_aclk dma/m_axi_s2mm_aclk core/aclk control/aclk memory/aclk
net ps/pl_resetn0 reset/ext_reset_in
net clock/locked reset/dcm_locked
net reset/interconnect_aresetn control/aresetn memory/aresetn
net reset/peripheral_aresetn dma/axi_resetn core/aresetn
net dma/mm2s_introut interrupts/In0
net dma/s2mm_introut interrupts/In1
net core/interrupt interrupts/In2
net interrupts/dout ps/pl_ps_irq0

bus ps/M_AXI_HPM0_FPD control/S00_AXI
bus control/M00_AXI dma/S_AXI_LITE
bus control/M01_AXI core/s_axi
bus dma/M_AXI_MM2S memory/S00_AXI
bus dma/M_AXI_S2MM memory/S01_AXI
bus memory/M00_AXI ps/S_AXI_HP0_FPD
bus dma/M_AXIS_MM2S core/s_axis
bus core/m_axis dma/S_AXIS_S2MM

assign_bd_address -offset $core_base -range $core_size \
    -target_address_space [get_bd_addr_spaces ps/Data] [get_bd_addr_segs core/s_axi/reg0]
assign_bd_address -offset $dma_base -range $dma_size \
    -target_address_space [get_bd_addr_spaces ps/Data] [get_bd_addr_segs dma/S_AXI_LITE/Reg]
foreach space {dma/Data_MM2S dma/Data_S2MM} {
    assign_bd_address -offset 0x00000000 -range 0x80000000 \
        -target_address_space [get_bd_addr_spaces $space] \
        [get_bd_addr_segs ps/SAXIGP2/HP0_DDR_LOW]
    foreach other {HP0_DDR_HIGH HP0_LPS_OCM HP0_QSPI HP0_PCIE_LOW} {
        set segment [get_bd_addr_segs -quiet ps/SAXIGP2/$other]
        if {[llength $segment] > 0} {
            exclude_bd_addr_seg -target_address_space [get_bd_addr_spaces $space] $segment
        }
    }
}

validate_bd_design
set made [get_property CONFIG.FREQ_HZ [get_bd_pins clock/clk_out1]]
if {abs($made - $clock_hz) > $clock_hz / 1000.0} {
    thresher_fail "the clock would be $made Hz, not $clock_hz Hz; compile with another --clock-mhz"
}
save_bd_design
