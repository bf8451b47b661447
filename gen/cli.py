"""The command line: `thresher compile | verify | run | synth | build | boards`."""

import argparse
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from thresher.compiler.errors import ThresherError
from thresher.gen.arguments import (
    ENGINE,
    Parser,
    compile_options,
    engine_option,
    run_options,
    whole,
)

__all__ = ["main", "script"]

_FAILED, _MISUSED, _NOT_BUILT, _INTERRUPTED = 1, 2, 3, 130
_SEEDS = 1 << 32
_SAMPLES = 16

Say = Callable[[str], None]
if TYPE_CHECKING:
    import numpy as np

    from thresher.gen.compiled import Compiled

    Predict = Callable[[Compiled, Mapping[str, np.ndarray]], dict[str, np.ndarray]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 only when everything asked for held, 1 when a verification or a build
    failed, 2 for a user's mistake, 3 for a project that Vivado has not run, 130 when
    interrupted."""
    try:
        args = _parser().parse_args(argv)
        with _terminable():
            status = int(args.command(args, _say(args.quiet)))
        sys.stdout.flush()
        return status
    except ThresherError as e:
        return _refused(e, _MISUSED)
    except KeyboardInterrupt:
        print("thresher: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED


def script() -> int:
    """`main` in a process of its own.

    Without Python's search for cyclic garbage, which takes a third of the time, also at the end:
    a command keeps nearly all that it makes, and its process ends soon.
    """
    gc.disable()
    try:
        return main()
    finally:
        gc.freeze()


def _refused(error: ThresherError, status: int) -> int:
    print("thresher:", " ".join(str(error).splitlines()), file=sys.stderr)
    return status


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP clean up as Ctrl-C does, unless they are ignored (nohup)."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    numbers = [
        n for n in (signal.SIGTERM, signal.SIGHUP) if main and signal.getsignal(n) is signal.SIG_DFL
    ]
    for n in numbers:
        signal.signal(n, stop)
    try:
        yield
    finally:
        for n in numbers:
            signal.signal(n, signal.SIG_DFL)


def _say(quiet: bool) -> Say:
    """Progress is for people: whoever catches stderr gets errors alone."""
    if quiet or not sys.stderr.isatty():
        return lambda _: None
    return lambda line: print(f"  {line} ...", file=sys.stderr, flush=True)


def _compile(args: argparse.Namespace, say: Say) -> int:
    from thresher.boards.registry import get_board
    from thresher.compiler.schedule.foldingfile import read_folding
    from thresher.gen import show
    from thresher.gen.compiled import compile_model
    from thresher.gen.folder import check_writable, save_folder
    from thresher.gen.options import CompileOptions, parse_budget

    out = Path(args.out)
    check_writable(out)
    options = CompileOptions(
        board=get_board(args.board).target if args.board is not None else None,
        clock_mhz=args.clock_mhz,
        target_fps=args.target_fps,
        max_latency_us=args.max_latency_us,
        seq_len=args.seq_len,
        interleave=args.interleave,
        budget=parse_budget(args.budget) if args.budget is not None else {},
        folding=read_folding(Path(args.folding)) if args.folding is not None else {},
    )
    compiled = compile_model(args.model, options, say=say)
    say("writing Verilog")
    save_folder(compiled, out)
    print(show.compiled(compiled, out))
    return 0


def _verify(args: argparse.Namespace, say: Say) -> int:
    from thresher.gen.folder import load_folder, read_report, save_report
    from thresher.gen.report import with_verification
    from thresher.sim.engine import SimulationError
    from thresher.sim.engines import get_engine
    from thresher.sim.inputs import load_inputs, random_inputs
    from thresher.sim.show import verified
    from thresher.sim.verify import verify

    out = Path(args.out)
    engine = get_engine(args.engine)
    compiled, report = load_folder(out, say=say), read_report(out)
    graph = compiled.streamlined.graph
    if args.input is not None:
        inputs = {n: a[: args.samples] for n, a in load_inputs(Path(args.input), graph).items()}
    else:
        samples = args.samples or max(_SAMPLES, 2 * compiled.design.samples)
        inputs = random_inputs(graph, samples, args.seed)
    try:
        outcome = verify(compiled, inputs, engine, stalls=args.stalls, seed=args.seed, say=say)
    except SimulationError as e:
        failed = {"samples": 0, "mismatches": None, "passed": False, "error": str(e)}
        save_report(out, with_verification(report, failed, None))
        return _refused(e, _FAILED)
    print(verified(compiled, outcome))
    cycles = {"latency": outcome.latency, "interval": outcome.interval}
    save_report(out, with_verification(report, outcome.to_dict(), cycles))
    return 0 if outcome.passed else _FAILED


def _run(args: argparse.Namespace, say: Say) -> int:
    from thresher.gen.folder import load_folder
    from thresher.sim.engine import SimulationError
    from thresher.sim.inputs import check_output, load_inputs, save_outputs

    output, (way, predict) = Path(args.output), _predictor(args)
    compiled = load_folder(Path(args.out), say=say)
    graph = compiled.streamlined.graph
    check_output(output, [o.name for o in graph.outputs])
    inputs = load_inputs(Path(args.input), graph)
    say(f"running {way}")
    try:
        outputs = predict(compiled, inputs)
    except SimulationError as e:
        return _refused(e, _FAILED)
    save_outputs(output, outputs)
    for name, array in outputs.items():
        print(f"{name}: {array.dtype} {array.shape} -> {output}")
    return 0


def _predictor(args: argparse.Namespace) -> "tuple[str, Predict]":
    """What runs the model, by name and as a function: an engine or a board.

    :raises ThresherError: the options do not fit together.
    """
    told = {n: getattr(args, n) for n in ("simulate", "port", "baud", "spi")}
    if args.board is None:
        from thresher.sim.top import predict

        if given := [n for n, value in told.items() if value]:
            raise ThresherError(f"--{given[0]} needs a board; give --board")
        engine = args.engine or ENGINE
        return engine, lambda compiled, inputs: predict(compiled, engine, inputs)
    from thresher.boards.run import BoardOptions, predict_on_board

    if args.engine is not None:
        raise ThresherError("--engine and --board exclude each other; leave one out")
    options = BoardOptions(args.board, **told)
    return args.board, lambda compiled, inputs: predict_on_board(compiled, options, inputs)


def _synth(args: argparse.Namespace, say: Say) -> int:
    from thresher.gen import show
    from thresher.gen.folder import load_folder, read_report, save_report
    from thresher.gen.report import with_synthesis
    from thresher.gen.synth import synthesise_design

    out = Path(args.out)
    compiled, report = load_folder(out, say=say), read_report(out)
    say("synthesising with Yosys for xc7")
    result = synthesise_design(compiled.design)
    print(show.synthesised(compiled, result))
    save_report(out, with_synthesis(report, result.to_dict()))
    return 0


def _build(args: argparse.Namespace, say: Say) -> int:
    from thresher.boards import show
    from thresher.boards.vivado.build import Failed, NotRun, build_out

    done = build_out(Path(args.out), args.board, args.baud, run=not args.project_only, say=say)
    if isinstance(done, Failed):
        return _refused(ThresherError(done.cause), _FAILED)
    print(show.build(done))
    return _NOT_BUILT if isinstance(done, NotRun) and not args.project_only else 0


def _boards(args: argparse.Namespace, say: Say) -> int:
    from thresher.boards import show

    print(show.boards())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="thresher", description="Bit-exact FPGA accelerators from quantised networks."
    )
    parser.add_argument("--version", action="version", version=f"thresher {version('thresher')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    compile_options(_command(commands, "compile", _compile, "an ONNX model to Verilog in OUT"))
    verify = _command(commands, "verify", _verify, "compare RTL, integers and the model file")
    verify.add_argument("out", metavar="OUT", help="folder of thresher compile")
    verify.add_argument("--input", metavar="FILE", help=".npy or .npz, stacked over samples")
    verify.add_argument(
        "--samples", type=whole(1), metavar="N", help="random samples (16 or more), or the first N"
    )
    verify.add_argument(
        "--seed", type=whole(0, _SEEDS), default=0, help="of random samples and stalls (0)"
    )
    engine_option(verify, "amaranth", "verilator", default=ENGINE)
    verify.add_argument("--stalls", action="store_true", help="run again with random stalls")
    run_options(_command(commands, "run", _run, "outputs of the model for given inputs"))
    synth = _command(commands, "synth", _synth, "area and depth by Yosys, for xc7")
    synth.add_argument("out", metavar="OUT", help="folder of thresher compile")
    build = _command(commands, "build", _build, "a Vivado project, and its bitstream")
    build.add_argument("out", metavar="OUT", help="folder of thresher compile")
    build.add_argument("--board", metavar="B", required=True, help="see thresher boards")
    build.add_argument("--baud", type=whole(1), metavar="N", help="of a UART (the board's)")
    build.add_argument("--project-only", action="store_true", help="do not run Vivado")
    _command(commands, "boards", _boards, "the boards that --board knows")
    return parser


def _command(
    commands: "argparse._SubParsersAction[Parser]",
    name: str,
    function: Callable[[argparse.Namespace, Say], int],
    text: str,
) -> Parser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("--quiet", action="store_true", help="print results only")
    parser.set_defaults(command=function)
    return parser


if __name__ == "__main__":
    sys.exit(script())
