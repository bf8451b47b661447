# The core with its AXI ports as IP, in the folder ip. Vivado finds the buses by the attributes and
# the names of the ports. TUSER of m_axis stays a plain pin: the DMA engine has none, and a bus with
# it would not connect.

create_project -force -part $part package vivado_package
add_files -norecurse [list rtl/thresher_top.v rtl/thresher_axi.v]
set_property top thresher_axi [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir ip -vendor thresher -library user -taxonomy /UserIP \
    -import_files -force
set core [ipx::current_core]
set_property name thresher_axi $core
set_property version 1.0 $core
set_property display_name "Thresher accelerator" $core
foreach bus {s_axis m_axis s_axi aclk aresetn interrupt} {
    if {[llength [ipx::get_bus_interfaces $bus -of_objects $core]] != 1} {
        thresher_fail "Vivado does not see the bus $bus of thresher_axi"
    }
}
foreach bus {s_axis m_axis s_axi} {
    ipx::associate_bus_interfaces -busif $bus -clock aclk $core
}
set result [ipx::get_bus_interfaces m_axis -of_objects $core]
ipx::remove_port_map TUSER $result
set_property value 0 [ipx::get_bus_parameters TUSER_WIDTH -of_objects $result]
set map [ipx::get_memory_maps s_axi -of_objects $core]
if {[llength $map] == 0} {
    set map [ipx::add_memory_map s_axi $core]
    set_property slave_memory_map_ref s_axi [ipx::get_bus_interfaces s_axi -of_objects $core]
}
set block [ipx::get_address_blocks reg0 -of_objects $map]
if {[llength $block] == 0} {
    set block [ipx::add_address_block reg0 $map]
}
set_property range 4096 $block
set_property width 32 $block
ipx::create_xgui_files $core
ipx::update_checksums $core
if {[ipx::check_integrity $core] != 1} {
    thresher_fail "the packaged core is not sound"
}
ipx::save_core $core
close_project
