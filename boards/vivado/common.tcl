# What the scripts of every board share. Any failure ends Vivado with status 1 and one ERROR line.

proc thresher_fail {message} {
    puts "ERROR: \[Thresher 1-1\] $message"
    exit 1
}

proc thresher_slack {delay_type} {
    set paths [get_timing_paths -delay_type $delay_type -max_paths 1]
    if {[llength $paths] == 0} {
        thresher_fail "no path of the routed design has a timing requirement"
    }
    return [get_property SLACK [lindex $paths 0]]
}

# To be called with the routed design open: a bitstream that misses its timing is not written.
proc thresher_check_timing {} {
    set setup [thresher_slack max]
    set hold [thresher_slack min]
    if {$setup < 0} {
        thresher_fail "timing failed: WNS $setup ns"
    }
    if {$hold < 0} {
        thresher_fail "timing failed: WHS $hold ns"
    }
}

# The last step: nothing that was asked for is missing. `digest` is that of the project.
proc thresher_finish {digest outputs} {
    foreach name $outputs {
        if {![file exists $name]} {
            thresher_fail "$name was not written"
        }
    }
    set file [open finished.txt w]
    puts $file "$digest [version -short]"
    close $file
}
