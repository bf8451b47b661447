"""Stands in for `vivado -mode batch -source SCRIPT`: runs the script on the model of Vivado.

The environment says what goes wrong (`VIVADO_SCENARIO`) and which Tcl interpreter runs the script
(`VIVADO_TCL`).
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from tcl import TclError, run_script  # noqa: E402
from vivado_blocks import Vivado  # noqa: E402
from vivado_model import Crash  # noqa: E402

__all__ = ["main"]

# Constraints are read when there is a design that they are about.
_PRELUDE = """
rename synth_design synthesise
proc synth_design {args} {
    synthesise {*}$args
    foreach file [constraint_files] {uplevel #0 [list source $file]}
}
"""


def main(arguments: list[str]) -> int:
    """The exit status."""
    scenario = os.environ.get("VIVADO_SCENARIO", "success")
    words = [a for a in arguments if a not in ("-nolog", "-nojournal")]
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert options.pop("-mode") == "batch"
    script = Path(options.pop("-source"))
    options.pop("-log", None)
    assert not options, options
    print("****** Vivado v2022.2 (64-bit)\n  **** a stand-in: nothing is built\n", flush=True)
    if scenario == "silent":
        return 7
    if scenario == "sleep":
        child = subprocess.Popen(["sleep", "60"])  # as Vivado starts programs of its own
        Path("pids.txt").write_text(f"{os.getpid()} {child.pid}")
        print("Starting Placer Task", flush=True)
        time.sleep(60)
    vivado = Vivado(scenario)

    def leave(status: str = "0") -> str:
        sys.stdout.flush()
        raise SystemExit(int(status))

    def crash() -> None:
        print("Abnormal program termination (11)")
        print("Please check 'hs_err_pid1.log' for details", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    commands = vivado.commands() | {"exit": leave, "quit": leave}
    commands["constraint_files"] = lambda: " ".join(map(str, vivado.xdc))
    try:
        run_script(script, commands, _PRELUDE, os.environ.get("VIVADO_TCL"))
    except SystemExit as e:
        return int(e.code or 0)
    except TclError as e:
        if isinstance(e.__cause__, Crash):
            crash()
        print(f"ERROR: {e}")
        return 1
    except Crash:
        crash()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
