"""Vivado's commands and their options, of those that the scripts use; after UG835.

"-force" takes nothing, "-part=" takes a value. The numbers are of other arguments: least and most.
An option may be shortened as long as it is clear, as in Vivado.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["COMMANDS", "Given", "Signature", "UsageError"]

_ANY = ("-quiet", "-verbose")


class UsageError(Exception):
    """A command that does not exist like this."""


@dataclass(frozen=True)
class Given:
    """A call, taken apart: options by their full name, and the other arguments."""

    options: Mapping[str, str]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Signature:
    """What a command takes."""

    name: str
    options: tuple[str, ...]
    least: int
    most: int

    def parse(self, arguments: tuple[str, ...]) -> Given:
        """Take a call apart.

        :raises UsageError: an option is unknown or lacks its value, or arguments are too few or
            too many.
        """
        found: dict[str, str] = {}
        words: list[str] = []
        waiting = list(arguments)
        while waiting:
            word = waiting.pop(0)
            if not (word.startswith("-") and word[1:2].isalpha()):
                words.append(word)
                continue
            option = self._full(word)
            if not option.endswith("="):
                found[option] = ""
            elif waiting:
                found[option[:-1]] = waiting.pop(0)
            else:
                raise UsageError(f"{self.name}: {word} lacks its value")
        if not self.least <= len(words) <= self.most:
            raise UsageError(f"{self.name}: wrong number of arguments: {words}")
        return Given(found, tuple(words))

    def _full(self, word: str) -> str:
        known = (*self.options, *_ANY)
        exact = [o for o in known if o.rstrip("=") == word]
        found = exact or [o for o in known if o.startswith(word)]
        if len(found) != 1:
            raise UsageError(f"{self.name}: unknown option '{word}'")
        return found[0]


_TABLE = """
create_project -part= -force -in_memory -ip -rtl_kernel -name= : 0 2
close_project -delete : 0 0
current_project : 0 1
current_fileset -simset -constrset -srcset : 0 0
current_design : 0 1
add_files -fileset= -norecurse -copy_to= -force -scan_for_includes : 0 1000
read_xdc -cells= -ref= -unmanaged -mode= -no_add : 1 1000
import_files -fileset= -force -norecurse : 0 1000
update_compile_order -fileset= -force_gui : 0 0
set_property -name= -value= -objects= -dict= : 0 3
get_property -min -max : 2 2
get_board_parts -regexp -nocase -filter= -latest_file_version -latest_hw_revision : 0 1
get_ipdefs -regexp -nocase -filter= -all -of_objects= : 0 1
get_files -regexp -nocase -filter= -of_objects= -norecurse -all : 0 1000
get_runs -regexp -nocase -filter= -of_objects= : 0 1
get_ports -regexp -nocase -filter= -of_objects= -prop_thru_buffers : 0 1
get_nets -regexp -nocase -filter= -of_objects= -hierarchical -hsc= -segments : 0 1
get_cells -regexp -nocase -filter= -of_objects= -hierarchical -hsc= : 0 1
get_pins -regexp -nocase -filter= -of_objects= -hierarchical -leaf : 0 1
get_clocks -regexp -nocase -filter= -of_objects= -include_generated_clocks : 0 1
get_iobanks -regexp -nocase -filter= -of_objects= : 0 1
get_timing_paths -from= -to= -through= -delay_type= -setup -hold -max_paths= -nworst= \\
    -unique_pins : 0 0
create_clock -name= -period= -waveform= -add : 0 1
set_false_path -from= -to= -through= -setup -hold -reset_path : 0 0
set_max_delay -from= -to= -through= -datapath_only -reset_path : 1 1
all_fanin -flat -startpoints_only -only_cells -levels= -to= : 0 1
synth_design -name= -part= -top= -flatten_hierarchy= -directive= -mode= -constrset= \\
    -verilog_define= -retiming : 0 0
opt_design -directive= -retarget -propconst -sweep -remap : 0 0
place_design -directive= -no_timing_driven -timing_summary -unplace : 0 0
route_design -directive= -unroute -tns_cleanup -timing_summary : 0 0
phys_opt_design -directive= -retime : 0 0
report_timing_summary -file= -max_paths= -nworst= -datasheet -no_header -no_detailed_paths \\
    -delay_type= -report_unconstrained -append : 0 0
report_utilization -file= -hierarchical -hierarchical_depth= -append -cells= : 0 0
report_io -file= -append : 0 0
report_control_sets -file= -append -hierarchical : 0 0
report_clock_utilization -file= -append : 0 0
report_route_status -file= -append -show_all : 0 0
report_drc -file= -append -checks= -ruledecks= : 0 0
report_methodology -file= -append -checks= : 0 0
report_power -file= -append -hier= : 0 0
write_checkpoint -force -cell= : 1 1
write_bitstream -force -bin_file -mask_file -raw_bitfile -logic_location_file -readback_file : 1 1
write_cfgmem -force -format= -size= -interface= -loadbit= -loaddata= -file= -checksum : 0 1
write_hw_platform -fixed -force -include_bit -minimal -hw -hw_emu -file= : 0 1
version -short : 0 0
ipx::package_project -root_dir= -vendor= -library= -taxonomy= -import_files -force -module= \\
    -set_current= : 0 1
ipx::current_core : 0 1
ipx::get_bus_interfaces -regexp -nocase -filter= -of_objects= : 0 1
ipx::get_port_maps -regexp -nocase -filter= -of_objects= : 0 1
ipx::get_bus_parameters -regexp -nocase -filter= -of_objects= : 0 1
ipx::get_memory_maps -regexp -nocase -filter= -of_objects= : 0 1
ipx::get_address_blocks -regexp -nocase -filter= -of_objects= : 0 1
ipx::associate_bus_interfaces -busif= -clock= -reset= -clear -remove : 0 1
ipx::remove_port_map : 2 2
ipx::add_memory_map : 2 2
ipx::add_address_block : 2 2
ipx::create_xgui_files -logo= : 0 1
ipx::update_checksums : 0 1
ipx::check_integrity -kernel -xrt : 0 1
ipx::save_core : 0 1
update_ip_catalog -rebuild -add_ip= -delete_ip= -repo_path= -scan_changes : 0 0
create_bd_design -cell= -bdsource= -dir= : 1 1
create_bd_cell -vlnv= -type= -reference= : 1 1
get_bd_cells -regexp -hierarchical -filter= -of_objects= : 0 1
get_bd_pins -regexp -hierarchical -filter= -of_objects= : 0 1
get_bd_intf_pins -regexp -hierarchical -filter= -of_objects= : 0 1
get_bd_addr_spaces -regexp -hierarchical -filter= -of_objects= : 0 1
get_bd_addr_segs -regexp -hierarchical -filter= -of_objects= -addressables -addressed -excluded \\
    : 0 1
apply_bd_automation -config= -rule= -dict= -opts= : 0 1
connect_bd_net -net= -boundary_type= : 1 1000
connect_bd_intf_net -intf_net= -boundary_type= -auto_scope : 2 2
assign_bd_address -offset= -range= -target_address_space= -boundary -master_boundary -external \\
    -import_from_file= -export_to_file= -force -with_name= : 0 1
exclude_bd_addr_seg -target_address_space= -offset= -range= : 0 1
validate_bd_design -force -design= -include_pfm : 0 0
save_bd_design -force : 0 1
generate_target -force : 1 2
make_wrapper -top -testbench -files= -import -force -fileset= -inst_template : 0 1
launch_runs -jobs= -scripts_only -to_step= -next_step -dir= -host= -force : 1 1000
wait_on_run -timeout= -exit_condition= : 1 1000
open_run -name= -pr_config= : 1 1
close_design : 0 0
"""


def _signature(line: str) -> Signature:
    head, _, counts = line.rpartition(" : ")
    name, *options = head.split()
    least, most = map(int, counts.split())
    return Signature(name, tuple(options), least, most)


COMMANDS: Mapping[str, Signature] = {
    found.name: found for found in map(_signature, _TABLE.replace("\\\n", " ").strip().splitlines())
}
