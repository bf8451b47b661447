"""The command line: `thresher compile | verify | run | synth`."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from thresher.compiler.errors import ThresherError

__all__ = ["main"]

_FAILED, _MISUSED, _INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 only when everything asked for held, 1 when a verification failed, 2 for
    a user's mistake, 130 when interrupted."""
    args = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return int(args.command(args, _say(args.quiet)))
    except ThresherError as e:
        print(f"thresher: {e}", file=sys.stderr)
        return _MISUSED
    except KeyboardInterrupt:
        print("thresher: interrupted; nothing was written", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(quiet: bool) -> Callable[[str], None]:
    if quiet:
        return lambda _: None
    return lambda line: print(f"  {line} ...", file=sys.stderr, flush=True)


def _compile(args: argparse.Namespace, say: Callable[[str], None]) -> int:
    from thresher.compiler.schedule.folding import read_folding
    from thresher.gen import show
    from thresher.gen.compiled import compile_model
    from thresher.gen.folder import check_writable, save_folder
    from thresher.gen.options import CompileOptions, parse_budget

    out = Path(args.out)
    check_writable(out)
    options = CompileOptions(
        board=args.board,
        clock_mhz=args.clock_mhz,
        target_fps=args.target_fps,
        max_latency_us=args.max_latency_us,
        seq_len=args.seq_len,
        budget=parse_budget(args.budget) if args.budget else {},
        folding=read_folding(Path(args.folding)) if args.folding else {},
    )
    compiled = compile_model(args.model, options, say=say)
    say("writing Verilog")
    save_folder(compiled, out)
    print(show.compiled(compiled, out))
    return 0


def _verify(args: argparse.Namespace, say: Callable[[str], None]) -> int:
    from thresher.gen.folder import load_folder, read_report, save_report
    from thresher.gen.report import with_verification
    from thresher.sim.engines import get_engine
    from thresher.sim.inputs import load_inputs, random_inputs
    from thresher.sim.show import verified
    from thresher.sim.verify import verify

    out = Path(args.out)
    engine = get_engine(args.engine)
    compiled = load_folder(out, say=say)
    graph = compiled.streamlined.graph
    if args.input:
        inputs = load_inputs(Path(args.input), graph)
        if args.samples is not None:
            inputs = {name: a[: args.samples] for name, a in inputs.items()}
    else:
        inputs = random_inputs(graph, args.samples or 16, args.seed)
    outcome = verify(compiled, inputs, engine, stalls=args.stalls, seed=args.seed, say=say)
    cycles = None
    if outcome.interval is not None:
        cycles = {"latency": outcome.latency, "interval": outcome.interval}
    save_report(out, with_verification(read_report(out), outcome.to_dict(), cycles))
    print(verified(compiled, outcome))
    return 0 if outcome.passed else _FAILED


def _run(args: argparse.Namespace, say: Callable[[str], None]) -> int:
    from thresher.gen.folder import load_folder
    from thresher.sim.inputs import load_inputs, save_outputs
    from thresher.sim.top import predict

    compiled = load_folder(Path(args.out), say=say)
    inputs = load_inputs(Path(args.input), compiled.streamlined.graph)
    outputs = predict(compiled, args.engine, inputs)
    save_outputs(Path(args.output), outputs)
    for name, array in outputs.items():
        print(f"{name}: {array.dtype} {array.shape} -> {args.output}")
    return 0


def _synth(args: argparse.Namespace, say: Callable[[str], None]) -> int:
    from thresher.gen import show
    from thresher.gen.folder import load_folder, read_report, save_report
    from thresher.gen.report import with_synthesis
    from thresher.gen.synth import synthesise_design

    out = Path(args.out)
    compiled = load_folder(out, say=say)
    say("synthesising with Yosys for xc7")
    result = synthesise_design(compiled.design)
    save_report(out, with_synthesis(read_report(out), result.to_dict()))
    print(show.synthesised(compiled, result))
    return 0


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="thresher", description="Bit-exact FPGA accelerators from quantised networks."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _compile_options(_command(commands, "compile", _compile, "an ONNX model to Verilog in OUT"))
    verify = _command(commands, "verify", _verify, "compare RTL, integers and the model file")
    verify.add_argument("out", metavar="OUT", help="folder of thresher compile")
    verify.add_argument("--input", metavar="FILE", help=".npy or .npz, stacked over samples")
    verify.add_argument("--samples", type=_count, metavar="N", help="random samples (16), or the "
                        "first N of --input")  # fmt: skip
    verify.add_argument("--seed", type=int, default=0, help="of random samples and stalls (0)")
    _engine(verify, "amaranth", "verilator")
    verify.add_argument("--stalls", action="store_true", help="run again with random stalls")
    run = _command(commands, "run", _run, "outputs of the model for given inputs")
    run.add_argument("out", metavar="OUT", help="folder of thresher compile")
    run.add_argument("--input", metavar="FILE", required=True, help=".npy or .npz")
    run.add_argument("--output", metavar="FILE", required=True, help=".npy or .npz")
    _engine(run, "golden", "amaranth", "verilator")
    synth = _command(commands, "synth", _synth, "area and depth by Yosys, for xc7")
    synth.add_argument("out", metavar="OUT", help="folder of thresher compile")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    function: Callable[[argparse.Namespace, Callable[[str], None]], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("--quiet", action="store_true", help="print results only")
    parser.set_defaults(command=function)
    return parser


def _engine(parser: argparse.ArgumentParser, *choices: str) -> None:
    parser.add_argument("--engine", choices=choices, default="verilator", help="(verilator)")


def _compile_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL.onnx", help="QCDQ, QONNX or FINN-ONNX")
    add("-o", "--out", metavar="OUT", required=True, help="folder to write")
    add("--board", metavar="B", help="its capacity and clock are taken")
    add("--clock-mhz", type=float, metavar="F", help="clock (the board's, or 100)")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--target-fps", type=float, metavar="N", help="samples a second to reach")
    target.add_argument("--max-latency-us", type=float, metavar="N", help="of one sample")
    add("--seq-len", type=int, metavar="T", help="length of a symbolic sequence axis")
    add("--budget", metavar="lut=N,dsp=N,bram=N", help="limits on resources")
    add("--folding", metavar="F.json", help="foldings of kernels, as OUT/folding.json has them")


if __name__ == "__main__":
    sys.exit(main())
