# From the core and the processor to a bitstream. To run: vivado -mode batch -source build.tcl
# settings.tcl says for which board, at which clock and with streams of which widths.

cd [file dirname [file normalize [info script]]]
source settings.tcl
source common.tcl
source package_ip.tcl

create_project -force -part $part thresher vivado
set found [lindex [lsort -dictionary [get_board_parts -quiet $board_part:*]] end]
if {$found eq ""} {
    thresher_fail "Vivado has no board files of $board_part; install them with its Xilinx Board Store"
}
set_property board_part $found [current_project]
set_property ip_repo_paths [list ip] [current_project]
update_ip_catalog -rebuild
source block_design.tcl

# Synthesis of all in one run, so that one log tells all.
set design [get_files thresher.bd]
set_property synth_checkpoint_mode None $design
generate_target all $design
add_files -norecurse [make_wrapper -files $design -top]
set_property top thresher_wrapper [current_fileset]
update_compile_order -fileset sources_1

proc run_to_end {run} {
    wait_on_run $run
    if {[get_property PROGRESS [get_runs $run]] ne "100%"} {
        thresher_fail "$run ended with '[get_property STATUS [get_runs $run]]'"
    }
}
launch_runs synth_1 -jobs $jobs
run_to_end synth_1
set_property STEPS.PHYS_OPT_DESIGN.IS_ENABLED true [get_runs impl_1]
launch_runs impl_1 -jobs $jobs
run_to_end impl_1
open_run impl_1
report_utilization -file utilisation.rpt
report_utilization -hierarchical -file utilisation_hierarchical.rpt
report_timing_summary -max_paths 10 -file timing.rpt
report_drc -file drc.rpt
report_power -file power.rpt
thresher_check_timing
close_design

launch_runs impl_1 -to_step write_bitstream -jobs $jobs
run_to_end impl_1
set runs [get_property DIRECTORY [get_runs impl_1]]
file copy -force [file join $runs thresher_wrapper.bit] thresher.bit
set handoff [glob -nocomplain vivado/thresher.*/sources_1/bd/thresher/hw_handoff/thresher.hwh]
if {[llength $handoff] == 0} {
    thresher_fail "Vivado has left no hardware handoff (thresher.hwh)"
}
file copy -force [lindex $handoff 0] thresher.hwh
write_hw_platform -fixed -include_bit -force -file thresher.xsa
thresher_finish $digest [list thresher.bit thresher.hwh thresher.xsa utilisation.rpt timing.rpt]
