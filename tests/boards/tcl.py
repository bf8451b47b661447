"""A real Tcl interpreter whose commands are Python functions.

Python's own (`tkinter`) where it has one, else `tclsh`. With neither the tests that need it fail:
there is no Tcl interpreter to be had from pip that is not a copy of the system's.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["ENGINES", "Command", "TclError", "run_script"]

Command = Callable[..., str]

try:
    import tkinter

    _tkinter: object | None = tkinter.Tcl()
except ImportError:
    _tkinter = None

ENGINES = [
    *(["tkinter"] if _tkinter is not None else []),
    *(["tclsh"] if shutil.which("tclsh") else []),
]
"""The interpreters of this machine."""


class TclError(Exception):
    """A script failed; the text is Tcl's."""


def run_script(
    script: Path, commands: Mapping[str, Command], prelude: str = "", engine: str | None = None
) -> None:
    """Source a script with these commands beside Tcl's own.

    :param prelude: Tcl that is run first.

    :raises TclError: a command is unknown, or fails.
    :raises SystemExit: as a command raised it.
    """
    if not ENGINES:
        raise RuntimeError("no Tcl interpreter: apt-get install tcl, or a Python with tkinter")
    engine = engine or ENGINES[0]
    run = _in_process if engine == "tkinter" else _in_tclsh
    run(script, commands, prelude)


def _in_process(script: Path, commands: Mapping[str, Command], prelude: str) -> None:
    interpreter = tkinter.Tcl()
    raised: list[BaseException] = []

    def wrapped(function: Command) -> Command:
        def call(*words: str) -> str:
            try:
                return function(*words)
            except BaseException as e:
                raised.append(e)
                raise

        return call

    for space in {name.rpartition("::")[0] for name in commands} - {""}:
        interpreter.eval(f"namespace eval ::{space} {{}}")
    for name, function in commands.items():
        interpreter.createcommand(name, wrapped(function))
    # Tcl's `unknown` would look for programs of that name.
    interpreter.eval('proc unknown {name args} {error "invalid command name \\"$name\\""}')
    try:
        interpreter.eval(prelude)
        interpreter.eval(f"source {{{script}}}")
    except (tkinter.TclError, SystemExit) as e:
        if raised:
            raise _told(raised[0]) from raised[0]
        raise TclError(str(e)) from e


_BRIDGE = r"""
fconfigure stdin -encoding utf-8
fconfigure stdout -encoding utf-8 -translation lf
proc unknown {args} {error "invalid command name \"[lindex $args 0]\""}
proc bridge {args} {
    set words {}
    foreach word $args {lappend words [binary encode hex [encoding convertto utf-8 $word]]}
    tell "call [join $words ,]"
    gets stdin reply
    set text [encoding convertfrom utf-8 [binary decode hex [string range $reply 1 end]]]
    if {[string index $reply 0] ne "+"} {error $text}
    return $text
}
proc tell {line} {puts stdout "@@$line"; flush stdout}
"""


def _in_tclsh(script: Path, commands: Mapping[str, Command], prelude: str) -> None:
    setup = [_BRIDGE]
    for space in {name.rpartition("::")[0] for name in commands} - {""}:
        setup.append(f"namespace eval ::{space} {{}}")
    setup += [f"proc ::{name} {{args}} {{::bridge {name} {{*}}$args}}" for name in commands]
    setup.append(prelude)
    setup.append(
        f'if {{[catch {{source {{{script}}}}} text]}} {{tell "fail '
        '[binary encode hex [encoding convertto utf-8 $text]]"}\n'
    )
    with tempfile.NamedTemporaryFile("w", suffix=".tcl") as file:
        file.write("\n".join([*setup, "tell done\n"]))
        file.flush()
        _converse(file.name, commands)


def _converse(setup: str, commands: Mapping[str, Command]) -> None:
    """Answer what the interpreter asks, until it is done."""
    process = subprocess.Popen(
        ["tclsh", setup], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        first: BaseException | None = None
        for line in process.stdout:
            if not line.startswith("@@"):
                print(line, end="")
                continue
            kind, _, rest = line[2:].rstrip("\n").partition(" ")
            if kind == "done":
                return
            if kind == "fail":
                text = bytes.fromhex(rest).decode()
                raise (_told(first) if first else TclError(text)) from first
            name, *words = (bytes.fromhex(word).decode() for word in rest.split(","))
            try:
                sign, text = "+", commands[name](*words)
            except SystemExit:
                raise
            except Exception as e:
                first = first or e
                sign, text = "-", str(e)
            process.stdin.write(sign + text.encode().hex() + "\n")
            process.stdin.flush()
        raise TclError("tclsh ended before the script")
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _told(error: BaseException) -> BaseException:
    return error if isinstance(error, SystemExit) else TclError(str(error))
