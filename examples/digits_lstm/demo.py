"""From the shipped ONNX file to verified Verilog, on real handwritten digits.

Compiles `digits_lstm.onnx` for the Arty S7-50, with the least area that reads 300,000 images a
second, runs every held-out image through the Verilated RTL, and prints accuracies, mismatches,
cycles and areas in one table.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from thresher.boards.registry import get_board
from thresher.gen.compiled import compile_model
from thresher.gen.folder import read_report, save_folder, save_report
from thresher.gen.options import CompileOptions
from thresher.gen.report import with_synthesis, with_verification
from thresher.gen.show import table
from thresher.gen.synth import synthesise_design
from thresher.sim.top import run_design
from thresher.sim.verify import verify
from thresher.sim.verilator import VerilatorEngine

HERE = Path(__file__).resolve().parent
BOARD, IMAGES_A_SECOND = "arty-s7-50", 300_000


def accuracy(logits: np.ndarray, labels: np.ndarray) -> str:
    """Share of images whose greatest logit is their label."""
    right = int((logits.reshape(len(labels), -1).argmax(axis=1) == labels).sum())
    return f"{right / len(labels):.2%} ({right} of {len(labels)})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out/digits_lstm", help="folder to write")
    parser.add_argument("--images", type=int, help="only the first so many")
    args = parser.parse_args()

    def say(line: str) -> None:
        print(f"  {line} ...", flush=True)

    data = np.load(HERE / "digits_test.npz")
    images, labels, brevitas = (data[k][: args.images] for k in ("x", "y", "brevitas"))
    out = Path(args.out)
    options = CompileOptions(board=get_board(BOARD).target, target_fps=IMAGES_A_SECOND)
    model = compile_model(HERE / "digits_lstm.onnx", options, say=say)
    save_folder(model, out)
    (name,) = model.reference.inputs
    (output,) = model.reference.outputs
    engine = VerilatorEngine()
    outcome = verify(model, {name: images}, engine, stalls=True, say=say)
    say("synthesising with Yosys for xc7")
    areas = synthesise_design(model.design)
    cycles = {"latency": outcome.latency, "interval": outcome.interval or 0}
    report = with_verification(read_report(out), outcome.to_dict(), cycles)
    save_report(out, with_synthesis(report, areas.to_dict()))

    onnxruntime = model.reference.run({name: images})[output]
    golden = model.golden.run_model({name: images})[output]
    codes = run_design(model, engine, {name: images})[1][output]
    recorded = json.loads((HERE / "train.json").read_text())["accuracy"]
    mhz, total = model.options.mhz, areas.total
    print()
    print(
        table(
            [
                ("model", "LSTM 8 -> 24, 8 steps, 10 classes, 6 bits; scikit-learn's digits"),
                ("accuracy, Brevitas", f"{recorded:.2%} (recorded at export)"),
                ("accuracy, onnxruntime", accuracy(onnxruntime, labels)),
                ("accuracy, golden", accuracy(golden, labels)),
                ("accuracy, RTL", accuracy(codes, labels)),
                ("onnxruntime vs Brevitas", _mismatches(onnxruntime, brevitas)),
                ("golden vs onnxruntime", f"{outcome.equality.differing} mismatches"),
                ("RTL vs golden", f"{outcome.mismatches} mismatches, with and without stalls"),
                ("latency", _time(outcome.latency, mhz)),
                ("interval", _time(outcome.interval or 0, mhz)),
                ("cycles", "as predicted" if outcome.cycles_agree else "NOT as predicted"),
                (
                    "area (Yosys, xc7)",
                    f"{total.lut} LUT, {total.ff} FF, {total.dsp} DSP48E1, {total.bram:g} BRAM36",
                ),
                ("Verilog", str(out / "rtl" / "thresher_top.v")),
            ]
        )
    )
    equal = np.array_equal(onnxruntime, brevitas) and outcome.equality.differing == 0
    return 0 if equal and outcome.passed else 1


def _mismatches(found: np.ndarray, wanted: np.ndarray) -> str:
    return f"{int((found != wanted).reshape(len(found), -1).any(axis=1).sum())} mismatches"


def _time(cycles: int, mhz: float) -> str:
    return f"{cycles} cycles an image, simulated; {cycles / mhz:.2f} us at {mhz:g} MHz"


if __name__ == "__main__":
    raise SystemExit(main())
